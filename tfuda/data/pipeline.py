"""Turn domains into finite segments of batches {stream: {image, pair?, label?, index, domain?}}, or into pictures.

Training batches of one stream, for pictures on disk:

    steps -> plan (rows, labels, boxes of a whole batch) -> one by one, on all cores: read, decode, resize what the
    box shows -> batch -> augment

Pictures whose views frozen stages have seen already (tfuda/data/stored_views.py) come as maps in place of images: a
batch draws one of the V views of each picture.

Every draw is a function of (seed, stream, step, position), so a run that resumes at a step continues with that
step's batch. The graph of a dataset contains no Python and no state: with either, TensorFlow would make a
deterministic pipeline sequential.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tfuda.data import views
from tfuda.data.decodable import cores
from tfuda.data.files import Files
from tfuda.data.samplers import uniform, usable
from tfuda.data.stored_views import StoredViews
from tfuda.data.tasks import Domain

Batch = dict[str, tf.Tensor]
Pictures = np.ndarray | Files | StoredViews
# No Python `if` on a tensor is in what datasets run, and converting it would take half a second of every start.
plain = tf.autograph.experimental.do_not_convert
SEEN = ("image", "pair")  # keys that crops and augmentations change, in the same way for both
AUGMENT = 64  # added to a key, so that augmentations draw other numbers than crops and the choice of sources


class Streams:
    """Hold what a method trains on.

    Args:
        domains: {stream name: Domain}; a stream has labels only if its Domain has labels.
        batch: {stream name: images in the global batch}.
        seed: seed of all draws.
        augment: (images [B, H, W, 3], seed [2]) -> images, applied after the view.
        view: how a picture becomes an image of the network's size.
        samplers: {stream name: one of tfuda.data.samplers}; other streams use `uniform`.
    """

    def __init__(
        self,
        domains: Mapping[str, Domain],
        batch: Mapping[str, int],
        seed: int = 0,
        augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
        view: views.View | None = None,
        samplers: Mapping[str, Callable] | None = None,
    ):
        self.domains, self.batch, self.augment = dict(domains), dict(batch), augment
        self.view, self.samplers = view or views.View(), dict(samplers or {})
        self.seeds = {name: (seed, zlib.crc32(name.encode())) for name in self.domains}
        for name, domain in self.domains.items():
            if not 1 <= batch[name] <= len(domain):
                raise ValueError(
                    f"batch {batch[name]} does not fit stream {name!r}: domain {domain.name} has {len(domain)} images"
                )
        with tf.device("cpu:0"):  # once, not in every graph
            self.tensors = {name: _tensors(domain, self.view) for name, domain in self.domains.items()}

    def plan(self, name: str, labels: np.ndarray | None = None) -> Callable[[tf.Tensor], Batch]:
        """Return a function step (int64 scalar) -> {"index", "label"?, "domain"?, "box" or "view"?} of a batch.

        Args:
            name: name of the stream.
            labels: pseudo-labels int32 [N] for the sampler alone, below 0 for none.
        """
        size, kind = self.batch[name], self.samplers.get(name, uniform)
        rows = _sampler(kind, self.domains[name], size, self.seeds[name], labels)
        known = {key: value for key, value in self.tensors[name].items() if key not in SEEN}
        stored = stored_views(self.domains[name])

        def batch(step: tf.Tensor) -> Batch:
            index = rows(step)
            found = {key: tf.gather(tensor, index) for key, tensor in known.items()}
            if stored is not None:
                found["view"] = drawn_views(stored.store.views, size, self._key(name, step))
            elif self.view.size:
                found["box"] = views.draw(self.view, size, self._key(name, step))
            return {**found, "index": index}

        return batch

    def load(self, step: int, labels: Mapping[str, np.ndarray] | None = None) -> dict[str, Batch]:
        """Return the batch of a step.

        Args:
            step: number of the step.
            labels: {stream name: pseudo-labels}, as in `plan`; a method's are `method.followed()`.
        """
        return next(iter(self.dataset(int(step), int(step) + 1, labels)))

    def dataset(
        self,
        start: int,
        stop: int,
        labels: Mapping[str, np.ndarray] | None = None,
        share: tuple[int, int, int] = (0, 1, 1),
    ) -> tf.data.Dataset:
        """Return a dataset of the batches of steps `start` to `stop` (exclusive).

        Args:
            start: first step.
            stop: step after the last one.
            labels: {stream name: pseudo-labels}, as in `plan`.
            share: (i, N, n) for the rows of worker i of N, split into one batch for each of its n devices.
        """
        place, count, devices = share
        steps = tf.data.Dataset.range(start, stop)
        parts = {name: self._stream(name, steps, (labels or {}).get(name), place, count) for name in self.domains}
        data = tf.data.Dataset.zip(parts)
        if devices > 1:
            data = data.map(
                plain(lambda batch: tf.nest.map_structure(lambda x: tf.stack(tf.split(x, devices)), batch))
            )
            data = data.unbatch()
        return data.prefetch(2).apply(tf.data.experimental.assert_cardinality((stop - start) * devices))

    def _stream(self, name: str, steps: tf.data.Dataset, labels, place: int, count: int) -> tf.data.Dataset:
        """Return the dataset of one stream for worker `place` of `count` workers."""
        plan, size = self.plan(name, labels), self.batch[name] // count
        rows = slice(place * size, (place + 1) * size)
        seen = {key: self.tensors[name][key] for key in SEEN if key in self.tensors[name]}

        def mine(step):
            return {key: drawn[rows] for key, drawn in plan(step).items()}

        def whole(step):
            found = mine(step)
            return {**found, **{key: tf.gather(images, found["index"]) for key, images in seen.items()}}

        def one(found):
            box = found.pop("box")
            shown = {
                key: views.shown_views(fetch(images, found["index"]), box, self.view) for key, images in seen.items()
            }
            return {**found, **shown}

        def augmented(images, step):
            rest = [[rows.start, self.batch[name] - rows.stop], [0, 0], [0, 0], [0, 0]]
            images = tf.pad(images, rest) if count > 1 else images  # an augmentation draws for the whole global batch
            assert self.augment is not None  # only then is `augmented` mapped
            return self.augment(images, self._key(name, step) + AUGMENT)[rows]

        def finish(found, step):
            if self.augment is not None:
                found |= {key: augmented(found[key], step) for key in seen}
            return {**found, "index": tf.cast(found["index"], tf.int32)}

        if (stored := stored_views(self.domains[name])) is not None:
            return steps.map(plain(functools.partial(_taken, stored, mine)))
        if not self.view.size:
            return steps.map(plain(lambda step: finish(whole(step), step)))
        data = steps.map(plain(mine)).unbatch().map(plain(one), num_parallel_calls=cores(), deterministic=True)
        return tf.data.Dataset.zip(data.batch(size, drop_remainder=True), steps).map(plain(finish))

    def _key(self, name: str, step: tf.Tensor) -> tf.Tensor:
        """Return the seed of all draws for a stream in a step: int64 [2]."""
        seed, stream = self.seeds[name]
        return tf.stack([tf.constant(seed * 2**32 + stream, tf.int64), step])

    def clean(self, name: str) -> tf.data.Dataset:
        """Return all images of a stream once, in order, in the middle view of a test: uint8 [<= 256, H, W, 3].

        Stored views are the maps of frozen stages: float32 [<= 256, h, w, C].
        """
        middle = dataclasses.replace(self.view, test="center")
        return pictures(self.domains[name].images, middle).map(plain(lambda seen: seen[:, 0]))


def _sampler(kind: Callable, domain: Domain, batch: int, seed, labels: np.ndarray | None):
    if labels is not None:
        labels = usable(labels, batch)
        if (labels < 0).all():  # before the first pseudo-labels, or if no class is large enough
            return uniform(domain, batch, seed)
        domain = Domain(domain.name, domain.classes, domain.images, labels, domain.origin)
    return kind(domain, batch, seed)


def _tensors(domain: Domain, view: views.View) -> Batch:
    """Return the tensors that a dataset reads by row: images (or paths), labels and origins."""
    arrays: dict[str, Any] = {
        "label": domain.labels,
        "domain": domain.origin,
        "image": domain.images,
        "pair": domain.pairs,
    }
    for key in SEEN:
        if isinstance(arrays[key], StoredViews):
            arrays[key] = None
        elif isinstance(arrays[key], Files):
            if not view.size:
                raise ValueError(f"domain {domain.name} is of files: set view.resize and view.size, as 256 and 224")
            arrays[key] = arrays[key].paths
    return {key: tf.constant(array) for key, array in arrays.items() if array is not None}


def _taken(stored: StoredViews, drawn: Callable[[tf.Tensor], Batch], step: tf.Tensor) -> Batch:
    """Return the batch of a step with one stored view of each picture."""
    found = drawn(step)
    image = stored.taken(found["index"], found.pop("view"))
    return {**found, "index": tf.cast(found["index"], tf.int32), "image": image}


def stored_views(domain: Domain) -> StoredViews | None:
    """Return the stored views of a domain's pictures, or None if the domain has the pictures themselves."""
    return domain.images if isinstance(domain.images, StoredViews) else None


def drawn_views(count: int, size: int, seed: tf.Tensor) -> tf.Tensor:
    """Draw one of the views 1 to `count` for each image of a batch, int32 [size]; view 0 where there is no other."""
    return tf.random.stateless_uniform([size], seed, min(count, 1), count + 1, tf.int32)


def fetch(images: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Return one picture, uint8 [h, w, 3], from paths (string [N]) or arrays (uint8 [N, h, w, 3])."""
    found = tf.gather(images, row)
    return views.decode(tf.io.read_file(found)) if images.dtype == tf.string else found


def pictures(images: Pictures, view: views.View, batch: int = 256) -> tf.data.Dataset:
    """Return N pictures in order as a test sees them, in batches uint8 [<= batch, V, H, W, 3] of V views each.

    Stored views are maps: float32 [<= batch, 1, h, w, C].
    """
    if isinstance(images, StoredViews):
        signature = tf.TensorSpec([None, 1, *images.store.item], images.kind)
        return tf.data.Dataset.from_generator(lambda: images.batches(batch), output_signature=signature)
    if not view.size:
        if isinstance(images, Files):
            raise ValueError("pictures in files need view.resize and view.size, as 256 and 224")
        return tf.data.Dataset.from_tensor_slices(images[:, None]).batch(batch)
    with tf.device("cpu:0"):
        source = tf.constant(images.paths if isinstance(images, Files) else images)
    rows = tf.data.Dataset.range(len(images))
    seen = rows.map(
        plain(lambda row: views.example_views(fetch(source, row), view)),
        num_parallel_calls=cores(),
        deterministic=True,
    )
    return seen.batch(max(1, batch // len(views.tests(view)))).prefetch(2)


def each_picture(images: np.ndarray | Files, view: views.View) -> Iterator[np.ndarray]:
    """Yield one picture after another in the middle view of a test: uint8 [H, W, 3]."""
    middle = dataclasses.replace(view, test="center")
    for seen in pictures(images, middle).as_numpy_iterator():
        yield from seen[:, 0]


def read_pictures(images: np.ndarray | Files, view: views.View) -> np.ndarray:
    """Read a few pictures in the middle view of a test: uint8 [N, H, W, 3]."""
    return np.stack(list(each_picture(images, view)))
