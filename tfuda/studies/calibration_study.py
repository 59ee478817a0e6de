"""Measure how far confidences on a labelled target are from the truth, before and after temperature scaling.

    before        expected calibration error of softmax(logits)
    temperature   T fitted to held-out source pictures
    weighted      T fitted to the same, weighted by the density ratio of their logits

All columns are means over runs of a cell, in 0..1; lower is better (tfuda/evaluation/calibration.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

import numpy as np

from tfuda.evaluation import calibration
from tfuda.studies.labelled_runs import CANDIDATES, VARIANTS, Run

COLUMNS = ("before", "temperature", "weighted")
Table = Mapping[tuple[str, str], list[tuple[float, float, float]]]  # {(variant, cell): errors of its runs}


def errors(run: Run) -> tuple[float, float, float]:
    """Return the expected calibration errors of a run, one for each of COLUMNS; NaN where logits are not finite."""
    source, labels, target = run.outputs.source_logits, run.outputs.source_labels, run.outputs.target_logits
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        return (np.nan, np.nan, np.nan)
    heats = 1.0, calibration.temperature(source, labels), calibration.temperature(source, labels, run.weights)
    one, two, three = (calibration.expected_calibration_error(target / heat, run.labels) for heat in heats)
    return one, two, three


def table(runs: Iterable[Run]) -> Table:
    """Return {(variant, cell): the errors of its runs}, variant by variant."""
    found: dict[tuple[str, str], list] = {}
    for run in sorted(runs, key=lambda run: VARIANTS.index(run.variant)):
        found.setdefault((run.variant, run.cell), []).append(errors(run))
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
    lines = ["| variant | cell | before | temperature | weighted | runs |", "|---|---|---:|---:|---:|---:|"]
    for variant, cell in [key for key in found if key[1] in CANDIDATES]:
        rows = found[variant, cell]
        numbers = [f"{100 * value:.1f}" for value in np.nanmean(rows, 0)]
        lines.append(f"| {variant} | `{cell}` | {' | '.join(numbers)} | {len(rows)} |")
    return "\n".join(lines) + "\n"
