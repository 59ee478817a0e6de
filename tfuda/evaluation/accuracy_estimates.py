"""Estimate the accuracy of a network on the target, in 0..1, without target labels.

Inputs are NumPy arrays of outputs in evaluation mode, from V held-out source images with labels and N target images.
p is the softmax of the logits. Every estimate opens with its paper's equation, and says where it fails.

    atc_confidence  share of target images with max p >= t,  t from the held-out source
    atc_entropy     share of target images with sum_k p_k log p_k >= t
    doc             source accuracy + mean max p of the target - mean max p of the source
    gde             share of target images that differently trained networks predict alike
    aline           Phi(a Phi^-1(source accuracy) + b),  a and b from the networks' agreement
    iwcv, dev       1 - importance-weighted risk of the held-out source, as in importance.py

The papers of ATC and DoC scale the logits by a temperature first: tfuda/evaluation/calibration.py.
`combined_estimate.py` makes one value with an interval of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from tfuda.evaluation import importance, validators
from tfuda.evaluation.importance import errors
from tfuda.evaluation.posteriors import entropies, softmax
from tfuda.evaluation.validators import Evidence

NAMES = ("atc_confidence", "atc_entropy", "doc", "gde", "aline", "iwcv", "dev")


def confidence(logits: np.ndarray) -> np.ndarray:
    """Return the highest probability of each image: [N, K] -> [N]."""
    return softmax(logits).max(1)


def negative_entropy(logits: np.ndarray) -> np.ndarray:
    """Return sum_k p_k log p_k of each image, in nats: [N, K] -> [N]."""
    return -entropies(softmax(logits))


SCORES = {"confidence": confidence, "entropy": negative_entropy}


def threshold(scores: np.ndarray, wrong: np.ndarray) -> float:
    """Return the t that satisfies mean 1[s < t] = mean 1[wrong] best, the lowest among equals.

    Args:
        scores: s of held-out source images, [V].
        wrong: 1 where the prediction is wrong, [V].
    """
    levels = np.append(np.unique(scores), np.inf)
    below = np.searchsorted(np.sort(scores), levels)  # images with s < t
    return float(levels[np.abs(below - wrong.sum()).argmin()])


def atc(
    source_logits: np.ndarray, source_labels: np.ndarray, target_logits: np.ndarray, score: str = "confidence"
) -> float:
    """Estimate accuracy by average thresholded confidence (Garg et al., ICLR 2022, https://arxiv.org/abs/2201.04234).

        mean_source 1[s < t] = mean_source 1[argmax p != y],    accuracy = mean_target 1[s >= t]

    The estimate fails where the network is confident and wrong on the target alone, and for a source without errors:
    there, t is the lowest score of the held-out source.

    Args:
        source_logits: float [V, K].
        source_labels: int [V].
        target_logits: float [N, K].
        score: "confidence", s = max p, or "entropy", s = sum_k p_k log p_k.
    """
    t = threshold(SCORES[score](source_logits), errors(source_labels, source_logits))
    return float((SCORES[score](target_logits) >= t).mean())


def doc(source_logits: np.ndarray, source_labels: np.ndarray, target_logits: np.ndarray) -> float:
    """Estimate accuracy by the difference of confidences (Guillory et al., ICCV 2021, https://arxiv.org/abs/2107.03315).

        DoC = mean_source max p - mean_target max p,    accuracy = accuracy_source - DoC

    The paper also fits a line from DoC to the loss of accuracy, on known shifts; here its slope is 1. The estimate
    fails for methods that raise confidence on the target by training, such as entropy minimisation.

    Args:
        source_logits: float [V, K].
        source_labels: int [V].
        target_logits: float [N, K].
    """
    difference = confidence(source_logits).mean() - confidence(target_logits).mean()
    return float(np.clip(validators.source_accuracy(source_labels, source_logits) - difference, 0, 1))


def gde(classes: np.ndarray, others: np.ndarray) -> float:
    """Estimate accuracy by agreement with other networks (Jiang et al., ICLR 2022, https://arxiv.org/abs/2106.13799).

        E 1[h(x) != y] = E 1[h(x) != h'(x)],    accuracy = mean over h' of mean_target 1[h = h']

    Equality holds for networks that differ by their seed, and whose mean prediction is calibrated. The estimate is
    too high where networks share their errors, and too low beside much worse networks.

    Args:
        classes: classes predicted by the network, int [N].
        others: classes predicted by M other networks, of other seeds or methods, int [M, N].
    """
    return float((np.asarray(others) == classes).mean())


def aline(source_classes: np.ndarray, target_classes: np.ndarray, source_labels: np.ndarray) -> np.ndarray:
    """Estimate accuracy by agreement on the line (Baek et al., NeurIPS 2022, https://arxiv.org/abs/2206.13089).

        Phi^-1(agreement_target) = a Phi^-1(agreement_source) + b,  least squares over pairs of networks
        accuracy = Phi(a Phi^-1(accuracy_source) + b),  the paper's ALine-S

    Phi is the distribution function of the normal distribution. Shares are kept half an image away from 0 and 1. The
    estimate needs networks of different quality on the source, and fails where agreement is on no line.

    Args:
        source_classes: classes that M networks predict for held-out source images, int [M, V].
        target_classes: classes that the same networks predict for target images, int [M, N].
        source_labels: int [V].

    Returns:
        The accuracy of each network [M]; NaN for fewer than three networks, or agreements that are all equal.
    """
    from scipy.special import ndtr, ndtri

    def probit(share: np.ndarray, images: int) -> np.ndarray:
        return ndtri(np.clip(share, 0.5 / images, 1 - 0.5 / images))

    def agreements(classes: np.ndarray) -> np.ndarray:
        pairs = combinations(range(len(classes)), 2)
        return probit(np.array([(classes[i] == classes[j]).mean() for i, j in pairs]), classes.shape[1])

    source_classes, target_classes = np.asarray(source_classes), np.asarray(target_classes)
    if len(source_classes) < 3 or np.ptp(x := agreements(source_classes)) == 0:
        return np.full(len(source_classes), np.nan)
    y = agreements(target_classes)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    own = probit((source_classes == source_labels).mean(1), source_classes.shape[1])
    return ndtr(slope * (own - x.mean()) + y.mean())


def importance_weighted(weights: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> float:
    """Estimate accuracy by IWCV with weights of mean 1 (Sugiyama et al., JMLR 2007), as `importance.iwcv`.

        accuracy = 1 - sum w 1[argmax p != y] / sum w,    w = p(target | f) / p(source | f) N_source / N_target

    The estimate fails where domains do not overlap: few images carry all of the weight.

    Args:
        weights: w of held-out source images, from `importance.ratio`, [V].
        labels: int [V].
        logits: float [V, K].
    """
    return 1 - importance.iwcv(weights / weights.mean(), errors(labels, logits))


def control_variate(weights: np.ndarray, labels: np.ndarray, logits: np.ndarray) -> float:
    """Estimate accuracy by DEV (You et al., ICML 2019), as `importance.dev`, kept in 0..1.

        accuracy = 1 - (mean w l + eta (mean w - 1)),    eta = -cov(w l, w) / var w

    Args:
        weights: w of held-out source images, from `importance.ratio`, [V].
        labels: int [V].
        logits: float [V, K].
    """
    return float(np.clip(1 - importance.dev(weights, errors(labels, logits)), 0, 1))


def estimates(seen: Evidence, others: Sequence[Evidence] = ()) -> dict[str, float]:
    """Return every estimate of NAMES; NaN for one that lacks its inputs, and for outputs that are not finite.

    Args:
        seen: outputs of the network; with `weights` for iwcv and dev.
        others: outputs of other networks for the same images, in the same order; one for gde, two for aline.
    """
    found = dict.fromkeys(NAMES, math.nan)
    if not all(np.isfinite(part).all() for part in seen if part is not None):
        return found
    source, labels, target = seen.source_logits, seen.source_labels, seen.target_logits
    found["atc_confidence"], found["atc_entropy"] = (atc(source, labels, target, score) for score in SCORES)
    found["doc"] = doc(source, labels, target)
    sound = [other for other in others if np.isfinite(other.target_logits).all()]
    if sound:
        found["gde"] = gde(target.argmax(1), np.array([other.target_logits.argmax(1) for other in sound]))
        on_source = np.array([one.source_logits.argmax(1) for one in (seen, *sound)])
        on_target = np.array([one.target_logits.argmax(1) for one in (seen, *sound)])
        found["aline"] = float(aline(on_source, on_target, labels)[0])
    if seen.weights is not None:
        found["iwcv"] = importance_weighted(seen.weights, labels, source)
        found["dev"] = control_variate(seen.weights, labels, source)
    return found
