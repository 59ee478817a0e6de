"""Fine-tune the chosen candidate: its last stages learn too, from its own weights, in a short run of the same cell.

    recipe     CELL@tuned of configs/folders.py: the last three of nine stages learn, on crops of 128
    start      network and discriminators have the chosen run's weights (tfuda/experiment/start_weights.py)
    steps      a third of the chosen run's
    rate       new layers begin where the chosen run's ended; the backbone has a tenth of that
    reversal   stands at its end from the second step on (ramp_steps=1), as the features are adapted already

A trade-off that is named "ramp" rises anew. What the run needs is estimated before it is begun: a few pictures pass
through the frozen stages, and a few steps are timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import keras
import numpy as np
from ml_collections import ConfigDict

from tfuda.data.tasks import Domain, Task
from tfuda.experiment import build, cells, frozen_stages
from tfuda.experiment.workdir import Workdir
from tfuda.studies.adaptation.choice import Candidate

SUFFIX = "@tuned"
SHARE, ROWS = 3, 4  # of the chosen run's steps, one in so many; rows in metrics.csv
LOWER = 10.0  # times the backbone's rate is that of new layers
LOOK, TIMED = 32, 6  # pictures of each domain, and steps, that are timed
FORWARD = 3  # times as long as evaluation takes a training step for each picture


def continued(config: ConfigDict, base: ConfigDict, run: Workdir) -> ConfigDict:
    """Return the config of a candidate's fine-tuning.

    Args:
        config: of CELL@tuned, for the same folders.
        base: the config of the candidate.
        run: the candidate's folder.
    """
    made = ConfigDict(config.to_dict())
    made.weights = str(run.path.absolute())
    made.steps = max(base.steps // SHARE, 1)
    made.segment = max(made.steps // ROWS, 1)
    last = base.optimizer.rate * base.optimizer.new_layers * (1 + base.optimizer.gamma) ** -base.optimizer.power
    made.optimizer.rate, made.optimizer.new_layers = last / LOWER, LOWER
    cells.put(made, {"ramp_steps": 1})
    return made


def beside(one: Candidate, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates whose agreement with one tells something: as the calibration table has them, not tuned.

    A fine-tuned network agrees with the one that it started from, whether they are right or not.
    """
    own = one.name.removesuffix(SUFFIX)
    return [other for other in candidates if not other.name.endswith(SUFFIX) and other.name != own]


def part(task: Task, count: int) -> Task:
    """Return a task with at most `count` pictures of each domain, evenly spaced."""

    def cut(domain: Domain) -> Domain:
        return domain.rows(np.linspace(0, len(domain) - 1, min(count, len(domain))).astype(int))

    parts = ({name: cut(domain) for name, domain in held.items()} for held in (task.streams, task.tests, task.trains))
    return Task(task.name, task.classes, *parts)


class Stamps(keras.callbacks.Callback):
    """Note when each step ends."""

    def __init__(self):
        super().__init__()
        self.times = [time.monotonic()]

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.monotonic())


def seconds_needed(config: ConfigDict, weights: str, task: Task) -> float:
    """Return how long a run of this config will take, by a few of its pictures and steps.

    Args:
        config: the config of the run.
        weights: pretrained weights of the frozen stages, so that what is made of the few pictures is of use later.
        task: the task of the run.
    """
    few = ConfigDict(config.to_dict())
    few.weights, few.steps, few.segment, few.steps_per_execution = weights, TIMED, TIMED, 1
    little = part(task, max(LOOK, few.batch))
    method = build.method(few, little)
    begun = time.monotonic()
    seen = frozen_stages.stored_task(few, little, method, lambda line: None)
    pictures = (time.monotonic() - begun) / total(little)
    stamps = Stamps()
    method.fit(build.streams(few, seen), callbacks=[stamps], verbose=0)
    each = np.diff(stamps.times)  # the first has TensorFlow's tracing
    step = float(np.median(each[1:]))
    seen_again = total(task) * config.steps / config.segment
    evaluation = seen_again * step / (few.batch * len(task.streams)) / FORWARD
    return float(each[0]) + config.steps * step + evaluation + (total(task) * pictures if config.views >= 0 else 0)


def total(task: Task) -> int:
    """Count the training and test pictures of a task."""
    domains = {id(domain.images): domain for part in (task.streams, task.tests) for domain in part.values()}
    return sum(map(len, domains.values()))
