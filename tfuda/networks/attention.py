"""Define attention as a part of the network, so that evaluation, export and class activation maps include it."""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.networks import layers
from tfuda.networks.bank import Bank
from tfuda.networks.discriminators import mlp

WEIGHTS = ("one_minus_entropy", "entropy")


class RegionAttention(keras.layers.Layer):
    """Weigh every region k of the last map f by a discriminator: TADA's local attention.

    Readings: docs/methods/tada.md#tada-readings.

        l_k = D_k(GRL(f_k)),  w_k = 1 - H(sigmoid(l_k)) or H(sigmoid(l_k)),  h_k = (1 + w_k) f_k

    Args:
        hidden: units of the discriminators' hidden layers.
        dropout: rate of dropout in the discriminators.
        weight: "one_minus_entropy" or "entropy".
        shared: True for one discriminator for all regions.
        detached: True if w is a constant; else its gradient to the discriminators is reversed, as they maximise
            all of eq. 9.
        initial: initial weights of the discriminators, "kaiming" or "xavier".
    """

    def __init__(
        self,
        hidden: int = 256,
        dropout: float = 0.5,
        weight: str = "one_minus_entropy",
        shared: bool = False,
        detached: bool = True,
        initial: str = "kaiming",
    ):
        super().__init__(dtype=ops.real(), name="attention")
        if weight not in WEIGHTS:
            raise ValueError(f"tada has no weight={weight!r}: choose {' or '.join(WEIGHTS)}")
        self.hidden, self.rate, self.initial = hidden, dropout, initial
        self.weight, self.shared, self.detached = weight, shared, detached

    def build(self, shape) -> None:
        _, height, width, channels = shape
        if self.shared:
            self.discriminators = mlp(self.hidden, 1, self.rate, initial=self.initial)
            self.discriminators.build([None, channels])
        else:
            self.discriminators = Bank(height * width, channels, self.hidden, self.rate, initial=self.initial)
        self.built = True

    def judge(self, regions: tf.Tensor, training: bool) -> tf.Tensor:
        """Return the discriminators' logits.

        Args:
            regions: [B, K, C].
            training: True for dropout.

        Returns:
            [B, K].
        """
        if not self.shared:
            return tf.transpose(self.discriminators(tf.transpose(regions, [1, 0, 2]), training=training))
        with layers.parts([size * regions.shape[1] for size in layers.streams_in_pass()]):
            verdicts = self.discriminators(tf.reshape(regions, [-1, regions.shape[-1]]), training=training)
        return tf.reshape(verdicts, tf.shape(regions)[:2])

    def call(self, maps, training=False, reversal=1.0):
        """Return the weighted map, and what the losses read.

        Args:
            maps: the last map [B, h, w, C].
            training: True for dropout.
            reversal: coefficient of the gradient reversal before the discriminators.

        Returns:
            h [B, h, w, C], and {"regions": l [B, h w], "attention": w [B, h w]}.
        """
        height, width, channels = maps.shape[1:]
        regions = tf.reshape(tf.cast(maps, ops.real()), [-1, height * width, channels])  # [B, K, C]
        logits = self.judge(ops.reverse_gradient(regions, reversal), training)
        doubt = losses.binary_entropy(logits)
        weight = doubt if self.weight == "entropy" else 1.0 - doubt
        weight = tf.stop_gradient(weight) if self.detached else ops.reverse_gradient(weight, 1.0)
        attended = tf.reshape((1.0 + weight)[..., None] * regions, [-1, height, width, channels])
        return attended, {"regions": logits, "attention": weight}
