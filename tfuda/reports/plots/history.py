"""Draw accuracy and loss terms over training, of one run or of several in comparison."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.evaluation import validators
from tfuda.experiment import diagnostics
from tfuda.experiment.workdir import Workdir, flat

Rows = list[dict[str, float]]
DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1.2)),
    (0, (5, 1.5, 1, 1.5)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
ACCURACIES = {
    "target_accuracy": "target",
    "source_accuracy": "source",
    "target_mean_class": "target, mean over classes",
    "source_mean_class": "source, mean over classes",
}
NORMS = {"domain_norm": "domain", "groups_norm": "groups, summed", "classes_norm": "classes, summed"}  # of GSDA
OTHERS = {
    "step",
    "loss",
    "seconds",
    "discriminator",
    *diagnostics.COLUMNS,
    *ACCURACIES,
    *NORMS,
}  # columns that are no loss term


class Run(NamedTuple):
    """The parts of a workdir that the curves need."""

    config: ConfigDict
    rows: Rows


class Group(NamedTuple):
    """Runs that differ in their seeds only."""

    label: str
    runs: list[Rows]
    select: str = validators.LAST


def read_history(path: str) -> Run:
    """Read a run with at least one row of metrics."""
    workdir = Workdir(path)
    config, rows = workdir.config(), workdir.rows()
    if not rows:
        raise ValueError(f"--workdir={path} has no metrics yet: {workdir.metrics} is missing or empty")
    return Run(config, rows)


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Group runs that differ in their seeds only; where two groups share a name, add the options that differ."""
    settings: list[dict] = []
    members: list[list[Run]] = []
    for run in runs:
        setting = {key: value for key, value in options(run.config).items() if key != "seed"}
        if setting not in settings:
            settings.append(setting)
            members.append([])
        members[settings.index(setting)].append(run)
    names = [f"{figure_style.run_name(m[0].config)}, {figure_style.task_name(m[0].config.task)}" for m in members]
    found = []
    for label, member in zip(apart(names, settings), members, strict=True):
        label += f" (mean ± std of {len(member)} seeds)" if len(member) > 1 else ""
        found.append(Group(label, [run.rows for run in member], member[0].config.get("select", validators.LAST)))
    return found


def options(config: ConfigDict) -> dict:
    """Return the config's options by key, without the text of the cell, which repeats them."""
    return {key: value for key, value in flat(config.to_dict()).items() if key != "cell"}


def gathered(paths: Iterable[str], read: Callable[[str], Run] = read_history) -> list[Group]:
    """Group the runs in these workdirs, at most as many groups as there are colours."""
    groups = grouped([read(path) for path in figure_style.once(paths)])
    if len(groups) > len(figure_style.PALETTE):
        raise ValueError(
            f"{len(groups)} different runs are too many for one picture: {len(figure_style.PALETTE)} at most"
        )
    return groups


def apart(names: Sequence[str], settings: Sequence[dict]) -> list[str]:
    """Return the names; a name that occurs twice gets the options in which its settings differ."""
    found = []
    for name, setting in zip(names, settings, strict=True):
        twins = [other for other, title in zip(settings, names, strict=True) if title == name]
        more = (f"{key.removeprefix('options.')}={setting.get(key)}" for key in differing(twins))
        found.append(", ".join([name, *more]))
    return found


def differing(settings: Sequence[dict]) -> list[str]:
    """Return the keys whose values differ among the settings."""
    keys = sorted({key for setting in settings for key in setting})
    return [key for key in keys if any(s.get(key) != settings[0].get(key) for s in settings)]


def band(runs: Sequence[Rows], column: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return steps that all runs have [T], mean [T] and sample standard deviation [T] (0 for a single run)."""
    tables = [{row["step"]: row[column] for row in rows} for rows in runs]
    steps = sorted(set.intersection(*map(set, tables)))
    values = np.array([[table[step] for step in steps] for table in tables])  # [runs, T]
    spread = values.std(0, ddof=1) if len(runs) > 1 else np.zeros(len(steps))
    return np.array(steps), values.mean(0), spread


def terms(groups: Iterable[Group]) -> list[str]:
    """Return the names of all loss terms, in the order of first occurrence."""
    every = [group.runs[0][0] for group in groups]
    others = OTHERS.union(*([*map(validators.column, validators.logged(row))] for row in every))
    return list(dict.fromkeys(key for row in every for key in row if key not in others))


def line(axes: Axes, runs: Sequence[Rows], column: str, scale: float = 1.0, **look) -> None:
    """Draw mean and band of one column; nothing for runs without the column.

    Args:
        axes: the panel.
        runs: the rows of metrics of each seed.
        column: a column of metrics.csv.
        scale: a factor of all values.
        look: the line's style.
    """
    if column not in runs[0][0]:
        return
    steps, mean, spread = band(runs, column)
    axes.plot(steps, scale * mean, marker="." if len(steps) <= 20 else "", markersize=4, **look)
    if len(runs) > 1:
        low, high = scale * (mean - spread), scale * (mean + spread)
        axes.fill_between(steps, low, high, color=look["color"], alpha=0.18, linewidth=0)


def compress(axes: Axes) -> None:
    """Set a scale linear up to 1 and logarithmic beyond, where one line would flatten the others (BSP's squares)."""
    peaks = sorted(np.abs(line.get_ydata()).max(initial=0.0) for line in axes.get_lines())
    if len(peaks) > 1 and peaks[-1] > 50 * max(peaks[len(peaks) // 2], 1.0):
        axes.set_yscale("symlog", linthresh=1.0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def panel(axes: Axes, groups: Sequence[Group], columns: dict[str, str], scale: float = 1.0) -> list[Line2D]:
    """Draw columns in dashes; colours distinguish the columns of a single group, or several groups.

    Args:
        axes: the panel.
        groups: groups of runs.
        columns: {column of metrics.csv: its name in the legend}.
        scale: a factor of all values.

    Returns:
        The entries of the legend.
    """
    handles = []
    for i, (column, name) in enumerate(columns.items()):
        dash = DASHES[i % len(DASHES)]
        for g, group in enumerate(groups):
            colour = figure_style.PALETTE[(g if len(groups) > 1 else i) % len(figure_style.PALETTE)]
            line(axes, group.runs, column, scale, color=colour, linestyle=dash, linewidth=1.5)
        handles.append(Line2D([], [], color=colour if len(groups) == 1 else "#555555", linestyle=dash, label=name))
    axes.set_xlabel("training step")
    axes.grid(True)
    axes.margins(x=0.02)
    return handles


def mark(axes: Axes, groups: Sequence[Group]) -> list[Line2D]:
    """Draw a diamond where the validator would stop each run, on the target's line or else the source's."""
    look: dict[str, Any] = {
        "linestyle": "",
        "marker": "D",
        "markersize": 6,
        "markerfacecolor": "white",
        "markeredgewidth": 1.4,
    }
    chosen = {g: group for g, group in enumerate(groups) if group.select != validators.LAST}
    for g, group in chosen.items():
        for row in (validators.chosen(rows, group.select) for rows in group.runs):
            value = 100 * next(row[column] for column in ACCURACIES if column in row)
            axes.plot(row["step"], value, color=figure_style.PALETTE[g], zorder=5, clip_on=False, **look)
    colour, names = (
        figure_style.PALETTE[0] if len(groups) == 1 else "#555555",
        {group.select for group in chosen.values()},
    )
    return [Line2D([], [], color=colour, label=f"selected by {' or '.join(sorted(names))}", **look)] if names else []


def below(axes: Axes, handles: list[Line2D]) -> None:
    """Put the legend under the axes, where it covers no line."""
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3, columnspacing=1.2)


def heading(groups: Sequence[Group]) -> float:
    """Return the height in inches of the runs' names."""
    return 0.17 * (len(groups) + 1 if len(groups) > 1 else 1)


def head(figure: Figure, groups: Sequence[Group]) -> None:
    """Write the names of the runs, several with their colours."""
    if len(groups) == 1:
        figure.suptitle(groups[0].label, fontsize=10)
        return
    colours = [Line2D([], [], color=figure_style.PALETTE[g], lw=3, label=x.label) for g, x in enumerate(groups)]
    figure.legend(handles=colours, loc="outside upper left")


def curves(paths: Sequence[str], out: str | os.PathLike) -> None:
    """Draw the curves of the runs in these workdirs."""
    groups = gathered(paths)
    with figure_style.page(out, 7.0, 3.2 + heading(groups)) as figure:
        left, right = figure.subplots(1, 2)
        known = {key: name for key, name in ACCURACIES.items() if any(key in x.runs[0][0] for x in groups)}
        handles = panel(left, groups, known, 100.0) + mark(left, groups)
        left.set(title="test accuracy", ylabel="accuracy (%)")
        left.set_ylim(max(left.get_ylim()[0], 0), min(left.get_ylim()[1], 101))
        below(left, handles)
        below(right, panel(right, groups, {name: name for name in terms(groups)}))
        compress(right)
        right.set(title="loss terms", ylabel="mean over a segment")
        head(figure, groups)
