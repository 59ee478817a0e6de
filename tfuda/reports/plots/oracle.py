"""Load an oracle: a network trained on the target's real labels, which judges networks trained without labels."""

from __future__ import annotations

import pathlib

from ml_collections import ConfigDict

from tfuda.data.tasks import Task
from tfuda.experiment import training
from tfuda.experiment.workdir import Workdir
from tfuda.names import trains_source_only
from tfuda.networks.base import Network


def load_oracle(path: str, config: ConfigDict, task: Task) -> tuple[ConfigDict, Network]:
    """Load the run in --oracle=PATH, source_only on TARGET-TARGET, for a picture of this config and task.

    Args:
        path: the oracle's workdir.
        config: the config of the run to draw.
        task: the task of the run to draw.

    Returns:
        (config, network) of the oracle.

    Raises:
        FileNotFoundError: if there is no run.
        ValueError: if the run has another method, task, data or other classes.
    """
    about = pathlib.Path(path, "config.json")
    if not about.is_file():
        raise FileNotFoundError(f"--oracle={path} holds no run: {about} is missing")
    own, name = Workdir(path).config(), config.task.rpartition("-")[2]
    wanted = f"{name}-{name}"
    if not trains_source_only(own) or own.task != wanted:
        found = f"a run of {own.cell} on task {own.task}" if "method" in own else "no run of run/train.py"
        raise ValueError(
            f"--oracle={path} is {found}: it has to be one of source_only on {wanted}, which "
            "learns real target labels"
        )
    if own.data != config.data:
        raise ValueError(f"--oracle={path} has data={own.data!r}, and the folder to draw {config.data!r}")
    try:
        _, learnt, method = training.load_run(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(str(error).replace("--workdir=", "--oracle=")) from None
    if learnt.classes != task.classes:
        raise ValueError(
            f"--oracle={path} has learnt the classes {some(learnt.classes)}, and task {config.task} has "
            f"{some(task.classes)}: an oracle has to have the same"
        )
    return own, method.network


def some(classes: tuple[str, ...], most: int = 12) -> str:
    """Join names of classes for a sentence, at most `most` of them."""
    more = f" and {len(classes) - most} more" if len(classes) > most else ""
    return ", ".join(classes[:most]) + more
