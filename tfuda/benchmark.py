"""A grid of cells × tasks × seeds, one run after the other, resumable, and its table."""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

from ml_collections import ConfigDict

from tfuda import callbacks, experiment, stages
from tfuda.disk import write
from tfuda.workdir import Workdir

FIELDS = ("cell", "task", "seed", "last", "selected", "oracle", "source", "seconds")


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


def perform(
    runs: list[Run], say: Callable[[str], None], done: Callable[[list[dict]], None] = lambda rows: None
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
        rows.append({"cell": run.cell, "task": run.task, "seed": run.seed} | {k: result[k] for k in FIELDS[3:]})
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


def as_csv(rows: list[dict], fields: Sequence[str] = FIELDS) -> str:
    """One line per run."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def cell_text(values: list[float]) -> str:
    """Mean ± standard deviation over seeds, in percent."""
    values = [100 * value for value in values]
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread}"


def markdown(rows: list[dict], column: str = "last", tuned: Iterable[str] = ()) -> str:
    """A table of one column: cells down, tasks across, mean ± std over seeds, and the average of the tasks.

    tuned: tasks on whose labels the recipe was found; marked, and left out of the average
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    counted = [task for task in tasks if task not in tuned]
    names = [f"{task} (tuned)" if task in tuned else task for task in tasks]
    head = ["method", *names, *(["average"] if counted else [])]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1)]
    for cell in dict.fromkeys(row["cell"] for row in rows):
        found = {t: [r[column] for r in rows if r["cell"] == cell and r["task"] == t] for t in tasks}
        line = [cell, *(cell_text(found[task]) if found[task] else "" for task in tasks)]
        if counted:
            whole = all(found[task] for task in counted)
            means = [statistics.fmean(found[task]) for task in counted if found[task]]
            line.append(f"{100 * statistics.fmean(means):.1f}" if whole else "")
        lines.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def side_by_side(rows: list[dict]) -> str:
    """One line a task: target accuracy at the end of training of every cell, mean over seeds."""
    lines = []
    for task in dict.fromkeys(row["task"] for row in rows):
        here = [row for row in rows if row["task"] == task]
        cells = dict.fromkeys(row["cell"] for row in here)
        means = {cell: statistics.fmean(row["last"] for row in here if row["cell"] == cell) for cell in cells}
        lines.append(f"{task}: " + ", ".join(f"{cell} {100 * mean:.1f} %" for cell, mean in means.items()))
    return "\n".join(lines)


TITLES = {
    "last": "Target accuracy at the end of training, %",
    "selected": "At the step that the label-free validator chose, %",
    "oracle": "At the best step on target labels (an upper line, not a result), %",
}


def titled(rows: list[dict], column: str, tuned: Iterable[str] = ()) -> str:
    """The table of a column under its title."""
    return f"{TITLES[column]}\n\n{markdown(rows, column, tuned)}"


def report(rows: list[dict], folder: pathlib.Path, tuned: Iterable[str] = ()) -> None:
    """Write results.csv and results.md, with all three columns."""
    write(folder / "results.csv", as_csv(rows))
    write(folder / "results.md", "\n".join(titled(rows, column, tuned) for column in TITLES))
