"""Estimate what a run will cost before it starts, from a few real passes and steps on the data of its config."""

from __future__ import annotations

import contextlib
import itertools
import math
import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.core.method import Method
from tfuda.data.stored_views import Store, StoredViews
from tfuda.data.tasks import Task
from tfuda.evaluation.evaluate import Observer
from tfuda.experiment import build, frozen_stages, prerequisites

SECONDS, STEPS = 3.0, 50  # steps are timed for so long, and not more often
LOOKED_AT = 128  # pictures of a timed evaluation


class Cost(NamedTuple):
    """Hold what a run costs; times are in seconds."""

    steps: int
    first: float  # time of the first, which is traced
    step: float  # time of any other
    evaluations: int
    evaluation: float  # time of one
    pictures: int = 0  # whose views are not stored yet
    views: int = 0  # of each, with evaluation's
    storing: float = 0.0  # time of all views
    bytes: int = 0  # of all views
    folder: str = ""  # where they are kept
    before: tuple[str, ...] = ()  # stages before the run, whose cost is not known

    @property
    def seconds(self) -> float:
        """Return the time of the whole run."""
        return self.storing + self.first + (self.steps - 1) * self.step + self.evaluations * self.evaluation


class Missing(NamedTuple):
    """Hold what storing the views costs."""

    pictures: int
    views: int
    storing: float
    bytes: int
    folder: str


def estimate(config: ConfigDict, task: Task | None = None) -> Cost:
    """Return what the run of a config costs on this machine.

    Args:
        config: the config.
        task: its task; None to make it.

    Raises:
        ValueError: the run itself would refuse the config.
    """
    before = build.kind(config).stages if prerequisites.needed(config) else ()
    task, teacher = prerequisites.untaught(config, task or build.task(config, lambda line: None))
    method = build.method(config, task, teacher)
    with contextlib.ExitStack() as held:
        seen, missing = task, Missing(0, 0, 0.0, 0, "")
        if config.views >= 0:
            seen, missing = held.enter_context(sampled(config, task, method))
        first, step = step_seconds(config, seen, method)
        evaluation = evaluation_seconds(seen, method)
    evaluations = math.ceil(config.steps / config.segment)
    return Cost(config.steps, first, step, evaluations, evaluation, *missing, before)


@contextlib.contextmanager
def sampled(config: ConfigDict, task: Task, method: Method) -> Iterator[tuple[Task, Missing]]:
    """Yield the task with the stored views of a few pictures in place of all, and what storing all of them costs."""
    frozen_stages.check(config, task, method)
    work = frozen_stages.Work(config, method.network, task)
    domains = [domain for part in (task.streams, task.tests, task.trains) for domain in part.values()]
    images = {id(domain.images): domain.images for domain in domains}
    names = {key: frozen_stages.picture_names(found) for key, found in images.items()}
    count = len(work.store.missing(itertools.chain(*names.values())))
    size = count * work.store.bytes_each
    work.refuse_more_than_allowed(size)
    first = next(iter(images))
    rows = range(min(2 * work.each, len(images[first])))  # two passes, of which the first one is traced
    times, values = [time.perf_counter()], []
    for part in work.compute(images[first], names[first], rows):
        values.append(part)
        times.append(time.perf_counter())
    each = (times[-1] - times[-2]) / len(values[-1])
    with contextlib.suppress(OSError):
        work.folder.rmdir()  # of a run that may never come; a folder with views stays
    with tempfile.TemporaryDirectory() as place:
        store = Store(pathlib.Path(place), work.store.item, work.count, work.store.dtype.name)
        store.add([names[first][row] for row in rows], values)
        made = {
            key: StoredViews(store, np.stack([np.zeros(len(found), int), np.arange(len(found)) % len(rows)], 1))
            for key, found in images.items()
        }
        missing = Missing(count, work.count + 1, count * each, size, str(work.folder.parent))
        yield frozen_stages.with_images(task, made), missing


def step_seconds(config: ConfigDict, task: Task, method: Method) -> tuple[float, float]:
    """Return the times of the first step, which is traced, and of a later one, with the wait for its batch."""
    step = tf.function(method.train_step, autograph=False, jit_compile=config.jit)
    begun, start, done = time.perf_counter(), 0.0, 0
    for batch in build.streams(config, task).dataset(0, STEPS + 1):
        tf.nest.map_structure(lambda value: value.numpy(), step(batch))
        if not start:
            start = time.perf_counter()
            continue
        done += 1
        if time.perf_counter() - start > SECONDS:
            break
    return start - begun, (time.perf_counter() - start) / done


def evaluation_seconds(task: Task, method: Method) -> float:
    """Return the time of the passes of one evaluation: over the source's tests, and over the target's images."""
    source, target, stream = task.tests["source"], task.tests["target"], task.streams["target"]
    sets = [source, stream, *([] if target.labels is None or target.images is stream.images else [target])]
    part, look = source.images[: min(LOOKED_AT, len(source))], Observer(method.network)
    look(part)
    start = time.perf_counter()
    look(part)
    return (time.perf_counter() - start) / len(part) * sum(map(len, sets))


def sentence(cost: Cost) -> str:
    """Return a line for a reader: "about 3 min: 40 s for the 5 views of 1404 pictures (52 MB in CACHE), ..."."""
    parts = []
    if cost.pictures:
        size = frozen_stages.amount(cost.bytes)
        parts.append(
            f"{told(cost.storing)} for the {cost.views} views of {cost.pictures} pictures ({size} in {cost.folder})"
        )
    elif cost.views:
        parts.append(f"views of all pictures are in {cost.folder}")
    parts.append(f"{cost.steps} steps of {told(cost.step)}")
    parts.append(f"{cost.evaluations} evaluations of {told(cost.evaluation)}")
    said = f"about {told(cost.seconds)}: {', '.join(parts)}"
    return said + (f"; and what comes before, {' and '.join(cost.before)}" if cost.before else "")


def told(seconds: float) -> str:
    """Return a duration with two digits or so: 0.016 s, 40 s, 3 min, 2.5 h."""
    if seconds < 99.5:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 99.5 * 60 else f"{seconds / 3600:.1f} h"
