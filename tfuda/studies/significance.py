"""Test whether a method is better than another on the same tasks and seeds: paired sign-flip test, Holm's correction.

Of n differences d_i, one for each pair of runs on the same task with the same seed:

    p = the share of all 2^n ways to turn their signs for which |sum| is at least |sum of d_i|

exactly for n up to EXACT, else over DRAWS signs of a fixed seed (and the signs as they are). Two-sided. The only
assumption: if the methods were equal, each difference would be as likely to have the other sign. Runs of one task
are alike, so p speaks of these tasks, not of all that one could have taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

EXACT = 16
DRAWS = 100_000
DIGITS = 9  # of a sum as a share of the largest: sums in another order are equal but for rounding


class Tested(NamedTuple):
    """The test of one method against another: mean difference, how many pairs, p, and p after Holm's correction."""

    mean: float
    pairs: int
    p: float
    holm: float


def sign_flip(differences: Sequence[float]) -> float:
    """Return p of the two-sided test that differences [n] are as likely to be negative as positive."""
    from scipy.stats import permutation_test

    d = np.asarray(differences, float)
    if len(d) < 2 or not d.any():
        return 1.0
    largest = np.abs(d).sum()

    def size(some, axis):
        return np.round(np.abs(some.sum(axis)) / largest, DIGITS)

    found = permutation_test(
        (d,),
        size,
        permutation_type="samples",  # of one sample: the signs
        alternative="greater",
        n_resamples=np.inf if len(d) <= EXACT else DRAWS,
        batch=5000,
        random_state=np.random.default_rng(0),
    )
    return float(found.pvalue)


def smallest(pairs: int) -> float:
    """Return the p of `pairs` differences that all have one sign: no test of so many can find less."""
    return 2 / 2**pairs if 0 < pairs <= EXACT else 1 / (1 + DRAWS) if pairs else 1.0


def holm(ps: Sequence[float]) -> list[float]:
    """Return the p-values with Holm's (1979) correction for their number."""
    corrected, highest = [0.0] * len(ps), 0.0
    for rank, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[i]))
        corrected[i] = highest
    return corrected


def against(values: dict[str, dict[tuple, float]], baseline: str) -> dict[str, Tested]:
    """Test every method that shares a pair with the baseline.

    Args:
        values: {method: {(task, seed): value}}.
        baseline: the method that the others are tested against.

    Returns:
        {method: its test}.
    """
    paired = {
        name: [own[key] - values[baseline][key] for key in own if key in values[baseline]]
        for name, own in values.items()
        if name != baseline
    }
    paired = {name: differences for name, differences in paired.items() if differences}
    ps = [sign_flip(differences) for differences in paired.values()]
    return {
        name: Tested(float(np.mean(differences)), len(differences), p, corrected)
        for (name, differences), p, corrected in zip(paired.items(), ps, holm(ps), strict=True)
    }
