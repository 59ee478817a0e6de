"""Augment whole batches by pure functions of (images, seed), so that resuming and replicas need no state.

They consist of TensorFlow operations; one with a Python `if` on a tensor needs @tf.function above it.
"""

from __future__ import annotations

import tensorflow as tf


def shift(images: tf.Tensor, seed: tf.Tensor, pixels: int = 2) -> tf.Tensor:
    """Shift every image by up to `pixels` in each direction, edges repeated: [B, H, W, 3] -> the same shape."""
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    by = tf.random.stateless_uniform([2, count], seed, -pixels, pixels + 1, tf.int32)
    rows = tf.clip_by_value(tf.range(height)[None] + by[0][:, None], 0, height - 1)  # [B, H]
    columns = tf.clip_by_value(tf.range(width)[None] + by[1][:, None], 0, width - 1)  # [B, W]
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def none(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return the images unchanged."""
    return images
