"""A grid of cells × tasks × seeds, one run after the other, resumable."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterable

from ml_collections import ConfigDict

from tfuda import callbacks, experiment, stages
from tfuda.tables import FIELDS
from tfuda.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class Run:
    """One place of the grid."""

    cell: str
    task: str
    seed: int
    config: ConfigDict
    workdir: Workdir


def grid(
    get_config: Callable[[str], ConfigDict],
    cells: Iterable[str],
    tasks: Iterable[str],
    seeds: Iterable[int],
    folder: pathlib.Path,
    change: Callable[[ConfigDict], None] = lambda config: None,
) -> list[Run]:
    """Every run, in the order in which the table fills evenly: by seed, then task, then cell.

    change: applied to every config before its task and seed are set
    """
    runs: dict[tuple, Run] = {}
    for seed in seeds:
        for task in tasks:
            for cell in cells:
                config = get_config(cell)
                change(config)
                config.task, config.seed = task, seed
                stages.share(config, folder)
                where = folder / config.cell / task / f"seed{seed}"
                runs[config.cell, task, seed] = Run(config.cell, task, seed, config, Workdir(where))
    return [*runs.values()]


def baseline(runs: list[Run], get_config: Callable[[str], ConfigDict], cell: str) -> str:
    """The cell that the others are tested against, as the runs name it; the first where none is named."""
    named = get_config(cell).cell if cell else runs[0].cell if runs else ""
    if named not in {run.cell for run in runs}:
        raise ValueError(f"--baseline={cell} is none of the --methods")
    return named


def perform(
    runs: list[Run], say: Callable[[str], None], done: Callable[[list[dict]], object] = lambda rows: None
) -> tuple[list[dict], int]:
    """Train what is not trained yet: (one row per run, how many diverged and have none).

    done: called with the rows so far after each training
    """
    rows, trained, diverged, start = [], 0, 0, time.monotonic()
    missing = sum(run.workdir.finished() is None for run in runs)
    for i, run in enumerate(runs):
        new, name = run.workdir.finished() is None, f"{run.cell} {run.task} seed {run.seed}"
        trained += new
        try:
            heard = say if new and stages.needed(run.config) else (lambda line: None)
            result = experiment.train(run.config, run.workdir, say=heard)
        except callbacks.Diverged as error:
            diverged += 1
            say(f"[{i + 1}/{len(runs)}] {name}: {error}")
            continue
        if "last" not in result:
            raise ValueError(f"{name} has no labelled target to measure on, so there is no table to fill")
        rows.append({"cell": run.cell, "task": run.task, "seed": run.seed} | {k: result[k] for k in FIELDS[3:-1]})
        if new:
            left = (time.monotonic() - start) / trained * (missing - trained)
            say(
                f"[{i + 1}/{len(runs)}] {name}: target {100 * result['last']:.1f} %, "
                f"{result['seconds']:.0f} s; {duration(left)} left"
            )
            done(rows)
    return rows, diverged


def duration(seconds: float) -> str:
    """12 s, 3 min, 1 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
