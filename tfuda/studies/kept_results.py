"""Keep what a grid found beside its table, so that it can be read back where the runs themselves are gone.

    results.csv    a row of each run, with the commit that trained it
    results.json   versions, and {cell: digest of its settings}

`known_rows` gives the rows of folders whose settings are those of the grid in question: they need no training.
"""

from __future__ import annotations

import csv
import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from tfuda.atomic_files import read_json, write_whole
from tfuda.experiment.workdir import PATHS
from tfuda.serving import model_card
from tfuda.studies.grid import Run

NAME = "results.json"
OWN = ("task", "seed", "pairs", *PATHS)  # what differs between runs of one cell, or is a place on a disk
TEXTS = ("cell", "task", "metric", "commit")  # columns that hold no number


def digest(config: ConfigDict) -> str:
    """Return a digest of a cell's settings that does not depend on task, seed and places."""
    kept = {key: value for key, value in config.to_dict().items() if key not in OWN}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]


def write_about(runs: Iterable[Run], rows: Iterable[Mapping[str, Any]], folder: pathlib.Path) -> None:
    """Write results.json for the rows of a grid, beside results.csv."""
    found = {row["cell"] for row in rows}
    folder.mkdir(parents=True, exist_ok=True)
    settings = {run.cell: digest(run.config) for run in runs if run.cell in found}
    about = {"versions": model_card.versions(), "settings": settings}
    write_whole(folder / NAME, json.dumps(about, indent=1) + "\n")


def known_rows(folders: Iterable[pathlib.Path], runs: Sequence[Run]) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Return {(cell, task, seed): row} of some folders' results whose settings are those of the runs.

    Raises:
        ValueError: if a file is damaged, or a cell was run with other settings.
    """
    found: dict[tuple[str, str, int], dict[str, Any]] = {}
    wanted = {run.cell: digest(run.config) for run in runs}
    for folder in folders:
        about = read_json(folder / NAME, "settings")["settings"]
        for cell, own in wanted.items():
            if about.get(cell, own) != own:
                raise ValueError(f"{folder} has results of {cell} with other settings: leave out --known={folder}")
        with open(folder / "results.csv", encoding="utf-8", newline="") as file:
            lines = [line for line in csv.DictReader(file) if line["cell"] in wanted]
        found |= {(line["cell"], line["task"], int(line["seed"])): _typed(line) for line in lines}
    return found


def _typed(line: Mapping[str, str]) -> dict[str, Any]:
    """Return a line of results.csv as the row that was written."""
    kept = {key: value for key, value in line.items() if value != "" and key != "tuned"}
    return {"commit": ""} | {
        key: value if key in TEXTS else int(value) if key == "seed" else float(value) for key, value in kept.items()
    }
