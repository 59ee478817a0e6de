"""Read a run from its folder, finished or not, without building a network."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from ml_collections import ConfigDict

from tfuda.atomic_files import read_json
from tfuda.evaluation import validators
from tfuda.experiment import training
from tfuda.experiment.workdir import DIVERGED, Workdir
from tfuda.names import PARTS


class Run(NamedTuple):
    """The parts of a workdir that the pages need; numbers: as in result.json, of the rows so far."""

    folder: pathlib.Path
    config: ConfigDict
    about: dict  # config.json without the config: command, commit, versions
    rows: list[dict[str, float]]
    numbers: dict
    state: str

    @property
    def name(self) -> str:
        """Return the cell's name, dannp+toalign+mcc; of package.module:Name the last part."""
        return "+".join(self.config[part].rpartition(":")[2] for part in PARTS if self.config[part])

    @property
    def task(self) -> str:
        return str(self.config.task).replace("-", " → ", 1)

    @property
    def labelled(self) -> bool:
        """Return whether the target has labels to measure on."""
        return "last" in self.numbers

    @property
    def terms(self) -> list[str]:
        """Return the columns that are terms of the loss."""
        named = {*self.config.options.get("trade_offs", {}), self.config.regulariser.rpartition(":")[2]}
        return [column for column in self.rows[0] if column in named - {"", "discriminator"}] if self.rows else []

    @property
    def validators(self) -> list[str]:
        """Return the names of the validators that this run has logged."""
        return validators.logged(self.rows[0]) if self.rows else []

    @property
    def selected(self) -> int:
        """Return the index of the row that was selected."""
        at = (i for i, row in enumerate(self.rows) if row["step"] == self.numbers["selected_step"])
        return next(at, len(self.rows) - 1)


def read_run(path: str | os.PathLike) -> Run:
    """Read the run in a folder.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if the run is of another version.
    """
    workdir = Workdir(path)
    config, rows, result = workdir.config(), workdir.rows(), workdir.finished()
    needed = (*PARTS, "task", "seed", "steps", "segment", "mean_class", "options", *([] if result else ["select"]))
    missing = [key for key in needed if key not in config]
    if missing:
        raise ValueError(
            f"--workdir={path} holds no run of run/train.py, or one of another version: "
            f"its config has no {missing[0]}"
        )
    about = {key: value for key, value in read_json(workdir.path / "config.json").items() if key != "config"}
    try:
        numbers = result or (training.summary(config, rows) if rows else {})
    except KeyError as error:
        raise ValueError(f"{workdir.metrics} has no column {error}: it is of another version") from None
    return Run(workdir.path, config, about, rows, numbers, state(workdir, config, rows, result))


def state(workdir: Workdir, config: ConfigDict, rows: list[dict[str, float]], result: dict | None) -> str:
    """Return the run's state: finished, diverged at step N, or step N of M."""
    step = int(rows[-1]["step"]) if rows else 0
    if result:
        return "finished"
    if (workdir.path / DIVERGED).is_file() or (rows and not math.isfinite(rows[-1].get("loss", 0.0))):
        return f"diverged after step {step}"
    return f"step {step} of {config.steps}"


def runs_below(folder: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yield the folders at any depth, this one too, that look like runs; links are not followed."""
    for here, folders, files in os.walk(os.fspath(folder)):
        folders[:] = sorted(name for name in folders if name not in ("checkpoints", "events", "export", "plots"))
        if "config.json" in files and ("result.json" in files or "metrics.csv" in files):
            yield pathlib.Path(here)
