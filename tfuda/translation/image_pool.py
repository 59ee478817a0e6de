"""The image pool of CycleGAN, Shrivastava et al. 2017 (https://arxiv.org/abs/1612.07828), section 2.3, as released.

Discriminators judge earlier translations too. The images of a batch come one after another; each

    while the pool is not full   is stored, and shown
    after that, at even odds     is stored in a random place, and what was there is shown
    else                         is shown

All images of a batch in one go: what image i finds in its place is the last earlier image of the batch that was
stored there, or else what the pool held. Draws are functions of the seed alone, which names the run, the pool and
the step.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

import tensorflow as tf

from tfuda.core import ops


def exchange(stored, count, new, seed) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """What is shown [B, H, W, 3], the new pool [P, H, W, 3], and how many images it holds (int64).

    stored [P, H, W, 3], count int64: the pool; new [B, H, W, 3]; seed int64 [2]
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
    """int64 [count]; under XLA whole numbers stay the same, and fractions do not."""
    return tf.random.stateless_uniform([count], seed, 0, below, tf.int64, alg="philox")


def _choose(rows, a, b) -> tf.Tensor:
    """a or b, row by row: bool [n], [n, H, W, 3]."""
    return tf.where(rows[:, None, None, None], a, b)


class Pool:
    """One pool, in the checkpoint of the model whose `memory` makes its variables; the same on every replica.

    size: images that it holds; 0 shows every image as it is
    side: of the images
    """

    def __init__(self, memory: Callable, name: str, size: int, side: int, seed: int):
        self.key = seed * 2**32 + zlib.crc32(name.encode())
        self.images = memory(f"{name}_images", (size, side, side, 3)) if size else None
        self.count = memory(f"{name}_count", (), "int64") if size else None

    def __call__(self, new: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """This replica's new images [B, H, W, 3] -> as many for its discriminator."""
        if self.images is None or self.count is None:
            return new
        seed = tf.stack([tf.constant(self.key, tf.int64), step])
        shown, stored, count = exchange(self.images.value, self.count.value, ops.gathered(new), seed)
        self.images.assign(stored)
        self.count.assign(count)
        first = ops.rank() * tf.shape(new)[0]
        return shown[first : first + tf.shape(new)[0]]
