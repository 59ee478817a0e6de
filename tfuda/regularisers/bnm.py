"""BNM: Towards Discriminability and Diversity: Batch Nuclear-norm Maximization under Label Insufficient Situations
(Cui et al., CVPR 2020), https://arxiv.org/abs/2003.12237

    P     softmax of the target's logits                                [B, K]
    bnm   -|P|_* / B = -Σ_j σ_j(P) / B                              large where rows are confident and classes many

    d |P|_* / d P = U Vᵀ,   P = U diag(σ) Vᵀ

This gradient is bounded, and is written down here. The general derivative of a singular value decomposition divides
by differences of squares of singular values. It has to be patched where two are equal or one is 0. Directions of σ_j
= 0, which a decomposition chooses as it likes, are left out: a subgradient there. The method "bnm" is cross-entropy
on the source and this regulariser on the target.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tfuda.core import ops


@tf.custom_gradient
def nuclear_norm(x: tf.Tensor):
    """Return the sum of the singular values of x [m, n], a scalar."""
    sizes, u, v = tf.linalg.svd(x)
    noise = np.finfo(x.dtype.as_numpy_dtype).eps * tf.reduce_max(sizes) * tf.cast(tf.reduce_max(tf.shape(x)), x.dtype)
    real = tf.cast(sizes > noise, x.dtype)
    slope = tf.matmul(u * real, v, transpose_b=True)  # [m, n]
    return tf.reduce_sum(sizes), lambda upstream: upstream * slope


@dataclasses.dataclass(frozen=True)
class BNM:
    """Make predictions on the target confident and diverse.

    Args:
        trade_off: factor on the negative nuclear norm.
    """

    stands_on: ClassVar[str] = "source_only"

    trade_off: float = 1.0

    def __call__(self, batch, outputs):
        if "target" not in outputs:
            return None
        p = ops.gathered(tf.nn.softmax(outputs["target"].logits))  # [B, K] of all replicas
        return ops.share(-nuclear_norm(p) / tf.cast(tf.shape(p)[0], p.dtype))
