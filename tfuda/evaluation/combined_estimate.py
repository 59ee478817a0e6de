"""Combine estimates of target accuracy into one value with an interval, by a table of tasks with known truth.

The table's rows come from other tasks, with labelled targets. Rows of the task in question are left out.

    value       b + w . e,  (b, w) = argmin sum_tasks mean_rows (truth - b - w . e)^2 + DECAY |w - 1/J|^2
    residuals   |truth - value| of each row, by a fit without the row's own task
    half-width  the `level` quantile of residuals; each of T tasks weighs 1 / (T + 1), and infinity 1 / (T + 1)

J is the number of estimates e. This is conformal prediction (Vovk et al. 2005; Lei et al., JASA 2018) on residuals of
left-out tasks; as the value itself is of a fit to all tasks, its guarantee holds but approximately. Tasks are
exchangeable, not rows: rows of one task err alike (Dunn et al., JASA 2022). So 90 % needs at least nine other tasks,
and fewer give the interval [0, 1]. The rows' networks should be chosen in the same way as the network in question,
because a choice by estimates prefers those that are too high.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.9
DECAY = 0.1  # estimates of accuracy vary by about 0.2 between tasks, so DECAY weighs as much as two or three tasks


class Row(NamedTuple):
    """Hold what was estimated for a network on a labelled task, and its accuracy there."""

    task: str  # such as "R-M"
    estimates: Mapping[str, float]
    truth: float  # target accuracy, in 0..1


class Estimate(NamedTuple):
    """Hold an estimated accuracy and its interval, all in 0..1."""

    value: float
    low: float
    high: float


class Combination(NamedTuple):
    """Hold the fitted sum b + w . e of named estimates."""

    names: tuple[str, ...]
    weights: np.ndarray  # w [J]
    bias: float  # b

    def value(self, estimates: Mapping[str, float]) -> float:
        """Return the combined estimate, in 0..1; NaN if there is no estimate."""
        if not self.names:
            return math.nan
        found = self.bias + self.weights @ [estimates[name] for name in self.names]
        return float(np.clip(found, 0, 1))


def finite_names(estimates: Mapping[str, float]) -> set[str]:
    """Return the names of the estimates that are finite."""
    return {name for name, value in estimates.items() if math.isfinite(value)}


def fit_combination(rows: Sequence[Row], names: Sequence[str]) -> Combination:
    """Fit the weights of the named estimates; without rows, every weight is 1/J.

    Args:
        rows: rows that hold all names.
        names: the estimates to combine, J of them.
    """
    equal = np.full(len(names), 1 / max(len(names), 1))
    if not rows or not names:
        return Combination((*names,), equal, 0.0)
    counts = Counter(row.task for row in rows)
    share = np.array([1 / counts[row.task] for row in rows])  # [R], so that every task weighs 1
    x = np.array([[row.estimates[name] for name in names] for row in rows], float)  # [R, J]
    z = np.array([row.truth for row in rows]) - x @ equal  # what the mean of the estimates misses, [R]
    middle, level = share @ x / share.sum(), share @ z / share.sum()
    centred = x - middle
    change = np.linalg.solve(
        (share * centred.T) @ centred + DECAY * np.eye(len(names)), (share * centred.T) @ (z - level)
    )
    return Combination((*names,), equal + change, float(level - change @ middle))


def left_out_residuals(rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[float]]:
    """Return {task: |truth - value| of its rows}, each by a fit to the rows of all other tasks."""
    found: dict[str, list[float]] = {}
    for task in sorted({row.task for row in rows}):
        fit = fit_combination([row for row in rows if row.task != task], names)
        found[task] = [abs(row.truth - fit.value(row.estimates)) for row in rows if row.task == task]
    return found


def half_width(residuals: Mapping[str, Sequence[float]], level: float = LEVEL) -> float:
    """Return the conformal quantile of residuals by task; 1 if there are too few tasks for the level.

    Args:
        residuals: {task: residuals of its rows}.
        level: the share of new tasks whose truth the interval should hold, in 0..1.
    """
    pairs = [(one, 1 / len(some)) for some in residuals.values() for one in some]
    weighed = 0.0
    for residual, share in sorted(pairs):
        weighed += share / (len(residuals) + 1)
        if weighed >= level - 1e-9:
            return min(residual, 1.0)
    return 1.0


def estimate(
    estimates: Mapping[str, float], rows: Sequence[Row] = (), task: str = "", level: float = LEVEL
) -> Estimate:
    """Return the estimated target accuracy with an interval at a level.

    An estimate counts if it is finite here and in every row of the other tasks. Without such rows, value is the plain
    mean of the finite estimates, and the interval is [0, 1]: nothing is known about their error. Without any finite
    estimate, value is NaN.

    Args:
        estimates: {name: accuracy} of the network in question, as `accuracy_estimates.estimates` returns them.
        rows: the calibration table.
        task: the task in question, whose rows are left out.
        level: the share of new tasks whose truth the interval should hold, in 0..1.
    """
    other = [row for row in rows if row.task != task]
    held = finite_names(estimates).intersection(*(finite_names(row.estimates) for row in other))
    if not held:
        other, held = [], finite_names(estimates)
    names = sorted(held)
    value = fit_combination(other, names).value(estimates)
    width = half_width(left_out_residuals(other, names), level) if names else 1.0
    if width >= 1:
        return Estimate(value, 0.0, 1.0)
    return Estimate(value, max(0.0, value - width), min(1.0, value + width))
