"""Record signs of a step's health: gradient norms of three groups of variables, and the reversal coefficient.

Each is a column of metrics.csv, as the mean over the steps of a segment (tfuda/experiment/diagnostics.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfuda.core import nonfinite, ops

NORMS = ("gradient_backbone", "gradient_head", "gradient_discriminator")
SIGNS = (*NORMS, "reversal")  # what every step notes


def signs(method, gradients: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
    """Return this replica's shares of SIGNS from the gradients of all trainable variables; norms are squared."""
    groups: dict[str, list[tf.Tensor]] = {name: [] for name in NORMS}
    backbone = method.network.backbone_paths()
    network = {id(variable) for variable in method.network.trainable_variables}
    for variable, gradient in zip(method.trainable_variables, gradients, strict=True):
        if gradient is None:
            continue
        inside = NORMS[0] if variable.path in backbone else NORMS[1]
        groups[inside if id(variable) in network else NORMS[2]].append(gradient)
    scale = method.optimizer.scale_loss(tf.ones([], ops.real()))
    factor = ops.replicas() / scale**2
    found = {name: factor * nonfinite.squares(members) for name, members in groups.items()}
    if method.overflows:
        found = {name: tf.where(tf.math.is_finite(value), value, 0.0) for name, value in found.items()}
    return {**found, "reversal": ops.share(method.reversal())}


def noted(means: dict[str, float]) -> dict[str, float]:
    """Return the SIGNS of a segment from the means over its steps."""
    return {name: float(value) ** (0.5 if name in NORMS else 1) for name, value in means.items()}
