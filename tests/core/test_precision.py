"""Half precision: the backbone alone computes in it, and every method stays finite."""

import itertools

import keras
import numpy as np
import pairwise
import pytest
import tiny

from configs import digits
from tfuda.core import keras_private
from tfuda.experiment import build, training
from tfuda.experiment.workdir import Workdir

INPUT = keras.layers.InputLayer  # of a Sequential; has no numbers of its own
HALVES = ("bfloat16", "float16")


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize(
    "cell", ["hda", "gsda", "mcd", "mdd", "mme", "symnets", "afn", "iwan", "jan[adversarial=True]"]
)
def test_no_layer_behind_the_pool_rounds_its_inputs(cell, precision):
    made = tiny.config(cell, precision=precision)
    made.network.bottleneck = 5
    _, method = tiny.prepared(made)
    roots = [method.network.pool, method.network.bottleneck, method.network.head]
    roots += [layer for layer in method.layers if layer is not method.network]
    behind = [layer for root in roots for layer in keras_private.layers_within(root) if not isinstance(layer, INPUT)]
    rounding = [layer.name for layer in behind if layer.compute_dtype != "float32"]
    assert len(behind) > 2 and rounding == []


@pytest.mark.parametrize("precision", HALVES)
def test_the_backbone_alone_computes_in_half_precision(precision):
    made = tiny.config("mstn+biwaa", precision=precision)
    task, method = tiny.prepared(made)
    _, terms, batch, outputs = method.combine(method, build.streams(made, task).load(0))
    assert keras.config.dtype_policy().name == "float32"
    assert all(image.dtype.name == precision for image in outputs["source"].maps)
    seen = method.weigh(method.network, batch, outputs)
    floats = [outputs["source"].features, outputs["source"].logits, seen["source"].features, *terms.values()]
    floats += [v for v in method.state() if "float" in str(v.dtype)]
    assert {str(getattr(x.dtype, "name", x.dtype)) for x in floats} == {"float32"}
    assert method.overflows == (precision == "float16")


def test_an_unknown_precision_is_named():
    with pytest.raises(ValueError, match=r"precision='float61', did you mean 'float16'\?"):
        build.method(tiny.config(precision="float61"))


@pytest.mark.slow
@pytest.mark.parametrize("cell, precision", [*zip(pairwise.cells(), itertools.cycle(HALVES))])
def test_twenty_steps_are_finite(cell, precision):
    method = tiny.train(tiny.config(cell, steps=20, segment=10, precision=precision))
    assert int(method.step.numpy()) == 20
    assert all(np.isfinite(np.asarray(v, "f8")).all() for v in method.state())


@pytest.mark.slow
@pytest.mark.parametrize("task", ["S-H", "R-S"])
def test_bfloat16_is_as_accurate_as_float32(task, tmp_path):
    """4 points are within what seeds differ by on these tasks (ToAlign's differ by far more)."""
    last = {}
    for precision in ("float32", "bfloat16"):
        made = digits.get_config("dannp")
        made.task, made.precision = task, precision
        last[precision] = training.train_run(made, Workdir(tmp_path / precision))["last"]
    print(task, last)
    assert last["bfloat16"] > last["float32"] - 0.04
