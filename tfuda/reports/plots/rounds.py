"""Draw accuracy by round of training, after Figure 5 of the BIWAA paper."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.experiment.workdir import flat
from tfuda.reports.plots import points
from tfuda.studies.rounds import round_folder

LOOKS: dict[str, dict[str, Any]] = {
    "oracle": {"color": figure_style.PALETTE[2], "linestyle": (0, (5, 1.5)), "marker": "^"},
    "predicted": {"color": figure_style.PALETTE[0], "linestyle": "-"},
    "random": {"color": figure_style.PALETTE[1], "linestyle": (0, (1, 1.2)), "marker": "v"},
}
LABELS = {
    "oracle": "true labels: oracle, an upper line",
    "predicted": "predicted labels (BIWAA-I)",
    "random": "random loader",
}
ALLOWED = ("seed", "prior")  # keys in which the same round of two folders may differ


class Folder(NamedTuple):
    """A folder of run/rounds.py."""

    path: pathlib.Path
    rows: list[dict[str, Any]]  # of rounds.csv
    configs: dict[str, ConfigDict]  # of the rounds that have one, by their folders' names


def read_rounds(path: str) -> Folder:
    """Read the rounds of one seed."""
    folder = pathlib.Path(path)
    if not (folder / "rounds.csv").is_file():
        raise FileNotFoundError(f"--workdir={path} is no folder of run/rounds.py: {folder / 'rounds.csv'} is missing")
    rows = points.table(folder / "rounds.csv", ["loader"], ["round", "last", "labels"])
    if strange := [row["loader"] for row in rows if row["loader"] not in LOOKS]:
        raise ValueError(f"{folder / 'rounds.csv'} has the loader {strange[0]!r}, not one of {', '.join(LOOKS)}")
    if all(math.isnan(row["last"]) for row in rows):
        raise ValueError(f"{folder / 'rounds.csv'} has no accuracies: the target has no labels")
    workdirs = [round_folder(folder, row["loader"], int(row["round"])) for row in rows]
    configs = {w.path.name: w.config() for w in workdirs if (w.path / "config.json").is_file()}
    if not configs:
        raise FileNotFoundError(f"--workdir={path} holds no round: {workdirs[0].path / 'config.json'} is missing")
    return Folder(folder, rows, configs)


def common(folders: Sequence[Folder]) -> ConfigDict:
    """Return the config of the first round that all folders have; refuse folders that are not seeds of one run."""
    first = folders[0]
    shared = [name for name in first.configs if all(name in other.configs for other in folders)]
    if not shared:
        raise ValueError(f"--workdir={first.path} has no round that the other folders have too")
    configs = [folder.configs[shared[0]] for folder in folders]
    seen: dict[int, Folder] = {}
    for folder, config in zip(folders, configs, strict=True):
        theirs, ours = (flat(some.to_dict()) for some in (config, configs[0]))
        for key in sorted({*theirs, *ours} - {*ALLOWED}):
            if theirs.get(key) != ours.get(key):
                raise ValueError(
                    f"--workdir={folder.path} differs from {first.path} in {key} ({theirs.get(key)!r}, not "
                    f"{ours.get(key)!r}): rounds averages seeds of one run"
                )
        if config.seed in seen:
            raise ValueError(
                f"--workdir={folder.path} has the seed {config.seed}, as {seen[config.seed].path} has: rounds "
                "averages runs of different seeds"
            )
        seen[config.seed] = folder
    return configs[0]


def lines(folders: Sequence[Folder], column: str) -> dict[str, points.Points]:
    """Return loader -> round -> the folders' shares, for the loaders that have any."""
    rows = [row for folder in folders for row in folder.rows]
    found = {name: points.gather((r["round"], r[column]) for r in rows if r["loader"] == name) for name in LOOKS}
    return {name: of for name, of in found.items() if of}


def panel(axes: Axes, of: dict[str, points.Points], title: str, unit: str) -> None:
    """Draw one line for each loader."""
    for name, seeds in of.items():
        points.draw(axes, seeds, **LOOKS[name])
    axes.set(title=title, xlabel="round", ylabel=f"{unit} (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(True)
    points.within(axes)


def heading(config: ConfigDict) -> str:
    """Return the title: mstn+biwaa, R → S, target long-tailed to 10 %."""
    tail = f"{config.imbalance} long-tailed to {100 * config.tail:g} %" if config.imbalance else ""
    return ", ".join(filter(None, [figure_style.run_name(config), figure_style.task_name(config.task), tail]))


def rounds(paths: Sequence[str], out: str | os.PathLike) -> None:
    """Draw these folders of run/rounds.py, which differ in their seeds only."""
    folders = [read_rounds(path) for path in figure_style.once(paths)]
    config, last, labels = common(folders), lines(folders, "last"), lines(folders, "labels")
    unit = "mean over classes" if config.mean_class else "accuracy"
    with figure_style.page(out, 7.0 if labels else 4.6, 3.4) as figure:
        grid = figure.subplots(1, 2 if labels else 1, squeeze=False)[0]
        panel(grid[0], last, "target test images, end of each round", unit)
        if labels:
            panel(grid[1], labels, "target training images, rounds averaged", "accuracy")
        figure.suptitle(heading(config) + points.seeds(last.values()), fontsize=10)
        shown = [Line2D([], [], label=LABELS[name], **points.LOOK | LOOKS[name]) for name in last]
        figure.legend(handles=shown, loc="outside lower center", ncols=3 if labels else 1)
