"""A term or a gradient that is no number: the run stops at once and says why, or goes on without that step."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda.core import nonfinite, ops
from tfuda.core.method import Method
from tfuda.experiment import build, training
from tfuda.experiment.callbacks import Journal
from tfuda.experiment.workdir import Workdir
from tfuda.networks.small import small

pytestmark = pytest.mark.usefixtures("few_digits")


class Fragile(keras.layers.Layer):
    """The picture itself [B, H, W, 3]; no number where it is all white."""

    def call(self, images):
        images = tf.cast(images, "float32")
        gap = 255.0 - tf.reduce_mean(images, [1, 2, 3], keepdims=True)
        return images * (gap / gap)


def fragile(**options):
    return [Fragile(name="backbone_fragile"), *small(**options)]


class Nan(Method):
    """A term that is no number in the third step."""

    trade_offs = {"task": 1.0, "odd": 1.0}

    def regularise(self, batch, outputs):
        third = self.step.value == 2
        return {"odd": tf.where(third, np.nan, 1.0) * tf.reduce_mean(outputs["target"].features)}


class Steep(Method):
    """A term that is the root of 1, and in the third step of 0, where it has no gradient."""

    trade_offs = {"task": 1.0, "odd": 1.0}

    def regularise(self, batch, outputs):
        third = tf.cast(self.step.value == 2, "float32")
        f = tf.reduce_mean(outputs["target"].features)
        return {"odd": tf.sqrt((1.0 - third) + 0.0 * f)}


def of_fragile(**changes):
    """A config with the network above, a task whose third batch has a white source image, and where that is."""
    made = tiny.config("mstn", **changes)
    made.network.name = "test_nonfinite:fragile"
    task = build.task(made)
    white = int(build.streams(made, task).load(2)["source"]["index"][1])
    images = np.array(task.streams["source"].images)
    images[white] = 255
    source = dataclasses.replace(task.streams["source"], images=images)
    return made, task._replace(streams={**task.streams, "source": source}), white


@pytest.mark.parametrize(
    "kind, blamed",
    [
        ("Nan", "term that is not finite is odd"),
        pytest.param("Steep", "gradient that is not finite is that of", marks=pytest.mark.slow),
    ],
)
def test_a_run_stops_in_the_very_step_and_names_what_is_no_number(kind, blamed):
    made = tiny.config(f"test_nonfinite:{kind}", steps_per_execution=4)
    task, method = tiny.prepared(made)
    with pytest.raises(nonfinite.Diverged, match=rf"training diverged in step 3: .*{blamed}"):
        method.fit(build.streams(made, task), verbose=0)
    assert int(method.step.numpy()) == 2
    two = tiny.train(tiny.config(f"test_nonfinite:{kind}"), callbacks=[tiny.StopAt(2)])
    for ours, theirs in zip(method.trainable_variables, two.trainable_variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_layer_and_the_image_at_fault_are_named(eager):
    made, task, white = of_fragile()
    with pytest.raises(nonfinite.Diverged) as raised:
        tiny.train(made, task)
    said = str(raised.value)
    layer = "the first layer whose output is not finite is network/backbone_fragile"
    assert f"diverged in step 3: {layer}, on 1 of 8 images ({white}) of stream source; the" in said
    assert said.endswith("first term that is not finite is task")


@pytest.mark.slow
def test_skipped_steps_leave_no_trace_and_are_counted(two_replicas):
    made, task, _ = of_fragile(on_nan="skip", steps=4, segment=4)
    alone = tiny.train(made, task)
    with two_replicas():
        both = tiny.train(made, task)
    for method in (alone, both):
        assert int(method.skipped.numpy()) == 1 and int(method.step.numpy()) == made.steps
        assert all(np.isfinite(np.asarray(v, "f8")).all() for v in method.state())
    assert int(alone.meters["loss"].count.numpy()) == made.steps - 1


def test_an_overflow_of_another_replica_than_the_first_changes_no_weight(two_replicas):
    with two_replicas():
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0))
        weight = keras.Variable(1.0)
        optimizer.build([weight])

        def step():
            gradients = [tf.where(ops.rank() == 1, np.inf, 1.0), None]
            optimizer.apply(nonfinite.agreed(optimizer, gradients)[:1], [weight])

        tf.function(lambda: tf.distribute.get_strategy().run(step))()
    assert float(weight.numpy()) == 1.0 and float(optimizer.dynamic_scale.numpy()) == 2.0**14


@pytest.mark.slow
def test_float16_that_overflows_now_and_then_trains_on_two_replicas(two_replicas):
    made = tiny.config("dann", precision="float16", steps=30, segment=30, batch=4, seed=1)
    with two_replicas():
        _, method = tiny.prepared(made)
        method.optimizer.dynamic_growth_steps = 1  # the scale doubles until a step overflows
        method.fit(build.streams(made, build.task(made)), verbose=0)
    assert int(method.step.numpy()) == 30 and float(method.optimizer.dynamic_scale.numpy()) < 2.0**25
    assert all(np.isfinite(np.asarray(variable, "f8")).all() for variable in method.state())


def test_a_run_on_two_replicas_says_that_it_diverged(two_replicas):
    made = tiny.config("test_nonfinite:Nan")
    with (
        two_replicas(),
        tiny.eagerly(),
        pytest.raises(nonfinite.Diverged, match="step 3: every layer's output is fini"),
    ):
        tiny.train(made)


def test_a_run_whose_sampler_follows_the_target_s_classes_says_why_it_diverged(tmp_path):
    made = tiny.config("test_nonfinite:Nan")
    made.samplers.target = "balanced"
    with tiny.eagerly(), pytest.raises(nonfinite.Diverged, match="the first term that is not finite is odd"):
        training.train_run(made, Workdir(tmp_path))


@pytest.mark.slow
def test_a_run_that_stopped_goes_on_without_that_step(tmp_path):
    made, task, _ = of_fragile(steps=4, segment=2)
    with pytest.raises(nonfinite.Diverged, match=r"The checkpoint of step 2 is kept; lower optimizer.rate, or"):
        training.train_run(made, Workdir(tmp_path), task=task)
    made.on_nan = "skip"
    result = training.train_run(made, Workdir(tmp_path), task=task)
    assert result["skipped"] == 1 and "not finite: 1" in training.summary_table(result)


@pytest.mark.slow
def test_to_be_ready_to_skip_changes_no_bit():
    plain, ready = (tiny.train(tiny.config("mstn+biwaa", on_nan=word)) for word in nonfinite.ON_NAN)
    assert tiny.differing(tiny.state(plain), tiny.state(ready)) == []


@pytest.mark.slow
def test_with_xla_the_run_stops_after_the_step(tmp_path):
    made = tiny.config("test_nonfinite:Nan", jit=True)
    task, method = tiny.prepared(made)
    folder = Workdir(tmp_path)
    journal = Journal(task, folder, folder.checkpoints(method), 0)
    with pytest.raises(nonfinite.Diverged, match="training diverged up to step 3"):
        method.fit(build.streams(made, task), callbacks=[journal], verbose=0)
