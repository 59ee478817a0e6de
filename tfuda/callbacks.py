"""What happens between segments: evaluation, metrics.csv, checkpoints, and a stop that can be resumed."""

from __future__ import annotations

import math
import signal
import time
from typing import Any

import keras
import tensorflow as tf

from tfuda import evaluate, validators, workers
from tfuda.data.domains import Task
from tfuda.data.files import same
from tfuda.workdir import Workdir


class Stopped(BaseException):
    """The run was asked to stop and can be resumed; like KeyboardInterrupt, no error of the run."""


class Diverged(ValueError):
    """The loss is no number any more."""


class Journal(keras.callbacks.Callback):
    """After each segment: evaluate, append a row to metrics.csv and to the TensorBoard events, save.

    The row is written before the checkpoint; a resumed run drops the rows that lie after its checkpoint. So the
    file of a run that was killed is that of one that was not, but for the column `seconds`.
    """

    rate = "optimizer.rate"  # the key of the config that a diverged run should lower

    def __init__(
        self,
        task: Task,
        workdir: Workdir,
        manager: tf.train.CheckpointManager,
        step: int,
        mean_class: bool = False,
    ):
        super().__init__()
        self.mean_class = mean_class
        self.task, self.workdir, self.manager = task, workdir, manager
        self.rows = [row for row in workdir.rows() if row["step"] <= step]
        self.before = self.rows[-1]["seconds"] if self.rows else 0.0
        self.start = time.monotonic()
        self.observer: evaluate.Observer | None = None
        writes, events = workers.first(), str(workdir.path / "events")
        self.events = tf.summary.create_file_writer(events) if writes else tf.summary.create_noop_writer()

    def measure(self) -> dict[str, float]:
        """Accuracies on the test sets and the label-free validator on the unlabelled target."""
        self.observer = self.observer or evaluate.Observer(self.model.network)
        found, logits = {}, {}
        for name, domain in self.task.tests.items():
            if domain.labels is not None:
                logits[name] = self.observer(domain.images).logits
                score = evaluate.score(domain.labels, logits[name])
                found[f"{name}_accuracy"] = score.accuracy
                if self.mean_class:
                    found[f"{name}_mean_class"] = score.mean_class
        unlabelled = self.task.streams["target"].images
        if "target" not in logits or not same(unlabelled, self.task.tests["target"].images):
            logits["target"] = self.observer(unlabelled).logits
        found["infomax"] = validators.infomax(logits["target"])
        return found

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.step.numpy())
        if step % self.model.segment and step < self.model.steps:
            return  # stopped in mid-segment: no row that an undisturbed run would not have
        if not math.isfinite(logs["loss"]):
            raise Diverged(f"the loss is {logs['loss']} at step {step}: training diverged; lower {self.rate}")
        if not workers.first():
            return  # it waits for the first one at the next step
        measured = self.measure()
        logs.update(measured)
        seconds = self.before + time.monotonic() - self.start
        self.rows.append({"step": step, **{k: float(v) for k, v in logs.items()}, "seconds": round(seconds, 1)})
        self.workdir.keep_rows(self.rows)
        with self.events.as_default(step):
            for name, value in logs.items():
                tf.summary.scalar(name, value)
        self.events.flush()
        self.manager.save()

    def on_train_end(self, logs=None):
        self.events.flush()


class Stoppable(keras.callbacks.Callback):
    """Ctrl-C or SIGTERM ends the run after the current step, with a checkpoint; a second Ctrl-C at once."""

    def __init__(self, manager: tf.train.CheckpointManager):
        super().__init__()
        self.manager, self.caught = manager, 0
        self.kept: dict[int, Any] = {}

    def _note(self, number, frame):
        if self.caught:
            raise KeyboardInterrupt
        self.caught = number

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
