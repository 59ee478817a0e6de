"""Measure the geometry of a classifier and of features, for the Transfer Score (`validators.transfer_score`).

uniformity  mean over classes i != j of (theta_ij - arccos(-1 / (K - 1)))^2,  theta_ij the angle of w_i and w_j
hopkins     sum u / (sum u + sum w),  distances to the nearest feature vector, from uniform points (u) and from
            a sample of the feature vectors themselves (w)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SAMPLE = 0.05  # share of the feature vectors that hopkins samples (Lawson and Jurs 1990)


def linear_map(head: Callable, width: int) -> np.ndarray:
    """Return the weights [K, d] of a head, head(I) - head(0): exact for heads that are linear, as are most.

    Args:
        head: features [B, d] -> logits [B, K].
        width: d.
    """
    units = np.concatenate([np.eye(width), np.zeros([1, width])]).astype(np.float32)
    logits = np.asarray(head(units))  # [d + 1, K]
    return (logits[:-1] - logits[-1]).T


def uniformity(classifier: np.ndarray) -> float:
    """Return the mean squared deviation of the angles between class weights from a regular simplex's, in rad².

    Args:
        classifier: w, float [K, d].
    """
    w = classifier.astype(np.float64)
    w = w / np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-30)
    different = ~np.eye(len(w), dtype=bool)
    angles = np.arccos(np.clip(w @ w.T, -1, 1))[different]
    return float(((angles - np.arccos(-1 / (len(w) - 1))) ** 2).mean())


def hopkins(features: np.ndarray, seed: int = 0) -> float:
    """Return the Hopkins statistic: 1/2 for uniform features, towards 1 for clusters; 1/2 for fewer than two images.

    The same features and seed always give the same value.

    Args:
        features: float [N, d].
        seed: of the sample and of the uniform points, which fill the features' bounding box.
    """
    from scipy.spatial.distance import cdist

    x = features.astype(np.float64)
    if len(x) < 2:
        return 0.5
    draws, count = np.random.default_rng(seed), max(1, int(SAMPLE * len(x)))
    points = draws.uniform(x.min(0), x.max(0), [count, x.shape[1]])
    sample = draws.choice(len(x), count, replace=False)
    others = cdist(x[sample], x)
    others[np.arange(count), sample] = np.inf
    u, w = cdist(points, x).min(1).sum(), others.min(1).sum()
    return float(u / (u + w)) if u + w > 0 else 0.5
