"""What `pip install tfuda` gives: a built wheel, used from an empty folder without a checkout beside it."""

import functools
import os
import pathlib
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable

import pytest
from commands import ROOT, Zygote

TRAIN = ["train", "--config=digits:dannp+toalign", "--config.steps=4", "--config.segment=2", "--workdir=w"]


def around() -> dict[str, str]:
    """The variables of the tests, without their paths."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def well(done) -> str:
    """The standard output of a command that has to end well."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(words, cwd) -> str:
    done = subprocess.run([*map(str, words)], cwd=cwd, env=around(), capture_output=True, text=True, check=False)
    return well(done)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("tfuda", "configs"):
        shutil.copytree(
            ROOT / name, folder / "tree" / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "tree")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder]
    run([*pip, folder / "tree"], folder)
    return next(folder.glob("*.whl"))


def environment(folder: pathlib.Path, *installed) -> pathlib.Path:
    """A new environment with a wheel; the folder of its programs."""
    venv.create(folder, with_pip=False)
    run([sys.executable, "-m", "pip", "-q", "--python", folder / "bin" / "python", "install", *installed], folder)
    return folder / "bin"


def beside_present_packages(folder: pathlib.Path, wheel: pathlib.Path) -> pathlib.Path:
    """A new environment with the wheel alone, which sees the packages that the tests see; its programs."""
    programs = environment(folder, "--no-deps", "--no-index", wheel)
    here = [path for path in sys.path if path.endswith("site-packages")]
    (next((folder / "lib").glob("python3*")) / "site-packages" / "packages.pth").write_text("\n".join(here) + "\n")
    return programs


def trains_exports_and_predicts(tfuda: Callable[..., str]) -> None:
    assert "target accuracy" in tfuda(*TRAIN)
    tfuda("export", "--workdir=w", "--out=model")
    tfuda("images", "--config=digits", "--domain=S", "--count=3", "--out=pictures")
    lines = tfuda("predict", "--model=model", "pictures").splitlines()
    assert lines[0] == "file,label,confidence" and len(lines) == 4


def test_the_wheel_holds_all_of_the_package_and_nothing_else(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(["git", "ls-files", "tfuda", "configs"], cwd=ROOT, capture_output=True, text=True)
    ours = {name if name.startswith("tfuda/") else f"tfuda/{name}" for name in tracked.stdout.split()}
    if ours:  # a checkout
        assert packed == ours - {"tfuda/configs"}
    assert {name.partition("/")[0] for name in packed} == {"tfuda"}


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory) -> pathlib.Path:
    return beside_present_packages(tmp_path_factory.mktemp("installed") / "env", wheel)


@pytest.fixture(scope="module")
def forked(programs):
    """The installed program in forks of its environment's Python: a function of words and folder."""
    zygote = Zygote(programs / "python", around())
    yield lambda *words, cwd: well(zygote.run(programs / "tfuda", *words, cwd=cwd, env=around()))
    zygote.process.stdin.close()
    zygote.process.wait()


@pytest.mark.slow
def test_the_wheel_trains_exports_and_predicts_from_an_empty_folder(forked, tmp_path):
    trains_exports_and_predicts(functools.partial(forked, cwd=tmp_path))


@pytest.mark.slow
def test_help_lists_every_command_in_the_words_of_the_installed_program(programs, forked, tmp_path):
    listed = run([programs / "tfuda", "--help"], tmp_path)
    assert {path.stem for path in (ROOT / "run").glob("*.py")} == {
        line.split()[0] for line in listed.splitlines()[2:]
    }
    said = forked("train", "--help", cwd=tmp_path)
    assert "tfuda train --config=digits:dannp+toalign" in said and "run/" not in said


@pytest.mark.wheel
def test_the_wheel_works_in_a_clean_environment(wheel, tmp_path):
    programs = environment(tmp_path / "env", "-c", ROOT / "constraints.txt", wheel)
    home = tmp_path / "home"
    home.mkdir()
    trains_exports_and_predicts(lambda *words: run([programs / "tfuda", *words], home))
