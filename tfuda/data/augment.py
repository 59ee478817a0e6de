"""Augmentations of a whole batch as pure functions of (images, seed): resuming and replicas need no state."""

from __future__ import annotations

import keras
import tensorflow as tf


def shift(images: tf.Tensor, seed: tf.Tensor, pixels: int = 2) -> tf.Tensor:
    """Every image moved by up to `pixels` each way, edges repeated: [B, H, W, 3] -> the same."""
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    by = tf.random.stateless_uniform([2, count], seed, -pixels, pixels + 1, tf.int32)
    rows = tf.clip_by_value(tf.range(height)[None] + by[0][:, None], 0, height - 1)  # [B, H]
    columns = tf.clip_by_value(tf.range(width)[None] + by[1][:, None], 0, width - 1)  # [B, W]
    images = tf.gather(images, rows, axis=1, batch_dims=1)
    return tf.gather(images, columns, axis=2, batch_dims=1)


def none(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """The images as they are."""
    return images


class Keyed(keras.random.SeedGenerator):
    """Seeds that follow from a key and the place of the draw, where Keras's own count on in a variable."""

    def __init__(self, key: tf.Tensor):
        self.key, self.draws = tf.cast(key % 2**31, tf.int32), 0

    def next(self, ordered=True):
        self.draws += 1
        return self.key + tf.constant([0, 7919 * self.draws])


class RandAugment:
    """RandAugment (Cubuk et al. 2020) as Keras has it, with every draw a function of the seed.

    The operations are drawn for a whole batch, and how much for every image. Keras computes all operations and
    keeps the drawn ones, so this costs as much as all: 14 images of 224 × 224 a second on 2 cores. A class, as
    Keras's layers make variables when they are made, and the graph of a dataset may not.
    """

    def __init__(self, operations: int = 2, strength: float = 0.5):
        self.layer = keras.layers.RandAugment(value_range=(0, 255), num_ops=operations, factor=strength)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """uint8 [B, H, W, 3] -> uint8, the same shape."""
        keys = Keyed(seed)
        for layer in (self.layer, *(getattr(self.layer, name) for name in self.layer._AUGMENT_LAYERS)):
            layer._get_seed_generator = lambda backend=None: keys
        chosen = self.layer.get_random_transformation(images, training=True)
        changed = self.layer.transform_images(images, chosen, training=True)  # float32 [B, H, W, 3]
        return tf.cast(tf.clip_by_value(tf.round(changed), 0.0, 255.0), tf.uint8)
