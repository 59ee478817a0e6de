"""Say in plain words what looks wrong with an adaptation, from outputs and counts without target labels.

Each sign is a function of what it needs, and returns sentences. Thresholds are the constants below, with reasons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfuda.evaluation.combined_estimate import Estimate

FEW_SOURCE = 10  # pictures of a class: fewer leave hardly one or two to hold out
FEW_TARGET = 100  # pictures: the accuracy of fewer has a standard error of up to 5 points
EXPECTED = 5  # pictures of a class: where fewer are expected, a class may be missed by chance (exp(-5) = 0.7 %)
ABSENT = 0.1  # share of the expected pictures: target classes of one data set rarely differ tenfold
POSSIBLE = 0.5  # the same of the sum of posteriors: above, the class is often a close second
SWALLOWED = 0.5  # of the way from an equal share to all pictures: unbalanced targets rarely have such a class
USUAL = 0.95  # quantile of held-out source pictures: both conditions together hold for at most 5 % of them
UNLIKE = 0.15  # share of target pictures: three times what the quantiles allow on the source
GUESSING = 0.2  # of the way from guessing to no error: estimates err by about so much
GAIN = 0.02  # of accuracy: less is within the noise of two seeds
WIDE = 0.4  # width of an interval that tells a good result from a bad one no more
OVERLAP = 0.05  # effective share of source pictures: below, weighted estimates rest on a handful of them


class Case(NamedTuple):
    """Hold what is known of a chosen network and its task."""

    classes: Sequence[str]  # K names
    source_counts: np.ndarray  # source pictures of each class, int [K]
    source_posteriors: np.ndarray  # of held-out source pictures, [V, K]
    source_features: np.ndarray  # [V, d]
    source_labels: np.ndarray  # int [V]
    target_posteriors: np.ndarray  # [N, K]
    target_features: np.ndarray  # [N, d]
    method: str  # such as "dannp"; "source_only" for no adaptation
    estimate: Estimate  # of the target accuracy
    source_only: Estimate | None = None  # the same for training on the source alone
    weights: np.ndarray | None = None  # density ratio of held-out source pictures, [V]


def percent(share: float) -> str:
    """Return a share as whole percent: 0.123 -> "12 %"."""
    return f"{100 * share:.0f} %"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return names joined by commas; of more than `most`, the rest as a number."""
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def counts(classes: Sequence[str], source_counts: np.ndarray, target: int) -> list[str]:
    """Warn of classes with few source pictures, and of few target pictures.

    Args:
        classes: K names.
        source_counts: source pictures of each class, int [K].
        target: the number of target pictures.
    """
    few = [f"{name} ({count})" for name, count in zip(classes, source_counts, strict=True) if count < FEW_SOURCE]
    found = [f"Few source pictures of {listed(few)}: fewer than {FEW_SOURCE} hardly teach a class."] if few else []
    if target < FEW_TARGET:
        found.append(f"The target has {target} pictures: below {FEW_TARGET}, every number here is rough.")
    return found


def absent(classes: Sequence[str], posteriors: np.ndarray) -> list[str]:
    """Warn of classes that the target never, or hardly ever, shows.

    A class is absent if it is predicted for fewer than ABSENT N/K pictures, and its posteriors sum to less than
    POSSIBLE N/K.

    Args:
        classes: K names.
        posteriors: of target pictures, [N, K].
    """
    images, number = posteriors.shape
    if images / number < EXPECTED:
        return []
    predicted = np.bincount(posteriors.argmax(1), minlength=number)
    missing = (predicted < ABSENT * images / number) & (posteriors.sum(0) < POSSIBLE * images / number)
    names = [name for name, gone in zip(classes, missing, strict=True) if gone]
    if not names:
        return []
    return [
        f"Hardly any target picture is taken for {listed(names)}: either the target has none, or "
        "the network does not know them there. If the target has none, source_only may be better: see its estimate."
    ]


def swallowed(classes: Sequence[str], posteriors: np.ndarray) -> list[str]:
    """Warn of a class that is predicted for most target pictures. Args: as `absent`."""
    images, number = posteriors.shape
    predicted = np.bincount(posteriors.argmax(1), minlength=number) / images
    if predicted.max() <= 1 / number + SWALLOWED * (1 - 1 / number):
        return []
    name = classes[int(predicted.argmax())]
    return [
        f"{percent(predicted.max())} of the target pictures are taken for {name}: the network may have collapsed."
    ]


def is_unlike(case: Case) -> np.ndarray:
    """Return which target pictures resemble no class: bool [N].

    Such a picture lies farther from every class than USUAL of the held-out source pictures lie from their nearest,
    and the network is less sure of it than of USUAL of them. Distances are between f / |f| and the mean of a class.
    """
    from scipy.spatial.distance import cdist

    unit = [
        f.astype(np.float64) / np.maximum(np.linalg.norm(f, axis=1, keepdims=True), 1e-30)
        for f in (case.source_features, case.target_features)
    ]
    centres = np.stack([unit[0][case.source_labels == k].mean(0) for k in np.unique(case.source_labels)])  # [C, d]
    source, target = (cdist(f, centres).min(1) for f in unit)
    sure = [p.max(1) for p in (case.source_posteriors, case.target_posteriors)]
    return (target > np.quantile(source, USUAL)) & (sure[1] < np.quantile(sure[0], 1 - USUAL))


def unlike(case: Case) -> list[str]:
    """Warn if more than UNLIKE of the target pictures resemble no class."""
    share = is_unlike(case).mean()
    if share <= UNLIKE:
        return []
    return [
        f"{percent(share)} of the target pictures resemble no class: they lie far from all of them, "
        "and the network is unsure. Look at some of them: perhaps they show something else."
    ]


def learnt(method: str, classes: int, estimate: Estimate, source_only: Estimate | None = None) -> list[str]:
    """Warn if nothing was learnt for the target, if adaptation gained nothing, and if the estimate is loose.

    Args:
        method: name of the chosen method.
        classes: K.
        estimate: of the chosen network's target accuracy.
        source_only: the same for training on the source alone.
    """
    value, low, high = estimate
    found, chance = [], 1 / classes
    if not math.isfinite(value):
        return ["The target accuracy cannot be estimated: the network's outputs are not finite."]
    if value < chance + GUESSING * (1 - chance):
        found.append(
            f"The estimated accuracy, {percent(value)}, is close to guessing ({percent(chance)}): "
            "the domains may lie too far apart. Label some target pictures, or choose a closer source."
        )
    if method == "source_only":
        found.append("Training on the source alone is kept: no adaptation is estimated to be better.")
    elif source_only is not None and value - source_only.value < GAIN:
        found.append(
            f"By estimate, {method} gains less than {percent(GAIN)} over training on the source alone "
            f"({percent(source_only.value)}): adaptation may not have helped."
        )
    if high - low > WIDE:
        found.append(
            f"The accuracy may lie anywhere from {percent(low)} to {percent(high)}: label some target pictures."
        )
    return found


def overlap(weights: np.ndarray) -> list[str]:
    """Warn if few held-out source pictures resemble the target: (sum w)^2 / (V sum w^2) < OVERLAP.

    Args:
        weights: density ratio w of held-out source pictures, [V].
    """
    effective = weights.sum() ** 2 / (len(weights) * (weights**2).sum())
    if not effective < OVERLAP:
        return []
    return [
        f"The domains hardly overlap for this network: {percent(effective)} of the source pictures, in effect, "
        "resemble the target. Estimates that weigh the source are unreliable here."
    ]


def warning_signs(case: Case) -> list[str]:
    """Return every warning about a case, as sentences in plain words; [] if nothing looks wrong."""
    found = counts(case.classes, case.source_counts, len(case.target_posteriors))
    found += learnt(case.method, len(case.classes), case.estimate, case.source_only)
    if not all(np.isfinite(p).all() for p in (case.target_posteriors, case.target_features, case.source_features)):
        return found
    found += absent(case.classes, case.target_posteriors) + swallowed(case.classes, case.target_posteriors)
    return found + unlike(case) + (overlap(case.weights) if case.weights is not None else [])
