"""Choose among trained candidates without target labels, and never leave source_only without a reason.

    score    of a candidate: what CRITERION says of its logits, higher is better
    margin   a candidate replaces source_only if its score is higher by more than MARGIN
    shift    where the target seems to show a part of the classes alone, source_only stays (`label_shift`): methods
             that align whole domains spread the target over all classes there

The criterion and its margin were chosen on the emoji's tasks T-O and O-G, seed 0, when O-T and G-O had been seen as
well; the other tasks came later. EnsV and ATC choose alike there. EnsV was taken because ATC believes methods that
reward sure predictions: on T-O it gives DANNP 89 %, where 59 % are right (docs/adapt.md). The portfolio is of cells
that gain most on emoji where no class is missing.

`label_shift` and its two thresholds are set by T-O, O-G and T-L, seeds 0 and 1. With ten of 29 classes all four
methods lose on T-O and O-G, DANN up to 23 points. `distance` and `kept` of each seed are

                  T-O                       O-G                       T-L
    all classes   0.21 0.22    0.74 0.73    0.33 0.30    0.66 0.66    0.55 0.71    0.34 0.27
    long tail     0.24 0.22    0.73 0.69    0.33 0.29    0.66 0.61    0.56 0.71    0.38 0.31
    ten classes   0.51 0.53    0.55 0.50    0.49 0.45    0.62 0.56    0.66 0.75    0.37 0.28

and each threshold lies half-way between the nearest that it separates: of T-O and O-G those with and without all
classes, and T-L, where source_only knows little, from these two.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfuda.data import npz_file
from tfuda.evaluation import accuracy_estimates, calibration, combined_estimate
from tfuda.evaluation.combined_estimate import Estimate, Row
from tfuda.evaluation.ensv import ensv
from tfuda.evaluation.validators import Evidence, softmax

PLAIN = "source_only"
CRITERION = "ensv"
MARGIN = 0.01  # of agreement with the ensemble of all candidates
FAR = 0.39  # between the classes that source_only predicts, and those of the source
TRUSTED = 0.44  # share of source_only's predictions that the other candidates keep
MOST = 2**31  # bytes of a file of logits, unpacked


class Candidate(NamedTuple):
    """Hold the logits of a trained network, in evaluation mode.

    Attributes:
        name: the cell, such as "dannp+toalign".
        source_logits: of held-out source images, [V, K].
        source_labels: int [V].
        target_logits: of the unlabelled target images, [N, K].
    """

    name: str
    source_logits: np.ndarray
    source_labels: np.ndarray
    target_logits: np.ndarray

    @property
    def evidence(self) -> Evidence:
        """Return what the estimates of accuracy need."""
        return Evidence(self.source_logits, self.source_labels, self.target_logits)


def read_outputs(name: str, path: pathlib.Path) -> Candidate:
    """Return the candidate whose run wrote `path` (outputs.npz)."""
    keys = ["source_logits", "source_labels", "target_logits"]
    found = npz_file.read_arrays(path, keys, MOST)
    return Candidate(
        name,
        np.asarray(found["source_logits"], np.float32),
        np.asarray(found["source_labels"], np.int64),
        np.asarray(found["target_logits"], np.float32),
    )


# ---- criteria: candidates -> a score of each, higher is better


def by_atc(candidates: Sequence[Candidate]) -> list[float]:
    """Return the mean of ATC's two estimates of target accuracy, after temperature scaling."""
    found = []
    for one in candidates:
        heat = calibration.temperature(one.source_logits, one.source_labels)
        source, target = one.source_logits / heat, one.target_logits / heat
        each = [accuracy_estimates.atc(source, one.source_labels, target, kind) for kind in ("confidence", "entropy")]
        found.append(float(np.mean(each)))
    return found


def by_ensv(candidates: Sequence[Candidate]) -> list[float]:
    """Return each candidate's agreement with the ensemble of all of them."""
    return ensv([softmax(one.target_logits) for one in candidates])


def by_both(candidates: Sequence[Candidate]) -> list[float]:
    """Return the mean of `by_atc` and `by_ensv`."""
    return [float(np.mean(pair)) for pair in zip(by_atc(candidates), by_ensv(candidates), strict=True)]


CRITERIA: Mapping[str, Callable[[Sequence[Candidate]], list[float]]] = {
    "atc": by_atc,
    "ensv": by_ensv,
    "both": by_both,
}


def scores(candidates: Sequence[Candidate], criterion: str = CRITERION) -> dict[str, float]:
    """Return {name: score}; minus infinity for a candidate whose logits are not finite."""
    sound = [
        one for one in candidates if np.isfinite(one.source_logits).all() and np.isfinite(one.target_logits).all()
    ]
    found = dict(zip([one.name for one in sound], CRITERIA[criterion](sound) if sound else [], strict=True))
    return {one.name: found.get(one.name, -math.inf) for one in candidates}


def choose(found: Mapping[str, float], margin: float = MARGIN) -> str:
    """Return the name of the best candidate, or source_only if none is better by more than `margin`."""
    best = max(found, key=lambda name: (found[name], name == PLAIN))
    return best if PLAIN not in found or found[best] > found[PLAIN] + margin else PLAIN


class Choice(NamedTuple):
    """Hold what was chosen: its name, every candidate's score, and whether the target seems to lack classes."""

    name: str
    scores: dict[str, float]
    shifted: bool


def chosen(candidates: Sequence[Candidate], margin: float = MARGIN, shares: np.ndarray | None = None) -> Choice:
    """Return the choice among candidates; source_only where the target seems to show a part of the classes alone.

    Args:
        candidates: the candidates.
        margin: what another's score has to exceed that of source_only by.
        shares: share of each class in the source, [K]; None for that of its held-out images.
    """
    found, shifted = scores(candidates), label_shift(candidates, shares)
    return Choice(PLAIN if shifted else choose(found, margin), found, shifted)


def label_shift(candidates: Sequence[Candidate], shares: np.ndarray | None = None) -> bool:
    """Return whether the target seems to show a part of the source's classes alone.

    It seems so if source_only's predictions lie far from the source's classes, and the other candidates keep most of
    these predictions. Where they keep few, source_only knows little of the target, and its classes say nothing.
    Args: as `chosen`.
    """
    plain = next((one for one in candidates if one.name == PLAIN), None)
    others = [one for one in candidates if one.name != PLAIN]
    if plain is None or not others:
        return False
    return distance(plain, shares) > FAR and kept(plain, others) > TRUSTED


def distance(one: Candidate, shares: np.ndarray | None = None) -> float:
    """Return how far the classes that a candidate predicts for the target lie from those of the source.

    It is the total variation d between the two shares of classes, less what N pictures give by chance:
    √(d² - e²), e = Σ_k √(2 p_k (1 - p_k) / (π N)) / 2, which is d's expectation for N draws from p. In 0..1.
    Args: as `chosen`.
    """
    classes, count = one.source_logits.shape[1], len(one.target_logits)
    held_out = np.bincount(one.source_labels, minlength=classes) / len(one.source_labels)
    p = held_out if shares is None else shares
    q = np.bincount(one.target_logits.argmax(1), minlength=classes) / count
    far, chance = np.abs(p - q).sum() / 2, np.sqrt(2 * p * (1 - p) / (np.pi * count)).sum() / 2
    return float(np.sqrt(max(far**2 - chance**2, 0.0)))


def kept(plain: Candidate, others: Sequence[Candidate]) -> float:
    """Return the share of source_only's target predictions that other candidates make too, mean over these."""
    own = plain.target_logits.argmax(1)
    return float(np.mean([(one.target_logits.argmax(1) == own).mean() for one in others]))


def estimated(one: Candidate, others: Sequence[Candidate], rows: Sequence[Row], task: str = "") -> Estimate:
    """Return the estimated target accuracy of a candidate, with a 90 % interval.

    Args:
        one: the candidate.
        others: other candidates of the same task, for estimates from agreement.
        rows: the calibration table; rows of `task` are left out.
        task: the task in question, if the table may know it.
    """
    found = accuracy_estimates.estimates(one.evidence, [other.evidence for other in others])
    return combined_estimate.estimate(found, rows, task)
