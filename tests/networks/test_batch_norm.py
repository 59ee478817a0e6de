"""Batch norm: Keras's values from one fused kernel, and the moving variance of PyTorch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfuda.core import keras_private
from tfuda.networks import resnet
from tfuda.networks.base import Network
from tfuda.networks.layers import BatchNormalization, unfused


def test_the_moving_variance_takes_n_over_n_minus_1_if_asked():
    x = tf.constant(np.random.default_rng(3).normal(2, 3, (2, 3, 2, 5)), tf.float32)  # n = 12
    ours, keras_own = BatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)
    run = tf.function(lambda layer: layer(x, training=True))
    for layer in (ours, keras_own):
        layer.build(x.shape)
    np.testing.assert_allclose(run(ours), run(keras_own), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.moving_mean, 0.1 * np.mean(x, (0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, 0.9 + 0.1 * np.var(x, (0, 1, 2), ddof=1), rtol=1e-5)
    gained = (ours.moving_variance.numpy() - 0.9) / (keras_own.moving_variance.numpy() - 0.9)
    np.testing.assert_allclose(gained, 12 / 11, rtol=1e-5)


def test_features_of_a_bottleneck_are_normalised_alike():
    x = tf.constant(np.random.default_rng(3).normal(2, 3, (6, 5)), tf.float32)
    ours, keras_own = BatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)
    np.testing.assert_allclose(ours(x, training=True), keras_own(x, training=True), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.moving_variance, 0.9 + 0.1 * np.var(x, 0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(
        ours(x, training=False), (x - ours.moving_mean) / (ours.moving_variance + 1e-3) ** 0.5, rtol=1e-5
    )


def test_unbiased_reaches_every_batch_norm_of_the_network():
    def norms(stages):
        inside = [layer for stage in stages for layer in keras_private.layers_within(stage)]
        return [layer.unbiased for layer in inside if isinstance(layer, BatchNormalization)]

    assert norms(resnet.resnet(18, unbiased=True)) == [True] * 20
    assert norms(resnet.resnet(18)) == [False] * 20


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize("count", [1, 4])
def test_the_fused_kernel_computes_what_keras_s_operations_compute(unbiased, count):
    draw = np.random.default_rng(5)
    x = tf.constant(draw.normal(2, 3, (count, 3, 2, 5)), tf.float32)
    upstream = tf.constant(draw.normal(size=x.shape), tf.float32)

    def found(fused):
        layer = BatchNormalization(unbiased=unbiased, momentum=0.9, epsilon=1e-5)
        layer.build(x.shape)
        layer.gamma.assign([0.5, 1.0, 1.5, 2.0, -1.0])
        layer.beta.assign([0.0, 1.0, 2.0, 3.0, 4.0])
        layer.fused = fused
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.function(layer)(x, training=True)
        slopes = tape.gradient(y, [x, layer.gamma.value, layer.beta.value], upstream)
        return [y, *slopes, layer.moving_mean.numpy(), layer.moving_variance.numpy()]

    for one, other in zip(found(True), found(False), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_one_position_in_a_batch_moves_the_variance_to_zero():
    for unbiased in (False, True):
        layer = BatchNormalization(unbiased=unbiased, momentum=0.9)
        assert np.isfinite(layer(tf.ones([1, 1, 1, 2]), training=True)).all()
        np.testing.assert_allclose(layer.moving_variance, [0.9, 0.9], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_fused_batch_norm_stays_in_half_precision_and_keeps_statistics_in_float32(dtype):
    x = tf.constant(np.random.default_rng(6).normal(3, 2, (8, 4, 4, 3)), tf.float32)
    layer = BatchNormalization(momentum=0.0, dtype=dtype)
    y = tf.function(layer)(x, training=True)
    assert y.dtype == dtype.removeprefix("mixed_") and layer.moving_mean.dtype == "float32"
    seen = tf.cast(tf.cast(x, y.dtype), tf.float32)
    np.testing.assert_allclose(layer.moving_mean, np.mean(seen, (0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, np.var(seen, (0, 1, 2), ddof=1), rtol=1e-3)


@pytest.mark.parametrize("jit", [False, True])
def test_float64_and_xla_train_through_batch_norm(jit):
    x = tf.random.stateless_normal([4, 3, 3, 2], [1, 2], dtype=tf.float64)
    exact = BatchNormalization(dtype="float64")
    np.testing.assert_allclose(np.mean(tf.function(exact)(x, training=True), (0, 1, 2)), 0, atol=1e-12)
    layer = BatchNormalization()
    layer.build(x.shape)
    run = tf.function(lambda x: layer(x, training=True), jit_compile=jit)
    np.testing.assert_allclose(np.mean(run(tf.cast(x, tf.float32)), (0, 1, 2)), 0, atol=1e-5)


def test_unfused_reaches_every_batch_norm():
    network = unfused(Network(resnet.resnet(18), 3, (64, 64)))
    inside = keras_private.layers_within(network)
    assert [n.fused for n in inside if isinstance(n, BatchNormalization)] == [False] * 20


def test_unbiased_statistics_under_half_precision_and_on_two_replicas(two_replicas):
    x = np.random.default_rng(4).normal(1, 2, (8, 4, 4, 3)).astype("f4")
    half = BatchNormalization(momentum=0.9, dtype="mixed_float16")
    assert half(x, training=True).dtype == tf.float16
    seen = x.astype("f2").astype("f4")  # what the layer is given
    np.testing.assert_allclose(half.moving_variance, 0.9 + 0.1 * np.var(seen, (0, 1, 2), ddof=1), rtol=1e-5)
    with two_replicas():
        strategy, layer = tf.distribute.get_strategy(), BatchNormalization(momentum=0.9)
        layer.build((None, None, None, 3))

        def step():
            rank = tf.distribute.get_replica_context().replica_id_in_sync_group
            layer(tf.constant(x)[4 * rank : 4 * rank + 4], training=True)
            return tf.identity(layer.moving_variance)

        own = strategy.run(tf.function(step)).values
    for rows, found in zip((x[:4], x[4:]), own):
        np.testing.assert_allclose(found, 0.9 + 0.1 * np.var(rows, (0, 1, 2), ddof=1), rtol=1e-5)


def test_fused_batch_norm_reads_and_differentiates_the_values_of_a_stateless_scope():
    x = tf.constant(np.random.default_rng(7).normal(size=(4, 3, 3, 2)), tf.float32)
    layer = BatchNormalization(unbiased=False)
    layer.build(x.shape)
    scale = tf.constant([2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(scale)
        with keras.StatelessScope([(layer.gamma, scale)]) as scope:
            y = layer(x, training=True)
        loss = tf.reduce_sum(y * x)
    np.testing.assert_allclose(np.std(y, (0, 1, 2)), [2, 3], rtol=1e-2)
    np.testing.assert_allclose(tape.gradient(loss, scale), np.sum(y / scale * x, (0, 1, 2)), rtol=1e-4)
    assert np.all(layer.moving_mean.numpy() == 0) and np.any(scope.get_current_value(layer.moving_mean) != 0)
