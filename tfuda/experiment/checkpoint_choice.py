"""Choose an evaluation of a run without target labels, by validators, and keep the checkpoint of that evaluation."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfuda.atomic_files import write_whole
from tfuda.core.segmented_model import Segmented
from tfuda.data.tasks import Task
from tfuda.evaluation import geometry, importance, mixval, validators
from tfuda.evaluation.validators import LAST, Evidence
from tfuda.experiment.workdir import SELECTED, Workdir
from tfuda.names import resolve


class Choice:
    """Choose a checkpoint of one run by a validator.

    WORKDIR/selected/ holds the checkpoint that the validator chose so far. WORKDIR/predicted.npz holds the classes
    predicted for the target at the last two evaluations. Both are written before the run's own checkpoint. A run
    killed in between writes both again when it resumes, bitwise identical.

    Args:
        workdir: the folder of the run.
        select: config.select, a validator, or "last" for the end of training.
        which: config.validators, the validators that are logged.
        method: the method whose checkpoints are kept; None to keep none.
    """

    def __init__(self, workdir: Workdir, select: str = LAST, which: str = "cheap", method: Segmented | None = None):
        self.select = select
        self.names = validators.wanted(select, which)
        for own in (name for name in self.names if ":" in name):
            resolve(own, "evaluation")  # a wrong name is refused before training
        self.file = workdir.path / "predicted.npz"
        self.manager: tf.train.CheckpointManager | None = None
        if method is not None and select != LAST:
            self.manager = workdir.checkpoints(method, 1, SELECTED)  # all workers have to make it at the same time
        self.now: np.ndarray | None = None

    def measure(self, observer, task: Task, source, target, rows: Sequence[dict[str, float]]) -> dict[str, float]:
        """Return the values of the validators.

        Args:
            observer: images -> Seen, by the network.
            task: the task of the run.
            source, target: Seen of the held-out source images and of the unlabelled target images.
            rows: the rows of metrics.csv before this evaluation.
        """
        self.now = target.logits.argmax(1)
        before = self.before(rows[-1]["step"]) if rows else None
        before = before if before is not None and len(before) == len(self.now) else None
        seen = Evidence(source.logits, task.tests["source"].known_labels, target.logits, before=before)
        return validators.values(self.names, self.dear_evidence(seen, observer, task, source, target))

    def dear_evidence(self, seen: Evidence, observer, task: Task, source, target) -> Evidence:
        """Return the evidence with what the dear ones among the validators need. Args: as `measure`."""
        if {"iwcv", "dev"} & {*self.names}:
            train = observer(importance.evenly(task.streams["source"].images))
            seen = seen._replace(weights=importance.ratio(train.features, target.features, source.features))
        if "transfer_score" in self.names:
            weights = geometry.linear_map(observer.network.head, target.features.shape[1])
            seen = seen._replace(target_features=target.features, classifier=weights)
        if "mixval" in self.names:
            images = importance.evenly(task.streams["target"].images)
            classes = importance.evenly(target.logits).argmax(1)
            seen = seen._replace(mixed_logits=mixval.mixed_logits(observer, images, classes))
        return seen

    def before(self, step: float) -> np.ndarray | None:
        """Return the classes predicted at the evaluation of a step, int [M], or None where not known."""
        try:
            with np.load(self.file) as file:
                at = np.flatnonzero(file["steps"] == step)
                return file["classes"][at[0]] if len(at) else None
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):  # as at the first evaluation
            return None

    def keep(self, rows: Sequence[dict[str, float]]) -> None:
        """Write predicted.npz after a new row, and the selected checkpoint where that row is the chosen one."""
        if self.now is None:
            return  # a CycleGAN's training classifies nothing
        known = [(row["step"], self.before(row["step"])) for row in rows[-2:-1]] + [(rows[-1]["step"], self.now)]
        held = {
            step: seen.astype(np.int32) for step, seen in known if seen is not None and len(seen) == len(self.now)
        }
        out = io.BytesIO()
        np.savez(out, steps=np.array([*held], np.int64), classes=np.stack([*held.values()]))
        write_whole(self.file, out.getvalue())
        if self.manager and validators.chosen(rows, self.select) is rows[-1]:
            self.manager.save()
