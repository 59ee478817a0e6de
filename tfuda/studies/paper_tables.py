"""Read the papers' tables as grids of runs from paper_tables.toml, where the keys are explained.

A row's name is that of its results: the cell, and what else the row sets, as "mstn+biwaa~rounds=10~beliefs.rate=1.0".
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import itertools
import pathlib
import tomllib
from collections.abc import Callable, Iterable
from typing import Any

from ml_collections import ConfigDict

from tfuda.experiment import shipped_configs
from tfuda.names import near
from tfuda.studies import grid


@dataclasses.dataclass(frozen=True)
class Row:
    """Hold a row of a table: a cell, its own settings, and the rounds that it is trained in (0 for one training)."""

    cell: str
    settings: dict[str, Any]
    rounds: int = 0
    loader: str = "predicted"

    @property
    def name(self) -> str:
        """Return the row's name in results."""
        said: dict[str, Any] = {"rounds": self.rounds} if self.rounds else {}
        said |= {"loader": self.loader} if self.loader != "predicted" else {}
        return "~".join([self.cell, *(f"{key}={value}" for key, value in {**said, **self.settings}.items())])


@dataclasses.dataclass(frozen=True)
class PaperTable:
    """Hold a table of a paper, or one part of it.

    Attributes:
        name: PAPER.TABLE or PAPER.TABLE.PART.
        config: the file in configs/.
        settings: settings of the config for all rows.
        pairs: names of two rows that one recipe trains.
    """

    name: str
    title: str
    config: str
    tasks: tuple[str, ...]
    seeds: int
    settings: dict[str, Any]
    rows: tuple[Row, ...]
    pairs: tuple[tuple[str, str], ...]
    note: str


@functools.cache
def every() -> dict[str, PaperTable]:
    """Return all tables by their names."""
    text = pathlib.Path(__file__).with_name("paper_tables.toml").read_text("utf-8")
    return {name: _table(name, said) for name, said in tomllib.loads(text).items()}


def _table(name: str, said: dict[str, Any]) -> PaperTable:
    rows = tuple(_row({"cell": row} if isinstance(row, str) else row) for row in said["rows"])
    lists = shipped_configs.contents(said["config"])["TASKS"]
    wanted = said.get("tasks", "all")
    tasks = tuple(lists[wanted]) if isinstance(wanted, str) else tuple(wanted)
    pairs = tuple((base, other) for base, other in said.get("pairs", ()))
    settings, note = said.get("set", {}), said.get("note", "")
    return PaperTable(name, said["title"], said["config"], tasks, said.get("seeds", 3), settings, rows, pairs, note)


def _row(said: dict[str, Any]) -> Row:
    return Row(said["cell"], said.get("set", {}), said.get("rounds", 0), said.get("loader", "predicted"))


def row_named(name: str) -> Row:
    """Return the row of a name in results, such as "mstn+biwaa~rounds=3~beliefs.rate=1.0"."""
    cell, *said = name.split("~")
    settings = dict(each.split("=", 1) for each in said)
    rounds, loader = int(settings.pop("rounds", 0)), settings.pop("loader", "predicted")
    return Row(cell, {key: ast.literal_eval(value) for key, value in settings.items()}, rounds, loader)


def parts(name: str) -> list[PaperTable]:
    """Return the parts of a table, most often one.

    Args:
        name: PAPER.TABLE for the whole table, or PAPER.TABLE.PART.

    Raises:
        ValueError: there is no such table; the sentence lists those that there are.
    """
    found = [table for key, table in every().items() if key == name or key.startswith(f"{name}.")]
    if not found or "." not in name:
        raise ValueError(f"unknown --table={name!r}{near(name, every())}: the tables are {', '.join(every())}")
    return found


def make_runs(
    table: PaperTable,
    folder: pathlib.Path,
    seeds: int = 0,
    rows: Iterable[str] = (),
    tasks: Iterable[str] = (),
    change: Callable[[ConfigDict], None] = lambda config: None,
) -> list[grid.Run]:
    """Return every run of a table, by seed, then task, then row.

    Args:
        table: the table.
        folder: the folder that holds all workdirs.
        seeds: how many seeds; 0 for the table's.
        rows: names of some rows, or cells; none for all.
        tasks: some of the table's tasks; none for all.
        change: modifies every config after the table's settings.
    """
    wanted = [*rows]
    for one in wanted:
        if one not in {name for row in table.rows for name in (row.name, row.cell)}:
            known = ", ".join(row.name for row in table.rows)
            raise ValueError(f"--methods: {table.name} has no row {one!r}; its rows are {known}")
    for task in tasks:
        if task not in table.tasks:
            raise ValueError(f"--tasks: {table.name} has no task {task!r}; its tasks are {', '.join(table.tasks)}")
    chosen = [row for row in table.rows if not wanted or {row.name, row.cell} & {*wanted}]
    lines = [grid.Line(row.name, functools.partial(config_of, table, row), row.rounds, row.loader) for row in chosen]
    return grid.lay_out(lines, [*tasks] or table.tasks, range(seeds or table.seeds), folder, change)


def config_of(table: PaperTable, row: Row) -> ConfigDict:
    """Return the config of a row, before its task and seed are set."""
    config = shipped_configs.get_config(f"{table.config}:{row.cell}")
    for key, value in {**table.settings, **row.settings}.items():
        *path, last = key.split(".")
        here = functools.reduce(lambda at, part: at[part], path, config)
        here[last] = value
    return config


def config_named(words: list[str]) -> list[str]:
    """Return a command's words, with --config of the table in front where --table stands without a --config."""
    after = {word.lstrip("-"): value for word, value in itertools.pairwise([*words, ""]) if word.startswith("-")}
    said = {word.partition("=")[0]: word.partition("=")[2] or value for word, value in after.items()}
    if "config" in said or not said.get("table"):
        return words
    return [f"--config={parts(said['table'])[0].config}", *words]
