"""Augment whole batches by pure functions of (images, seed), so that resuming and replicas need no state."""

from __future__ import annotations

import functools

import keras
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


class Keyed(keras.random.SeedGenerator):
    """Generate seeds from a key and the number of the draw, where Keras's generator counts in a variable."""

    def __init__(self, key: tf.Tensor):
        self.key, self.draws = tf.cast(key % 2**31, tf.int32), 0

    def next(self, ordered=True):
        """Return the next seed, int32 [2]."""
        self.draws += 1
        return self.key + tf.constant([0, 7919 * self.draws])


class RandAugment:
    """Apply RandAugment (Cubuk et al. 2020) with the operations of Keras, every draw a function of the seed.

    An operation is drawn for a whole batch, `operations` times; its strength is drawn for every image. Keras's own
    layer computes all operations and keeps the drawn ones, or (3.10) draws once for all batches; so only its parts
    are used. RandAugment is a class because Keras's layers create variables, which the graph of a dataset may not do.
    """

    def __init__(self, operations: int = 2, strength: float = 0.5):
        whole = keras.layers.RandAugment(value_range=(0, 255), factor=strength)
        self.layers = [getattr(whole, name) for name in sorted(whole._AUGMENT_LAYERS)]
        self.operations = operations

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Augment images: uint8 [B, H, W, 3] -> uint8, the same shape."""
        shape, keys = images.shape, Keyed(seed)
        images = tf.cast(images, tf.float32)

        def apply(layer, images):
            chosen = layer.get_random_transformation(images, training=True, seed=keys)
            return tf.ensure_shape(layer.transform_images(images, chosen, training=True), shape)

        for i in range(self.operations):
            which = tf.random.stateless_uniform([], seed + i, 0, len(self.layers), tf.int32)
            images = tf.switch_case(which, [functools.partial(apply, layer, images) for layer in self.layers])
        return tf.cast(tf.clip_by_value(tf.round(images), 0.0, 255.0), tf.uint8)
