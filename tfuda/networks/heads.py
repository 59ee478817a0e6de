"""What comes after the pool: bottlenecks, and heads of the papers' own, which turn features into logits."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.networks.discriminators import initializer
from tfuda.networks.layers import Dropout, chain

NECKS = ("linear", "norm", "dropout", "norm+dropout")


def block(
    units: int, norm: bool, dropout: float, initial: str = "kaiming", name: str = "hidden"
) -> list[keras.layers.Layer]:
    """[B, d] -> [B, units]: linear, batch norm, ReLU, dropout; one batch for the norm, on however many devices."""
    kind = ops.real()
    start = initializer(initial)
    found: list[keras.layers.Layer] = [keras.layers.Dense(units, kernel_initializer=start, dtype=kind, name=name)]
    if norm:
        options = {"momentum": 0.9, "epsilon": 1e-5, "synchronized": True}  # PyTorch's
        found.append(keras.layers.BatchNormalization(**options, dtype=kind, name=f"{name}_norm"))
    found.append(keras.layers.ReLU(dtype=kind, name=f"{name}_relu"))
    if dropout:
        found.append(Dropout(dropout, dtype=kind, name=f"{name}_dropout"))
    return found


def neck(units: int, kind: str, initial: str) -> keras.layers.Layer | int:
    """A bottleneck [B, C] -> [B, units] by its name in NECKS: "norm" has batch norm and ReLU, "dropout" ReLU and
    dropout of one half, "norm+dropout" all three; "linear" is its units alone, and 0 units are none."""
    if kind == "linear":
        return units
    if not units:
        raise ValueError(f"network.neck={kind} is of a bottleneck: set network.bottleneck to its units")
    return chain(block(units, "norm" in kind, 0.5 * ("dropout" in kind), initial), "bottleneck")


def kaiming(slope: float) -> keras.Initializer:
    """PyTorch's kaiming_normal_(a=slope): standard deviation sqrt(2 / (1 + slope²) / inputs), not truncated."""
    return keras.initializers.VarianceScaling(2.0 / (1.0 + slope * slope), "fan_in", "untruncated_normal")


class SymmetricHead(keras.layers.Layer):
    """Two linear classifiers, of the source and of the target, in one: SymNets'. The target's answers.

    See docs/methods/comparison.md#symnets.
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
        """[B, d] -> [B, 2K], the source's first; frozen: gradients reach the features alone."""
        if not frozen:
            return self.pair(features)
        kernel, bias = (tf.stop_gradient(tf.convert_to_tensor(v)) for v in (self.pair.kernel, self.pair.bias))
        return tf.matmul(features, kernel) + bias

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """[B, d] -> [B, K]."""
        return self.both(features)[:, self.classes :]


class CosineHead(keras.layers.Layer):
    """logits = W n / T,  n = h / |h|,  h = a linear layer of f: MME's (docs/methods/comparison.md#mme).

    hidden: units of the layer before; 0 for none, h = f
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
        """h: [B, d] -> [B, hidden]."""
        return features if self.hidden is None else self.hidden(features)

    def cosines(self, h: tf.Tensor) -> tf.Tensor:
        """Logits of h [B, hidden], of whatever length it is: [B, K]."""
        return self.prototypes(tf.math.l2_normalize(h, -1, 1e-24)) / self.temperature

    def against(self, features: tf.Tensor) -> tf.Tensor:
        """Logits [B, K] whose gradient is reversed on its way from the prototypes to h."""
        return self.cosines(ops.reverse_gradient(self.before(features), 1.0))

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """[B, d] -> [B, K]."""
        return self.cosines(self.before(features))


class HeuristicHead(keras.layers.Layer):
    """logits = F(f) - Σ_j H_j(f), with linear F and H_j: HDA's heuristic, GVB's bridge.

    See docs/methods/adversarial.md#hda-head and docs/methods/adversarial.md#gvb.

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
