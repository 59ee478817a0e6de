"""Adapt to a target folder: train source_only and a portfolio, choose without target labels, and deliver a model.

    WORKDIR/candidates/CELL/    a run of each candidate, as run/train.py leaves it; CELL@tuned of a fine-tuned one
    WORKDIR/export/             the model, with its card
    WORKDIR/predictions.csv     file, label, confidence of every target picture
    WORKDIR/label_these.csv     the target pictures whose labels would help most
    WORKDIR/result.json         the chosen cell, its estimated accuracy with an interval, source_only's, warnings

The same command resumes: finished candidates are kept, and an unfinished one resumes.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from tfuda.atomic_files import read_json, write_whole
from tfuda.data.tasks import Task
from tfuda.experiment import build, callbacks, shipped_configs, training
from tfuda.experiment.workdir import OUTPUTS, Workdir
from tfuda.studies.adaptation import briefing, choice, finetune, outcome
from tfuda.studies.adaptation.choice import PLAIN, Candidate, Choice

PORTFOLIO = ("dann", "dannp", "mcc", "dannp+toalign")  # from cheap to dear, by the emoji's evidence
ASKED, RESULT = "adapt.json", "result.json"
FEW, MANY = 5000, 20_000  # pictures up to which 4 views and 1 view of each are computed; none beyond
Say = Callable[[str], None]


class Request(NamedTuple):
    """Hold what the user asked for.

    Attributes:
        source: folder of class folders.
        target: folder of pictures without labels.
        workdir: folder of everything that is made.
        labels: folder of class folders of target pictures, for a last measurement alone; "" for none.
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
        """Return what has to be the same when the command resumes."""
        places = {key: os.path.abspath(value) for key in ("source", "target") if (value := getattr(self, key))}
        more = {
            key: os.path.abspath(value) if (value := getattr(self, key)) else "" for key in ("labels", "labelled")
        }
        return {**places, **more, "seed": self.seed}


def adapt(asked: Request, say: Say) -> dict:
    """Return the contents of result.json, after everything in the workdir is made.

    Args:
        asked: what the user asked for.
        say: takes a line for the user.

    Raises:
        ValueError: if the folders cannot be adapted to, in one sentence.
        Stopped: if a signal came before source_only was trained.
    """
    check_folders(asked)
    claim(asked)
    if not (asked.folder / "candidates").exists():
        say(briefing.briefing(asked.source, asked.target))
    trained = Trained(asked, Clock(asked.minutes), say)
    cells = [PLAIN, *(cell for cell in asked.cells if cell != PLAIN)]
    for place, cell in enumerate(cells, 1):
        if not trained.clock.allows():
            trained.stopped = f"--budget={asked.minutes:g} left no time for {', '.join(cells[place - 1 :])}"
            break
        say(f"{place} of {len(cells)}: training {cell}{trained.clock.left(len(cells) - place + 1)}")
        trained.train(cell, configured(asked, cell))
        if trained.stopped:
            break
    assert trained.task is not None  # the first candidate is always begun
    if PLAIN not in trained.done:
        raise ValueError("source_only diverged on these pictures, so nothing can be compared with it: see above")
    found = choice.chosen([one for _, one in trained.done.values()])
    wanted = asked.finetune or (asked.finetune is None and asked.minutes)
    if wanted and not trained.stopped and not found.shifted:  # the score says little where the target lacks classes
        found = trained.tune(found)
    return outcome.deliver(asked, trained, found)


class Trained:
    """Hold the candidates that are trained, and train further ones.

    Attributes:
        task: the task of both folders, once a candidate was begun.
        done: {cell: (its config, its logits)}.
        stopped: why candidates are missing; "" if none is.
    """

    def __init__(self, asked: Request, clock: Clock, say: Say):
        self.asked, self.clock, self.say = asked, clock, say
        self.task: Task | None = None
        self.done: dict[str, tuple[ConfigDict, Candidate]] = {}
        self.stopped = ""

    def workdir(self, cell: str) -> Workdir:
        """Return the folder of a candidate."""
        return Workdir(self.asked.folder / "candidates" / cell)

    def train(self, cell: str, config: ConfigDict) -> None:
        """Train a candidate, or resume it; note a stop, and leave out what diverges."""
        self.task = self.task or found_task(config, self.say)
        fit_to(config, self.task)
        workdir = self.workdir(cell)
        try:
            result = training.train_run(config, workdir, task=self.task, say=self.say)
        except callbacks.Stopped as stop:
            if not self.done:
                raise
            self.stopped = f"stopped in {cell}; the same command resumes"
            self.say(f"{stop}")
        except callbacks.Diverged as error:
            self.say(f"{cell} is left out: {error}")
        else:
            self.clock.took(result["seconds"])
            self.done[cell] = config, choice.read_outputs(cell, workdir.path / OUTPUTS)

    def tune(self, found: Choice) -> Choice:
        """Fine-tune the chosen candidate if there is time; return the choice with the fine-tuned one."""
        chosen = found.name
        cell, base = chosen + finetune.SUFFIX, self.done[chosen][0]
        plain = configured(self.asked, cell)
        config = finetune.continued(plain, base, self.workdir(chosen))
        assert self.task is not None
        fit_to(config, self.task)
        if self.clock.end and not self.workdir(cell).path.exists():
            try:
                need, left = finetune.seconds_needed(config, plain.weights, self.task), self.clock.seconds_left()
            except KeyboardInterrupt:
                self.stopped = f"stopped before {cell}; the same command resumes"
                return found
            if need > left:
                self.say(f"{cell} is left out: it needs about {need / 60:.1f} min, and {left / 60:.1f} min are left")
                return found
        self.say(f"fine-tuning {chosen}: the last stages learn too")
        self.train(cell, config)
        scores = choice.scores([one for _, one in self.done.values()])
        better = scores.get(cell, -math.inf) > scores[chosen] + choice.MARGIN
        if cell in self.done:
            self.say(f"{cell} {'replaces' if better else 'does not replace'} {chosen}")
        return found._replace(name=cell if better else chosen, scores=scores)


class Clock:
    """Know how much time is left, and how long a candidate takes."""

    def __init__(self, minutes: float):
        self.end = time.monotonic() + 60 * minutes if minutes else 0.0
        self.last = 0.0  # seconds of the longest training so far
        self.any = False

    def allows(self) -> bool:
        """Return whether one more candidate fits; the first always does."""
        return not self.end or not self.any or time.monotonic() + self.last <= self.end

    def seconds_left(self) -> float:
        """Return the time up to the end; infinity without a limit."""
        return max(self.end - time.monotonic(), 0) if self.end else math.inf

    def took(self, seconds: float) -> None:
        """Note how long a candidate trained, without what is computed once for all of them."""
        self.last, self.any = max(self.last, seconds), True

    def left(self, candidates: int) -> str:
        """Return words for the time that so many candidates may take."""
        if not self.any or self.last < 1:
            return ""
        seconds = self.last * candidates
        if self.end:
            seconds = min(seconds, max(self.end - time.monotonic(), 0))
        return f", about {max(round(seconds / 60), 1)} min left"


# ---- what is asked


def check_folders(asked: Request) -> None:
    """Refuse folders that are missing, the same, or inside of each other."""
    for flag in ("source", "target", "labels", "labelled"):
        folder = getattr(asked, flag)
        if flag in ("source", "target") and not folder:
            raise ValueError(f"--{flag} is missing: give the folder of {flag} pictures")
        if folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"--{flag}={folder}: there is no such folder")
    source, target = (pathlib.Path(os.path.realpath(folder)) for folder in (asked.source, asked.target))
    if source == target:
        raise ValueError(f"--source and --target are the same folder {source}: there is nothing to adapt to")
    for flag, inside, outside in (("target", target, source), ("source", source, target)):
        if outside in inside.parents:
            raise ValueError(
                f"--{flag}={inside} lies inside of {outside}: its pictures would be in both; move it out"
            )


def claim(asked: Request) -> None:
    """Make the workdir this request's; refuse a folder with other things, or of another request."""
    file, folder = asked.folder / ASKED, asked.folder
    if not file.exists():
        if folder.is_dir() and any(folder.iterdir()):
            raise ValueError(f"--workdir={folder} holds other files: choose a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(asked.as_json(), indent=1) + "\n")
    kept = read_json(file, "source", "target")
    for key, value in asked.as_json().items():
        if kept.get(key) != value:
            raise ValueError(f"--workdir={folder} was made with --{key}={kept.get(key)}: choose a new folder")


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


def found_task(config: ConfigDict, say: Say) -> Task:
    """Return the task of both folders; refuse one that is too small to learn from."""
    task = build.task(config, say)
    for name, domain in task.streams.items():
        if len(domain) < 2:
            raise ValueError(f"the {name} has {len(domain)} readable picture: at least 2 are needed")
    return task


def fit_to(config: ConfigDict, task: Task) -> None:
    """Set batch and views to the number of pictures."""
    counts = [len(domain) for domain in task.streams.values()]
    config.batch = min(config.batch, *counts)
    if config.views > 0:
        total = sum(counts)
        config.views = config.views if total <= FEW else 1 if total <= MANY else 0
