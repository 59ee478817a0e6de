"""run/pair.py, and pairs that another tool made."""

import shutil

import minis
import numpy as np
import pytest
from commands import command
from PIL import Image
from tiny_pairs import TINY, arrays, content, settings

from tfuda.experiment import build, imported_pairs, translated_pairs
from tfuda.experiment.workdir import Workdir

pytestmark = pytest.mark.slow


def brought(folder, tmp_path, task="H-M"):
    """The translations of `made` as another tool would leave them: names of run/images.py, one folder each."""
    for direction, name in zip(translated_pairs.DIRECTIONS, task.split("-")):
        (tmp_path / direction).mkdir()
        for row, image in enumerate(np.load(folder / f"{direction}.npy")):
            Image.fromarray(image).save(tmp_path / direction / f"{name}_train_{row:05d}.png")
    return arrays(task, **{direction: str(tmp_path / direction) for direction in translated_pairs.DIRECTIONS})


def test_arrays_translated_elsewhere_are_brought_in(made, tmp_path):
    config = brought(made[0], tmp_path)
    translated_pairs.make_pairs(config, Workdir(tmp_path / "pairs"))
    for direction in translated_pairs.DIRECTIONS:
        assert np.array_equal(*(np.load(f / f"{direction}.npy") for f in (tmp_path / "pairs", made[0])))
    translated_pairs.load_pairs(tmp_path / "pairs", "source_as_target", build.task(config).streams["source"])
    with pytest.raises(ValueError, match="holds a run with another config"):
        translated_pairs.make_pairs(arrays(), Workdir(tmp_path / "pairs"))


def test_files_translated_elsewhere_are_brought_in_where_they_lie(photos, tmp_path):
    config = settings(photos)
    minis.folders(tmp_path / "photos2", ("a", "b"), 5, seed=2, ending="png")
    minis.folders(tmp_path / "scans2", ("x", "y"), 4, seed=3, ending="png")
    config.pairs.update(source_as_target=str(tmp_path / "photos2"), target_as_source=str(tmp_path / "scans2"))
    translated_pairs.make_pairs(config, Workdir(tmp_path / "pairs"))
    source = build.task(config).streams["source"]
    loaded = translated_pairs.load_pairs(tmp_path / "pairs", "source_as_target", source)
    for original, path in zip(source.images, loaded.images):
        assert path == original.replace(f"{photos}/photos/", f"{tmp_path}/photos2/").replace(".jpg", ".png")


def test_what_is_brought_has_to_be_complete(made, tmp_path):
    config = brought(made[0], tmp_path)
    (tmp_path / "target_as_source" / "M_train_00007.png").unlink()
    sentence = "target_as_source has no picture M_train_00007.png"
    with pytest.raises(FileNotFoundError, match=sentence):
        translated_pairs.make_pairs(config, Workdir(tmp_path / "pairs"))
    assert not (tmp_path / "pairs" / "config.json").exists()
    config.pairs.target_as_source = ""
    with pytest.raises(ValueError, match=r"pairs\.target_as_source is missing: pairs made elsewhere come as two"):
        translated_pairs.make_pairs(config, Workdir(tmp_path / "pairs"))
    config.pairs.target_as_source = str(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        translated_pairs.make_pairs(config, Workdir(tmp_path / "pairs"))


def test_two_originals_of_one_name_need_their_folders(tmp_path):
    minis.folders(tmp_path, ("a",), 2)
    with pytest.raises(ValueError, match=r"fits two originals, .*one/a_0 and .*two/a_0: keep their folders apart"):
        imported_pairs.matched(["/one/a_0", "/two/a_0"], str(tmp_path / "a"))


def words(folder, *more, task="H-M"):
    tiny = [f"--config.pairs.{key}={value}" for key, value in TINY.items()]
    return ["--config=configs/digits.py", f"--config.task={task}", f"--workdir={folder}", *tiny, *more]


def test_the_command_makes_pairs_and_says_nothing_on_stderr(made, tmp_path):
    done = command("pair", *words(tmp_path / "pairs"))
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        "source_as_target.npy: 600 pictures of H" in done.stdout and "training generators from H to M" in done.stdout
    )
    assert content(tmp_path / "pairs").keys() == content(made[0]).keys()


@pytest.mark.parametrize(
    ("task", "more", "sentence"),
    [
        ("HM", [], "unknown task 'HM'"),
        pytest.param("R-M", [], "holds a run with another config (task is 'H-M' there", marks=pytest.mark.slow),
        pytest.param("R-M", ["--target_as_source=/no"], "source_as_target is missing", marks=pytest.mark.slow),
    ],
)
def test_a_mistake_is_one_sentence(made, task, more, sentence, tmp_path):
    if task == "R-M" and not more:
        shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    done = command("pair", *words(tmp_path, *more, task=task))
    assert done.returncode == 2 and sentence in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
