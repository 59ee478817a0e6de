"""Dropout, also of streams that share a pass, and the means over replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda.core import ops
from tfuda.networks.layers import Dropout, chain, parts


def test_dropout_keeps_the_mean_and_draws_anew_each_time():
    layer, x = Dropout(0.25), tf.ones([400, 50])
    one, two = layer(x, training=True).numpy(), layer(x, training=True).numpy()
    assert set(np.unique(one).round(4)) == {0.0, np.float32(4 / 3).round(4)}
    assert abs(one.mean() - 1) < 0.02
    assert (one != two).mean() > 0.3
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_two_replicas_draw_the_mask_of_the_whole_batch(two_replicas):
    x = tf.ones([6, 5])
    alone = Dropout(0.5, seed=3)(x, training=True).numpy()
    with two_replicas():
        strategy, layer = tf.distribute.get_strategy(), Dropout(0.5, seed=3)
        halves = strategy.run(tf.function(lambda: layer(tf.ones([3, 5]), training=True)))
    np.testing.assert_array_equal(np.concatenate(halves.values), alone)


def on_each(two_replicas, function):
    """function(rank) on both replicas: [result of 0, result of 1]."""
    with two_replicas():
        strategy = tf.distribute.get_strategy()
        return [np.array(value) for value in strategy.run(tf.function(lambda: function(ops.rank()))).values]


def test_means_over_replicas_add_up_to_the_mean_of_the_global_batch(two_replicas):
    values, weights = tf.constant([[1.0, 2.0], [3.0, 6.0]]), tf.constant([[1.0, 1.0], [2.0, 0.5]])
    shares = on_each(two_replicas, lambda rank: ops.mean(values[rank], weights[rank]))
    np.testing.assert_allclose(sum(shares), np.average(values, weights=weights), rtol=1e-6)


def test_gathered_rows_stand_in_the_order_of_the_global_batch(two_replicas):
    rows = tf.reshape(tf.range(8.0), [2, 2, 2])
    for seen in on_each(two_replicas, lambda rank: ops.gathered(rows[rank])):
        np.testing.assert_array_equal(seen, np.arange(8.0).reshape(4, 2))


def test_shares_of_what_every_replica_computed_whole_add_up_to_it(two_replicas):
    assert sum(on_each(two_replicas, lambda rank: ops.share(ops.everywhere(tf.constant(2.0))))) == 4.0


def halves_of(two_replicas, draw) -> list:
    """draw(layer) [3, 50] of each of two replicas, of a Dropout with the seed of the one that `alone` has."""
    with two_replicas():
        strategy, layer = tf.distribute.get_strategy(), Dropout(0.5, seed=3)
        return [value.numpy() for value in strategy.run(tf.function(lambda: draw(layer))).values]


def test_two_replicas_draw_the_masks_of_whole_streams_that_share_a_pass(two_replicas):
    """Alone the pass has the streams one after the other; each replica has its half of either."""
    sizes = [4, 2]
    with parts(sizes):
        alone = Dropout(0.5, seed=3)(tf.ones([6, 50]), training=True).numpy()

    def shared(layer):
        with parts([tf.constant(size // 2) for size in sizes]):
            return layer(tf.ones([3, 50]), training=True)

    first, second = (np.split(half, [2]) for half in halves_of(two_replicas, shared))
    np.testing.assert_array_equal(np.concatenate([first[0], second[0]]), alone[:4])
    np.testing.assert_array_equal(np.concatenate([first[1], second[1]]), alone[4:])


def test_how_streams_share_a_pass_is_forgotten_after_it(two_replicas):
    alone = Dropout(0.5, seed=3)(tf.ones([6, 50]), training=True).numpy()

    def after(layer):
        with parts([tf.constant(2), tf.constant(1)]):
            pass
        return layer(tf.ones([3, 50]), training=True)

    np.testing.assert_array_equal(np.concatenate(halves_of(two_replicas, after)), alone)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["afn", "mcd"])
def test_two_replicas_with_dropout_behind_the_pool_end_where_one_device_ends(cell, two_replicas, double):
    """Where both streams share a pass."""
    made = tiny.config(cell, smooth=True, steps=3, passes="joint")
    if cell == "mcd":
        made.options.dropout = 0.5  # as the method has it; `tiny` leaves it out
    made.network.update(bottleneck=5, neck="linear" if cell == "afn" else "dropout")
    with tiny.eagerly():
        alone = tiny.train(made)
    with two_replicas():
        both = tiny.train(made)
    assert int(both.step.numpy()) == 3 and tiny.largest(alone, both) < 1e-9


def test_a_chain_reads_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        one = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", dtype="float32")
        made = chain([one], "one")
    finally:
        keras.config.set_dtype_policy(before)
    assert float(made(tf.constant([[1.0001]]))[0, 0]) == np.float32(1.0001)
    assert made.name == "one" and made.layers == [one]
