"""Say what `tfuda adapt` would choose among the runs of a variant, a task and a seed, and how good that is.

choices.csv has a row of each: the chosen cell and its target accuracy, that of source_only and of the best, and what
was estimated of the chosen one, with its 90 % interval. The estimate is fitted to runs of other tasks.
"""

from __future__ import annotations

import csv
import io
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple, get_type_hints

from tfuda.evaluation.combined_estimate import Estimate
from tfuda.studies.adaptation import choice
from tfuda.studies.labelled_runs import VARIANTS, Group, Key

POINT = 0.01  # of accuracy
HEAD = (
    "| variant | runs | over a point below source-only | worst | mean gain | of the best's | interval holds |",
    "|---|---:|---:|---:|---:|---:|---:|",
)


class Choice(NamedTuple):
    """Hold what was chosen on a task; accuracies are in 0..1."""

    variant: str
    task: str
    seed: int
    chosen: str
    accuracy: float
    source_only: float
    best: str
    best_accuracy: float
    value: float  # the estimate of `accuracy`, and its interval
    low: float
    high: float

    @property
    def gain(self) -> float:
        """Return what the chosen cell gains over source_only."""
        return self.accuracy - self.source_only


def choices(groups: Mapping[Key, Group], estimates: Mapping[tuple[Key, str], Estimate]) -> list[Choice]:
    """Return what is chosen in each group.

    Args:
        groups: {(variant, task, seed): {cell: run}}.
        estimates: {((variant, task, seed), cell): the estimate of a run, by a fit without its task}.
    """
    found = []
    for key, group in groups.items():
        truth = {cell: run.truth for cell, run in group.items()}
        chosen = choice.chosen([run.outputs for run in group.values()]).name
        best = max(truth, key=lambda cell: truth[cell])
        own, plain = truth[chosen], truth[choice.PLAIN]
        found.append(Choice(*key, chosen, own, plain, best, truth[best], *estimates[key, chosen]))
    return found


def as_csv(found: Sequence[Choice]) -> str:
    """Return the table as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Choice._fields)
    writer.writerows([f"{value:.4f}" if isinstance(value, float) else value for value in one] for one in found)
    return out.getvalue()


def read(path: pathlib.Path) -> list[Choice]:
    """Return the rows of choices.csv."""
    kinds = get_type_hints(Choice)
    with open(path, encoding="utf-8", newline="") as file:
        return [Choice(**{name: kinds[name](row[name]) for name in Choice._fields}) for row in csv.DictReader(file)]


def summary(found: Sequence[Choice]) -> list[str]:
    """Return how the choices of each variant did, and all of them, as lines of a Markdown table."""
    parts = {name: [one for one in found if one.variant == name] for name in VARIANTS}
    if sum(map(bool, parts.values())) > 1:
        parts["all"] = [*found]
    return [*HEAD, *(_line(name, part) for name, part in parts.items() if part)]


def _line(name: str, found: Sequence[Choice]) -> str:
    below = sum(one.gain < -POINT - 1e-9 for one in found)
    best = sum(one.best_accuracy - one.source_only for one in found)
    share = f"{100 * sum(one.gain for one in found) / best:.0f} %" if best > 0 else ""
    inside = statistics.fmean(one.low <= one.accuracy <= one.high for one in found)
    gains = f"{100 * min(one.gain for one in found):+.1f} | {100 * statistics.fmean(one.gain for one in found):+.1f}"
    return f"| {name} | {len(found)} | {below} | {gains} | {share} | {100 * inside:.0f} % |"
