"""Compute the frozen stages of a network once: V views of each picture are kept on disk, and runs train on these.

Where the first k stages are frozen (config.network.frozen=k), their output for a view of a picture never changes.
With config.views=V, V views of each picture are drawn by the training's own cropping and augmentation, and view 0 is
evaluation's. All V + 1 pass through the frozen stages before the first step. A step draws one of the V views of each
of its pictures, so it runs the other stages alone.

    key    sizes, crops and augmentation, V, k, the weights of the frozen stages, the precision, the type of numbers
    name   a picture's path, size and time, or its pixels: views are drawn from this name

So runs with other seeds, methods and tasks share what is there, in the cache folder ($TFUDA_CACHE).
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.atomic_files import write_whole
from tfuda.core.method import Method
from tfuda.data import pipeline, views
from tfuda.data.decodable import cache_folder, cores, picture_mark
from tfuda.data.files import Files
from tfuda.data.stored_views import Store, StoredViews, fill
from tfuda.data.tasks import Domain, Task
from tfuda.experiment import build
from tfuda.networks.base import Network

AT_ONCE = 64  # views in a pass
VERSION = 1  # of how views are drawn and kept
Say = Callable[[str], None]


def stored_task(config: ConfigDict, task: Task, method: Method, say: Say = build.notice) -> Task:
    """Return the task with the frozen stages' results in place of its pictures; unchanged where config.views is -1.

    Args:
        config: the config of the run.
        task: the task.
        method: the method, whose network has the frozen stages.
        say: takes a line for the user.

    Raises:
        ValueError: if the method needs the pictures themselves, or the disk or config.views_room is too small.
    """
    if config.views < 0:
        return task
    check(config, task, method)
    work = Work(config, method.network, task)
    domains = [domain for part in (task.streams, task.tests, task.trains) for domain in part.values()]
    images = {id(domain.images): domain.images for domain in domains}
    names = {key: picture_names(found) for key, found in images.items()}
    return with_images(task, work.stored(images, names, say))


def with_images(task: Task, made: Mapping[int, Any]) -> Task:
    """Return a task whose domains have other images: {id of the images: what stands in their place}."""

    def replaced(part: dict[str, Domain]) -> dict[str, Domain]:
        return {name: dataclasses.replace(domain, images=made[id(domain.images)]) for name, domain in part.items()}

    return task._replace(streams=replaced(task.streams), tests=replaced(task.tests), trains=replaced(task.trains))


def check(config: ConfigDict, task: Task, method: Method) -> None:
    """Refuse what cannot train on stored views."""
    cell = f"--config.views={config.views}: {config.method}"
    if any(domain.pairs is not None for domain in task.streams.values()):
        raise ValueError(f"{cell} trains on pairs of pictures under one crop: leave out config.views")
    if method.network.frozen and method.network.shown != "stages":
        raise ValueError(f"{cell} compares maps inside of the frozen stages: leave out config.views")
    if config.view.test != "center":
        raise ValueError(f"--config.views={config.views} keeps one view for evaluation: set config.view.test=center")


def picture_names(images: np.ndarray | Files) -> list[str]:
    """Return a name for each of N pictures that tells different pictures apart."""
    if isinstance(images, Files):
        return [picture_mark(path) for path in images]
    return [hashlib.sha256(image.tobytes()).hexdigest()[:24] for image in images]


class Work:
    """Draw views of pictures, and pass them through the frozen stages of a network.

    Args:
        config: the config of the run.
        network: the network.
        task: the task, of whose source one picture is looked at.
    """

    def __init__(self, config: ConfigDict, network: Network, task: Task):
        self.config, self.network, self.view = config, network, network.view
        self.augment = build.augmentation(config)
        self.count = config.views
        self.run = tf.function(self._through, autograph=False)
        blank = network.blank()
        found = network.through_frozen(blank)
        self.pictures = network.frozen == 0  # then the views themselves are kept
        kind = "uint8" if self.pictures else config.views_precision
        self.each = max(1, AT_ONCE // (self.count + 1))  # pictures in a pass
        self.folder = cache_folder() / "frozen" / self._key(kind)
        self.store = Store(self.folder, found.shape[1:], self.count, kind)

    def _key(self, kind: str) -> str:
        digest = hashlib.sha256()
        for stage in self.network.stages[: self.network.frozen]:
            for variable in stage.variables:
                digest.update(variable.numpy().tobytes())
        about = {
            "view": self.config.view.to_dict(),
            "augment": self.config.augment.to_dict(),
            "size": self.network.size,
            "network": [self.config.network.name, self.network.frozen, self.network.attention is None],
            "options": self.config.network_options.to_dict(),
            "views": self.count,
            "kept": [kind, self.config.precision, VERSION, tf.__version__],
            "weights": digest.hexdigest(),
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:24]

    def stored(
        self, images: Mapping[int, np.ndarray | Files], names: Mapping[int, Sequence[str]], say: Say
    ) -> dict[int, StoredViews]:
        """Return the stored views of several sets of pictures by their keys, computing those that are missing."""
        missing = len(self.store.missing(itertools.chain(*names.values())))
        if missing:
            total = missing * self.store.bytes_each
            self._make_room(total)
            say(f"frozen stages: {missing} pictures in {self.count + 1} views each, {amount(total)} in {self.folder}")
            progress = Progress(missing, say)
            for key, found in images.items():
                fill(self.store, names[key], functools.partial(self._told, progress, found, names[key]))
        write_whole(self.folder / "used", "")
        return {key: self.store.images(found) for key, found in names.items()}

    def _make_room(self, need: int) -> None:
        """Delete what was unused for longest, until `need` more bytes are allowed; refuse more than the disk has."""
        room, home = self.config.views_room * 1e9, self.folder.parent
        held = {folder: size_of(folder) for folder in home.iterdir()}
        self.refuse_more_than_allowed(need)
        others = sorted((last_use(folder), folder) for folder in held if folder != self.folder)
        for _, folder in others:
            if sum(held.values()) + need <= room:
                break
            held.pop(folder)
            shutil.rmtree(folder, ignore_errors=True)
        free = shutil.disk_usage(home).free
        if need > free:
            raise ValueError(
                f"--config.views={self.count}: the results of the frozen stages take {amount(need)}, and the disk of "
                f"{home} has {amount(free)}: make room, set TFUDA_CACHE to another disk, or take fewer views"
            )

    def refuse_more_than_allowed(self, need: int) -> None:
        """Raise a ValueError if `need` more bytes are more than config.views_room allows."""
        if need + size_of(self.folder) > self.config.views_room * 1e9:
            raise ValueError(
                f"--config.views={self.count}: the results of the frozen stages take {amount(need)}, more than "
                f"config.views_room={self.config.views_room:g} allows: raise it, or take fewer views"
            )

    def _told(self, progress: Progress, images, names, rows: Sequence[int]) -> Iterator[np.ndarray]:
        return progress.told(self.compute(images, names, rows))

    def compute(self, images: np.ndarray | Files, names: Sequence[str], rows: Sequence[int]) -> Iterator[np.ndarray]:
        """Yield the views of some rows of N pictures, [<= each, V + 1, h, w, C].

        Every pass has the same shape, so a picture's numbers do not depend on the pictures beside it.
        """
        with tf.device("cpu:0"):
            source = tf.constant(images.paths if isinstance(images, Files) else images)
        seeds = np.array([int(names[row][:12], 16) for row in rows], np.int64)
        data = tf.data.Dataset.from_tensor_slices((np.asarray(rows, np.int64), seeds))
        seen = data.map(
            pipeline.plain(lambda row, seed: self._views(pipeline.fetch(source, row), seed)),
            num_parallel_calls=cores(),
            deterministic=True,
        )
        for batch in seen.batch(self.each).prefetch(2):
            if self.pictures:
                yield batch.numpy()
                continue
            count = len(batch)
            batch = tf.pad(batch, [[0, self.each - count], *[[0, 0]] * 4])
            yield self.run(batch).numpy()[:count]

    def _views(self, picture: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return the V + 1 views of a picture: uint8 [h, w, 3] -> uint8 [V + 1, H, W, 3]."""
        found = [views.example_views(picture, self.view)[0] if self.view.size else picture]
        for number in range(1, self.count + 1):
            key = tf.stack([seed, tf.constant(number, tf.int64)])
            shown = found[0]
            if self.view.size:
                shown = views.shown_views(picture, views.draw(self.view, 1, key)[0], self.view)
            if self.augment is not None:
                shown = self.augment(shown[None], key + pipeline.AUGMENT)[0]
            found.append(shown)
        return tf.ensure_shape(tf.stack(found), [self.count + 1, *self.network.size])

    def _through(self, images: tf.Tensor) -> tf.Tensor:
        """Return the frozen stages' results [n, V + 1, h, w, C] of images uint8 [n, V + 1, H, W, 3]."""
        found = self.network.through_frozen(tf.reshape(images, [-1, *self.network.size]))
        return tf.reshape(found, [-1, self.count + 1, *found.shape[1:]])


class Progress:
    """Say a line for the user at every tenth of `total` pictures."""

    def __init__(self, total: int, say: Say):
        self.total, self.say = total, say
        self.done, self.start = 0, time.monotonic()

    def told(self, parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the parts [n, ...], and count their pictures."""
        for part in parts:
            before, self.done = self.done, self.done + len(part)
            if 10 * self.done // self.total > 10 * before // self.total and self.done < self.total:
                left = (time.monotonic() - self.start) * (self.total - self.done) / self.done
                self.say(f"frozen stages: {self.done} of {self.total} pictures, {left:.0f} s left")
            yield part


def size_of(folder: pathlib.Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(file.stat().st_size for file in folder.iterdir())


def last_use(folder: pathlib.Path) -> float:
    """Return when the results in a folder were used last."""
    used = folder / "used"
    return os.path.getmtime(used if used.exists() else folder)


def amount(size: float) -> str:
    """Return a number of bytes for a reader."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
