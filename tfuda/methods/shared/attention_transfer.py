"""Compute attention maps of layers, and the distance between two networks' attention (DAAA, eqs. 4, 5).

    A(F)    pooling over the channels of F [h, w, C], flattened, / |.|_2
    d       of one image's two attentions ("l2", ...), or of two sets of images' ("mmd", "jmmd"; shared/mmd.py)

The norm is exact. Where two attentions are equal but for rounding, the gradient is 0. "l2_eps" is
sqrt(s + 1e-12), "l2sq" the square.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfuda.core import ops
from tfuda.methods.shared import mmd


@tf.custom_gradient
def squares(maps: tf.Tensor):
    """Return the squares summed over channels: maps [B, h, w, C] -> [B, h, w].

    The gradient is one product, where the ops' own takes four.
    """
    return tf.reduce_sum(tf.square(maps), -1), lambda upstream: (2.0 * upstream)[..., None] * maps


POOLING = {
    "squares": squares,
    "absolute": lambda maps: tf.reduce_sum(tf.abs(maps), -1),
    "max": lambda maps: tf.reduce_max(tf.abs(maps), -1),
}

FEW = 8  # units in the last place, between two attentions that are equal but for rounding


def difference(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Return a - b [B, P], without gradient where the difference is rounding.

    Rounding has a random direction, and its norm has slope 1.
    """
    found = a - b
    size = tf.stop_gradient(tf.maximum(ops.safe_norm(a), ops.safe_norm(b)))  # [B, 1]
    rounding = tf.stop_gradient(ops.safe_norm(found)) <= FEW * np.finfo(found.dtype.as_numpy_dtype).eps * size
    return tf.where(rounding, tf.stop_gradient(found), found)


def l2_eps(a: tf.Tensor, b: tf.Tensor, epsilon: float = 1e-12) -> tf.Tensor:
    """Return sqrt(|a - b|^2 + epsilon) of two attentions: [B, P] each -> [B]."""
    return tf.sqrt(tf.reduce_sum(tf.square(difference(a, b)), -1) + epsilon)


# Of two attentions [B, P]: [B]
DISTANCES = {
    "l2": lambda a, b: ops.safe_norm(difference(a, b))[:, 0],
    "l2_eps": l2_eps,
    "l2sq": lambda a, b: tf.reduce_sum(tf.square(a - b), -1),
    "l1": lambda a, b: tf.reduce_sum(tf.abs(difference(a, b)), -1),
}


def mean_of_gaussians(x: tf.Tensor) -> tf.Tensor:
    """Return the mean of the Gaussian kernels, [n, n], at most 1, so that a product over layers stays bounded."""
    return mmd.gaussian(x) / len(mmd.FACTORS)


PLAIN = functools.partial(mmd.mmd, estimator="quad")

# Of two sequences of layers' attentions [B, P_l] each: a scalar
BETWEEN_SETS: dict[str, Callable[[Sequence, Sequence], tf.Tensor]] = {
    "mmd": lambda a, b: tf.add_n([PLAIN(x, y) for x, y in zip(a, b, strict=True)]),
    "jmmd": lambda a, b: mmd.jmmd(a, b, [mean_of_gaussians] * len(a)),
}


def check_distance(pooling: str, distance: str) -> None:
    """Raise a ValueError for an unknown pooling or distance."""
    for option, value, known in (
        ("pooling", pooling, POOLING),
        ("distance", distance, {**DISTANCES, **BETWEEN_SETS}),
    ):
        if value not in known:
            raise ValueError(f"daaa has no {option}={value!r}: choose {', '.join(known)}")


def attention(maps: tf.Tensor, pooling: str = "squares") -> tf.Tensor:
    """Return a layer's attention: maps [B, h, w, C] -> [B, h w], of norm 1, or 0 where nothing is active."""
    pooled = POOLING[pooling](tf.cast(maps, ops.real()))
    flat = tf.reshape(pooled, [tf.shape(pooled)[0], pooled.shape[1] * pooled.shape[2]])
    return tf.math.l2_normalize(flat, -1, 1e-24)


def gap(wanted: Sequence[tf.Tensor], found: Sequence[tf.Tensor], distance: str, mean: Callable) -> tf.Tensor:
    """Return this replica's share of the distance of two networks' attentions, summed over layers.

    Args:
        wanted: attentions [B, P_l] of the one network's layers.
        found: those of the other network.
        distance: a name in DISTANCES or BETWEEN_SETS.
        mean: [B] -> this replica's share of a mean over images.
    """
    if distance in BETWEEN_SETS:
        whole = [[ops.gathered(maps) for maps in side] for side in (wanted, found)]
        return ops.share(BETWEEN_SETS[distance](*whole))
    return mean(tf.add_n([DISTANCES[distance](a, b) for a, b in zip(wanted, found, strict=True)]))
