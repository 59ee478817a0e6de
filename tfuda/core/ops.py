"""Provide the operations that methods share: gradient reversal, class gradients, and means exact on any number of
replicas.

A loss term is *this replica's share* of its value over the global batch. Keras sums the gradients of all
replicas, so N replicas give the gradients of one device with the same global batch. No caller divides by the
number of replicas again. `mean` gives the share of a mean over samples. Anything that is not a sum over
samples goes through `everywhere` (sum over replicas) and `share`.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf


def real() -> str:
    """Return the dtype of losses, heads and memories: float32, also under mixed precision."""
    return keras.config.floatx()


def replicas() -> int:
    return tf.distribute.get_strategy().num_replicas_in_sync


def alone() -> bool:
    return tf.distribute.in_cross_replica_context() or replicas() == 1


def rank() -> tf.Tensor | int:
    """Return the index of this replica, from 0."""
    return 0 if alone() else tf.distribute.get_replica_context().replica_id_in_sync_group


def everywhere(x: tf.Tensor) -> tf.Tensor:
    """Return the sum of x (any shape) over the replicas; gradients flow to every replica."""
    return x if alone() else tf.distribute.get_replica_context().all_reduce("SUM", x)


def gathered(x: tf.Tensor) -> tf.Tensor:
    """Return x [B, ...] of every replica as [replicas * B, ...], in the order of the global batch.

    All replicas hold equally many rows. A padded sum, because `all_gather` fails under several workers.
    """
    if alone():
        return x
    rows = tf.shape(x)[0]
    before = rank() * rows
    padding = [[before, (replicas() - 1) * rows - before]] + [[0, 0]] * (x.shape.rank - 1)
    return tf.distribute.get_replica_context().all_reduce("SUM", tf.pad(x, padding))


def share(value: tf.Tensor) -> tf.Tensor:
    """Return this replica's share of a value that every replica computed whole."""
    return value / replicas()


def mean(values: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Return this replica's share of the (weighted) mean of values [B] over the global batch.

    mean = sum_i w_i v_i / stop_gradient(sum_j w_j). The weights [B] are normalised to sum to one, and gradients
    reach the weights through the numerator only (docs/methods/index.md#entropy-weights).
    """
    weights = tf.ones_like(values) if weights is None else weights
    return tf.reduce_sum(weights * values) / everywhere(tf.stop_gradient(tf.reduce_sum(weights)))


@tf.custom_gradient
def reverse_gradient(x: tf.Tensor, scale: tf.Tensor | float):
    """Return x (any shape) unchanged, and multiply its gradient by -scale (scalar): gradient reversal."""
    return tf.identity(x), lambda upstream: (-tf.cast(scale, upstream.dtype) * upstream, None)


def sensitivity(score: Callable[[tf.Tensor], tf.Tensor], features: tf.Tensor) -> tf.Tensor:
    """Return d score / d features [B, d] as a constant; score: [B, d] -> [B].

    Rows are per sample because samples do not mix in a head. The function opens its own tape, so any head works:
    linear, a difference of heads, an MLP, a cosine classifier.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(features)
        value = score(features)
    return tf.stop_gradient(tape.gradient(value, features))


def with_slopes(function: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return y = function(x) [n, r] of x [n, d], row by row, and dy/dx [n, r, d], both differentiable."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.batch_jacobian(y, x)


def safe_norm(x: tf.Tensor) -> tf.Tensor:
    """Return the Euclidean norm over the last axis, which is kept: [..., d] -> [..., 1].

    The value is exact everywhere. The gradient at 0 is 0, where `tf.norm` gives NaN. Exact zeros do occur: a dead
    ReLU layer, a saturated softmax, two equal networks.
    """
    squares = tf.reduce_sum(x * x, -1, keepdims=True)
    positive = squares > 0
    return tf.where(positive, tf.sqrt(tf.where(positive, squares, tf.ones_like(squares))), 0.0)
