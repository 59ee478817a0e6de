"""Calibrate confidences by one temperature, fitted to held-out source images, and measure their error.

Temperature scaling (Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599):

    p = softmax(logits / T),    T = argmin mean -log p_y        over held-out source images

Weighted, for a target without labels. The density ratio is CPCS's idea (Park et al., AISTATS 2020,
https://arxiv.org/abs/2003.00343), and on adapted features TransCal's (Wang et al., NeurIPS 2020,
https://arxiv.org/abs/2007.08259):

    T = argmin sum w (-log p_y) / sum w,    w = p(target | f) / p(source | f) N_source / N_target

Departures: the loss is the likelihood, where CPCS has Brier's score and TransCal the calibration error with a control
variate. The ratio is that of logits in place of features, capped (`importance.ratio_of_logits`).

Expected calibration error (Naeini et al., AAAI 2015), over bins of equal width of the confidence:

    ECE = sum_b N_b / N |accuracy_b - confidence_b|

Matched, for a target without labels whose accuracy a was estimated (tfuda/evaluation/combined_estimate.py). T is such
that the mean confidence, max_k p_k, over the target's images is a. On the emoji it errs least, above all for methods
that reward sure predictions. Held-out source images do not show how sure those are of the target (docs/adapt.md).

T leaves every predicted class as it is. T is fitted in [1/20, 20]: a held-out source without errors would ask for 0.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from tfuda.evaluation.posteriors import softmax

LIMIT = math.log(20.0)  # of |log T|
TOLERANCE = 1e-6  # of log T


def negative_log_likelihood(
    logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0, weights: np.ndarray | None = None
) -> float:
    """Return the weighted mean of -log p_y, p = softmax(logits / T), in nats.

    Args:
        logits: float [V, K].
        labels: int [V].
        temperature: T.
        weights: w >= 0 of each image, [V]; None weighs all alike.
    """
    log_p = special.log_softmax(logits.astype(np.float64) / temperature, axis=1)  # [V, K]
    return float(np.average(-log_p[np.arange(len(labels)), labels], weights=weights))


def temperature(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Fit T to held-out source images by bisection; the loss is convex in 1/T, so the result is its minimum.

    Args:
        logits: float [V, K].
        labels: int [V].
        weights: density ratios w of the images, from `importance.ratio`, [V]; None weighs all alike.

    Returns:
        T in [1/20, 20]; 1 where the loss does not depend on T, and NaN where an input is not finite.
    """
    if not (np.isfinite(logits).all() and (weights is None or np.isfinite(weights).all())):
        return math.nan
    low, high = -LIMIT, LIMIT  # of log T
    if _slope(logits, labels, low, weights) == 0 == _slope(logits, labels, high, weights):
        return 1.0
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        if _slope(logits, labels, middle, weights) > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def matched_temperature(logits: np.ndarray, accuracy: float) -> float:
    """Return the T with which the mean confidence of images equals their estimated accuracy, by bisection.

    Args:
        logits: float [N, K], of unlabelled images.
        accuracy: the estimate, in 0..1.

    Returns:
        T in [1/20, 20]; NaN where an input is not finite.
    """
    if not (np.isfinite(logits).all() and math.isfinite(accuracy)):
        return math.nan
    low, high, wide = -LIMIT, LIMIT, logits.astype(np.float64)  # of log T: confidence falls with T
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        if softmax(wide / math.exp(middle)).max(1).mean() > accuracy:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)


def _slope(logits: np.ndarray, labels: np.ndarray, log_t: float, weights: np.ndarray | None) -> float:
    """Return d loss / d (1/T) = mean w (sum_k p_k logit_k - logit_y): positive if T is too low."""
    wide = logits.astype(np.float64)
    expected = (softmax(wide / math.exp(log_t)) * wide).sum(1)
    return float(np.average(expected - wide[np.arange(len(labels)), labels], weights=weights))


def expected_calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return ECE of the highest probability, in 0..1; lower is better.

    Args:
        logits: float [N, K], already divided by T.
        labels: int [N], of source images; only reports on labelled targets may pass target labels.
        bins: number of bins of equal width, each with its upper end.
    """
    p = softmax(logits)
    confidence, right = p.max(1), p.argmax(1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)  # bin b holds (b / bins, (b + 1) / bins]
    gaps = np.bincount(place, weights=right - confidence, minlength=bins)  # N_b (accuracy_b - confidence_b)
    return float(np.abs(gaps).sum() / len(labels))
