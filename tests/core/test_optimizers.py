"""Our SGD against PyTorch's, with a rate that moves between steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import golden_fixture  # noqa: F401

from tfuda.core import optimizers, schedules

# What the released codes do and the file does not say (docs/methods/index.md#optimizer)
MOMENTUM, DECAY = 0.9, 1e-3


def first_rate(file) -> float:
    """The file's rate at iteration 0, from the first step of its first group: p - rate (1 + m) (g + wd p)."""
    p, after, g = (file.arrays[key] for key in ("p0", "params_mult1", "grads"))
    step = (1 + MOMENTUM) * (g[0] + DECAY * p)
    decayed = float(schedules.inverse_decay(1.0, gamma=0.001)(tf.cast(file["iters"][0], "float64")))
    return float(np.dot(p - after[0], step) / np.dot(step, step)) / decayed


@pytest.mark.golden
def test_nesterov_with_decay_and_a_rate_per_group_while_the_rate_moves(golden):
    file = golden("sgd_nesterov")
    groups = {f"params_mult{scale}": (float(scale), MOMENTUM) for scale in (1, 10)}
    variables = [keras.Variable(file["p0"], name=key) for key in groups]
    decayed = schedules.inverse_decay(first_rate(file), gamma=0.001)
    iteration = tf.Variable(file["iters"][0])
    optimizer = optimizers.SGD(
        lambda: decayed(tf.cast(iteration, keras.config.floatx())), groups.__getitem__, DECAY, nesterov=True
    )
    optimizer.build(variables)
    for step, gradient in enumerate(file["grads"]):
        iteration.assign(file["iters"][step])
        optimizer.apply([tf.constant(gradient)] * 2, variables)
        for variable in variables:
            file.equal(variable.name, variable, step)


# ---- without files


def descended(gradients, rates=(0.1, 0.1), **options) -> float:
    """1.0 after one step of every gradient."""
    variable, rate = keras.Variable(1.0, name="p"), tf.Variable(0.0)
    optimizer = optimizers.SGD(rate.read_value, **options)
    for gradient, at in zip(gradients, rates, strict=False):
        rate.assign(at)
        optimizer.apply([tf.constant(gradient)], [variable])
    return float(variable)


def test_a_group_without_momentum_is_plain_descent():
    assert descended([2.0, 3.0], groups=lambda path: (1.0, 0.0)) == pytest.approx(1 - 0.2 - 0.3)


def test_the_scale_of_a_group_multiplies_its_rate():
    assert descended([2.0], groups=lambda path: (10.0, 0.0)) == pytest.approx(1 - 2.0)


def test_nesterov_steps_along_the_gradient_and_the_new_velocity():
    first, second = 2 + 0.9 * 2, 3 + 0.9 * (0.9 * 2 + 3)
    assert descended([2.0, 3.0]) == pytest.approx(1 - 0.1 * first - 0.1 * second)


def test_without_nesterov_the_velocity_is_the_step():
    assert descended([2.0, 3.0], nesterov=False) == pytest.approx(1 - 0.2 - 0.1 * (0.9 * 2 + 3))


def test_the_rate_acts_on_the_velocity_and_is_no_part_of_it():
    """Keras's own would still move by the first rate in the second step."""
    assert descended([2.0, 3.0], rates=(0.1, 0.0)) == descended([2.0])


def test_decay_is_added_to_the_gradient():
    assert descended([2.0], decay=0.5, groups=lambda path: (1.0, 0.0)) == pytest.approx(1 - 0.1 * 2.5)
