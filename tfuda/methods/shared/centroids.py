"""Move the centroid of every class towards the mean of a batch's features of that class.

Centroids of a domain, C [K, d], zero at first (docs/methods/biwaa.md#centroids):

    C_k <- keep C_k + (1 - keep) mean of this batch's features of class k      gradients reach the mean only

Centroids are a memory of the method: in every checkpoint, and the same on every replica.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import ops

ABSENT = ("keep", "decay")


def centroids(
    memory: tf.Tensor, features: tf.Tensor, labels: tf.Tensor, keep: float = 0.7, absent: str = "keep"
) -> tf.Tensor:
    """Return new centroids [K, d] after a batch.

    Args:
        memory: old centroids [K, d].
        features: [B, d] of this replica.
        labels: int [B].
        keep: weight of the old centroid.
        absent: "keep" leaves the centroid of a class without images (BIWAA's code); "decay" moves the centroid as
            if the batch's mean were 0 (MSTN's code).
    """
    hot = tf.one_hot(labels, memory.shape[0], dtype=features.dtype)  # [B, K]
    total = ops.everywhere(tf.matmul(hot, features, transpose_a=True))  # [K, d]
    count = ops.everywhere(tf.reduce_sum(hot, 0))[:, None]  # [K, 1]
    moved = keep * memory + (1.0 - keep) * total / tf.maximum(count, 1.0)
    return moved if absent == "decay" else tf.where(count > 0, moved, memory)
