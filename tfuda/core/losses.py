"""Compute losses as pure functions of logits, one value per sample; the caller takes `ops.mean`."""

from __future__ import annotations

import tensorflow as tf


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return the cross-entropy [B] of labels int [B] and logits [B, K]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def binary_cross_entropy(labels: tf.Tensor, logits: tf.Tensor, epsilon: float = 0.0) -> tf.Tensor:
    """Return the binary cross-entropy [B] of labels and logits.

    Args:
        labels: 0 or 1, [B].
        logits: [B].
        epsilon: above 0, the loss is -log(d + epsilon) on the probability d, as in the released adversarial codes
            (docs/methods/index.md#adversarial-loss). The epsilon bounds the gradient of a confident, wrong
            discriminator.

    1 - d is written sigmoid(-logit). In a graph TensorFlow folds (1 + epsilon) - d, which loses the epsilon in
    float32 and gives 0 · log 0.
    """
    labels = tf.cast(labels, logits.dtype)
    if epsilon == 0:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
    found = labels * tf.math.log(tf.sigmoid(logits) + epsilon)
    return -found - (1.0 - labels) * tf.math.log(tf.sigmoid(-logits) + epsilon)


def entropy(logits: tf.Tensor, epsilon: float = 1e-5, floor: float = 0.0) -> tf.Tensor:
    """Return the entropy of softmax(logits) in nats: [B, K] -> [B].

    Args:
        logits: [B, K].
        epsilon: added inside the logarithm; most released codes have 1e-5.
        floor: probabilities below this value are left out and have no gradient.
    """
    p = tf.nn.softmax(logits)
    if not epsilon and not floor:
        return -tf.reduce_sum(p * tf.nn.log_softmax(logits), -1)  # finite where a probability is 0
    counted = p >= floor
    logarithm = tf.math.log(tf.where(counted, p, 1.0) + epsilon) if floor else tf.math.log(p + epsilon)
    return -tf.reduce_sum(p * logarithm, -1)


def binary_entropy(logits: tf.Tensor) -> tf.Tensor:
    """Return the entropy of sigmoid(logits) in nats, at most ln 2, in the shape of the logits."""
    return tf.nn.softplus(logits) - logits * tf.sigmoid(logits)
