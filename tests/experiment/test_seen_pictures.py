"""A run that is taken up again has the pictures and the classes that it began with."""

import pytest
import two_folders
from commands import command

from tfuda.data import tasks
from tfuda.experiment import seen_pictures
from tfuda.experiment.training import check_labels, load_run, train_run
from tfuda.experiment.workdir import Workdir
from tfuda.studies.adaptation.request import configured


def test_other_pictures_or_classes_are_refused(tmp_path):
    folders, run = two_folders.make(tmp_path), tmp_path / "run"
    config = configured(two_folders.request(folders, tmp_path, change=two_folders.small), "source_only")
    config.steps, config.segment, config.batch = 2, 1, 8
    train_run(config, Workdir(run), until=1)

    one, place = folders / "photos" / "red" / "0.png", tmp_path / "kept.png"
    one.rename(place)
    with pytest.raises(ValueError, match=f"the readable pictures are not those that --workdir={run} was begun with"):
        train_run(config, Workdir(run))
    place.rename(one)
    assert train_run(config, Workdir(run))["steps"] == 2

    labels = str(folders / "scans_labelled")
    done = command("evaluate", f"--workdir={run}")
    assert done.returncode == 2 and "--labels=FOLDER names class folders" in done.stderr
    done = command("evaluate", f"--workdir={run}", f"--labels={labels}")
    assert (done.returncode, done.stderr) == (0, "") and "target target, test: 24 images" in done.stdout
    config.labels = labels
    with pytest.raises(ValueError, match=f"run/evaluate.py --labels={labels} measures it on others"):
        check_labels(config, Workdir(run))

    (folders / "photos" / "red").rename(folders / "photos" / "amber")
    with pytest.raises(ValueError, match="on the classes blue, green, red, and its data have amber, blue, green now"):
        load_run(run)


@pytest.mark.parametrize("classes", [7, None, {"a": 1}, [["a"]], []])
def test_what_a_stranger_noted_is_one_sentence(classes):
    task = tasks.Task("a-b", ("x", "y"), {}, {}, {})
    with pytest.raises(ValueError, match=r"was trained on the classes .* and its data have x, y now"):
        seen_pictures.check_classes({"classes": classes}, task, "--workdir=w")


def test_a_run_that_notes_nothing_of_its_pictures_is_taken_up(tmp_path):
    folders, run = two_folders.make(tmp_path), tmp_path / "run"
    config = configured(two_folders.request(folders, tmp_path, change=two_folders.brief), "source_only")
    config.batch = 8
    Workdir(run).path.mkdir()
    Workdir(run).record(config)
    train_run(config, Workdir(run))
    assert load_run(run)[1].classes == two_folders.CLASSES
