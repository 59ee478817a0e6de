"""Pictures on which two runs differ."""

import numpy as np
import pytest
import tiny
from PIL import Image

from tfuda.experiment import training
from tfuda.experiment.workdir import Workdir
from tfuda.reports import plots
from tfuda.reports.plots.changed import picked

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")


def test_pictures_are_picked_by_their_places_alone():
    assert picked(np.arange(100) % 2 == 0, 3).tolist() == [0, 48, 98]
    assert picked(np.array([False, True, False]), 3).tolist() == [1]
    assert picked(np.zeros(4, bool), 3).tolist() == []


def test_two_runs_are_compared_and_anything_else_is_a_sentence(tmp_path):
    folders = []
    for steps in (2, 12):  # of 10 classes, so the two networks differ
        folders.append(str(tmp_path / f"{steps}"))
        training.train_run(tiny.config("source_only", steps=steps, segment=steps), Workdir(folders[-1]))
    plots.changed(folders, tmp_path / "changed.png")
    image = np.asarray(Image.open(tmp_path / "changed.png").convert("RGB"), int)
    assert image.shape[1] > image.shape[0] > 400
    for shade in ((46, 125, 50), (198, 40, 40)):  # both kinds of captions are there
        assert (np.abs(image - shade).sum(2) < 30).any()
    with pytest.raises(ValueError, match="compares two runs, not 1: --workdir=BEFORE,AFTER"):
        plots.changed(folders[:1], tmp_path / "one.png")
