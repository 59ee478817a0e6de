"""Draw the accuracy of several cells by task as bars with deviations, after Figure 8 of the ToAlign paper."""

from __future__ import annotations

import os
import pathlib

import numpy as np

from tfuda import figure_style
from tfuda.reports.plots import points

AVERAGE = "average"
MOST = len(figure_style.PALETTE)
WIDTH = 0.8  # of all bars of a task, of the distance between two tasks


def shares(rows: list[dict], cell: str, tasks: list[str]) -> dict[str, list[float]]:
    """Return {task: shares of the seeds}, and the average over the tasks of each seed that has all of them."""
    found = {task: {r["seed"]: r["last"] for r in rows if (r["cell"], r["task"]) == (cell, task)} for task in tasks}
    seeds = [seed for seed in found[tasks[0]] if all(seed in of for of in found.values())]
    means = [float(np.mean([found[task][seed] for task in tasks])) for seed in seeds]
    values = {task: [*of.values()] for task, of in found.items()}
    return values | ({AVERAGE: means} if len(tasks) > 1 else {})


def bars(path: str | os.PathLike, out: str | os.PathLike) -> None:
    """Draw a folder of run/benchmark.py, whose results.csv holds the cells."""
    file = pathlib.Path(path, "results.csv")
    if not file.is_file():
        raise FileNotFoundError(f"--workdir={path} is no folder of run/benchmark.py: {file} is missing")
    rows = points.table(file, ["cell", "task", "seed"], ["last"])
    cells, tasks = ([*dict.fromkeys(row[key] for row in rows)] for key in ("cell", "task"))
    if len(cells) > MOST:
        raise ValueError(f"{file} has {len(cells)} cells, and a picture of bars holds at most {MOST}")
    found = {cell: shares(rows, cell, tasks) for cell in cells}
    groups = [*tasks, *([AVERAGE] if len(tasks) > 1 else [])]
    most = max(len(values) for of in found.values() for values in of.values())
    with figure_style.page(out, 1.2 + max(3.0, 0.22 * len(groups) * (len(cells) + 1)), 3.6) as figure:
        axes = figure.subplots()
        for i, (cell, of) in enumerate(found.items()):
            drawn = [(x, of[group]) for x, group in enumerate(groups) if of[group]]
            place = [x + WIDTH * ((i + 0.5) / len(cells) - 0.5) for x, _ in drawn]
            means = [100 * float(np.mean(values)) for _, values in drawn]
            spread = [100 * float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for _, v in drawn]
            axes.bar(place, means, WIDTH / len(cells), color=figure_style.PALETTE[i], label=cell)
            axes.errorbar(place, means, spread if any(spread) else None, fmt="none", ecolor="#333333", elinewidth=0.9)
        axes.set_xticks(range(len(groups)), [figure_style.task_name(group) for group in groups])
        axes.tick_params(axis="x", length=0, rotation=45 if len(groups) > 8 else 0)
        axes.grid(True, axis="y")
        axes.set_ylim(0, None)
        axes.set(ylabel="target accuracy, end of training (%)")
        if most > 1:
            axes.set_title(f"mean ± std of up to {most} seeds", fontsize=9)
        figure.legend(loc="outside lower center", ncols=min(len(cells), 4))
