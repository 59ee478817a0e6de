"""PADA: Partial Adversarial Domain Adaptation (Cao et al., ECCV 2018), https://arxiv.org/abs/1808.04205

    γ_k   mean of softmax(z / T)_k over all target images, divided by its maximum; 1 before the first look
    w     γ of the label on the source; on the target the mean of the source's w in the batch
    L     means of w CE and of w BCE: weights are not normalised again

PADA is an option of every method that calls `Method.importance`: `dann[pada=True]` is PADA, and CDAN, MSTN,
HDA, GSDA and others take the same option. γ is recomputed between segments. T = 0.1 is a public re-implementation's;
`pada_temperature=1` is the paper, which averages the plain softmax.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import ops


def class_weights(posterior: tf.Tensor, temperature: float = 0.1) -> tf.Tensor:
    """Return γ [K] of softmax [N, K]."""
    logits = tf.math.log(tf.maximum(posterior, 1e-30))  # softmax(z) back to z, up to a constant
    mean = tf.reduce_mean(tf.nn.softmax(logits / temperature), 0)
    return mean / tf.reduce_max(mean)


def importance(weights: tf.Tensor, batch, name: str) -> tf.Tensor:
    """Return the weights w [B] of a stream's images, given γ [K]."""
    own = tf.gather(weights, batch["source"]["label"])  # [B]
    if name == "source":
        return own
    count = tf.shape(batch[name]["image"])[:1]
    return tf.fill(count, ops.everywhere(ops.mean(own)))
