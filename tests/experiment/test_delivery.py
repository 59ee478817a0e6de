"""What a finished run delivers for a folder with a damaged picture."""

import types

import numpy as np
import pytest
from defects import encoded, picture, write

from configs import folders
from tfuda.experiment import delivery
from tfuda.experiment.workdir import Workdir


class Model:
    """An exported model that takes every picture for a bike."""

    classes = ("bike", "pen")

    def __init__(self, folder):
        self.folder = folder

    def files(self, contents):
        return np.array([[0.75, 0.25]] * len(contents))


@pytest.mark.parametrize("on_bad, bad", [("error", 1), ("skip", 0)])
def test_a_picture_that_was_to_be_left_out_is_named_and_is_no_failure(tmp_path, monkeypatch, on_bad, bad):
    write(tmp_path / "scans" / "good.png", encoded(picture(1), "PNG"))
    write(tmp_path / "scans" / "half.jpg", encoded(picture(2), "JPEG")[:-300])
    write(tmp_path / "run" / "export" / "saved_model.pb", b"")
    monkeypatch.setattr(delivery, "export", types.SimpleNamespace(Model=Model))
    config, said = folders.get_config("source_only"), []
    config.update(target=str(tmp_path / "scans"), on_bad_image=on_bad)
    assert delivery.deliver_run(config, Workdir(tmp_path / "run"), said.append) == bad
    assert said[0].startswith(f"{tmp_path / 'scans' / 'half.jpg'}: damaged")
    assert len((tmp_path / "run" / "predictions.csv").read_text("utf-8").splitlines()) == 2
