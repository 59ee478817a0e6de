"""What holds for every method, shown of one run: labels, resuming, and two replicas."""

import numpy as np
import pairwise
import pytest
import tiny

from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir


@pytest.mark.parametrize("case", pairwise.quick(), ids=lambda case: f"{case.cell} {case.setting}")
def test_one_run_shows_labels_resuming_and_replicas(case, two_replicas, double, tmp_path):
    """A run killed after step 3 that resumes beside other target labels, and one on two replicas, end alike."""
    made, folder = case.config(smooth=True, steps=5), Workdir(tmp_path)
    whole = tiny.train(made, callbacks=[tiny.SaveAt(3, folder.checkpoints)])
    assert all(np.isfinite(np.asarray(value, "f8")).all() for value in tiny.state(whole).values())
    rest = tiny.train(made, task=tiny.permuted(build.task(made)), checkpoint=folder.checkpoints)
    assert int(rest.step.numpy()) == made.steps
    assert tiny.differing(tiny.state(whole), tiny.state(rest)) == []
    with two_replicas():
        both = tiny.train(made)
    assert int(both.step.numpy()) == made.steps
    assert tiny.largest(whole, both) < 1e-7  # the kink of MCD's |p1 - p2| lets rounding grow to 1e-8
