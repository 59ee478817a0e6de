"""Hold estimates of target accuracy against the truth, over runs whose target has labels.

    run/report.py --what=estimates --out=FOLDER RUNS...

writes estimates.csv (a row of each run: the estimates, and the truth), choices.csv (what `tfuda adapt` would choose
among the runs of a task and a seed), estimates.md (errors, and how often the 90 % interval holds the truth, with the
run's own task left out) and estimates.png. Estimates read outputs.npz alone, so
nothing is trained. The other runs of the same task and seed are the other networks that `gde` and `aline` ask for.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfuda import figure_style
from tfuda.atomic_files import write_whole
from tfuda.evaluation import accuracy_estimates, combined_estimate
from tfuda.evaluation.combined_estimate import Row
from tfuda.experiment.workdir import OUTPUTS
from tfuda.studies.adaptation import choice

NAMES = tuple(name for name in accuracy_estimates.NAMES if name not in ("iwcv", "dev"))  # these need features


class Seen(NamedTuple):
    """Hold a run: its place in the grid, its estimates, and its target accuracy in 0..1."""

    task: str
    cell: str
    seed: int
    truth: float
    estimates: dict[str, float]

    @property
    def row(self) -> Row:
        """Return the row for a calibration table."""
        return Row(self.task, self.estimates, self.truth)


def runs_below(folders: Iterable[str | os.PathLike]) -> list[tuple[dict, pathlib.Path]]:
    """Return (result, folder) of every finished run below some folders that kept its outputs."""
    found = []
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("result.json")):
            result = json.loads(path.read_text("utf-8"))
            if "last" in result and (path.parent / OUTPUTS).is_file():
                found.append((result, path.parent))
    if not found:
        raise ValueError(f"{', '.join(map(str, folders))}: no finished run with {OUTPUTS} and a labelled target")
    return found


def grouped(folders: Iterable[str | os.PathLike]) -> dict[tuple[str, int], list[tuple[choice.Candidate, float]]]:
    """Return {(task, seed): its candidates, each with its target accuracy in 0..1} of the runs below some folders."""
    groups: dict[tuple, list] = {}
    for result, folder in runs_below(folders):
        cell = "+".join(filter(None, (result[part] for part in ("method", "weigher", "combiner", "regulariser"))))
        one = choice.read_outputs(cell, folder / OUTPUTS)
        groups.setdefault((result["task"], result["seed"]), []).append((one, result["last"]))
    return groups


def choices(groups: Mapping[tuple[str, int], Sequence[tuple[choice.Candidate, float]]]) -> str:
    """Return the table of what `tfuda adapt` would choose, of the groups that have source_only, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["task", "seed", "chosen", "accuracy", "source_only", "best", "best_accuracy"])
    for (task, seed), members in groups.items():
        truth = {one.name: accuracy for one, accuracy in members}
        if choice.PLAIN in truth:
            chosen, best = (
                choice.choose(choice.scores([one for one, _ in members])),
                max(truth, key=lambda n: truth[n]),
            )
            numbers = [f"{truth[name]:.4f}" for name in (chosen, choice.PLAIN, best)]
            writer.writerow([task, seed, chosen, *numbers[:2], best, numbers[2]])
    return out.getvalue()


def study(folders: Iterable[str | os.PathLike]) -> list[Seen]:
    """Return what was estimated of every run below some folders."""
    found = []
    for (task, seed), members in grouped(folders).items():
        for one, truth in members:
            others = [other.evidence for other, _ in members if other is not one]
            estimates = accuracy_estimates.estimates(one.evidence, others)
            found.append(Seen(task, one.name, seed, truth, {name: estimates[name] for name in NAMES}))
    return found


def held(found: Sequence[Seen]) -> list[tuple[Seen, combined_estimate.Estimate]]:
    """Return the combined estimate of every run, by a fit without the run's own task."""
    rows = [one.row for one in found]
    return [(one, combined_estimate.estimate(one.estimates, rows, one.task)) for one in found]


def as_csv(found: Sequence[Seen]) -> str:
    """Return the table of runs."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["task", "cell", "seed", "truth", *NAMES])
    for one in found:
        numbers = [f"{value:.4f}" for value in (one.truth, *(one.estimates[name] for name in NAMES))]
        writer.writerow([one.task, one.cell, one.seed, *numbers])
    return out.getvalue()


def summary(found: Sequence[Seen]) -> str:
    """Return the errors of each estimate, and how the combined one does, as Markdown."""
    truth = np.array([one.truth for one in found])
    lines = ["| estimate | mean error, points | mean absolute error, points |", "|---|---:|---:|"]
    for name in NAMES:
        error = 100 * (np.array([one.estimates[name] for one in found]) - truth)
        lines.append(f"| {name} | {np.nanmean(error):+.1f} | {np.nanmean(abs(error)):.1f} |")
    both = held(found)
    error = 100 * (np.array([value.value for _, value in both]) - truth)
    lines.append(f"| combined | {error.mean():+.1f} | {abs(error).mean():.1f} |")
    inside = np.mean([value.low <= one.truth <= value.high for one, value in both])
    width = np.mean([value.high - value.low for _, value in both])
    tasks = len({one.task for one in found})
    lines += [
        "",
        f"{len(found)} runs of {tasks} tasks. The 90 % interval holds the truth in {100 * inside:.0f} % of the",
    ]
    lines += [f"runs and is {100 * width:.0f} points wide on average; the run's own task is left out of every fit."]
    return "\n".join(lines) + "\n"


def picture(found: Sequence[Seen], path: pathlib.Path) -> None:
    """Draw the combined estimate of every run with its interval against the truth."""
    both, tasks = held(found), sorted({one.task for one in found})
    with figure_style.page(path, 5.2, 5.2) as figure:
        axes = figure.add_subplot()
        for task, colour in zip(tasks, figure_style.class_colours(len(tasks)), strict=True):
            own = [(100 * one.truth, 100 * np.array(value)) for one, value in both if one.task == task]
            y = [value for _, (value, _, _) in own]
            reach = [[value - low for _, (value, low, _) in own], [high - value for _, (value, _, high) in own]]
            axes.errorbar([x for x, _ in own], y, reach, fmt="o", ms=4, lw=0.5, color=colour, label=task)
        axes.plot([0, 100], [0, 100], color="grey", lw=1)
        axes.set(xlim=(0, 100), ylim=(0, 100))
        axes.set(xlabel="target accuracy, %", ylabel="estimated without target labels, %")
        axes.legend(fontsize=7, ncols=2)


def write_report(folders: Sequence[str], out: str, say: Callable[[str], None]) -> pathlib.Path:
    """Write estimates.csv, .md and .png into `out`, or into the first folder; return the .md's path."""
    home = pathlib.Path(out or folders[0])
    home.mkdir(parents=True, exist_ok=True)
    found = study(folders)
    write_whole(home / "estimates.csv", as_csv(found))
    write_whole(home / "choices.csv", choices(grouped(folders)))
    write_whole(home / "estimates.md", summary(found))
    picture(found, home / "estimates.png")
    say(summary(found))
    return home / "estimates.md"
