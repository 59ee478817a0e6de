"""The network that a method trains: backbone -> attention -> pool -> bottleneck -> head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tfuda import ops
from tfuda.data.view import View
from tfuda.networks.discriminators import initializer


class Outputs(NamedTuple):
    """What one pass over B images gives; every tensor has the batch first, so a shared pass can be cut up."""

    maps: tuple  # one [B, h, w, C] per stage of the backbone
    features: tf.Tensor  # [B, d]
    logits: tf.Tensor  # [B, K]
    extras: dict = {}  # what a paper's own network adds


class Network(keras.Model):
    """images uint8 [B, H, W, 3] -> Outputs. `network.head(features)` gives the logits again.

    stages: layers that take the images and give one map each (`tfuda.networks.small`)
    head: a layer [B, d] -> [B, K]; None for one linear layer
    bottleneck: a layer [B, C] -> [B, d] between pool and head, or the units of a linear one; 0 for none
    view: how a picture of any size becomes an image for this network; evaluation and export follow it
    attention: a layer (map [B, h, w, C], training, reversal) -> (the map as the pool shall see it, extras); None for
        the map as it is
    """

    def __init__(
        self,
        stages: Sequence[keras.layers.Layer],
        classes: int,
        size: tuple[int, int],
        head: keras.layers.Layer | None = None,
        bottleneck: int | keras.layers.Layer = 0,
        initial: str = "kaiming",
        view: View | None = None,
        attention: keras.layers.Layer | None = None,
    ):
        super().__init__(name="network")
        self.size = (*size, 3)
        self.view = view or View()
        self.classes = classes
        self.stages = list(stages)
        self.attention = attention
        self.pool = keras.layers.GlobalAveragePooling2D(dtype=ops.real(), name="pool")
        linear = {"kernel_initializer": initializer(initial), "dtype": ops.real()}
        if isinstance(bottleneck, int):
            bottleneck = keras.layers.Dense(bottleneck, name="bottleneck", **linear) if bottleneck else None
        self.bottleneck = bottleneck
        self.head = head or keras.layers.Dense(classes, name="head", **linear)
        self(self.blank())

    def blank(self) -> tf.Tensor:
        """One black image: [1, H, W, 3]."""
        return tf.zeros([1, *self.size], tf.uint8)

    def top(self, maps: tuple, training: bool = False, reversal=1.0) -> Outputs:
        """All that comes after the backbone."""
        seen, extras = maps[-1], {}
        if self.attention is not None:
            seen, extras = self.attention(seen, training=training, reversal=reversal)
        features = self.pool(seen)  # [B, C]
        if self.bottleneck is not None:
            features = self.bottleneck(features, training=training)  # [B, d]
        return Outputs(maps, features, self.head(features), extras)

    def call(self, images, training=False, reversal=1.0):
        """reversal: the ramp of M-A0.2, for networks that hold discriminators of their own."""
        maps, x = [], images
        for stage in self.stages:
            x = stage(x, training=training)
            maps.append(x)
        return self.top(tuple(maps), training, reversal)
