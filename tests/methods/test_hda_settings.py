"""HDA from a config alone: the task decides the setting, and every family trains in it."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda.experiment import build, training
from tfuda.experiment.workdir import Workdir

pytestmark = pytest.mark.usefixtures("few_digits")

SETTINGS = {
    "uda": {"task": "M-S"},
    "msda": {"task": "H+M-S"},
    "ssda": {"task": "M-S", "shots": 1},
    "both": {"task": "H+M-S", "shots": 1},
}
every_setting = pytest.mark.parametrize("setting", SETTINGS)
ROWS = {  # streams, width, scale, strength
    "uda": ({"source": 1, "target": 1}, 1, 1 / 2, 1),
    "msda": ({"source": 2, "target": 1}, 3, 1, 1),
    "ssda": ({"source": 1, "target_labelled": 1, "target": 1}, 3, 2 / 3, 1 / 2),
    "both": ({"source": 2, "target_labelled": 1, "target": 1}, 4, 2 / 3, 1 / 2),
}
WEIGHED_TOO = 'hda+toalign[streams=("source","target_labelled")]'


def config(cell, setting, **changes):
    made = tiny.config(cell, **SETTINGS[setting], **changes)
    if made.shots:
        made.passes = "source+target_labelled,target"
    return made


@every_setting
def test_a_factor_of_0_is_0(setting):
    method = build.method(config("hda[strength=0;scale=0]", setting))
    assert (method.scale, method.strength) == (0.0, 0.0)


@every_setting
def test_the_task_decides_the_row_of_the_table(setting):
    method = build.method(config("hda", setting))
    assert (method.streams, method.width, method.scale, method.strength) == ROWS[setting]
    assert method.network.head.fundament.units == 10


@pytest.mark.parametrize(
    ("cell", "setting"),
    [("hda+toalign", setting) for setting in SETTINGS]
    + [("hda", "both"), ("dannp+toalign", "both")]
    + [pytest.param(cell, "both", marks=pytest.mark.slow) for cell in ("dann", "cdane", "source_only")],
)
def test_the_first_loss_in_every_setting_is_that_of_a_straight_line(cell, setting, eager):
    made = config(cell, setting, steps=1, segment=1)
    task = build.task(made)
    tiny.has_the_first_loss_of_a_straight_line(tiny.train(made, task), made, task)


@pytest.mark.parametrize("setting", ["ssda", "both"])
def test_labelled_target_images_may_be_weighed_too(setting, eager):
    made = config(WEIGHED_TOO, setting, steps=1, segment=1)
    task = build.task(made)
    tiny.has_the_first_loss_of_a_straight_line(tiny.train(made, task), made, task)


def test_two_ways_on_several_sources(eager):
    made = config("hda[two_way=True]+toalign", "msda", steps=2, segment=2)
    method = tiny.train(made)
    assert (method.width, method.scale, dict(method.domains)) == (2, 1, {"source": 1, "target": 0})


SLOW = pytest.param("both", marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["msda", "ssda", SLOW])
def test_two_replicas_end_where_one_device_ends(setting, double, two_replicas):
    made = config("hda+toalign", setting, smooth=True, steps=5)
    made.batches.target_labelled = 4
    alone = tiny.train(made)
    with two_replicas():
        both = tiny.train(made)
    assert int(both.step.numpy()) == 5
    assert tiny.largest(alone, both) < 1e-12


@pytest.mark.slow
def test_a_stopped_and_resumed_run_equals_an_undisturbed_one_to_the_bit(tmp_path):
    made, folder = config("hda+toalign", "both"), Workdir(tmp_path)
    folder.checkpoints(tiny.train(made, callbacks=[tiny.StopAt(3)])).save()
    rest = tiny.train(made, checkpoint=folder.checkpoints)
    assert tiny.differing(tiny.state(tiny.train(made)), tiny.state(rest)) == []


@pytest.mark.slow
def test_a_run_is_loaded_with_its_own_head_and_weigher(eager, tmp_path):
    result = training.train_run(config(WEIGHED_TOO, "ssda", steps=2, segment=2), Workdir(tmp_path))
    assert (result["method"], result["weigher"]) == ("hda", "toalign")
    _, task, method = training.load_run(tmp_path)
    images = tf.constant(task.tests["target"].images[:2])
    features = method.network(images).features
    head = method.network.head
    np.testing.assert_allclose(method(images), head.fundament(features) - head.heuristic(features), rtol=1e-5)
    assert tuple(method.weigh.streams) == ("source", "target_labelled")
