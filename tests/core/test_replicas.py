"""What holds for every method on several devices: the numbers of one."""

import minis
import pairwise
import pytest
import tensorflow as tf
import tiny

from configs import folders
from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir


@pytest.mark.slow
@pytest.mark.parametrize("case", pairwise.cases("replicas"))
def test_two_replicas_end_where_one_device_ends(case, two_replicas, double):
    made = case.config(smooth=True, steps=5)
    alone = tiny.train(made)
    with two_replicas():
        both = tiny.train(made)
    assert int(both.step.numpy()) == 5
    kink = case.method == "mcd"  # whose |p1 - p2| lets rounding grow
    assert tiny.largest(alone, both) < (1e-7 if kink else 1e-9)


@pytest.mark.slow
def test_two_replicas_resume_to_the_bit(tmp_path, two_replicas):
    made, folder = tiny.config(), Workdir(tmp_path)
    with two_replicas():
        whole = tiny.train(made)
        folder.checkpoints(tiny.train(made, callbacks=[tiny.StopAt(3)])).save()
        rest = tiny.train(made, checkpoint=folder.checkpoints)
    assert tiny.differing(tiny.state(whole), tiny.state(rest)) == []


@pytest.mark.parametrize("cell", ["tada[shared=True]", "gsda[dropout=0.5]"])
def test_dropout_drops_the_same_on_two_replicas(cell, two_replicas, double):
    made = tiny.config(cell, smooth=True, steps=2, segment=2)
    with tiny.eagerly():
        alone = tiny.train(made)
        with two_replicas():
            both = tiny.train(made)
    assert tiny.largest(alone, both) < 1e-9


def test_a_posterior_of_now_wants_the_same_statistics_on_all_devices(two_replicas):
    made = tiny.config("daaa[lagging=False]")
    with two_replicas(), pytest.raises(ValueError, match="on several devices each has its own statistics"):
        tiny.prepared(made)
    made.network.synchronised = True
    with two_replicas():
        tiny.prepared(made)


def test_an_odd_batch_on_two_replicas_is_refused(two_replicas):
    made = tiny.config(batch=9)
    with two_replicas(), pytest.raises(ValueError, match="batch=9 does not divide into 2 equal shares"):
        build.streams(made)


def test_xla_on_several_cpus_is_refused(two_replicas):
    with two_replicas(), pytest.raises(ValueError, match="jit=True on several CPUs fails in TensorFlow"):
        build.method(tiny.config(jit=True))


def test_shots_are_cut_to_equal_shares(two_replicas):
    made = tiny.config(shots=1, task="H-M", batch=12)
    with two_replicas():
        batch = build.streams(made).load(tf.constant(0, tf.int64))
    assert len(batch["target_labelled"]["label"]) == 10


@pytest.mark.slow
def test_pictures_in_files_are_shared_out_as_arrays_are(tmp_path, monkeypatch, two_replicas, double):
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "cache"))
    minis.folders(tmp_path / "photos", ("a", "b"), 10)
    minis.folders(tmp_path / "scans", ("x", "y"), 10, seed=1)
    made = folders.get_config("dannp+toalign")
    made.update(source=str(tmp_path / "photos"), target=str(tmp_path / "scans"), steps=5, segment=3, batch=4)
    made.batches.source = 6
    made.view.update(resize=20, size=16, train="resized_crop")
    made.network_options = {"widths": (4, 6), "convolutions": 1, "norm": False, "smooth": True}
    made.options.hidden, made.optimizer.rate = 8, 0.01
    alone = tiny.train(made)
    with two_replicas():
        both = tiny.train(made)
    assert int(both.step.numpy()) == 5 and tiny.largest(alone, both) < 1e-9
