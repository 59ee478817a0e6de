"""Which images make a batch: pure functions of (seed, step), so a resumed run needs no state and no skipping."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def uniform(count: int, batch: int, seed: tuple[int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    """step (int64 scalar) -> rows int64 [batch]: without replacement in each pass over the domain."""

    def rows(step: tf.Tensor) -> tf.Tensor:
        at = step * batch + tf.range(batch, dtype=tf.int64)
        turn = at // count
        keys = tf.stack([tf.fill([batch], tf.constant(part, tf.int64)) for part in seed] + [turn], 1)
        return tf.raw_ops.RandomIndexShuffle(
            index=at % count, seed=keys, max_index=tf.constant(count - 1, tf.int64), rounds=4
        )

    return rows
