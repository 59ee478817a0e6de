"""Build domain discriminators and their initializers."""

from __future__ import annotations

import keras

from tfuda.core import ops
from tfuda.networks.layers import Dropout, chain

INITIALIZERS = {"kaiming": (2.0, "fan_in"), "xavier": (1.0, "fan_avg")}


def initializer(name: str) -> keras.Initializer:
    """Return PyTorch's kaiming_normal_ or xavier_normal_; Keras's he_normal and glorot_normal are truncated.

    Args:
        name: "kaiming" or "xavier".
    """
    if name not in INITIALIZERS:
        raise ValueError(f"unknown initializer {name!r}: choose one of {', '.join(INITIALIZERS)}")
    scale, mode = INITIALIZERS[name]
    return keras.initializers.VarianceScaling(scale, mode, "untruncated_normal")


def stacked(name: str, inputs: int, outputs: int) -> keras.Initializer:
    """Return `initializer` for many layers of one size in one array, whose shape does not tell its fans.

    Args:
        name: "kaiming" or "xavier".
        inputs: units of each layer's input.
        outputs: units of each layer's output.
    """
    made = initializer(name)
    fan = inputs if made.mode == "fan_in" else (inputs + outputs) / 2
    return keras.initializers.RandomNormal(0.0, (made.scale / fan) ** 0.5)


def mlp(
    hidden: int,
    outputs: int,
    dropout: float = 0.5,
    depth: int = 2,
    initial: str = "kaiming",
    name: str = "discriminator",
) -> keras.Sequential:
    """Return a domain discriminator: depth × (linear, ReLU, dropout), then linear.

    There is no batch norm: docs/methods/index.md#discriminator.

    Args:
        hidden: units of the hidden layers.
        outputs: logits of the last layer.
        dropout: rate of dropout.
        depth: number of hidden layers.
        initial: initial weights, "kaiming" or "xavier".
        name: name of the model.

    Returns:
        A model [B, d] -> logits [B, outputs].
    """
    layers: list[keras.layers.Layer] = []
    for i in range(depth):
        layers += [
            keras.layers.Dense(
                hidden, "relu", kernel_initializer=initializer(initial), dtype=ops.real(), name=f"hidden_{i}"
            ),
            Dropout(dropout, dtype=ops.real(), name=f"dropout_{i}"),
        ]
    last = keras.layers.Dense(outputs, kernel_initializer=initializer(initial), dtype=ops.real(), name="verdict")
    return chain([*layers, last], name)
