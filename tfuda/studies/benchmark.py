"""Run grids with their reports: those of run/benchmark.py's flags, and the papers' tables."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from tfuda.studies import grid, kept_results, paper_tables, table_text, tables

Change = Callable[[ConfigDict], None]


class Job(NamedTuple):
    """Hold a grid, the tasks that its recipe was tuned on, the pairs to test, and the folder of it all."""

    title: str
    runs: list[grid.Run]
    tuned: Sequence[str]
    pairs: Sequence[tuple[str, str]]
    folder: pathlib.Path


def of_file(
    file: dict[str, Any],
    cells: Sequence[str],
    tasks: Sequence[str],
    seeds: int,
    baseline: str,
    folder: pathlib.Path,
    change: Change,
) -> Job:
    """Return the grid of some cells of a config's file.

    Args:
        file: the names that the file defines.
        cells: the cells.
        tasks: tasks, or names of the file's lists of tasks.
        seeds: how many seeds.
        baseline: cell that the others are tested against; "" for the first.
        folder: folder of all runs.
        change: modifies every config.
    """
    lists = file.get("TASKS", {})
    named = [task for name in tasks for task in lists.get(name, [name])]
    runs = grid.make_grid(file["get_config"], cells, named, range(seeds), folder, change)
    first = grid.baseline(runs, file["get_config"], baseline)
    others = dict.fromkeys(run.cell for run in runs if run.cell != first)
    return Job("", runs, file.get("TUNED", ()), [(first, other) for other in others], folder)


def of_table(
    name: str, cells: Sequence[str], tasks: Sequence[str], seeds: int, folder: pathlib.Path, change: Change
) -> list[Job]:
    """Return the grids of a paper's table, one for each part; see paper_tables.make_runs."""
    parts, found = paper_tables.parts(name), []
    for part in parts:
        place = folder / part.name.rpartition(".")[2] if len(parts) > 1 else folder
        title = f"{part.name}: {part.title}" + (f". {part.note}" if part.note else "")
        runs = paper_tables.make_runs(part, place, seeds, cells, tasks, change)
        found.append(Job(title, runs, (), part.pairs, place))
    return found


def perform(
    job: Job, say: Callable[[str], None], by: Callable = grid.in_turn, known: Sequence[pathlib.Path] = ()
) -> int:
    """Train the runs of a grid, write and say its tables, and return 1 if a run diverged, else 0.

    Args:
        job: the grid.
        say: receives each message.
        by: trains the runs, as in grid.perform_runs.
        known: folders of results of the same settings, whose rows need no training.
    """
    kept = kept_results.known_rows(known, job.runs)
    places = [(run.cell, run.task, run.seed) for run in job.runs]
    if job.title:
        say(job.title)

    def whole(rows: list[dict]) -> list[dict]:
        found = kept | {(row["cell"], row["task"], row["seed"]): row for row in rows}
        return [found[place] for place in places if place in found]

    def report(rows: list[dict]) -> str:
        rows = whole(rows)
        kept_results.write_about(job.runs, rows, job.folder)
        quotes = tables.quoted(rows, job.runs[0].config, job.tuned)
        tables.write_report(rows, job.folder, job.tuned, job.pairs, quotes)
        return "\n".join(map(table_text.markdown, tables.tables_of(rows, "last", job.tuned, quotes)))

    rest = [run for run, place in zip(job.runs, places, strict=True) if place not in kept]
    rows, diverged = grid.perform_runs(rest, say, report, by)
    if whole(rows):
        say(f"\n{report(rows)}\n{tables.side_by_side(whole(rows))}\n")
        say("\n".join(str(job.folder / name) for name in tables.NAMES))
        say("with `selected`, `oracle` and paired tests")
    return int(diverged > 0)
