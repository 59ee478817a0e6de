"""Run what happens between segments: evaluation, metrics.csv, checkpoints, and a stop that can be resumed."""

from __future__ import annotations

import importlib.util
import io
import math
import signal
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.atomic_files import write_whole
from tfuda.core import step_signs
from tfuda.core.nonfinite import Diverged
from tfuda.data.files import same
from tfuda.data.tasks import Task
from tfuda.distributed import multi_host
from tfuda.evaluation import evaluate
from tfuda.experiment import diagnostics
from tfuda.experiment.checkpoint_choice import Choice
from tfuda.experiment.workdir import OUTPUTS, Workdir
from tfuda.networks.base import Network


class Stopped(BaseException):
    """Report that a signal stopped the run, which can be resumed; like KeyboardInterrupt, no error of the run."""

    def __init__(self, text: str, number: int = signal.SIGINT):
        super().__init__(text)
        self.number = number


class NoEvents:
    """Replace the TensorBoard events of a run where TensorBoard is not installed, and write nothing."""

    def begin(self, config: ConfigDict) -> None:
        """Take the config."""

    def row(self, step: int, row: dict[str, float]) -> None:
        """Take the scalars of a segment."""

    def end(self, *about) -> None:
        """Take the result of the run."""


def events(workdir: Workdir, step: int):
    """Return the writer of a run's TensorBoard events, where the extra `tensorboard` is installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return NoEvents()
    from tfuda.experiment.tensorboard import Events

    return Events(workdir, step)


class Journal(keras.callbacks.Callback):
    """Evaluate after each segment, append a row to metrics.csv and to the TensorBoard events, save a checkpoint.

    The row is written before the checkpoint; a resumed run drops the rows that lie after its checkpoint. So
    metrics.csv of a run that was killed and resumed equals that of an undisturbed run, except the column `seconds`.
    """

    advice = "lower optimizer.rate, or leave such steps out with --on_nan=skip"  # to a run that diverged

    def __init__(
        self,
        task: Task,
        workdir: Workdir,
        manager: tf.train.CheckpointManager,
        step: int,
        mean_class: bool = False,
        say: Callable[[str], None] = lambda line: None,
        choice: Choice | None = None,
    ):
        super().__init__()
        self.mean_class, self.say, self.choice = mean_class, say, choice or Choice(workdir)
        self.task, self.workdir, self.manager = task, workdir, manager
        self.rows = [row for row in workdir.rows() if row["step"] <= step]
        self.before = self.rows[-1].get("seconds", 0.0) if self.rows else 0.0
        self.start = time.monotonic()
        self.observer: evaluate.Observer | None = None
        self.tested: evaluate.Seen | None = None  # the last outputs for the target's labelled test images
        self.outputs: dict[str, evaluate.Seen] = {}  # what `observe` returned last
        self.events = events(workdir, step)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, Diverged):
            kept = f"The checkpoint of step {int(self.rows[-1]['step'])}" if self.rows else "Nothing"
            said = f"{error}. {kept} is kept; {self.advice}"
            self.workdir.note_diverged(said)
            raise Diverged(said) from None

    def observe(self, network: Network) -> dict[str, evaluate.Seen]:
        """Return the network's outputs on the source's test images and on the unlabelled target images, by domain."""
        self.observer = self.observer or evaluate.Observer(network)
        tests, unlabelled = self.task.tests, self.task.streams["target"].images
        self.outputs = {"source": self.observer(tests["source"].images)}
        self.tested = self.observer(tests["target"].images) if tests["target"].labels is not None else None
        if self.tested is not None and same(unlabelled, tests["target"].images):
            self.outputs["target"] = self.tested
        else:
            self.outputs["target"] = self.observer(unlabelled)
        return self.outputs

    def measure(self) -> dict[str, float]:
        """Return accuracies on the test sets, and label-free validators and vitals on the unlabelled target."""
        found, seen = {}, self.observe(self.model.network)
        for name, outputs in (("source", seen["source"]), ("target", self.tested)):
            if outputs is not None:
                score = evaluate.score(self.task.tests[name].known_labels, outputs.logits)
                found[f"{name}_accuracy"] = score.accuracy
                if self.mean_class:
                    found[f"{name}_mean_class"] = score.mean_class
        found |= self.choice.measure(self.observer, self.task, seen["source"], seen["target"], self.rows)
        return {**found, **step_signs.noted(self.model.noted), **diagnostics.vitals(seen["source"], seen["target"])}

    def keep_outputs(self, network: Network) -> None:
        """Write the logits at the end of training, from which accuracy can be estimated later without training.

        OUTPUTS holds float16 source_logits [V, K] and int32 source_labels [V] of the source's test images, and
        float16 target_logits [N, K] of the unlabelled target images.
        """
        seen = self.outputs or self.observe(network)  # empty after a kill between the last checkpoint and here
        out = io.BytesIO()
        half = np.finfo(np.float16).max
        source, target = (np.clip(seen[name].logits, -half, half).astype("f2") for name in ("source", "target"))
        labels = self.task.tests["source"].known_labels
        np.savez(out, source_logits=source, source_labels=labels, target_logits=target)
        write_whole(self.workdir.path / OUTPUTS, out.getvalue())

    def complaints(self) -> dict[str, str]:
        """Return {failure: sentence} for the rows so far."""
        return diagnostics.complaints(self.rows, len(self.task.classes), self.model.steps)

    def on_train_begin(self, logs=None):
        self.said = {*self.complaints()}

    def on_train_batch_end(self, batch, logs=None):
        if self.model.jit_compile and not math.isfinite(logs["loss"]):  # where the graph itself cannot check
            step = int(self.model.step.numpy())
            raise Diverged(f"training diverged up to step {step}: the loss is {float(logs['loss'])}")

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.step.numpy())
        if step % self.model.segment and step < self.model.steps:
            return  # stopped inside a segment: an undisturbed run would have no row here
        if not multi_host.is_first():
            return  # the next step waits for the first worker
        measured = self.measure()
        shown = {k: v for k, v in measured.items() if k not in diagnostics.COLUMNS and not k.startswith("val_")}
        logs.update(shown)
        seconds = self.before + time.monotonic() - self.start
        row = {key: float(value) for key, value in {**logs, **measured}.items()}
        self.rows.append({"step": step, **row, "seconds": round(seconds, 1)})
        self.workdir.keep_rows(self.rows)
        self.choice.keep(self.rows)
        for name, sentence in self.complaints().items():
            if name not in self.said:
                self.said.add(name)
                self.say(f"\n{sentence}")
        self.events.row(step, row)
        self.manager.save()


class Rest(keras.callbacks.Callback):
    """End `fit` with the segment that reaches a step."""

    def __init__(self, until: int):
        super().__init__()
        self.until = until

    def on_epoch_end(self, epoch, logs=None):
        if int(self.model.step.numpy()) >= self.until:
            self.model.stop_training = True


class Stoppable(keras.callbacks.Callback):
    """End the run with a checkpoint after the step in which Ctrl-C or SIGTERM comes; obey a second Ctrl-C at once."""

    def __init__(self, manager: tf.train.CheckpointManager):
        super().__init__()
        self.manager, self.caught = manager, 0
        self.kept: dict[int, Any] = {}

    def _note(self, number, frame):
        if self.caught and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.caught = self.caught or number

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            self.kept[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error):
        for number, handler in self.kept.items():
            signal.signal(number, handler)

    def on_train_batch_end(self, batch, logs=None):
        if self.model.stops(bool(self.caught)):
            self.model.stop_training, self.caught = True, self.caught or signal.SIGTERM

    def on_train_end(self, logs=None):
        if self.caught:
            self.manager.save()
