"""Read the papers' numbers from published.csv, one line for each number of their tables of accuracy.

paper, table, method   where it stands; toalign, biwaa, gsda, daaa and tada
data, setting          of our configs; setting is single, multi, semi-1 or semi-3
backbone               the network's name; empty where the paper quotes a number and does not say
cell                   of the grid, as results.csv names it; empty where there is none
task                   SOURCE-TARGET, a class, or average
value, deviation       percent as printed; no value where the paper prints "very low"
metric                 accuracy over all images, mean_class, or both (BIWAA's Table 3 says mean, its code accuracy)
chosen                 best where the authors' code keeps the best checkpoint on target labels
note                   remarks; misprints of the papers are kept, and start with "misprint"
"""

from __future__ import annotations

import csv
import functools
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

TITLES = {"toalign": "ToAlign", "biwaa": "BIWAA", "gsda": "GSDA", "daaa": "DAAA", "tada": "TADA"}


class Quote(NamedTuple):
    """One row of one or more papers' tables: {task or "average": percent}, and the name of its place."""

    where: str
    values: dict[str, float]
    best: bool = False  # by target labels


@functools.cache
def rows() -> tuple[dict[str, str], ...]:
    """Return all lines of published.csv."""
    with pathlib.Path(__file__).with_name("published.csv").open(newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def setting(config: Mapping[str, Any]) -> str:
    """Return the papers' setting of a run; "" for a run that is in none of their tables."""
    if any(config.get(key) for key in ("partial", "imbalance", "target_classes", "source_classes")):
        return ""
    if config.get("shots"):
        return f"semi-{config['shots']}"
    return "multi" if "+" in config["task"] else "single"


def for_table(config: Mapping[str, Any], tasks: Iterable[str], metric: str = "accuracy") -> dict[str, list[Quote]]:
    """Return the papers' rows with the data, setting and network of a run, for a table of these tasks.

    A paper's average is included where it is over the same tasks; a single task takes the average's place.

    Args:
        config: the config of a run.
        tasks: the table's tasks.
        metric: accuracy or mean_class, as the table counts.

    Returns:
        {cell: rows of papers}.
    """
    own = (config["data"], setting(config), config["network"]["name"])
    here = [row for row in rows() if (row["data"], row["setting"], row["backbone"]) == own]
    here = [row for row in here if row["metric"] in (metric, "both")]
    wanted, every = {*tasks}, {row["task"] for row in here if "-" in row["task"]}
    lines: dict[tuple[str, ...], dict[str, float]] = {}
    for row in here:
        if row["cell"] and row["value"]:
            place = tuple(row[key] for key in ("cell", "method", "paper", "table", "chosen"))
            lines.setdefault(place, {})[row["task"]] = float(row["value"])
    found: dict[str, list[Quote]] = {}
    for (cell, _, paper, table, chosen), numbers in lines.items():
        values = {task: numbers[task] for task in wanted & {*numbers}}
        covered = {task for task in numbers if "-" in task} or every
        if "average" in numbers and (covered == wanted or (not every and len(wanted) == 1)):
            values |= dict.fromkeys(("average", *(() if every else wanted)), numbers["average"])
        _add(found.setdefault(cell, []), Quote(f"{TITLES[paper]} Table {table}", values, chosen == "best"))
    return found


def _add(quotes: list[Quote], new: Quote) -> None:
    """Add a row, or only its place to an equal row."""
    for i, quote in enumerate(quotes):
        shared = {*quote.values} & {*new.values}
        if shared and new.best == quote.best and all(quote.values[task] == new.values[task] for task in shared):
            quotes[i] = Quote(f"{quote.where}, {new.where}", quote.values | new.values, quote.best)
            return
    if new.values:
        quotes.append(new)
