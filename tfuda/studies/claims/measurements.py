"""Plan and run the measurements that the claims need; every claim gets its first seed before any gets its third."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from tfuda.atomic_files import read_json, write_whole
from tfuda.experiment import callbacks, prerequisites
from tfuda.experiment.workdir import DIVERGED
from tfuda.profiling import step_time
from tfuda.studies import grid, rounds
from tfuda.studies.claims.catalogue import COSTS, FIRST, ROUNDS, VARIANTS, Claim
from tfuda.studies.claims.verdicts import Values


def cells(claims: Iterable[Claim]) -> list[str]:
    """Return the cells of the grid, in the order of the claims."""
    names = (name for claim in claims for pair in claim.steps for name in pair)
    return list(dict.fromkeys(name for name in names if name not in (FIRST, *VARIANTS)))


def variants(claims: Iterable[Claim]) -> list[str]:
    """Return the variants of rounds, in the order of VARIANTS."""
    wanted = {name for claim in claims for pair in claim.steps for name in pair}
    return [name for name in VARIANTS if name in wanted]


class Rounds(NamedTuple):
    """One series of rounds of a variant on a task with a seed."""

    name: str
    config: ConfigDict
    folder: pathlib.Path

    @property
    def key(self) -> tuple[str, int]:
        return self.config.task, self.config.seed

    def values(self) -> dict[str, float]:
        """Return {variant: percent of target training images that averaged predictions get right}, if finished."""
        known = rounds.known(self.folder)
        found = {row["round"]: 100 * row["labels"] for row in known if row["loader"] == VARIANTS[self.name][0]}
        if len(found) < ROUNDS:
            return {}
        first = {FIRST: found[0]} if self.name == "biwaa-i" else {}
        return {self.name: found[ROUNDS - 1], **first}

    def run(self, say: Callable[[str], None]) -> None:
        rows = [*rounds.series(self.config, self.folder, VARIANTS[self.name][0], ROUNDS, 0, say)]
        rounds.write_report(rows, self.folder)


def collected(runs: Iterable[grid.Run], of_rounds: Iterable[Rounds]) -> Values:
    """Return the accuracies of all finished runs."""
    values: Values = {}
    for run in runs:
        if (result := run.workdir.finished()) and "last" in result:
            values.setdefault(run.cell, {})[run.task, run.seed] = 100 * result["last"]
    for one in of_rounds:
        for name, value in one.values().items():
            values.setdefault(name, {})[one.key] = value
    return values


def commits(folder: pathlib.Path) -> list[str]:
    """Return the commits of the code that made the runs below a folder."""
    return sorted({read_json(path).get("commit", "")[:10] for path in folder.rglob("config.json")} - {""})


def timed(folder: pathlib.Path) -> dict[str, float]:
    """Return {cell: ratio of its step's time to its base's} as `costs` has measured it; {} before that."""
    path = folder / "costs.json"
    return read_json(path) if path.is_file() else {}


def costs(folder: pathlib.Path, get_config: Callable[[str], ConfigDict], turns: int = 11) -> None:
    """Measure the times of COSTS, once.

    Args:
        folder: the folder of the claims, which receives the times.
        get_config: returns the config of a cell.
        turns: the number of measurements of each cell.
    """
    if timed(folder):
        return
    names = dict.fromkeys(name for cost in COSTS for name in (cost.base, cost.cell))
    times = step_time.measure({name: step_time.one_step(get_config(name), 32) for name in names}, turns)
    found = {}
    for cost in COSTS:
        ratios = {row["method"]: row["ratio"] for row in step_time.ratios(times, cost.base)}
        found[cost.cell] = ratios[cost.cell]
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "costs.json", json.dumps(found, indent=1) + "\n")


class Plan:
    """All measurements of the claims, in order; `perform` runs those that are missing."""

    def __init__(
        self,
        get_config: Callable[[str], ConfigDict],
        claims: Sequence[Claim],
        tasks: Sequence[str],
        seeds: int,
        folder: pathlib.Path,
    ):
        def made(cell: str) -> ConfigDict:
            config = get_config(cell)
            config.select, config.validators = "last", "all"  # the last step counts; the values are kept
            return config

        self.get_config, self.folder = made, folder
        self.costs = bool({cost.paper for cost in COSTS} & {claim.paper for claim in claims})
        self.parts: list[tuple[list[grid.Run], list[Rounds]]] = []
        for seed in range(seeds):
            slow = [
                cell for cell in cells(claims) if prerequisites.wants(made(cell), "pairs")
            ]  # it trains generators
            quick = [cell for cell in cells(claims) if cell not in slow]
            self.parts.append((grid.make_grid(made, quick, tasks, [seed], folder / "grid"), []))
            self.parts.append(([], [*self.series(claims, tasks, seed)]))
            self.parts.append((grid.make_grid(made, slow, tasks, [seed], folder / "grid"), []))

    def series(self, claims: Sequence[Claim], tasks: Iterable[str], seed: int) -> Iterator[Rounds]:
        """Yield the series of rounds; variants with nothing switched off share a folder, and hence first rounds."""
        for task in tasks:
            for name in variants(claims):
                config, off = self.get_config("biwaa"), VARIANTS[name][1]
                config.task, config.seed = task, seed
                config.update_from_flattened_dict(off)
                where = self.folder / "rounds" / (name if off else "biwaa-i") / task / f"seed{seed}"
                yield Rounds(name, config, where)

    def so_far(self) -> tuple[Values, dict[str, float], int, int, int]:
        """Return (accuracies, ratios of times, finished runs and series, diverged ones, planned ones)."""
        every = [run for runs, _ in self.parts for run in runs]
        of_rounds = [one for _, some in self.parts for one in some]
        done = len(every) - grid.missing(every) + sum(bool(one.values()) for one in of_rounds)
        lost = sum((run.workdir.path / DIVERGED).is_file() for run in every)
        lost += sum(any(one.folder.glob(f"*/{DIVERGED}")) for one in of_rounds)
        return collected(every, of_rounds), timed(self.folder), done, lost, len(every) + len(of_rounds)

    def perform(self, say: Callable[[str], None], report: Callable[[], None]) -> None:
        """Run what is missing, and call `report` after each run."""
        if self.costs:
            costs(self.folder, self.get_config)
        for runs, of_rounds in self.parts:
            if grid.missing(runs):
                grid.perform_runs(runs, say, lambda rows: report())
            for one in of_rounds:
                if not one.values():
                    say(f"{one.name}, {one.config.task}, seed {one.config.seed}")
                    try:
                        one.run(say)
                    except callbacks.Diverged as error:
                        say(str(error))
                    report()
