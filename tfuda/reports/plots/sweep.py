"""Draw accuracy over the values of one option, after Figure 4 of the BIWAA paper."""

from __future__ import annotations

import itertools
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.experiment import cells, trust
from tfuda.experiment.workdir import flat
from tfuda.names import PARTS
from tfuda.reports.plots import history, points

DECADES = 2  # of values; where they span more, the axis is logarithmic
NAMED = 6  # tasks up to which each has its colour
AVERAGE = "average of the tasks"
DASHES = history.DASHES[1:]  # of cells without the option


class Sweep(NamedTuple):
    """Cells that differ in one option, and reference cells without the option."""

    config: ConfigDict  # of the first
    option: str  # "weigher_options.factor"
    values: dict[str, float]  # by cell
    references: list[str]  # cells


def short(option: str) -> str:
    """Return an option's last part: weigher_options.factor -> factor."""
    return option.partition(".")[2]


def swept(names: Iterable[str]) -> Sweep:
    """Return the option that differs among these cells; a cell whose brackets omit the option has its default."""
    configs = {name: cells.parse_cell(name.partition("@")[0]) for name in names}
    kinds: dict[tuple, list[str]] = {}
    for name, config in configs.items():
        kinds.setdefault((*(config[part] for part in PARTS), name.partition("@")[2]), []).append(name)
    families = [family for family in kinds.values() if len(family) > 1]
    if not families:
        raise ValueError(f"no two cells of {', '.join(configs)} differ in an option alone")
    if len(families) > 1:
        raise ValueError(f"{families[0][0]} and {families[1][0]} belong to two sweeps, and a picture holds one")
    settings = {name: {**flat(configs[name].to_dict()), "cell": ""} for name in families[0]}
    options = history.differing([*settings.values()])
    if len(options) != 1:
        what = f"in {' and '.join(map(short, options))}" if options else "in nothing"
        raise ValueError(f"{' and '.join(settings)} differ {what}: the cells of a sweep differ in one option")
    values: dict[str, float] = {}
    for name, setting in settings.items():
        value = setting[options[0]]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name} has {short(options[0])}={value!r}: a sweep is over numbers")
        if value in values.values():
            raise ValueError(f"{name} has {short(options[0])}={value!r}, which another cell has too")
        values[name] = value
    return Sweep(configs[families[0][0]], options[0], values, [name for name in configs if name not in settings])


def average(tasks: Sequence[points.Points]) -> points.Points:
    """Return the mean of the tasks' means, at the values that all tasks have."""
    shared = [x for x in tasks[0] if all(x in task for task in tasks)]
    return {x: [float(np.mean([np.mean(task[x]) for task in tasks]))] for x in shared}


def lines(rows: Sequence[dict], values: dict[str, float], tasks: Sequence[str]) -> dict[str, points.Points]:
    """Return task -> value of these cells -> the seeds' shares, and for several tasks their average."""
    pairs = {
        task: [(values[row["cell"]], row["last"]) for row in rows if row["task"] == task and row["cell"] in values]
        for task in tasks
    }
    found = {task: points.gather(pair) for task, pair in pairs.items()}
    return found | ({AVERAGE: average([*found.values()])} if len(tasks) > 1 else {})


def looks(tasks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the tasks' line styles: colours for few tasks, grey for many with a coloured average."""
    colours = figure_style.PALETTE if len(tasks) <= NAMED else ["#aaaaaa"] * len(tasks)
    found: dict[str, dict[str, Any]] = {task: {"color": colour} for task, colour in zip(tasks, colours, strict=False)}
    return found | {AVERAGE: {"color": "#000000", "linewidth": 2.8, "markersize": 5, "zorder": 3}}


def level(axes: Axes, seeds: points.Points, linewidth: float = 1.5, **look) -> None:
    """Draw a cell without the option as a line of its mean across the axes; nothing where the cell has no runs."""
    for shares in seeds.values():
        axes.axhline(100 * float(np.mean(shares)), linewidth=linewidth / 1.6, **look)


def axis(axes: Axes, values: Sequence[float]) -> None:
    """Set a logarithmic scale if positive values span many decades, and ticks at values that are far enough apart."""
    places = np.sort(values)
    if places[0] > 0 and places[-1] > places[0] * 10**DECADES:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        places = np.log10(places)
    if np.diff(places).min() > 0.05 * np.ptp(places):
        axes.set_xticks(sorted(values))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))


def legend(tasks: Sequence[str], references: Sequence[str], look: dict[str, dict[str, Any]]) -> list[Line2D]:
    """Return the legend's entries: the tasks or one for many, their average, and the cells without the option."""
    named = {task: figure_style.task_name(task) for task in tasks}
    if len(tasks) > NAMED:
        named = {tasks[0]: f"each of {len(tasks)} tasks"}
    named |= {AVERAGE: AVERAGE} if len(tasks) > 1 else {}
    handles = [Line2D([], [], label=label, **points.LOOK | look[name]) for name, label in named.items()]
    dashes = zip(references, itertools.cycle(DASHES), strict=False)
    return handles + [Line2D([], [], color="#555555", linestyle=dash, label=name) for name, dash in dashes]


def sweep(path: str | os.PathLike, out: str | os.PathLike) -> None:
    """Draw a folder of run/benchmark.py, whose results.csv holds the cells."""
    file = pathlib.Path(path, "results.csv")
    if not file.is_file():
        raise FileNotFoundError(f"--workdir={path} is no folder of run/benchmark.py: {file} is missing")
    rows = points.table(file, ["cell", "task"], ["last"])
    for row in rows:
        trust.cell(row["cell"], str(file))
    try:
        of = swept(dict.fromkeys(row["cell"] for row in rows))
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    tasks = [*dict.fromkeys(row["task"] for row in rows if row["cell"] in of.values)]
    found, look = lines(rows, of.values, tasks), looks(tasks)
    with figure_style.page(out, 5.6, 4.2) as figure:
        axes = figure.subplots()
        for name, seeds in found.items():
            points.draw(axes, seeds, **look[name])
        for cell, dash in zip(of.references, itertools.cycle(DASHES), strict=False):
            for name, seeds in lines(rows, {cell: 0.0}, tasks).items():
                if len(tasks) <= NAMED or name == AVERAGE:
                    level(axes, seeds, **look[name] | {"linestyle": dash})
        axis(axes, [*of.values.values()])
        points.within(axes)
        axes.grid(True)
        axes.set(xlabel=short(of.option), ylabel="target accuracy, end of training (%)")
        of_task = f", {figure_style.task_name(tasks[0])}" if len(tasks) == 1 else ""
        axes.set_title(
            figure_style.run_name(of.config) + of_task + points.seeds(found[task] for task in tasks), fontsize=10
        )
        handles = legend(tasks, of.references, look)
        narrow = max(len(str(handle.get_label())) for handle in handles) <= 22
        figure.legend(handles=handles, loc="outside lower center", ncols=3 if narrow else 1)
