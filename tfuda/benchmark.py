"""A grid of cells × tasks × seeds, one run after the other, resumable, and its table."""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib
import statistics
import time
from collections.abc import Callable, Iterable

from ml_collections import ConfigDict

from tfuda import experiment
from tfuda.workdir import Workdir, write

COLUMNS = ("last", "selected", "oracle")
FIELDS = ("cell", "task", "seed", *COLUMNS, "source", "seconds")


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

    change: applied to every config after task and seed are set
    """
    runs = []
    for seed in seeds:
        for task in tasks:
            for cell in cells:
                config = get_config(cell)
                config.task, config.seed = task, seed
                change(config)
                where = folder / config.cell / task / f"seed{seed}"
                runs.append(Run(config.cell, task, seed, config, Workdir(where)))
    return runs


def perform(runs: list[Run], say: Callable[[str], None], verbose: int = 0) -> list[dict]:
    """Train what is not trained yet: one row per run."""
    rows, trained, start = [], 0, time.monotonic()
    missing = sum(run.workdir.finished() is None for run in runs)
    for i, run in enumerate(runs):
        new = run.workdir.finished() is None
        result = experiment.train(run.config, run.workdir, verbose)
        rows.append({"cell": run.cell, "task": run.task, "seed": run.seed} | {k: result[k] for k in FIELDS[3:]})
        if new:
            trained += 1
            left = (time.monotonic() - start) / trained * (missing - trained)
            say(
                f"[{i + 1}/{len(runs)}] {run.cell} {run.task} seed {run.seed}: "
                f"target {100 * result['last']:.1f} %, {result['seconds']:.0f} s; {duration(left)} left"
            )
    return rows


def duration(seconds: float) -> str:
    """12 s, 3 min, 1 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def as_csv(rows: list[dict]) -> str:
    """One line per run."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
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


def report(rows: list[dict], folder: pathlib.Path, tuned: Iterable[str] = ()) -> str:
    """Write results.csv and results.md: the text of the second."""
    titles = {
        "last": "Target accuracy at the end of training, %",
        "selected": "At the step that the label-free validator chose, %",
        "oracle": "At the best step on target labels (an upper line, not a result), %",
    }
    text = "\n".join(f"{titles[c]}\n\n{markdown(rows, c, tuned)}" for c in COLUMNS)
    write(folder / "results.csv", as_csv(rows))
    write(folder / "results.md", text)
    return text
