"""Heads of the papers' own: what turns features into logits at training and at test time."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfuda import ops


def kaiming(slope: float) -> keras.Initializer:
    """PyTorch's kaiming_normal_(a=slope): standard deviation sqrt(2 / (1 + slope²) / inputs), not truncated."""
    return keras.initializers.VarianceScaling(2.0 / (1.0 + slope * slope), "fan_in", "untruncated_normal")


class HeuristicHead(keras.layers.Layer):
    """logits = F(f) - Σ_j H_j(f), with linear F and H_j: HDA's heuristic, GVB's bridge (M-A5.1, M-A6).

    classes: number of logits K
    slopes: one H_j for each, initialised by `kaiming(slope)`
    fundament: the slope of F; at 100 F is nearly zero, so that at first the logits are -Σ_j H_j(f)

    The paths of the layers are head/fundament and head/heuristic_0, head/heuristic_1, ...
    """

    def __init__(self, classes: int, slopes: Sequence[float] = (0, 1, 2), fundament: float = 100):
        super().__init__(dtype=ops.real(), name="head")
        self.fundament = self._linear(classes, fundament, "fundament")
        self.parts = [self._linear(classes, slope, f"heuristic_{j}") for j, slope in enumerate(slopes)]

    @staticmethod
    def _linear(classes: int, slope: float, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(classes, kernel_initializer=kaiming(slope), dtype=ops.real(), name=name)

    def build(self, shape) -> None:
        for layer in (self.fundament, *self.parts):
            layer.build(shape)
        self.built = True

    def heuristic(self, features: tf.Tensor) -> tf.Tensor:
        """z = Σ_j H_j(f), what the domain-specific part of the head says: [B, d] -> [B, K]."""
        return tf.add_n([part(features) for part in self.parts])

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """[B, d] -> [B, K]."""
        return self.fundament(features) - self.heuristic(features)
