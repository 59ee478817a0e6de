"""Keep CycleGAN's image pool, Shrivastava et al. 2017 (https://arxiv.org/abs/1612.07828), section 2.3, as released.

Discriminators judge earlier translations too. The images of a batch are handled one after another; each

    while the pool is not full      is stored and shown
    afterwards, with probability ½  is stored in a random place, and the image that was there is shown
    else                            is shown

All images of a batch are exchanged in one operation. Image i finds in its place the last earlier image of the batch
that was stored there, or else the pool's image. Draws are functions of the seed alone, which identifies the run, the
pool and the step.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import tensorflow as tf

from tfuda.core import ops


def exchange(stored, count, new, seed) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Exchange a batch with the pool.

    Args:
        stored: the pool's images, [P, H, W, 3].
        count: images in the pool, int64.
        new: the batch, [B, H, W, 3].
        seed: int64 [2].

    Returns:
        The images to show [B, H, W, 3], the new pool [P, H, W, 3], and its count (int64).
    """
    size, rows = stored.shape[0], tf.shape(new)[0]
    at = tf.range(tf.cast(rows, tf.int64))  # [B]
    filling = count + at < size
    swapping = ~filling & (draw(rows, seed, 2) == 1)
    place = tf.where(filling, count + at, draw(rows, seed + 1, size))  # [B]
    writes = filling | swapping

    def last(match):  # the last image of the batch in each row of bool [n, B], -1 for none
        return tf.reduce_max(tf.where(match & writes, at, -1), 1)

    earlier = last((place[None, :] == place[:, None]) & (at[None, :] < at[:, None]))  # [B]
    writer = last(place[None, :] == tf.range(size, dtype=tf.int64)[:, None])  # [P]
    found = _choose(earlier >= 0, tf.gather(new, tf.maximum(earlier, 0)), tf.gather(stored, place))
    shown = _choose(swapping, found, new)
    stored = _choose(writer >= 0, tf.gather(new, tf.maximum(writer, 0)), stored)
    return shown, stored, tf.minimum(count + tf.cast(rows, tf.int64), size)


def draw(count, seed, below: int) -> tf.Tensor:
    """Draw int64 [count] below `below`; under XLA integers stay the same, and fractions do not."""
    return tf.random.stateless_uniform([count], seed, 0, below, tf.int64, alg="philox")


def _choose(rows, a, b) -> tf.Tensor:
    """Choose a or b for each row: bool [n], [n, H, W, 3]."""
    return tf.where(rows[:, None, None, None], a, b)


class Pool:
    """Hold one pool in the checkpoint of the model whose `memory` creates variables; it is equal on every replica.

    Args:
        memory: function that creates a variable of the model.
        name: name of the pool.
        size: images in the pool; 0 shows every image unchanged.
        side: height and width of the images.
        seed: seed of the draws.
    """

    def __init__(self, memory: Callable, name: str, size: int, side: int, seed: int):
        self.key = seed * 2**32 + zlib.crc32(name.encode())
        self.images = memory(f"{name}_images", (size, side, side, 3)) if size else None
        self.count = memory(f"{name}_count", (), "int64") if size else None

    def __call__(self, new: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Exchange this replica's new images [B, H, W, 3] for as many to show to its discriminator."""
        if self.images is None or self.count is None:
            return new
        seed = tf.stack([tf.constant(self.key, tf.int64), step])
        shown, stored, count = exchange(self.images.value, self.count.value, ops.gathered(new), seed)
        self.images.assign(stored)
        self.count.assign(count)
        first = ops.rank() * tf.shape(new)[0]
        return shown[first : first + tf.shape(new)[0]]
