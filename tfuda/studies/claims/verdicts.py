"""Judge each claim by its runs."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfuda.studies import published_numbers, significance
from tfuda.studies.claims.catalogue import PRINTED_AS, Claim
from tfuda.studies.claims.measurements import Values, by_task

SURE = 0.05
POWER = 0.8  # share of experiments in which a printed gap would show, with as many tasks as it needs
FEWEST = next(n for n in itertools.count(1) if significance.smallest(n) < SURE)  # fewer tasks have no such p
MOST = 1000  # tasks, where more would be needed
VERDICTS = ("holds", "does not hold", "not contradicted", "unclear", "too small to tell here", "not yet run")


class Step(NamedTuple):
    """Hold the result of a step.

    Attributes:
        worse, better: percent of both rows, means over tasks.
        gain: the mean difference over tasks.
        error: the standard error of the gain over tasks.
        tasks: how many tasks have both rows.
        p: of the sign-flip test over tasks.
        needed: tasks with which a gap as printed would most often show; 0 where no gap is printed.
        seeds: how many seeds both rows have on the task with the fewest.
    """

    worse: float
    better: float
    gain: float
    error: float
    tasks: int
    p: float
    needed: int
    seeds: int

    @property
    def verdict(self) -> str:
        """Return one of VERDICTS."""
        if self.p < SURE:
            return "holds" if self.gain > 0 else "does not hold"
        return "too small to tell here" if self.needed > self.tasks else "unclear"


def tasks_needed(deviation: float, gap: float) -> int:
    """Return how many tasks show a gap with p < 0.05 in four of five experiments; from FEWEST to MOST.

    Such are n tasks with |gap| >= (t(97.5 %, n - 1) + t(POWER, n - 1)) deviation / √n, by Student's t.

    Args:
        deviation: the standard deviation of the differences over tasks.
        gap: the true mean difference.
    """
    from scipy.stats import t

    n = np.arange(FEWEST, MOST + 1)
    enough = abs(gap) >= (t.ppf(1 - SURE / 2, n - 1) + t.ppf(POWER, n - 1)) * deviation / np.sqrt(n)
    return int(n[enough.argmax()]) if enough.any() else MOST


def step(found: Values, worse: str, better: str, gap: float = 0.0) -> Step | None:
    """Return the result of a step, or None where no task has been run with both rows.

    Args:
        found: the measured accuracies.
        worse, better: names of rows.
        gap: the printed difference in points; 0 where none is printed.
    """
    gains = by_task(found, worse, better)
    if not gains:
        return None
    shared = {*found[worse]} & {*found[better]}
    seeds = min(sum(key[0] == task for key in shared) for task in gains)

    def level(row: str) -> float:
        own = [[found[row][key] for key in shared if key[0] == task] for task in gains]
        return statistics.fmean(map(statistics.fmean, own))

    each = [*gains.values()]
    deviation = statistics.stdev(each) if len(each) > 1 else math.nan
    needed = tasks_needed(deviation, gap) if gap and len(each) > 2 else 0
    error = deviation / math.sqrt(len(each))
    p = significance.sign_flip(each)
    return Step(level(worse), level(better), statistics.fmean(each), error, len(each), p, needed, seeds)


def contradiction(steps: Sequence[Step | None]) -> float:
    """Return p of any one of a claim's steps being contradicted: their number times the smallest p of a loss."""
    return min([1.0, *(len(steps) * found.p for found in steps if found and found.gain < 0)])


def claim_p(steps: Sequence[Step | None]) -> float | None:
    """Return p of a claim by its steps, or None of one that still has to be run.

    It is that of the contradiction if that is sure. Else it is the largest of the steps, as all of them have to hold.
    """
    if (against := contradiction(steps)) < SURE:
        return against
    return max(found.p for found in steps if found) if all(steps) else None


def verdict(steps: Sequence[Step | None]) -> str:
    """Return the verdict on a claim from the results of its steps."""
    if contradiction(steps) < SURE:
        return "does not hold"
    said = [found.verdict for found in steps if found]
    if len(said) < len(steps):
        return "not yet run"
    if {*said} == {"holds"}:
        return "holds"
    return "too small to tell here" if "too small to tell here" in said else "unclear"


def printed_numbers(claim: Claim) -> dict[str, str]:
    """Return {row: the paper's average} of the rows that the paper's table has."""
    names = dict.fromkeys(name for pair in claim.steps for name in pair)
    whole = "average" if claim.data != "mnist" else "mnist-mnistm"
    found = {
        row["cell"].partition("@")[0]: row["value"]  # the emoji have one recipe
        for row in published_numbers.rows()
        if (row["paper"], row["table"], row["data"], row["task"]) == (claim.paper, claim.table, claim.data, whole)
    }
    shown = {name: found.get(PRINTED_AS.get(name, name).replace("~rounds=3", "~rounds=10"), "") for name in names}
    return {name: value for name, value in shown.items() if value}


def gap(claim: Claim, worse: str, better: str) -> float:
    """Return the printed gap of a step in points; 0 where a number is missing."""
    found = printed_numbers(claim)
    return float(found[better]) - float(found[worse]) if {worse, better} <= {*found} else 0.0


def judged(claims: Iterable[Claim], values: Mapping[str, Values]) -> dict[Claim, list[Step | None]]:
    """Return the results of all steps of every claim."""
    return {
        claim: [step(values.get(claim.setting, {}), *pair, gap(claim, *pair)) for pair in claim.steps]
        for claim in claims
    }


def corrected(found: Mapping[Claim, Sequence[Step | None]]) -> dict[Claim, float]:
    """Return {claim: p by Holm's correction} of the claims that have a p."""
    ps = {claim: p for claim, steps in found.items() if (p := claim_p(steps)) is not None}
    return dict(zip(ps, significance.holm([*ps.values()]), strict=True))
