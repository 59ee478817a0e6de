"""What `tfuda adapt` says of two folders first, and what becomes of folders at the edge of use."""

import csv
import math
import shutil

import numpy as np
import pytest
import two_folders
from commands import command
from PIL import Image
from two_folders import picture, request

from tfuda.data import decodable
from tfuda.data.files import Files, pictures_below
from tfuda.studies.adaptation import adapt, briefing, outcome
from tfuda.studies.adaptation.request import configured, fit_to, found_task


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return two_folders.make(tmp_path_factory.mktemp("folders"))


def adapted(folders, workdir, target):
    """(result, lines, rows of predictions.csv) of an adaptation to another target."""
    lines = []
    result = adapt.adapt(request(folders, workdir, cells=())._replace(target=str(target)), lines.append)
    with open(workdir / "predictions.csv", encoding="utf-8") as file:
        return result, lines, [*csv.DictReader(file)]


@pytest.mark.slow
def test_two_target_pictures_are_enough_for_a_result_with_a_warning(folders, tmp_path):
    for name in ("0_red", "0_blue"):
        (tmp_path / "two").mkdir(exist_ok=True)
        shutil.copy(folders / "scans" / f"{name}.png", tmp_path / "two")
    result, _, rows = adapted(folders, tmp_path / "w", tmp_path / "two")
    assert len(rows) == 2 and all(math.isfinite(value) for value in result["estimate"].values())
    assert any("The target has 2 pictures" in line for line in result["warnings"])


def test_copies_of_pictures_are_named_by_their_originals(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.tif")
    Image.new("RGB", (8, 8)).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"no picture")  # with which nothing is remembered
    files = Files(pictures_below(tmp_path))
    found, _ = decodable.readable_pictures(files, "skip", lambda line: None)
    marks = [decodable.picture_mark(path) for path in found]
    assert outcome.originals(found, str(tmp_path)) == [str(tmp_path / "a.tif"), str(tmp_path / "b.png")]
    found, _ = decodable.readable_pictures(files, "skip", lambda line: None)
    assert [decodable.picture_mark(path) for path in found] == marks


@pytest.mark.slow
def test_a_target_that_is_a_copy_of_the_source_is_said_to_be_one(folders, tmp_path):
    shutil.copytree(folders / "photos", tmp_path / "copy")
    result, lines, rows = adapted(folders, tmp_path / "w", tmp_path / "copy")
    assert "72 x the same file in source and target" in lines[0]
    assert len(rows) == 36 and result["chosen"] == "source_only"


def test_labels_of_a_class_that_the_source_lacks_are_one_sentence(folders, tmp_path):
    shutil.copytree(folders / "scans_labelled", tmp_path / "labels")
    (tmp_path / "labels" / "red").rename(tmp_path / "labels" / "violet")
    asked = request(folders, tmp_path / "w", labels=str(tmp_path / "labels"))
    with pytest.raises(ValueError, match="has the class 'violet' that the source lacks"):
        adapt.adapt(asked, lambda line: None)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("--config=configs/digits.py", "--config=configs/digits.py: give cells of folders by --methods"),
        ("--config.target=elsewhere", "--config.target: give it as --target"),
        ("stray", "unexpected word 'stray'"),
    ],
)
def test_a_config_or_word_that_says_something_else_is_one_sentence(folders, tmp_path, word, sentence):
    where = [f"--source={folders / 'photos'}", f"--target={folders / 'scans'}", f"--workdir={tmp_path / 'w'}"]
    done = command("adapt", *where, word)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not (tmp_path / "w").exists()
    assert done.stderr.startswith(f"adapt.py: {sentence}")


def test_an_empty_class_folder_is_one_sentence(folders, tmp_path):
    shutil.copytree(folders / "photos", tmp_path / "photos")
    (tmp_path / "photos" / "violet").mkdir()
    asked = request(folders, tmp_path / "w")._replace(source=str(tmp_path / "photos"))
    with pytest.raises(ValueError, match="violet holds no picture"):
        adapt.adapt(asked, lambda line: None)


def test_many_pictures_get_fewer_views(folders, tmp_path):
    config = configured(request(folders, tmp_path, change=lambda config: None), "dann")
    task = found_task(config, lambda line: None)
    for times, views in ((1, 4), (300, 1), (1000, 0)):
        rows = np.tile(np.arange(len(task.streams["target"])), times)
        many = task._replace(streams={**task.streams, "target": task.streams["target"].rows(rows)})
        config.views = 4
        fit_to(config, many)
        assert config.views == views


def test_the_briefing_names_what_is_wrong(tmp_path):
    rng = np.random.default_rng(0)
    for colour in ("red", "green"):
        for i in range(3):
            picture(tmp_path / "a" / colour / f"{i}.png", colour, rng)
    (tmp_path / "a" / "blue").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "same.png").write_bytes((tmp_path / "a" / "red" / "0.png").read_bytes())
    (tmp_path / "b" / "broken.png").write_bytes(b"\x89PNG")
    (tmp_path / "b" / "phone.heic").write_bytes(b"ftypheic")
    said = briefing.briefing(str(tmp_path / "a"), str(tmp_path / "b"))
    assert "holds 6 pictures of 3 classes, 0 to 3 each, mostly 24 x 24." in said and "b holds 2 pictures" in said
    assert (
        "1 x class folder without a picture" in said and "x damaged file, left out" in said and "broken.png" in said
    )
    assert "no picture by its suffix, left out: " in said and "phone.heic" in said
    assert "the same file in source and target" in said and "\n" not in said


def test_the_briefing_knows_folders_of_other_classes(tmp_path):
    for folder, colours in (("a", ("red", "green")), ("b", ("red", "violet"))):
        for number, colour in enumerate(colours):
            place = tmp_path / folder / colour / "0.png"
            place.parent.mkdir(parents=True)
            Image.new("RGB", (9, 9), (number, len(folder), 90 if folder == "a" else 7)).save(place)
    said = briefing.briefing(str(tmp_path / "a"), str(tmp_path / "b"))
    assert "violet are none of the source" in said and said.endswith("Nothing is wrong with the files.")


def test_many_predictions_say_how_far_they_are():
    said = []
    for count in (1999, 2000):
        progress = outcome.tenths(count, said.append)
        for done in range(100, count + 100, 100):
            progress(min(done, count))
    assert said == [f"predictions.csv: {200 * tenth} of 2000 pictures" for tenth in range(1, 11)]
