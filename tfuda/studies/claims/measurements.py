"""Plan the grids that the claims need, and read what they found."""

from __future__ import annotations

import json
import pathlib
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from tfuda.atomic_files import read_json, write_whole
from tfuda.profiling import step_time
from tfuda.studies import benchmark, kept_results, paper_tables, tables
from tfuda.studies.claims.catalogue import COSTS, SETTINGS, STEADY, Claim

Values = dict[str, dict[tuple[str, int], float]]  # {row: {(task, seed): percent}}
COST_FILE = "costs.json"


def rows(claims: Iterable[Claim], setting: str) -> list[str]:
    """Return the rows of a setting, in the order of the claims."""
    names = [name for claim in claims if claim.setting == setting for pair in claim.steps for name in pair]
    papers = {claim.paper for claim in claims if claim.setting == setting}
    if setting == "single":
        names += [name for one in STEADY if one.paper in papers for name in (one.base, one.row)]
    return list(dict.fromkeys(names))


def jobs(
    claims: Sequence[Claim],
    config: str,
    seeds: int,
    folder: pathlib.Path,
    tasks: Sequence[str] = (),
    change: Callable[[ConfigDict], None] = lambda config: None,
) -> dict[str, benchmark.Job]:
    """Return the grid of every setting that a claim needs.

    Args:
        claims: the claims.
        config: the config's file, as "emoji".
        seeds: how many seeds.
        folder: the folder of all runs, which gets a folder for each setting.
        tasks: tasks in place of the settings' own; none for those.
        change: modifies every config.
    """
    found = {}
    for name, setting in SETTINGS.items():
        if not (wanted := rows(claims, name)):
            continue
        made = [paper_tables.row_named(row) for row in wanted]
        pairs = tuple(dict.fromkeys(pair for claim in claims if claim.setting == name for pair in claim.steps))
        table = paper_tables.PaperTable(
            name,
            setting.title,
            config,
            tuple(tasks) or setting.tasks,
            seeds,
            setting.settings,
            tuple(made),
            pairs,
            "",
        )
        runs = paper_tables.make_runs(table, folder / name, change=change)
        found[name] = benchmark.Job(f"claims, {setting.title}", runs, (), pairs, folder / name)
    return found


def sources(known: pathlib.Path | None, setting: str) -> list[pathlib.Path]:
    """Return the folders of kept results that can hold runs of a setting."""
    places = [known, known / setting] if known and setting == "single" else [known / setting] if known else []
    return [place for place in places if (place / kept_results.NAME).is_file()]


def ended(job: benchmark.Job, known: Sequence[pathlib.Path]) -> list[dict[str, Any]]:
    """Return the rows of a grid's runs that are kept in some folders, or have ended."""
    kept, found = kept_results.known_rows(known, job.runs), []
    for run in job.runs:
        place = run.cell, run.task, run.seed
        if place in kept:
            found.append(kept[place])
        elif "last" in (result := run.workdir.finished() or {}):
            found.append(tables.row(*place, result, run.workdir.commit()))
    return found


def values(rows: Iterable[Mapping[str, Any]]) -> Values:
    """Return the accuracies of rows."""
    found: Values = {}
    for row in rows:
        found.setdefault(row["cell"], {})[row["task"], row["seed"]] = 100 * row["last"]
    return found


def by_task(found: Values, one: str, other: str) -> dict[str, float]:
    """Return {task: mean over shared seeds of the difference other - one}."""
    low, high = found.get(one, {}), found.get(other, {})
    shared = sorted({*low} & {*high})
    tasks = dict.fromkeys(task for task, _ in shared)
    return {task: statistics.fmean(high[key] - low[key] for key in shared if key[0] == task) for task in tasks}


def deviations(found: Values, row: str) -> dict[str, float]:
    """Return {task: deviation over seeds} of a row, for tasks of two seeds or more."""
    own = found.get(row, {})
    each = {task: [value for (at, _), value in own.items() if at == task] for task, _ in own}
    return {task: statistics.stdev(some) for task, some in each.items() if len(some) > 1}


def timed(folder: pathlib.Path) -> dict[str, float]:
    """Return {cell: ratio of its step's time to its base's} as `costs` has measured it; {} before that."""
    path = folder / COST_FILE
    return read_json(path) if path.is_file() else {}


def costs(folder: pathlib.Path, get_config: Callable[[str], ConfigDict], turns: int = 11) -> None:
    """Measure the times of COSTS, with a network that learns as a whole.

    Args:
        folder: the folder of the claims, which receives the times.
        get_config: returns the config of a cell.
        turns: the number of measurements of each cell.
    """
    names = dict.fromkeys(name for cost in COSTS for name in (cost.base, cost.cell))
    configs = {name: get_config(name) for name in names}
    for config in configs.values():
        config.network.frozen, config.views = "0", -1
    times = step_time.measure({name: step_time.one_step(config, 8) for name, config in configs.items()}, turns)
    found = {}
    for cost in COSTS:
        ratios = {row["method"]: row["ratio"] for row in step_time.ratios(times, cost.base)}
        found[cost.cell] = ratios[cost.cell]
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / COST_FILE, json.dumps(found, indent=1) + "\n")
