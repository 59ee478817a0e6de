"""Losses as pure functions on logits, one value per sample: the caller takes `ops.mean`."""

from __future__ import annotations

import tensorflow as tf


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Of labels int [B] and logits [B, K]: [B]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def binary_cross_entropy(labels: tf.Tensor, logits: tf.Tensor, epsilon: float = 0.0) -> tf.Tensor:
    """Of labels in {0, 1} [B] and logits [B]: [B].

    epsilon > 0: -log(d + epsilon) on the probability d, the form of the released adversarial codes
    (docs/methods/index.md#adversarial-loss);
    it bounds the gradient of a discriminator that is sure and wrong. 1 - d is written sigmoid(-logit): in a graph
    TensorFlow folds (1 + epsilon) - d, which loses the epsilon in float32 and gives 0 · log 0.
    """
    labels = tf.cast(labels, logits.dtype)
    if epsilon == 0:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
    found = labels * tf.math.log(tf.sigmoid(logits) + epsilon)
    return -found - (1.0 - labels) * tf.math.log(tf.sigmoid(-logits) + epsilon)


def entropy(logits: tf.Tensor, epsilon: float = 1e-5, floor: float = 0.0) -> tf.Tensor:
    """Of softmax(logits), in nats: [B, K] -> [B]. The 1e-5 inside the logarithm is most released codes'.

    floor: probabilities below it count nothing, and have no gradient
    """
    p = tf.nn.softmax(logits)
    if not epsilon and not floor:
        return -tf.reduce_sum(p * tf.nn.log_softmax(logits), -1)  # finite where a probability is 0
    counted = p >= floor
    logarithm = tf.math.log(tf.where(counted, p, 1.0) + epsilon) if floor else tf.math.log(p + epsilon)
    return -tf.reduce_sum(p * logarithm, -1)


def binary_entropy(logits: tf.Tensor) -> tf.Tensor:
    """Of sigmoid(logits), in nats, at most ln 2: any shape -> the same."""
    return tf.nn.softplus(logits) - logits * tf.sigmoid(logits)
