"""A run's folder: its name, what it may hold before, and what it says of the code."""

import pathlib
import shutil
import subprocess
import types

import pytest
import tensorflow as tf
import tiny
from commands import ROOT

from tfuda import atomic_files
from tfuda.experiment import defaults, workdir
from tfuda.experiment.git_commit import git_commit
from tfuda.experiment.workdir import Workdir, restore


@pytest.mark.parametrize("name", ["plain", "dann[pada=True]", "what?*"])
def test_checkpoints_are_kept_and_found_in_a_folder_of_any_name(name, tmp_path):
    """TensorFlow takes the names of checkpoints for patterns, and a cell of a benchmark has brackets."""
    value = types.SimpleNamespace(value=tf.Variable([1.0, 2.0]))
    folder = Workdir(tmp_path / name)
    manager = folder.checkpoints(types.SimpleNamespace(state=lambda: [value]))
    for number in range(4):
        value.value.assign([number, 2.0])
        manager.save()
    files = sorted(path.name for path in (folder.path / "checkpoints").glob("*.index"))
    assert files == ["ckpt-3.index", "ckpt-4.index"] and folder.saved().endswith("ckpt-4")
    value.value.assign([7.0, 7.0])
    assert restore(Workdir(tmp_path / name).checkpoints(types.SimpleNamespace(state=lambda: [value])))
    assert value.value.numpy().tolist() == [3.0, 2.0]


def test_a_preset_s_folder_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backbone").mkdir()
    config = defaults.default_config("dann")
    config.network_options.preset = "backbone"
    workdir.make_paths_absolute(config)
    assert config.network_options.preset == str(tmp_path / "backbone")


@pytest.mark.parametrize("name, own", [("base", "new"), ("seed0", "seed0")])
def test_the_run_of_lost_weights_is_a_neighbour_and_never_the_run_itself(name, own, tmp_path):
    lost = str(tmp_path / "old" / name)
    for folder in {name, own}:
        Workdir(tmp_path / folder).path.mkdir()
        config = defaults.default_config("dann")
        config.weights = lost
        Workdir(tmp_path / folder).record(config)
    found = Workdir(tmp_path / own).config().weights
    assert found == (str(tmp_path / name) if name != own else lost)
    (tmp_path / "old" / name).mkdir(parents=True)
    assert Workdir(tmp_path / own).config().weights == lost


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / ".bashrc.original").write_text("mine")
    refused = pytest.raises(ValueError, match=r"neither empty nor the folder of a run .*\.bashrc\.original")
    with refused, Workdir(tmp_path).claim(tiny.config("source_only")):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".bashrc.original"]


def test_only_files_of_the_librarys_own_names_are_swept(tmp_path):
    run = Workdir(tmp_path / "run")
    with run.claim(tiny.config("source_only")):
        run.record(tiny.config("source_only"))
    with pytest.raises(KeyboardInterrupt), atomic_files.beside(run.path / "metrics.csv") as torn:
        shutil.copy(torn, run.path / pathlib.Path(torn).name.replace(".", ".0", 1))  # no name of ours
        kept = pathlib.Path(torn).read_bytes()
        raise KeyboardInterrupt
    pathlib.Path(torn).write_bytes(kept)  # as a kill leaves it
    (run.path / ".bashrc.original").touch()
    before = {path.name for path in run.path.iterdir()}
    with run.claim(tiny.config("source_only")):
        assert before - {path.name for path in run.path.iterdir()} == {pathlib.Path(torn).name}


def git(folder, *words):
    named = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *named, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("place", ["checkout", "untracked", "inside", "another"])
def test_the_commit_is_that_of_a_checkout_of_this_project(place, tmp_path):
    top = tmp_path / "repository"
    root = top / ".venv" / "site-packages" if place == "inside" else top
    (root / "tfuda").mkdir(parents=True)
    shutil.copy(ROOT / "tfuda" / "__init__.py", root / "tfuda")
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (root / "pyproject.toml").write_text(text.replace('name = "tfuda"', 'name = "x"') if place == "another" else text)
    git(tmp_path, "init", "-q", str(top))
    git(top, "add", "pyproject.toml" if place == "untracked" else ".")
    git(top, "commit", "-qm", "all")
    assert git_commit(root) == (git(top, "rev-parse", "HEAD") if place == "checkout" else "")
