"""Build levels of classes: one domain, b groups of classes, r single classes (GSDA). M = 1 + b + r, in this order."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfuda.core import ops

LEVELS = ("domain", "groups", "classes")


def partition(classes: int, groups: int, overlap: int, rng: np.random.Generator) -> np.ndarray:
    """Return [groups, classes], 1 for members: a random division, and `overlap` more classes for each group."""
    found = np.zeros([groups, classes])
    for row, own in zip(found, np.array_split(rng.permutation(classes), groups), strict=True):
        row[own] = 1
        others = np.flatnonzero(row == 0)
        row[rng.permutation(others)[:overlap]] = 1
    return found


def drawn(classes: int, groups: int, overlap: int) -> np.ndarray:
    """Return a partition drawn by Keras's seed; groups=0 is one group for every five classes."""
    groups = groups or max(1, round(classes / 5))
    if groups > classes:
        raise ValueError(f"gsda cannot divide {classes} classes into groups={groups}")
    return partition(classes, groups, overlap, np.random.default_rng(np.random.randint(2**31)))


def check_levels(levels: str) -> None:
    """Raise a ValueError for an unknown level in names joined by +."""
    for level in levels.split("+"):
        if level not in LEVELS:
            raise ValueError(f"gsda has no level {level!r}: join any of {', '.join(LEVELS)} by +")


def split(values: tf.Tensor, groups: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Split values [M, ...] into domain [...], groups [b, ...], classes [r, ...]."""
    return values[0], values[1 : 1 + groups], values[1 + groups :]


def spread(membership: tf.Tensor, shares: tf.Tensor, domain: float) -> tf.Tensor:
    """Spread shares of classes [n, r, ...] to all levels [n, M, ...]; membership [b, r], `domain` for the first."""
    groups = tf.einsum("gr,nr...->ng...", membership, shares)
    return tf.concat([tf.fill(tf.shape(shares[:, :1]), tf.cast(domain, ops.real())), groups, shares], 1)


def asynchrony(norms: tf.Tensor, membership: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Return L_syn, a scalar, and the norm S of every level from N |G| [M, N]; equal on every replica."""
    count = ops.everywhere(tf.cast(tf.shape(norms)[1], norms.dtype))
    domain, groups, classes = split(ops.everywhere(tf.reduce_sum(norms, 1)) / count, membership.shape[0])
    inner = tf.reduce_mean(tf.abs(groups - tf.linalg.matvec(membership, classes)))
    levels = {"domain": domain, "groups": tf.reduce_sum(groups), "classes": tf.reduce_sum(classes)}
    return inner + tf.abs(domain - levels["groups"]), levels
