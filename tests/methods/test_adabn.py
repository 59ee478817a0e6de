"""AdaBN against batch norm written straight down; its weights are those of source_only."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import FeatureNetwork

from tfuda.core import ops
from tfuda.methods.adabn import AdaBN
from tfuda.networks.base import Outputs
from tfuda.networks.layers import BatchNormalization, moving_statistics

CLASSES, WIDTH, MOMENTUM, EPSILON = 3, 5, 0.9, 1e-3


class Normed(keras.Model):
    """A network of one batch norm and a head; its images [B, d] are numbers."""

    def __init__(self):
        super().__init__(name="network")
        self.body = BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)
        self.head = keras.layers.Dense(CLASSES)
        self(self.blank())

    def blank(self) -> tf.Tensor:
        return tf.zeros([1, WIDTH], ops.real())

    def call(self, images, training=False, reversal=1.0):
        features = self.body(images, training=training)
        return Outputs((), features, self.head(features))


def made(**options) -> AdaBN:
    keras.utils.set_random_seed(0)
    method = AdaBN(Normed(), **options)
    method.network.body.gamma.assign(np.linspace(0.5, 2, WIDTH))
    return method


def batches() -> dict:
    """Source [6, d] with labels and target [4, d], which have other means and spreads."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(1, 2, [6, WIDTH]), rng.normal(-3, 0.5, [4, WIDTH])
    return {"source": {"image": source, "label": np.array([0, 1, 2, 2, 1, 0])}, "target": {"image": target}}


def moved(by: list) -> tuple[np.ndarray, np.ndarray]:
    """Moving mean and variance [d] each after these batches [B, d]."""
    mean, variance = np.zeros(WIDTH), np.ones(WIDTH)
    for x in by:
        mean = MOMENTUM * mean + (1 - MOMENTUM) * x.mean(0)
        variance = MOMENTUM * variance + (1 - MOMENTUM) * x.var(0, ddof=1)
    return mean, variance


@pytest.mark.parametrize("mixed", [False, True])
def test_statistics_are_those_of_target_images(double, mixed):
    method, batch = made(mixed=mixed), batches()
    x, y = batch["source"]["image"], batch["target"]["image"]
    for _ in range(2):
        method.forward(batch)
    for found, expected in zip(
        moving_statistics(method.network), moved([x, y] * 2 if mixed else [y] * 2), strict=True
    ):
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_loss_and_gradients_are_those_of_source_images_under_their_own_statistics(double):
    method, batch = made(), batches()
    method.compile("sgd")
    gradients, terms, *_ = method.combine(method, batch)
    learnt = method.network.body.gamma, method.network.head.kernel
    gamma, head = (tf.constant(variable.value) for variable in learnt)
    with tf.GradientTape() as tape:
        tape.watch([gamma, head])
        x = tf.constant(batch["source"]["image"])
        mean, variance = tf.nn.moments(x, 0)
        logits = (gamma * (x - mean) / tf.sqrt(variance + EPSILON)) @ head
        loss = -tf.reduce_mean(tf.gather(tf.nn.log_softmax(logits), batch["source"]["label"], batch_dims=1))
    np.testing.assert_allclose(terms["task"], loss, rtol=1e-9)
    found = dict(zip((v.path for v in method.trainable_variables), gradients, strict=True))
    for variable, expected in zip(learnt, tape.gradient(loss, [gamma, head]), strict=True):
        np.testing.assert_allclose(found[variable.path], expected, rtol=1e-7, atol=1e-12)


@pytest.mark.usefixtures("few_digits", "untraced")
def test_a_run_learns_the_weights_of_source_only():
    plain, adapted = (tiny.train(tiny.config(cell)) for cell in ("source_only", "adabn"))
    for ours, theirs in zip(adapted.network.trainable_variables, plain.network.trainable_variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    statistics = zip(*(moving_statistics(method.network) for method in (adapted, plain)), strict=True)
    assert not any(np.array_equal(ours, theirs) for ours, theirs in statistics)


def test_a_network_without_batch_norm_is_refused():
    with pytest.raises(ValueError, match="this network has none that learns"):
        AdaBN(FeatureNetwork(keras.layers.Dense(CLASSES), WIDTH))
