"""Adapt to a target folder: train source_only and a portfolio, choose without target labels, and deliver a model.

    WORKDIR/candidates/CELL/    a run of each candidate, as run/train.py leaves it; CELL@tuned of a fine-tuned one
    WORKDIR/export/             the model, with its card
    WORKDIR/predictions.csv     file, label, confidence of every target picture
    WORKDIR/label_these.csv     the target pictures whose labels would help most
    WORKDIR/result.json         the chosen cell, its estimated accuracy with an interval, source_only's, warnings

The same command resumes: finished candidates are kept, and an unfinished one resumes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from ml_collections import ConfigDict

from tfuda.data.tasks import Task
from tfuda.experiment import callbacks, training
from tfuda.experiment.workdir import OUTPUTS, Workdir
from tfuda.studies.adaptation import briefing, choice, finetune, outcome, request
from tfuda.studies.adaptation.choice import PLAIN, Candidate, Choice
from tfuda.studies.adaptation.request import Request

Say = Callable[[str], None]


def adapt(asked: Request, say: Say) -> dict:
    """Return the contents of result.json, after everything in the workdir is made.

    Args:
        asked: what the user asked for.
        say: takes a line for the user.

    Raises:
        ValueError: if the folders cannot be adapted to, in one sentence.
        Stopped: if a signal came before source_only was trained.
    """
    request.check_folders(asked)
    request.check_workdir(asked)
    cells = [PLAIN, *(cell for cell in asked.cells if cell != PLAIN)]
    request.check_cells(asked, cells)
    if not (asked.folder / "candidates").exists():
        say(briefing.briefing(asked.source, asked.target))
    trained = Trained(asked, Clock(asked.minutes), say)
    trained.prepare(cells)
    for place, cell in enumerate(cells, 1):
        if not (trained.clock.allows() or trained.workdir(cell).finished()):
            trained.stopped = f"--budget={asked.minutes:g} left no time for {', '.join(cells[place - 1 :])}"
            break
        say(f"{place} of {len(cells)}: training {cell}{trained.clock.left(len(cells) - place + 1)}")
        trained.train(cell, request.configured(asked, cell))
        if trained.stopped:
            break
    if PLAIN not in trained.done:
        raise ValueError("source_only diverged on these pictures, so nothing can be compared with it: see above")
    found = choice.chosen([one for _, one in trained.done.values()], shares=trained.source_shares())
    if asked.finetune or (asked.finetune is None and asked.minutes):
        why = trained.stopped or (found.shifted and "the target seems to lack classes, where scores say little")
        why = why or ("@" in found.name and f"{found.name} names a network of its own")
        if why:
            say(f"{found.name} is not fine-tuned: {why}")
        else:
            found = trained.tune(found)
    return outcome.deliver(asked, trained, found)


class Trained:
    """Hold the candidates that are trained, and train further ones.

    Attributes:
        task: the task of both folders, once `prepare` has found it.
        done: {cell: (its config, its logits)}.
        stopped: why candidates are missing; "" if none is.
    """

    def __init__(self, asked: Request, clock: Clock, say: Say):
        self.asked, self.clock, self.say = asked, clock, say
        self.task: Task
        self.done: dict[str, tuple[ConfigDict, Candidate]] = {}
        self.stopped = ""

    def prepare(self, cells: list[str]) -> None:
        """Find the task, and claim the workdir for it once all cells can train on it."""
        config = request.configured(self.asked, PLAIN)
        self.task = request.found_task(config, self.say)
        request.check_sizes(self.asked, cells, self.task)
        request.claim(self.asked, config, self.task)
        if fewer := request.fit_to(config, self.task):
            self.say(fewer)

    def source_shares(self) -> np.ndarray:
        """Return the share of each class in the source's training pictures, [K]."""
        labels = self.task.streams["source"].known_labels
        return np.bincount(labels, minlength=len(self.task.classes)) / len(labels)

    def workdir(self, cell: str) -> Workdir:
        """Return the folder of a candidate."""
        return Workdir(self.asked.folder / "candidates" / cell)

    def train(self, cell: str, config: ConfigDict) -> None:
        """Train a candidate, or resume it; note a stop, and leave out what diverges."""
        request.fit_to(config, self.task)
        workdir = self.workdir(cell)
        try:
            result = training.train_run(config, workdir, task=self.task, say=self.say)
        except (callbacks.Stopped, KeyboardInterrupt) as stop:
            if not self.done:
                raise
            self.stopped = f"stopped in {cell}; the same command resumes"
            self.say(str(stop) or self.stopped)
        except callbacks.Diverged as error:
            self.say(f"{cell} is left out: {error}")
        else:
            self.clock.took(result["seconds"])
            self.done[cell] = config, choice.read_outputs(cell, workdir.path / OUTPUTS)

    def tune(self, found: Choice) -> Choice:
        """Fine-tune the chosen candidate if there is time; return the choice with the fine-tuned one."""
        chosen = found.name
        cell, base = chosen + finetune.SUFFIX, self.done[chosen][0]
        plain = request.configured(self.asked, cell)
        config = finetune.continued(plain, base, self.workdir(chosen))
        request.fit_to(config, self.task)
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
