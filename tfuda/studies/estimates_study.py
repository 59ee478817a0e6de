"""Hold estimates of target accuracy against the truth, over runs whose target has labels.

    run/report.py --what=estimates --out=FOLDER RUNS...

It reads outputs.npz alone, so nothing is trained. The runs that count are those of the candidates of `tfuda adapt`,
for each variant, task and seed that has all of them (tfuda/studies/labelled_runs.py). It writes:

    estimates.csv      a row of each run: the estimates, and the truth; the form of adaptation/calibration.csv
    estimates.md       errors, and how often the 90 % interval holds the truth, with the run's own task left out
    estimates.png      the same as a picture
    choices.csv, .md   what `tfuda adapt` would choose (choices_study.py)
    ece.csv            calibration errors of every cell (calibration_study.py)

`gde` and `aline` ask for other networks: those are the other candidates.
"""

from __future__ import annotations

import csv
import io
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfuda import figure_style
from tfuda.atomic_files import write_whole
from tfuda.evaluation import accuracy_estimates, combined_estimate
from tfuda.evaluation.combined_estimate import Estimate, Row
from tfuda.studies import calibration_study, choices_study
from tfuda.studies.labelled_runs import VARIANTS, Group, Key, Run, complete, runs_below

NAMES = tuple(name for name in accuracy_estimates.NAMES if name not in ("iwcv", "dev"))
WEIGHTED = "iwcv"  # shown beside the others, and no part of the combination


class Seen(NamedTuple):
    """Hold a run: its place in the grid, its estimates, and its target accuracy in 0..1."""

    variant: str
    task: str
    seed: int
    cell: str
    truth: float
    estimates: dict[str, float]

    def row(self, names: Sequence[str] = NAMES) -> Row:
        """Return the row for a calibration table; variants of a task are one task there."""
        return Row(self.task, {name: self.estimates[name] for name in names}, self.truth)


def study(groups: Mapping[Key, Group]) -> list[Seen]:
    """Return what was estimated of every run of some groups."""
    return [
        Seen(*key, cell, run.truth, estimated(run, group))
        for key, group in groups.items()
        for cell, run in group.items()
    ]


def estimated(run: Run, group: Group) -> dict[str, float]:
    """Return NAMES and WEIGHTED of a run, beside the other runs of its group."""
    own = run.outputs.evidence._replace(weights=run.weights)
    others = [other.outputs.evidence for other in group.values() if other is not run]
    found = accuracy_estimates.estimates(own, others)
    return {name: found[name] for name in (*NAMES, WEIGHTED)}


def held(found: Sequence[Seen], names: Sequence[str] = NAMES) -> list[Estimate]:
    """Return the combined estimate of every run, by a fit without the run's own task."""
    rows = [one.row(names) for one in found]
    return [combined_estimate.estimate(row.estimates, rows, row.task) for row in rows]


def as_csv(found: Sequence[Seen]) -> str:
    """Return the table of runs."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["variant", "task", "cell", "seed", "truth", *NAMES])
    for one in found:
        numbers = [f"{value:.4f}" for value in (one.truth, *(one.estimates[name] for name in NAMES))]
        writer.writerow([one.variant, one.task, one.cell, one.seed, *numbers])
    return out.getvalue()


def errors(found: Sequence[Seen]) -> list[str]:
    """Return the errors of each estimate, and of combinations, as lines of a Markdown table."""
    truth = np.array([one.truth for one in found])
    columns = {name: [one.estimates[name] for one in found] for name in (*NAMES, WEIGHTED)}
    columns["combined"] = [one.value for one in held(found)]
    columns[f"combined, with {WEIGHTED}"] = [one.value for one in held(found, (*NAMES, WEIGHTED))]
    lines = ["| estimate | mean error, points | mean absolute error, points |", "|---|---:|---:|"]
    for name, values in columns.items():
        error = 100 * (np.array(values) - truth)
        lines.append(f"| {name} | {np.nanmean(error):+.1f} | {np.nanmean(abs(error)):.2f} |")
    return lines


def coverage(found: Sequence[Seen]) -> list[str]:
    """Return how often the interval of the combined estimate holds the truth, as lines of a Markdown table."""
    lines = [
        "| variant | runs | tasks | interval holds the truth | mean width, points |",
        "|---|---:|---:|---:|---:|",
    ]
    pairs = [*zip(found, held(found), strict=True)]
    for name in (*VARIANTS, "all"):
        own = [(one, value) for one, value in pairs if name in (one.variant, "all")]
        if own:
            inside = np.mean([value.low <= one.truth <= value.high for one, value in own])
            width = np.mean([value.high - value.low for _, value in own])
            tasks = len({one.task for one, _ in own})
            lines.append(f"| {name} | {len(own)} | {tasks} | {100 * inside:.0f} % | {100 * width:.0f} |")
    return lines


def summary(found: Sequence[Seen]) -> str:
    """Return both tables as Markdown."""
    said = "A run's own task, of every variant, is left out of its fit. The interval is that of `combined`."
    return "\n".join([*errors(found), "", *coverage(found), "", said]) + "\n"


def picture(found: Sequence[Seen], path: pathlib.Path) -> None:
    """Draw the combined estimate of every run with its interval against the truth."""
    both, tasks = held(found), sorted({one.task for one in found})
    with figure_style.page(path, 5.2, 5.2) as figure:
        axes = figure.add_subplot()
        for task, colour in zip(tasks, figure_style.class_colours(len(tasks)), strict=True):
            own = [
                (100 * one.truth, 100 * np.array(value))
                for one, value in zip(found, both, strict=True)
                if one.task == task
            ]
            y = [value for _, (value, _, _) in own]
            reach = [[value - low for _, (value, low, _) in own], [high - value for _, (value, _, high) in own]]
            axes.errorbar([x for x, _ in own], y, reach, fmt="o", ms=4, lw=0.5, color=colour, label=task)
        axes.plot([0, 100], [0, 100], color="grey", lw=1)
        axes.set(xlim=(0, 100), ylim=(0, 100))
        axes.set(xlabel="target accuracy, %", ylabel="estimated without target labels, %")
        axes.legend(fontsize=7, ncols=2)


def write_report(folders: Sequence[str], out: str, say: Callable[[str], None]) -> pathlib.Path:
    """Write all files into `out`, or into the first folder; return estimates.md's path."""
    home = pathlib.Path(out or folders[0])
    runs = runs_below(folders)
    groups = complete(runs)
    found = study(groups)
    keys = [(key, cell) for key, group in groups.items() for cell in group]
    estimates = held(found)
    chosen = choices_study.choices(groups, dict(zip(keys, estimates, strict=True)))
    estimated_runs = zip((groups[key][cell] for key, cell in keys), estimates, strict=True)
    confidences = calibration_study.table((run, estimate.value) for run, estimate in estimated_runs)
    home.mkdir(parents=True, exist_ok=True)
    texts = {
        "estimates.csv": as_csv(found),
        "estimates.md": summary(found),
        "choices.csv": choices_study.as_csv(chosen),
        "choices.md": "\n".join(choices_study.summary(chosen)) + "\n",
        "ece.csv": calibration_study.as_csv(confidences),
        "ece.md": calibration_study.as_markdown(confidences),
    }
    for name, text in texts.items():
        write_whole(home / name, text)
        if name.endswith(".md"):
            say(text)
    picture(found, home / "estimates.png")
    return home / "estimates.md"
