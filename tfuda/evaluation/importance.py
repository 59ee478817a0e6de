"""Estimate the risk on the target from held-out source images, weighted by how much they resemble the target.

w       p(target | f) / p(source | f) N_source / N_target        f features, by a logistic regression
capped  min(w / mean w, CAP), then divided by its mean           self-normalised: the weights have mean 1
iwcv    mean w l                                                 l losses of the held-out source images
dev     mean w l + eta (mean w - 1),  eta = -cov(w l, w) / var w
"""

from __future__ import annotations

import warnings

import numpy as np

MOST = 2000  # evenly spaced images for the classifier between domains, and for pairwise similarities
CAP = 10.0  # times the mean weight: of a hundred held-out images, one counts for ten at most
DECAYS = (1e-3, 1e-2, 1e-1, 1.0)  # of the classifier between domains, for each image


def evenly(rows, most: int = MOST):
    """Return at most `most` evenly spaced rows of an array [N, ...] or of Files."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]


def errors(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return the 0-1 loss of each image [N], as DEV's code does: 1 where the prediction is wrong."""
    return (logits.argmax(1) != labels).astype(np.float64)


def ratio(train: np.ndarray, target: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """Estimate the density ratio p(target | f) / p(source | f) of held-out source images: [V].

    A ridge logistic regression separates source training images from target images. Its decay is the one with the
    lowest loss on every fifth image, left out. (DEV's code has a perceptron with one hidden layer instead.)

    Args:
        train: features of source training images, [N, d].
        target: features of target images, [M, d].
        held_out: features of held-out source images, [V, d].
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train, target = evenly(train).astype(np.float64), evenly(target).astype(np.float64)
    if not (np.isfinite(train).all() and np.isfinite(target).all()):
        return np.full(len(held_out), np.nan)
    x = np.concatenate([train, target])
    mean, spread = x.mean(0), np.maximum(x.std(0), 1e-12)
    x, y = (x - mean) / spread, np.repeat([0, 1], [len(train), len(target)])
    left_out = np.arange(len(x)) % 5 == 0
    if len({*y[left_out]}) < 2 or len({*y[~left_out]}) < 2:
        return np.ones(len(held_out))
    found = []
    for decay in DECAYS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 200 iterations are close enough
            fit = LogisticRegression(C=1 / (decay * len(x)), max_iter=200, tol=1e-3).fit(x[~left_out], y[~left_out])
        signs = np.where(y[left_out] == 1, 1.0, -1.0)
        loss = np.logaddexp(0, -signs * fit.decision_function(x[left_out])).mean()
        found.append((loss, -decay, fit))
    best = min(found, key=lambda one: one[:2])[2]
    score = best.decision_function((held_out.astype(np.float64) - mean) / spread)
    return np.exp(np.clip(score, -30, 30)) * len(train) / len(target)


def capped(weights: np.ndarray, most: float = CAP) -> np.ndarray:
    """Return weights [V] of mean 1, none of which was above `most` times the mean."""
    cut = np.minimum(weights, most * weights.mean())
    return cut / cut.mean()


def ratio_of_logits(source_logits: np.ndarray, target_logits: np.ndarray) -> np.ndarray:
    """Estimate the density ratio of held-out source images from logits alone, capped, with mean 1: [V].

    What represents an image is its logits less their mean. Every other held-out image trains the classifier between
    domains, which weighs the others, so no image is weighed by a classifier that has seen it.

    Args:
        source_logits: of held-out source images, [V, K].
        target_logits: of target images, [N, K].
    """
    source, target = (x.astype(np.float64) - x.mean(1, keepdims=True) for x in (source_logits, target_logits))
    weights, even = np.empty(len(source)), np.arange(len(source)) % 2 == 0
    if len(source) < 4:
        return np.ones(len(source))
    for part in (even, ~even):
        weights[part] = ratio(source[~part], target, source[part])
    return capped(weights)


def iwcv(weights: np.ndarray, losses: np.ndarray) -> float:
    """Return importance-weighted cross-validation, mean w l (Sugiyama et al., JMLR 2007); lower is better.

    The estimate is unbiased where source and target overlap. Elsewhere it fails, because few images carry all of the
    weight. The source must be held out: in Office-31 train and test are the same pictures, and losses are near 0.

    Args:
        weights: w of held-out source images, [V].
        losses: l of the same images, [V].
    """
    return float((weights * losses).mean())


def dev(weights: np.ndarray, losses: np.ndarray) -> float:
    """Return deep embedded validation, IWCV with a control variate (You et al., ICML 2019); lower is better.

    The ratio uses the features that the network aligns, so weights are smaller. The validator fails as `iwcv` does,
    and where a source class is aligned with another target class, which no ratio shows. The value may be negative.

    Args:
        weights: w of held-out source images, [V].
        losses: l of the same images, [V].
    """
    weighted = weights * losses
    if len(weights) < 2 or weights.var() == 0:
        return float(weighted.mean())
    eta = -np.cov(weighted, weights)[0, 1] / weights.var(ddof=1)
    return float(weighted.mean() + eta * weights.mean() - eta)
