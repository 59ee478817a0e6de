"""Define the network that a method trains: backbone -> attention -> pool -> bottleneck -> head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.data.views import View
from tfuda.networks.discriminators import initializer


class Outputs(NamedTuple):
    """Hold the results of one pass over B images; the batch is axis 0, so a shared pass can be split."""

    maps: tuple  # [B, h, w, C] each; the last one is the backbone's
    features: tf.Tensor  # [B, d]
    logits: tf.Tensor  # [B, K]
    extras: dict = {}  # what a paper's own network adds


def pieces(outputs: Outputs, sizes: list[tf.Tensor]) -> list[Outputs]:
    """Split the Outputs of several streams' shared pass into those of each stream.

    Args:
        outputs: of all streams' images, one stream after the other: [ΣB, ...] each.
        sizes: the number of images of each stream.

    Returns:
        One Outputs for each stream.
    """
    if len(sizes) == 1:
        return [outputs]
    flat = [tf.split(x, sizes) for x in tf.nest.flatten(outputs)]  # a slice's gradient would be as large as the whole
    return [tf.nest.pack_sequence_as(outputs, list(part)) for part in zip(*flat, strict=True)]


SHOWN = ("stages", "blocks", "layers")


def walk(layer: keras.layers.Layer, x: tf.Tensor, shown: str) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Return (maps shown, output) of a part of the backbone for x [B, h, w, C], in the mode of the call around.

    Args:
        layer: the part of the backbone; a part with `unattended` set shows nothing, a part with `several` set shows
            all of its maps always.
        x: [B, h, w, C].
        shown: "stages" for the output alone; "blocks" for the output of every residual block; "layers" for every
            activation of the part and its blocks.
    """
    if hasattr(layer, "walk") and (shown == "layers" or getattr(layer, "several", False)):
        maps = layer.walk(x)
        return maps, maps[-1]
    if shown == "stages" or not isinstance(layer, keras.Sequential):
        x = layer(x)
        return [x], x
    if not layer.built:
        layer.build((None, *x.shape[1:]))
    maps = []
    for inner in layer.layers:
        if hasattr(inner, "walk"):
            seen, x = walk(inner, x, shown)
            maps += seen
        else:
            x = inner(x)
            maps += [x] if shown == "layers" and activates(inner) else []
    return [] if getattr(layer, "unattended", False) else maps or [x], x


def activates(layer: keras.layers.Layer) -> bool:
    """Return True if a layer is an activation or ends in one."""
    function = getattr(layer, "activation", None)
    return isinstance(layer, keras.layers.ReLU) or function not in (None, keras.activations.linear)


class Network(keras.Model):
    """Map images uint8 [B, H, W, 3] to Outputs; `network.head(features)` returns the logits again.

    What `through_frozen` made of images can be given in their place, and only the other stages are run.

    Args:
        stages: layers that take the images and give one map each (`tfuda.networks.small`).
        classes: K.
        size: (H, W) of the images.
        head: a layer [B, d] -> [B, K]; None for one linear layer.
        bottleneck: a layer [B, C] -> [B, d] between pool and head, or the units of a linear one; 0 for none.
        initial: initial weights of a linear bottleneck and head, "kaiming" or "xavier".
        view: how a picture of any size becomes an image for this network; evaluation and export follow it.
        attention: a layer (map [B, h, w, C], training, reversal) -> (the map for the pool, extras); None for the
            map as it is.
        shown: which maps the outputs have, one of SHOWN.
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
        shown: str = "stages",
    ):
        super().__init__(name="network")
        self.size = (*size, 3)
        self.view = view or View()
        self.classes = classes
        if shown not in SHOWN:
            raise ValueError(f"a network cannot show its {shown!r}: choose {', '.join(SHOWN)}")
        self.stages, self.shown = list(stages), shown
        learning = [at for at, stage in enumerate(self.stages) if stage.trainable]
        self.frozen = learning[0] if learning else len(self.stages)  # how many of the first stages do not learn
        self.temperature = (
            1.0  # served probabilities are softmax(logits / temperature): tfuda/evaluation/calibration.py
        )
        self.attention = attention
        self.pool = keras.layers.GlobalAveragePooling2D(dtype=ops.real(), name="pool")
        linear = {"kernel_initializer": initializer(initial), "dtype": ops.real()}
        if isinstance(bottleneck, int):
            bottleneck = keras.layers.Dense(bottleneck, name="bottleneck", **linear) if bottleneck else None
        self.bottleneck = bottleneck
        self.head = head or keras.layers.Dense(classes, name="head", **linear)
        self(self.blank())

    def backbone_paths(self) -> frozenset[str]:
        """Return the paths of the backbone's variables, which optimizers and diagnostics tell from all others."""
        return frozenset(variable.path for stage in self.stages for variable in stage.variables)

    def through_frozen(self, images: tf.Tensor) -> tf.Tensor:
        """Return what the frozen stages make of images.

        Args:
            images: uint8 [B, H, W, 3].

        Returns:
            The last frozen stage's map [B, h, w, C]. If all stages are frozen and no attention looks at their map, it
            is pooled: [B, 1, 1, C].
        """
        x = images
        for stage in self.stages[: self.frozen]:
            x = stage(x, training=False)
        if self.frozen == len(self.stages) and self.attention is None:
            x = self.pool(x)[:, None, None, :]
        return x

    def blank(self) -> tf.Tensor:
        """Return one black image, [1, H, W, 3]."""
        return tf.zeros([1, *self.size], tf.uint8)

    def top(self, maps: tuple, training: bool = False, reversal=1.0) -> Outputs:
        """Return the Outputs for the backbone's maps.

        Args:
            maps: [B, h, w, C] each; the last is pooled.
            training: True for dropout and batch norm of the batch.
            reversal: for networks with discriminators, see `call`.
        """
        seen, extras = maps[-1], {}
        if self.attention is not None:
            seen, extras = self.attention(seen, training=training, reversal=reversal)
        features = self.pool(seen)  # [B, C]
        if self.bottleneck is not None:
            features = self.bottleneck(features, training=training)  # [B, d]
        return Outputs(maps, features, self.head(features), extras)

    def call(self, images, training=False, reversal=1.0):
        """Return the Outputs of images.

        Args:
            images: [B, H, W, 3], or what `through_frozen` made of them.
            training: True for dropout and batch norm of the batch.
            reversal: coefficient of gradient reversals within the network (docs/methods/index.md#reversal-ramp).
        """
        done = 0 if images.shape[-1] == self.size[-1] else self.frozen
        maps, x = [images] if done else [], images
        for stage in self.stages[done:]:
            seen, x = walk(stage, x, self.shown)
            maps += seen
        return self.top(tuple(maps), training, reversal)
