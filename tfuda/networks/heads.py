"""Build bottlenecks, and the papers' own heads, which turn features into logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.networks.discriminators import initializer
from tfuda.networks.layers import BatchNormalization, Dropout, chain

NECKS = ("linear", "norm", "dropout", "norm+dropout")


def block(
    units: int, norm: bool, dropout: float, initial: str = "kaiming", name: str = "hidden"
) -> list[keras.layers.Layer]:
    """Return layers [B, d] -> [B, units]: linear, batch norm over all devices' batch, ReLU, dropout.

    Args:
        units: of the linear layer.
        norm: False for no batch norm.
        dropout: rate of dropout; 0 for none.
        initial: initial weights, "kaiming" or "xavier".
        name: the beginning of the layers' names.
    """
    kind = ops.real()
    start = initializer(initial)
    found: list[keras.layers.Layer] = [keras.layers.Dense(units, kernel_initializer=start, dtype=kind, name=name)]
    if norm:
        options: dict[str, Any] = {"momentum": 0.9, "epsilon": 1e-5, "synchronized": True}  # PyTorch's
        found.append(BatchNormalization(**options, dtype=kind, name=f"{name}_norm"))
    found.append(keras.layers.ReLU(dtype=kind, name=f"{name}_relu"))
    if dropout:
        found.append(Dropout(dropout, dtype=kind, name=f"{name}_dropout"))
    return found


def neck(units: int, kind: str, initial: str) -> keras.layers.Layer | int:
    """Return a bottleneck by its name.

    Args:
        units: of its linear layer; 0 for no bottleneck.
        kind: one of NECKS. "norm" has batch norm and ReLU, "dropout" ReLU and dropout of a half, "norm+dropout" all.
        initial: initial weights, "kaiming" or "xavier".

    Returns:
        A model [B, C] -> [B, units]; the units alone for "linear", which `Network` makes itself.

    Raises:
        ValueError: the kind has layers, and there are 0 units.
    """
    if kind == "linear":
        return units
    if not units:
        raise ValueError(f"network.neck={kind} needs a bottleneck: set network.bottleneck to its units")
    return chain(block(units, "norm" in kind, 0.5 * ("dropout" in kind), initial), "bottleneck")


def kaiming(slope: float) -> keras.Initializer:
    """Return PyTorch's kaiming_normal_(a=slope): deviation sqrt(2 / (1 + slope²) / inputs), not truncated.

    Args:
        slope: of the leaky ReLU that PyTorch assumes.
    """
    return keras.initializers.VarianceScaling(2.0 / (1.0 + slope * slope), "fan_in", "untruncated_normal")


class SymmetricHead(keras.layers.Layer):
    """Hold SymNets' linear classifiers of source and target in one layer; the logits are the target's.

    See docs/methods/comparison.md#symnets.

    Args:
        classes: K.
    """

    def __init__(self, classes: int):
        super().__init__(dtype=ops.real(), name="head")
        start = kaiming(0)
        self.pair = keras.layers.Dense(2 * classes, kernel_initializer=start, dtype=ops.real(), name="pair")
        self.classes = classes

    def build(self, shape) -> None:
        self.pair.build(shape)
        self.built = True

    def both(self, features: tf.Tensor, frozen: bool = False) -> tf.Tensor:
        """Return the logits of both classifiers.

        Args:
            features: [B, d].
            frozen: True if gradients reach the features alone.

        Returns:
            [B, 2K], the source's first.
        """
        if not frozen:
            return self.pair(features)
        kernel, bias = (tf.stop_gradient(tf.convert_to_tensor(v)) for v in (self.pair.kernel, self.pair.bias))
        return tf.matmul(features, kernel) + bias

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Return the target's logits [B, K] of features [B, d]."""
        return self.both(features)[:, self.classes :]


class CosineHead(keras.layers.Layer):
    """Compute MME's logits = W n / T,  n = h / |h|,  h = a linear layer of f (docs/methods/comparison.md#mme).

    Args:
        classes: K.
        hidden: units of the layer before; 0 for none, h = f.
        temperature: T.
    """

    def __init__(self, classes: int, hidden: int, temperature: float):
        super().__init__(dtype=ops.real(), name="head")
        self.temperature, linear = temperature, {"kernel_initializer": initializer("xavier"), "dtype": ops.real()}
        self.hidden = keras.layers.Dense(hidden, **linear, name="hidden") if hidden else None
        self.prototypes = keras.layers.Dense(classes, use_bias=False, **linear, name="prototypes")

    def build(self, shape) -> None:
        if self.hidden is not None:
            self.hidden.build(shape)
        self.prototypes.build(shape if self.hidden is None else (*shape[:-1], self.hidden.units))
        self.built = True

    def before(self, features: tf.Tensor) -> tf.Tensor:
        """Return h [B, hidden] of features [B, d]."""
        return features if self.hidden is None else self.hidden(features)

    def cosines(self, h: tf.Tensor) -> tf.Tensor:
        """Return the logits [B, K] of h [B, hidden] of any norm."""
        return self.prototypes(tf.math.l2_normalize(h, -1, 1e-24)) / self.temperature

    def against(self, features: tf.Tensor) -> tf.Tensor:
        """Return logits [B, K] of features [B, d], whose gradient is reversed between prototypes and h."""
        return self.cosines(ops.reverse_gradient(self.before(features), 1.0))

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Return the logits [B, K] of features [B, d]."""
        return self.cosines(self.before(features))


class HeuristicHead(keras.layers.Layer):
    """Compute logits = F(f) - Σ_j H_j(f), with linear F and H_j: HDA's heuristic, GVB's bridge.

    See docs/methods/adversarial.md#hda-head and docs/methods/adversarial.md#gvb. The paths of the layers are
    head/fundament and head/heuristic_0, head/heuristic_1, ...

    Args:
        classes: number of logits K.
        slopes: one H_j for each, initialised by `kaiming(slope)`.
        fundament: the slope of F; at 100 F is nearly zero, so that at first the logits are -Σ_j H_j(f).
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
        """Return z = Σ_j H_j(f), the logits of the domain-specific part: [B, d] -> [B, K]."""
        return tf.add_n([part(features) for part in self.parts])

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Return the logits [B, K] of features [B, d]."""
        return self.fundament(features) - self.heuristic(features)
