"""Every method compiles by XLA."""

import numpy as np
import pairwise
import pytest
import tiny
from commands import fresh, train_words


@pytest.mark.slow
@pytest.mark.parametrize("cell", pairwise.cells())
def test_three_steps_compiled_by_xla(cell):
    method = tiny.train(tiny.config(cell, steps=3, segment=3, jit=True, steps_per_execution=3))
    assert int(method.step.numpy()) == 3
    assert all(np.isfinite(np.asarray(v, "f8")).all() for v in method.state())


@pytest.mark.slow
def test_a_command_compiles_by_xla_without_a_word(tmp_path):
    """Where Keras is told to be deterministic it leaves XLA out, and says so."""
    done = fresh("train", *train_words(tmp_path, "--config.jit=True", steps=4, segment=4))
    assert (done.returncode, done.stderr) == (0, "")
