"""MetaAlign in training: on every method, resumed, on replicas, its cost, and float16 that overflows."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda import names
from tfuda.combiners.metaalign import MetaAlign
from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir

both_orders = pytest.mark.parametrize("step", [0, 1], ids=["task_first", "align_first"])

# ---- in training


def aligning() -> list[str]:
    kinds = {name: names.resolve(name, "methods") for name in names.modules("methods")}
    return [name for name, kind in kinds.items() if MetaAlign.fits(kind)]


@pytest.mark.slow  # each is in the cover of the grid as well
@pytest.mark.parametrize("method", aligning())
def test_every_method_that_aligns_takes_a_step_of_either_order(method):
    trained = tiny.train(tiny.config(f"{method}+metaalign", steps=2, segment=2))
    assert int(trained.step.numpy()) == 2
    assert all(np.isfinite(np.asarray(v, "f8")).all() for v in trained.state())


STALE = "gvb+metaalign[stale_discriminator=True]"


@pytest.mark.slow
def test_left_over_discriminators_resume_to_the_bit(tmp_path):
    """Stopped in mid-segment, before a step that plays against them."""
    made, folder = tiny.config(STALE, segment=5), Workdir(tmp_path)
    whole = tiny.train(made)
    part = tiny.train(made, callbacks=[tiny.StopAt(4)])
    assert int(part.step.numpy()) == 4
    folder.checkpoints(part).save()
    rest = tiny.train(made, checkpoint=folder.checkpoints)
    assert tiny.differing(tiny.state(whole), tiny.state(rest)) == []


@pytest.mark.slow
def test_left_over_discriminators_on_two_replicas_equal_one_device(two_replicas):
    made = tiny.config(STALE, smooth=True, steps=5)
    alone = tiny.train(made)
    with two_replicas():
        both = tiny.train(made)
    for one, other in zip(alone.trainable_variables, both.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_two_looks_at_every_stream():
    """And one more of the labelled streams for each where the task is looked at alone."""
    made = tiny.config("dannp")
    task = build.task(made)
    data = build.streams(made, task).load(tf.constant(0, tf.int64))
    counts = {}
    for cell in ("dannp", "dannp+metaalign", "dannp+metaalign[task_alone=True]"):
        method = build.method(tiny.config(cell), task)
        step = tf.function(method.train_step, autograph=False).get_concrete_function(data)
        counts[cell] = sum(node.op == "Conv2D" for node in step.graph.as_graph_def().node)
    one, two, three = counts.values()
    assert (two, three) == (2 * one, 3 * one)


def test_a_task_looked_at_alone_has_batch_statistics_of_its_own():
    made = tiny.config("dannp+metaalign[task_alone=True]", passes="joint")
    task = build.task(made)
    method = build.method(made, task)
    batch = build.streams(made, task).load(tf.constant(0, tf.int64))
    _, outputs = method.forward({"source": batch["source"]})
    expected = method.task(batch, outputs)["task"]
    look = method.combine.look(method, batch)
    assert float(look.terms["task"]) == pytest.approx(float(expected), rel=1e-6)
    _, joint = method.forward(batch)
    assert float(method.task(batch, joint)["task"]) != pytest.approx(float(expected), rel=1e-4)


# ---- float16


@pytest.fixture
def half():
    keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    keras.mixed_precision.set_global_policy("float32")


def prepared(rate=2.0):
    """A method, and a batch for it."""
    made = tiny.config("dannp+metaalign")
    made.combiner_options.rate = rate
    task = build.task(made)
    return build.method(made, task), build.streams(made, task).load(tf.constant(0, tf.int64))


def batch_statistics(method) -> list[np.ndarray]:
    return [np.array(v) for v in method.non_trainable_variables if "moving" in v.path]


@both_orders
def test_gradients_that_overflow_take_no_inner_step(half, step):
    """Both looks are at θ then, the optimizer skips the step, and batch statistics are what two passes make them."""
    method, batch = prepared()
    method.optimizer.dynamic_scale.assign(2.0**120)
    method.step.assign(step)
    before = [np.array(v) for v in method.trainable_variables]
    method.train_step(batch)
    for a, b in zip(before, method.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b)
    assert float(method.optimizer.dynamic_scale) == 2.0**119
    twice, _ = prepared()
    for _ in range(2):
        twice.forward(batch)
    for ours, plain in zip(batch_statistics(method), batch_statistics(twice), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-6)


@both_orders
def test_a_look_ahead_that_overflows_leaves_batch_statistics_finite(half, step):
    method, batch = prepared(1e12)
    method.step.assign(step)
    method.train_step(batch)
    assert batch_statistics(method)
    assert all(np.isfinite(np.asarray(v, "f8")).all() for v in method.variables)
