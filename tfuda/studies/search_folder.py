"""Take trials out of a search's folder only for the search that they belong to.

search.json names the flags from which the trials follow. A folder of an earlier version has none; there the trials'
own configs tell whether they belong to a search.
"""

from __future__ import annotations

import json
import pathlib

from ml_collections import ConfigDict

from tfuda.atomic_files import read_json, write_whole
from tfuda.evaluation import validators
from tfuda.experiment.trust import tell
from tfuda.experiment.workdir import Workdir, make_paths_absolute

RECORD = "search.json"


def begin(folder: pathlib.Path, flags: dict[str, object]) -> None:
    """Record the flags of a search where no trial has begun; elsewhere refuse other flags than the recorded ones."""
    if any(folder.glob("trial[0-9]*")):
        check_flags(folder, flags)
    else:
        record(folder, flags)


def record(folder: pathlib.Path, flags: dict[str, object]) -> None:
    """Write the flags, {name: value}, from which the trials in a folder follow."""
    write_whole(folder / RECORD, json.dumps(flags, indent=1) + "\n")


def check_flags(folder: pathlib.Path, flags: dict[str, object]) -> None:
    """Refuse other flags, {name: value}, than those that a folder records; accept a folder without a record."""
    path = folder / RECORD
    old = read_json(path, *flags) if path.is_file() else flags
    for name, value in flags.items():
        if old[name] != value:
            raise ValueError(
                f"--workdir={folder} was searched with --{name}={old[name]}, not {value}: say the same, or choose "
                "another folder"
            )


def check_worker(folder: pathlib.Path, flags: dict[str, object], config: ConfigDict) -> None:
    """Refuse a worker with other flags or another config than its chief's, which the folder records."""
    check_flags(folder, flags)
    if (folder / "config.json").is_file():
        tell(config.to_dict())
        Workdir(folder).compare(config)


def check_trial(workdir: Workdir, config: ConfigDict, objective: str) -> None:
    """Refuse to take the value of a trained trial that lacks the objective, or has other settings than `config`.

    Args:
        workdir: the trial's folder.
        config: the config of the trial as the search proposes it now; its paths are made absolute.
        objective: the name of a validator.
    """
    rows = workdir.rows()
    if rows and validators.column(objective) not in rows[-1]:
        raise ValueError(
            f"{workdir.path} was trained without --objective={objective}: delete that folder, or choose another "
            "--workdir"
        )
    make_paths_absolute(config)
    tell(config.to_dict())
    workdir.compare(config, ended=True)
