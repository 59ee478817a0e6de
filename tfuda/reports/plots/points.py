"""Read tables of results, and draw lines through the means of several seeds."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

LOOK: dict[str, Any] = {"marker": "o", "markersize": 3.5, "linewidth": 1.5}  # of a line without a style of its own
Points = dict[float, list[float]]  # x -> the shares that the seeds have there


def table(path: str | os.PathLike, texts: Sequence[str], numbers: Sequence[str]) -> list[dict[str, Any]]:
    """Read columns of a CSV file, row by row.

    Args:
        path: the file.
        texts: columns of text.
        numbers: columns of numbers; a missing number is NaN.
    """
    if not pathlib.Path(path).is_file():
        raise FileNotFoundError(f"{path} is missing")
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for column in (*texts, *numbers):
            if column not in (reader.fieldnames or ()):
                raise ValueError(f"{path} lacks the column {column!r}")
        found = list(reader)
    if not found:
        raise ValueError(f"{path} has no rows yet")
    rows = []
    for i, row in enumerate(found):
        try:
            parsed = {column: float(row[column] or "nan") for column in numbers}
        except ValueError as error:
            raise ValueError(f"{path}, row {i + 1}: {error}") from None
        rows.append({column: row[column] for column in texts} | parsed)
    return rows


def gather(pairs: Iterable[tuple[float, float]]) -> Points:
    """Group (x, share) of all seeds by x, in order; NaN is left out."""
    points: Points = {}
    for x, share in sorted(pair for pair in pairs if not np.isnan(pair).any()):
        points.setdefault(x, []).append(share)
    return points


def spread(points: Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, mean and sample standard deviation, each [T]; the deviation of a single seed is NaN."""
    mean = [np.mean(values) for values in points.values()]
    deviation = [np.std(values, ddof=1) if len(values) > 1 else np.nan for values in points.values()]
    return np.array([*points]), np.array(mean), np.array(deviation)


def draw(axes: Axes, points: Points, **look) -> None:
    """Draw means in percent, ± the deviation as a band, or as a bar where the line is one point."""
    x, mean, deviation = spread(points)
    axes.plot(x, 100 * mean, **LOOK | look)
    low, high = 100 * (mean - deviation), 100 * (mean + deviation)
    if len(x) == 1:
        axes.vlines(x, low, high, color=look["color"], alpha=0.5)
    else:
        axes.fill_between(x, low, high, color=look["color"], alpha=0.18, linewidth=0)


def within(axes: Axes) -> None:
    """Limit percents to 0 and 100, with a little room so that a point at the end is drawn whole."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -1), min(high, 101))


def seeds(lines: Iterable[Points]) -> str:
    """Return for a title how many seeds the means are of; "" for one."""
    counts = {len(values) for points in lines for values in points.values()}
    most = max(counts)
    return f" (mean ± std of {'up to ' if len(counts) > 1 else ''}{most} seeds)" if most > 1 else ""
