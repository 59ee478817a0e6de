"""Run a grid of cells × tasks × seeds, one run after the other, resumable."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple

from ml_collections import ConfigDict

from tfuda.experiment import callbacks, prerequisites, training
from tfuda.experiment.workdir import Workdir
from tfuda.studies import rounds, tables


@dataclasses.dataclass(frozen=True)
class Run:
    """One place of the grid; `rounds` trainings one after the other where it is not 0, of which the last counts."""

    cell: str
    task: str
    seed: int
    config: ConfigDict
    workdir: Workdir
    rounds: int = 0
    loader: str = "predicted"


class Line(NamedTuple):
    """A line of the grid: its name in results, its config, and whether it is trained in rounds."""

    name: str
    config: Callable[[], ConfigDict]
    rounds: int = 0
    loader: str = "predicted"


def make_grid(
    get_config: Callable[[str], ConfigDict],
    cells: Iterable[str],
    tasks: Iterable[str],
    seeds: Iterable[int],
    folder: pathlib.Path,
    change: Callable[[ConfigDict], None] = lambda config: None,
) -> list[Run]:
    """Return every run, in the order in which the table fills evenly: by seed, then task, then cell.

    Args:
        get_config: returns the config of a cell.
        cells: names of cells.
        tasks: names of tasks.
        seeds: the seeds.
        folder: the folder that holds all workdirs.
        change: modifies every config before its task and seed are set.
    """
    lines = [Line("", functools.partial(get_config, cell)) for cell in cells]
    return lay_out(lines, tasks, seeds, folder, change)


def lay_out(
    lines: Iterable[Line],
    tasks: Iterable[str],
    seeds: Iterable[int],
    folder: pathlib.Path,
    change: Callable[[ConfigDict], None] = lambda config: None,
) -> list[Run]:
    """Return every run of these lines; a line without a name has its config's cell for a name."""
    made = [(line, line.config()) for line in lines]  # which takes longer than to copy one for each task and seed
    for _, config in made:
        change(config)
    runs: dict[tuple, Run] = {}
    for seed in seeds:
        for task in tasks:
            for line, whole in made:
                config = whole.copy_and_resolve_references()
                config.task, config.seed = task, seed
                prerequisites.share(config, folder)
                name = line.name or config.cell
                where = Workdir(folder / name / task / f"seed{seed}")
                if line.rounds:
                    where = rounds.round_folder(where.path, line.loader, line.rounds - 1)
                runs[name, task, seed] = Run(name, task, seed, config, where, line.rounds, line.loader)
    return [*runs.values()]


def baseline(runs: list[Run], get_config: Callable[[str], ConfigDict], cell: str) -> str:
    """Return the cell that the others are tested against, as the runs name it.

    Args:
        runs: the grid.
        get_config: returns the config of a cell.
        cell: the cell as the command names it; the first of the runs where it is "".
    """
    named = get_config(cell).cell if cell else runs[0].cell if runs else ""
    if cell and named not in {run.cell for run in runs}:
        raise ValueError(f"--baseline={cell} is none of the --methods")
    return named


class Outcome(NamedTuple):
    """The outcome of a place of the grid; new: whether it was trained now. The result is None of a diverged run."""

    place: int
    new: bool
    result: dict | None
    diverged: str = ""


def attempt(place: int, run: Run, say: Callable[[str], None]) -> Outcome:
    """Train a run, resume it, or read the result of a finished one.

    Args:
        place: the run's index in the grid.
        run: the run.
        say: receives each message.
    """
    new = run.workdir.finished() is None
    heard = say if new and (run.rounds or prerequisites.needed(run.config)) else (lambda line: None)
    try:
        if not run.rounds:
            return Outcome(place, new, training.train_run(run.config, run.workdir, say=heard))
        if new:
            folder = run.workdir.path.parent
            rounds.check_rounds(run.config, folder, [run.loader])
            for row in rounds.series(run.config, folder, run.loader, run.rounds, 0, heard):
                rounds.write_report([row], folder)
        return Outcome(place, new, run.workdir.finished())
    except callbacks.Diverged as error:
        return Outcome(place, new, None, str(error))


def in_turn(runs: list[Run], say: Callable[[str], None]) -> Generator[Outcome]:
    """Train one run after the other, in this process."""
    for place, run in enumerate(runs):
        yield attempt(place, run, say)


def missing(runs: list[Run]) -> int:
    """Return how many runs are not finished yet."""
    return sum(run.workdir.finished() is None for run in runs)


def perform_runs(
    runs: list[Run],
    say: Callable[[str], None],
    done: Callable[[list[dict]], object] = lambda rows: None,
    by: Callable[[list[Run], Callable[[str], None]], Generator[Outcome]] = in_turn,
) -> tuple[list[dict], int]:
    """Train every run that is not finished yet.

    Args:
        runs: the grid.
        say: receives each message.
        done: receives the rows so far after each training.
        by: trains the runs; processes.several trains several at once.

    Returns:
        (one row per run in the order of the grid, how many runs diverged and have no row).
    """
    rows: dict[int, dict] = {}
    trained, diverged, start, open_at_first = 0, 0, time.monotonic(), missing(runs)
    with contextlib.closing(by(runs, say)) as outcomes:
        for place, new, result, complaint in outcomes:
            run = runs[place]
            head = f"[{place + 1}/{len(runs)}] {title(run)}"
            trained += new
            if result is None:
                diverged += 1
                say(f"{head}: {complaint}")
                continue
            if "last" not in result:
                raise ValueError(f"{title(run)} has no labelled target to measure on, so there is no table to fill")
            rows[place] = tables.row(run.cell, run.task, run.seed, result, run.workdir.commit())
            if new:
                left = (time.monotonic() - start) / trained * (open_at_first - trained)
                accuracy, seconds = 100 * result["last"], result["seconds"]
                say(f"{head}: target {accuracy:.1f} %, {seconds:.0f} s; {duration(left)} left")
                done([rows[i] for i in sorted(rows)])
    return [rows[i] for i in sorted(rows)], diverged


def title(run: Run) -> str:
    """Return a run's readable name."""
    return f"{run.cell} {run.task} seed {run.seed}"


def duration(seconds: float) -> str:
    """Format a duration: 12 s, 3 min, 1 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
