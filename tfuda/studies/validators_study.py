"""Compare validators by runs with labelled targets, over every evaluation that the runs have logged.

The study reads target labels, by way of the accuracies in metrics.csv. It judges validators only, and chooses nothing
for a run.

    within      rank correlation (Spearman) of validator and target accuracy over a run's evaluations
    across      the same over all evaluations of all runs of a task: can it compare methods?
    checkpoint  points of accuracy that its choice in a run lies below the run's best evaluation
    run         points that its choice among all evaluations of all runs of a task lies below the best

All are means over tasks, of the mean over a task's runs.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tfuda import figure_style
from tfuda.atomic_files import read_json, write_whole
from tfuda.evaluation import validators
from tfuda.experiment.workdir import Workdir

Rows = list[dict[str, float]]


class Run(NamedTuple):
    """A finished run on a labelled target."""

    task: str
    rows: Rows
    metric: str  # the column of the target's accuracy

    def accuracy(self, row: dict[str, float]) -> float:
        """Return the target accuracy of an evaluation, in percent."""
        return 100 * row[self.metric]


class Line(NamedTuple):
    """The measures of one validator, each a mean with its standard error."""

    name: str
    within: tuple[float, float]
    across: tuple[float, float]
    checkpoint: tuple[float, float]
    run: tuple[float, float]


def runs(folders: Iterable[str | pathlib.Path], say: Callable[[str], None] = lambda line: None) -> list[Run]:
    """Return every finished run, at any depth below the folders, whose target is labelled.

    Raises:
        FileNotFoundError: if a folder does not exist.
        ValueError: if no run is found.
    """
    found: dict[pathlib.Path, Run] = {}
    for folder in folders:
        if not pathlib.Path(folder).is_dir():
            raise FileNotFoundError(f"{folder}: there is no such folder of runs")
        for path in sorted(pathlib.Path(folder).rglob("result.json")):
            result, workdir = read_json(path), Workdir(path.parent)
            rows = workdir.rows() if "oracle" in result else []
            if rows and validators.logged(rows[0]):
                found[path.parent.resolve()] = Run(result["task"], rows, f"target_{result['metric']}")
            elif "oracle" in result:
                say(f"{path.parent} is left out: it has logged no validator")
    if not found:
        raise ValueError(f"no finished run with a labelled target below {', '.join(map(str, folders))}")
    return [*found.values()]


def names(of: Sequence[Run]) -> list[str]:
    """Return the validators that every run has logged."""
    every = validators.logged(of[0].rows[0])
    found = [name for name in every if all(validators.column(name) in row for run in of for row in run.rows)]
    if not found:
        raise ValueError("these runs have no validator in common: their metrics.csv is of another version")
    return found


def correlation(x: Sequence[float], y: Sequence[float]) -> float:
    """Return Spearman's rank correlation of x [n] and y [n], with mean ranks for ties; NaN where one is constant."""
    from scipy.stats import spearmanr

    if len(x) < 3 or len({*x}) < 2 or len({*y}) < 2:
        return float("nan")
    return float(spearmanr(x, y).statistic)


def mean(values: Sequence[float]) -> tuple[float, float]:
    """Return (mean, standard error) of the values that are finite; NaN for what cannot be computed."""
    kept = np.array([value for value in values if not np.isnan(value)])
    if not len(kept):
        return float("nan"), float("nan")
    return float(kept.mean()), float(kept.std(ddof=1) / len(kept) ** 0.5) if len(kept) > 1 else float("nan")


def said(value: tuple[float, float], digits: int) -> str:
    """Format a mean and its standard error: 12.3 ± 0.4."""
    if np.isnan(value[0]):
        return ""
    return f"{value[0]:.{digits}f}" + ("" if np.isnan(value[1]) else f" ± {value[1]:.{digits}f}")


def compare_validators(of: Sequence[Run]) -> list[Line]:
    """Return a line for each validator and for the end of training, the smallest loss at checkpoints first."""
    tasks: dict[str, list[Run]] = {}
    for run in of:
        tasks.setdefault(run.task, []).append(run)
    return sorted(
        (_line(name, [*tasks.values()]) for name in [validators.LAST, *names(of)]), key=lambda x: x.checkpoint
    )


def _line(name: str, tasks: Sequence[Sequence[Run]]) -> Line:
    def key(row: dict[str, float]) -> float:
        return validators.named(name).key(row[validators.column(name)])

    def pairs(some: Sequence[Run]) -> float:
        if name == validators.LAST:
            return float("nan")
        found = [(key(row), run.accuracy(row)) for run in some for row in run.rows]
        return correlation(*zip(*found, strict=True))

    def lost(run: Run) -> float:
        return max(map(run.accuracy, run.rows)) - run.accuracy(validators.chosen(run.rows, name))

    def lost_among(some: Sequence[Run]) -> float:
        best = max(run.accuracy(row) for run in some for row in run.rows)
        if name == validators.LAST:  # LAST compares no runs: the mean over all of them
            return best - float(np.mean([run.accuracy(run.rows[-1]) for run in some]))
        run = max(some, key=lambda run: key(validators.chosen(run.rows, name)))
        return best - run.accuracy(validators.chosen(run.rows, name))

    return Line(
        name,
        mean([mean([pairs([run]) for run in some])[0] for some in tasks]),
        mean([pairs(some) for some in tasks]),
        mean([mean([lost(run) for run in some])[0] for some in tasks]),
        mean([lost_among(some) for some in tasks]),
    )


def markdown(lines: Sequence[Line], of: Sequence[Run]) -> str:
    """Return the study as a Markdown table under a sentence."""
    tasks = {run.task for run in of}
    head = ["validator", "better", "ρ within a run", "ρ across runs", "checkpoint: points lost", "run: points lost"]
    table = [head, ["---", "---", "---:", "---:", "---:", "---:"]]
    for line in lines:
        sign = "" if line.name == validators.LAST else ("higher" if validators.named(line.name).sign > 0 else "lower")
        table.append(
            [line.name, sign, said(line.within, 2), said(line.across, 2), said(line.checkpoint, 1), said(line.run, 1)]
        )
    rows = sum(len(run.rows) for run in of)
    return (
        f"{len(of)} runs on {len(tasks)} task{'s' * (len(tasks) > 1)}, {rows} evaluations; means over tasks, "
        "and ± their standard error. "
        "Points lost are against the oracle: the best evaluation of the run, or of all runs of the task.\n\n"
        + "\n".join("| " + " | ".join(line) + " |" for line in table)
        + "\n"
    )


def picture(lines: Sequence[Line], of: Sequence[Run], out: pathlib.Path) -> None:
    """Draw points lost and rank correlations as bars, and every evaluation as a point under each validator.

    Args:
        lines: the measures of each validator.
        of: the runs.
        out: the PNG file.
    """
    shown = [line for line in lines if line.name != validators.LAST]
    tasks, columns = [*dict.fromkeys(run.task for run in of)], 5
    deep = -(-len(shown) // columns)
    with figure_style.page(out, 8.4, 2.9 + 1.9 * deep) as figure:
        parts: Any = figure.subfigures(2, 1, height_ratios=[2.7, 1.9 * deep])
        upper, lower = parts
        left, right = upper.subplots(1, 2)
        for axes, fields, title in (
            (left, ("checkpoint", "run"), "points lost against the oracle (less is better)"),
            (right, ("within", "across"), "rank correlation with target accuracy"),
        ):
            bars = lines if axes is left else shown
            for i, field in enumerate(fields):
                values, errors = zip(*(getattr(line, field) for line in bars), strict=True)
                places = np.arange(len(bars)) + 0.38 * i - 0.19
                axes.barh(places, values, 0.36, xerr=errors, color=figure_style.PALETTE[i], label=field)
            axes.set_yticks(range(len(bars)), [line.name for line in bars])
            axes.invert_yaxis()
            axes.axvline(0, color="#555555", linewidth=0.8)
            axes.grid(True, axis="x")
            axes.set_title(title)
            axes.legend(loc="best")
        grid = np.atleast_2d(lower.subplots(deep, columns, squeeze=False))
        colours = figure_style.class_colours(len(tasks))
        for axes, line in zip(grid.flat, shown, strict=False):
            name = validators.column(line.name)
            for task, colour in zip(tasks, colours, strict=True):
                here = [(row[name], run.accuracy(row)) for run in of if run.task == task for row in run.rows]
                axes.plot(*zip(*here, strict=True), ".", markersize=2, color=colour, alpha=0.5, label=task)
            axes.set_title(line.name)
            axes.grid(True)
        for axes in grid.flat[len(shown) :]:
            axes.axis("off")
        handles, labels = grid.flat[0].get_legend_handles_labels()
        legend = lower.legend(handles, labels, loc="outside lower center", ncols=min(len(tasks), 10), markerscale=4)
        for handle in legend.legend_handles:
            handle.set_alpha(1)
        lower.supylabel("target accuracy (%)", fontsize=9)


def write_report(folders: Sequence[str], out: str, say: Callable[[str], None]) -> pathlib.Path:
    """Write the table OUT and the picture beside the table.

    Args:
        folders: folders with runs at any depth.
        out: the table's file; validators.md in the first folder where it is "".
        say: receives each message.

    Returns:
        The path of the table.
    """
    of, path = runs(folders, say), pathlib.Path(out or pathlib.Path(folders[0], "validators.md"))
    if path.suffix == ".png":
        raise ValueError(f"--out={out} names the table, as validators.md: the picture beside it ends in .png")
    lines = compare_validators(of)
    write_whole(path, markdown(lines, of))
    picture(lines, of, path.with_suffix(".png"))
    say(f"{markdown(lines, of)}\n{path.with_suffix('.png')}")
    return path
