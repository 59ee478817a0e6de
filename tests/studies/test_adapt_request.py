"""What `tfuda adapt` was asked for: what it takes to train, and what is refused before anything trains."""

import shutil

import numpy as np
import pytest
import two_folders
from two_folders import picture, request

from tfuda.studies.adaptation import adapt
from tfuda.studies.adaptation.request import claim, configured, fit_to, found_task


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return two_folders.make(tmp_path_factory.mktemp("folders"))


def test_a_folder_that_was_made_of_other_pictures_is_refused(folders, tmp_path):
    for name in ("photos", "scans"):
        shutil.copytree(folders / name, tmp_path / name)
    asked = request(tmp_path, tmp_path / "w", cells=())
    config = configured(asked, "source_only")
    task = found_task(config, lambda line: None)
    for _ in range(2):
        claim(asked, config, task)
    (tmp_path / "photos" / "red").rename(tmp_path / "photos" / "violet")
    other = found_task(config, lambda line: None)
    with pytest.raises(ValueError, match=r"the class folders are not those that --workdir=.*w was made with"):
        claim(asked, config, other)
    (tmp_path / "photos" / "violet").rename(tmp_path / "photos" / "red")
    (tmp_path / "scans" / "0_red.png").unlink()
    other = found_task(config, lambda line: None)
    with pytest.raises(ValueError, match="the readable pictures are not those"):
        claim(asked, config, other)


@pytest.mark.parametrize(
    "cell, sentence",
    [
        ("dannn", "--methods=dannn: unknown name 'dannn' in tfuda.methods, did you mean 'dann'"),
        ("dann@smal", "--methods=dann@smal: unknown network 'smal' behind the @, did you mean 'small'"),
        ("adda", "--methods=adda takes no labelled target pictures: leave it or --labelled out"),
    ],
)
def test_a_method_that_cannot_train_is_refused_before_any_does(folders, tmp_path, cell, sentence):
    asked = request(folders, tmp_path / "w", cells=("dann", cell), labelled=str(folders / "scans_labelled"))
    asked = asked._replace(change=lambda config: None)
    with pytest.raises(ValueError, match=sentence):
        adapt.adapt(asked, lambda line: None)
    assert not (tmp_path / "w").exists()


def test_a_picture_that_trains_does_not_measure(folders, tmp_path):
    labelled = str(folders / "scans_labelled")
    with pytest.raises(ValueError, match=r"0\.png of --labels is in --labelled as well"):
        adapt.adapt(request(folders, tmp_path / "w", labels=labelled, labelled=labelled), lambda line: None)


def test_labelled_target_pictures_train(folders, tmp_path):
    config = configured(request(folders, tmp_path, labelled=str(folders / "scans_labelled")), "dann")
    task = found_task(config, lambda line: None)
    assert len(task.streams["target_labelled"]) == 24 and len(task.streams["target"]) == 24
    assert task.streams["target"].labels is None
    few = task._replace(streams={**task.streams, "target_labelled": task.streams["target_labelled"].rows([0])})
    fit_to(config, few)
    assert config.batch == 24


@pytest.mark.parametrize(
    "source, target, sentence",
    [
        ("photos", "photos", "--source and --target are the same folder"),
        ("photos", "photos/red", "--target=.*red lies inside of"),
        ("photos/red", "photos", "--source=.*red lies inside of"),
        ("photos", "nowhere", "--target=.*nowhere: there is no such folder"),
        ("photos", "empty", "holds no picture"),
        ("one", "scans", "a classifier needs at least two classes"),
        ("photos", "single", "the target has 1 readable picture: at least 2 are needed"),
    ],
)
def test_folders_that_cannot_be_adapted_to_are_one_sentence(folders, tmp_path, source, target, sentence):
    for name in ("empty", "single", "one/red"):
        (folders / name).mkdir(exist_ok=True, parents=True)
    picture(folders / "single" / "a.png", "red", np.random.default_rng(0))
    picture(folders / "one" / "red" / "a.png", "red", np.random.default_rng(0))
    asked = request(folders, tmp_path / "w")._replace(source=str(folders / source), target=str(folders / target))
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        adapt.adapt(asked, lambda line: None)


def test_a_folder_with_other_files_is_refused(folders, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="holds other files: choose a new folder"):
        adapt.adapt(request(folders, tmp_path), lambda line: None)
