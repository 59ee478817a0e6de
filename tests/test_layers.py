"""Dropout and the means over replicas."""

import numpy as np
import tensorflow as tf

from tfuda import ops
from tfuda.networks.layers import Dropout


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
