"""Every method compiles by XLA."""

import numpy as np
import pairwise
import pytest
import tiny


@pytest.mark.slow
@pytest.mark.parametrize("cell", pairwise.cells())
def test_three_steps_compiled_by_xla(cell):
    method = tiny.train(tiny.config(cell, steps=3, segment=3, jit=True, steps_per_execution=3))
    assert int(method.step.numpy()) == 3
    assert all(np.isfinite(np.asarray(v, "f8")).all() for v in method.state())
