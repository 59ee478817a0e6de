"""What holds for every method, shown of one run: labels, resuming, and two replicas."""

import numpy as np
import pairwise
import pytest
import tensorflow as tf
import tiny

from tfuda.experiment import build, prerequisites
from tfuda.experiment.workdir import Workdir


@pytest.mark.parametrize("case", pairwise.quick(), ids=lambda case: f"{case.cell} {case.setting}")
def test_one_run_shows_labels_resuming_and_replicas(case, two_replicas, double, tmp_path):
    """A run, and two that see other labels of the target: one resumes, one has two replicas."""
    made, folder = case.config(smooth=True, steps=3, segment=2), Workdir(tmp_path)
    made.network_options.widths = (4, 6)
    strange = tiny.permuted(build.task(made))
    with tiny.eagerly():
        whole = tiny.train(made, callbacks=[tiny.SaveAt(1, folder.checkpoints)])
        rest = tiny.train(made, task=strange, checkpoint=folder.checkpoints)
        with two_replicas():
            both = tiny.train(made, task=strange)
    assert all(np.isfinite(np.asarray(value, "f8")).all() for value in tiny.state(whole).values())
    assert tiny.differing(tiny.state(whole), tiny.state(rest)) == []
    batch = build.streams(made, prerequisites.untaught(made, strange)[0]).load(0)
    tf.function(whole.train_step, autograph=False).get_concrete_function(batch)  # as `fit` does where it is not eager
    assert int(rest.step.numpy()) == int(both.step.numpy()) == made.steps
    kink = case.method == "mcd"  # whose |p1 - p2| lets rounding grow to 1e-8
    assert tiny.largest(whole, both) < (1e-7 if kink else 1e-9)
