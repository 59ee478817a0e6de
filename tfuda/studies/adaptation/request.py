"""Hold what `tfuda adapt` was asked for, and refuse what cannot work before anything is trained."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from tfuda.atomic_files import read_json, write_whole
from tfuda.data.files import pictures_below
from tfuda.data.readers.folders import check_apart
from tfuda.data.tasks import Task
from tfuda.experiment import build, seen_pictures, shipped_configs, validation

PORTFOLIO = ("mcc", "dann", "dannp", "dann+biwaa")  # from cheap to dear, by the emoji's evidence
ASKED = "adapt.json"
FEW, MANY = 5000, 20_000  # pictures up to which 4 views and 1 view of each are computed; none beyond


class Request(NamedTuple):
    """Hold what the user asked for.

    Attributes:
        source: folder of class folders.
        target: folder of pictures without labels.
        workdir: folder of everything that is made.
        labels: folder of class folders of target pictures, which are measured on and never chosen by; "" for none.
        labelled: folder of class folders of target pictures that train as shots; "" for none.
        cells: the portfolio.
        minutes: after this time no further candidate is begun; 0 for no limit.
        seed: seed of weights and batches.
        finetune: whether the chosen candidate is fine-tuned; None does so if `minutes` are given and left.
        change: modifies the config of every candidate.
    """

    source: str
    target: str
    workdir: str
    labels: str = ""
    labelled: str = ""
    cells: Sequence[str] = PORTFOLIO
    minutes: float = 0.0
    seed: int = 0
    finetune: bool | None = None
    change: Callable[[ConfigDict], None] = lambda config: None

    @property
    def folder(self) -> pathlib.Path:
        """Return the workdir."""
        return pathlib.Path(self.workdir)

    def as_json(self) -> dict:
        """Return what has to be the same when the command resumes; labels may come later."""
        keys = ("source", "target", "labelled")
        return {
            **{key: os.path.abspath(value) if (value := getattr(self, key)) else "" for key in keys},
            "seed": self.seed,
        }


def check_folders(asked: Request) -> None:
    """Refuse folders that are missing, the same, or inside of each other."""
    for flag in ("source", "target", "labels", "labelled"):
        folder = getattr(asked, flag)
        if flag in ("source", "target") and not folder:
            raise ValueError(f"--{flag} is missing: give the folder of {flag} pictures")
        if folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"--{flag}={folder}: there is no such folder")
    check_apart(asked.source, asked.target, "--")
    if asked.labels and asked.labelled and (both := trained_and_measured(asked)):
        raise ValueError(
            f"{both} of --labels is in --labelled as well: a picture that trains cannot measure; take it out of one"
        )


def trained_and_measured(asked: Request) -> str:
    """Return a picture of `labels` whose content is in `labelled` too; "" if there is none."""

    def content(path: str) -> bytes:
        return hashlib.sha256(pathlib.Path(path).read_bytes()).digest()

    known = {content(path) for path in pictures_below(asked.labelled)}
    return next((path for path in pictures_below(asked.labels) if content(path) in known), "")


def check_workdir(asked: Request) -> dict:
    """Return what the workdir was made with, {} for a new one; refuse a folder with other things or requests."""
    file, folder = asked.folder / ASKED, asked.folder
    if not file.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(f"--workdir={folder} holds other files: choose a new folder")
        return {}
    kept = read_json(file, "source", "target")
    for key, value in asked.as_json().items():
        if kept.get(key) != value:
            raise ValueError(f"--workdir={folder} was made with --{key}={kept.get(key)}: choose a new folder")
    return kept


def claim(asked: Request, config: ConfigDict, task: Task) -> None:
    """Make the workdir this request's, with the pictures of its task; refuse one that was made of other pictures."""
    kept = check_workdir(asked)
    own = {**asked.as_json(), **seen_pictures.noted(config, task)}
    for key, words in (("classes", "class folders"), ("pictures", "readable pictures")):
        if kept.get(key, own[key]) != own[key]:
            raise ValueError(
                f"the {words} are not those that --workdir={asked.folder} was made with: choose a new folder, or put "
                "them back"
            )
    asked.folder.mkdir(parents=True, exist_ok=True)
    if kept != own:
        write_whole(asked.folder / ASKED, json.dumps(own, indent=1) + "\n")


def check_cells(asked: Request, cells: Sequence[str]) -> None:
    """Refuse a cell that does not exist, or that could not train with what was asked for."""
    for cell in cells:
        try:
            config = configured(asked, cell)
            validation.check_config(config)
            kind = build.kind(config)
        except ValueError as error:
            raise ValueError(f"--methods={cell}: {error}") from None
        if asked.labelled and "shots" in kind.refuses:
            raise ValueError(f"--methods={cell} takes no labelled target pictures: leave it or --labelled out")


def check_sizes(asked: Request, cells: Sequence[str], task: Task) -> None:
    """Refuse a cell whose batches cannot be made of so few pictures."""
    for cell in cells:
        config = configured(asked, cell)
        fit_to(config, task)
        try:
            build.sizes(config, [*task.streams])
        except ValueError as error:
            raise ValueError(f"--methods={cell}: {error}") from None


def configured(asked: Request, cell: str) -> ConfigDict:
    """Return the config of a candidate."""
    config = shipped_configs.get_config(f"folders:{cell}")
    config.source, config.target, config.labels = asked.source, asked.target, asked.labels
    config.deliver, config.seed, config.on_bad_image = False, asked.seed, "skip"
    config.select = "last"  # what the choice is about, what is delivered, and what the page shows
    if asked.labelled:
        config.labelled, config.shots = asked.labelled, 1
    asked.change(config)
    return config


def found_task(config: ConfigDict, say: Callable[[str], None]) -> Task:
    """Return the task of both folders; refuse one that is too small to learn from."""
    task = build.task(config, say)
    for name in ("source", "target"):
        if (count := len(task.streams[name])) < 2:
            raise ValueError(f"the {name} has {count} readable picture: at least 2 are needed")
    return task


def fit_to(config: ConfigDict, task: Task) -> str:
    """Set batch and views to the number of pictures; return a sentence where fewer views are drawn than asked for."""
    counts = [len(task.streams[name]) for name in ("source", "target")]  # labelled ones are as many as there are
    config.batch = min(config.batch, *counts)
    total, asked = sum(counts), config.views
    if asked > 0:
        config.views = asked if total <= FEW else 1 if total <= MANY else 0
    if config.views == asked:
        return ""
    return f"{total} pictures: {config.views} views of each beside evaluation's, in place of {asked}"
