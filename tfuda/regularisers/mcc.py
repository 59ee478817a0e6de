"""MCC: Minimum Class Confusion for Versatile Domain Adaptation (Jin et al., ECCV 2020), https://arxiv.org/abs/1912.03699

    p_i   softmax(z_i / T) of the target's logits                       [K]
    w_i   (1 + exp(-H(p_i))) / mean_j (1 + exp(-H(p_j)))                confident images count more; a constant
    C     Σ_i w_i p_i p_iᵀ, every row divided by its sum                [K, K]: which classes are confused
    mcc   (Σ C - tr C) / K

The method "mcc" is the paper's: cross-entropy on the source and this regulariser on the target, no discriminator.
H has 1e-5 inside its logarithm, as the public implementation. T is 2.5; 3 on VisDA.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tfuda.core import losses, ops


def confusion(logits: tf.Tensor, temperature: float) -> tf.Tensor:
    """Return (Σ C - tr C) / K from this replica's logits [B, K]; equal on every replica."""
    scaled = logits / temperature
    p = tf.nn.softmax(scaled)  # [B, K]
    weights = 1.0 + tf.exp(-tf.stop_gradient(losses.entropy(scaled)))  # [B]; their scale leaves C as it is
    confused = ops.everywhere(tf.matmul(p * weights[:, None], p, transpose_a=True))  # [K, K]
    confused = tf.math.divide_no_nan(confused, tf.reduce_sum(confused, 1, keepdims=True))
    return (tf.reduce_sum(confused) - tf.linalg.trace(confused)) / logits.shape[1]


@dataclasses.dataclass(frozen=True)
class MCC:
    """Minimise the confusion of classes on the target.

    Args:
        trade_off: factor on the confusion.
        temperature: T, which divides the logits.
    """

    stands_on: ClassVar[str] = "source_only"

    trade_off: float = 1.0
    temperature: float = 2.5

    def __call__(self, batch, outputs):
        if "target" not in outputs:
            return None
        return ops.share(confusion(outputs["target"].logits, self.temperature))
