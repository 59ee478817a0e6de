"""Measure how far confidences on a labelled target are from the truth, before and after temperature scaling.

    before        expected calibration error of softmax(logits)
    temperature   T fitted to held-out source pictures
    weighted      T fitted to the same, weighted by the density ratio of their logits
    matched       T with which the mean confidence is the estimated accuracy, by a fit without the run's task

All columns are means over runs of a cell, in 0..1; lower is better (tfuda/evaluation/calibration.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

import numpy as np

from tfuda.evaluation import calibration
from tfuda.studies.labelled_runs import CANDIDATES, VARIANTS, Run

COLUMNS = ("before", "temperature", "weighted", "matched")
Errors = tuple[float, ...]
Table = Mapping[tuple[str, str], list[Errors]]  # {(variant, cell): errors of its runs}


def errors(run: Run, accuracy: float) -> Errors:
    """Return the expected calibration errors of a run, one for each of COLUMNS; NaN where logits are not finite.

    Args:
        run: the run.
        accuracy: its estimated accuracy.
    """
    source, labels, target = run.outputs.source_logits, run.outputs.source_labels, run.outputs.target_logits
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        return (np.nan,) * len(COLUMNS)
    heats = (
        1.0,
        calibration.temperature(source, labels),
        calibration.temperature(source, labels, run.weights),
        calibration.matched_temperature(target, accuracy),
    )
    return tuple(calibration.expected_calibration_error(target / heat, run.labels) for heat in heats)


def table(runs: Iterable[tuple[Run, float]]) -> Table:
    """Return {(variant, cell): the errors of its runs}, variant by variant.

    Args:
        runs: runs, each with its estimated accuracy.
    """
    found: dict[tuple[str, str], list] = {}
    for run, accuracy in sorted(runs, key=lambda pair: VARIANTS.index(pair[0].variant)):
        found.setdefault((run.variant, run.cell), []).append(errors(run, accuracy))
    return found


def as_csv(found: Table) -> str:
    """Return the table of means as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["variant", "cell", *COLUMNS, "runs"])
    for (variant, cell), rows in found.items():
        writer.writerow([variant, cell, *(f"{value:.4f}" for value in np.nanmean(rows, 0)), len(rows)])
    return out.getvalue()


def as_markdown(found: Table) -> str:
    """Return the table of means of the candidates of `tfuda adapt`, in points."""
    lines = [f"| variant | cell | {' | '.join(COLUMNS)} | runs |", "|---|---|" + "---:|" * (len(COLUMNS) + 1)]
    for variant, cell in [key for key in found if key[1] in CANDIDATES]:
        rows = found[variant, cell]
        numbers = [f"{100 * value:.1f}" for value in np.nanmean(rows, 0)]
        lines.append(f"| {variant} | `{cell}` | {' | '.join(numbers)} | {len(rows)} |")
    return "\n".join(lines) + "\n"
