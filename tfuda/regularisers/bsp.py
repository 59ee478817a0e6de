"""BSP: Transferability vs. Discriminability: Batch Spectral Penalization for Adversarial Domain Adaptation (Chen et
al., ICML 2019), https://proceedings.mlr.press/v97/chen19i.html

    bsp   Σ_domains Σ_{j <= k} σ_j(F)²         F features of the domain's images in the batch, [B, d]; k = 1

    d σ_j² / d F = 2 σ_j u_j v_jᵀ

Adversarial training leaves transferable directions with large singular values, and shrinks the directions that tell
classes apart. BSP penalises the largest singular values.
The paper adds it to DANN and CDAN ("dann+bsp", "cdane+bsp") with 2e-4.

The gradient is written down, because the general derivative divides by differences of squares of singular values.
Where σ_k = σ_{k+1} it is one of the subgradients. The public implementation trains three epochs on the source first;
here the reversal's ramp does that, or --config.weights of such a run.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tfuda.core import ops


def largest_squares(x: tf.Tensor, count: int = 1) -> tf.Tensor:
    """Return the sum of the squares of the largest `count` singular values of x [m, n], a scalar."""

    @tf.custom_gradient
    def spectral(x):
        sizes, u, v = tf.linalg.svd(x)
        sizes, u, v = sizes[:count], u[:, :count], v[:, :count]
        slope = 2.0 * tf.matmul(u * sizes, v, transpose_b=True)  # [m, n]
        return tf.reduce_sum(sizes**2), lambda upstream: upstream * slope

    return spectral(x)


@dataclasses.dataclass(frozen=True)
class BSP:
    """Penalise the `count` largest singular values of each domain's features.

    Args:
        trade_off: factor on the sum of their squares.
        count: k, how many singular values of each domain.
    """

    stands_on: ClassVar[str] = "dann"

    trade_off: float = 2e-4
    count: int = 1

    def __call__(self, batch, outputs):
        sides = [outputs[name].features for name in ("source", "target") if name in outputs]
        return ops.share(tf.add_n([largest_squares(ops.gathered(f), self.count) for f in sides])) if sides else None
