"""From domains to finite segments of batches {stream: {image, label?, index, domain?}}."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import tensorflow as tf

from tfuda.data.domains import Domain
from tfuda.data.samplers import uniform


class Streams:
    """What a method trains on.

    domains: {stream name: Domain}; a stream has labels only where its Domain has
    batch: {stream name: images in the global batch}
    augment: (images [B, H, W, 3], seed [2]) -> images

    Everything drawn is a function of (seed, stream, step, position), so a run that resumes at a step continues
    with that step's batch.
    """

    def __init__(
        self,
        domains: Mapping[str, Domain],
        batch: Mapping[str, int],
        seed: int = 0,
        augment: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
    ):
        self.domains = dict(domains)
        self.augment = augment
        self.seeds = {name: (seed, zlib.crc32(name.encode())) for name in self.domains}
        self.rows = {}
        for name, domain in self.domains.items():
            if not 1 <= batch[name] <= len(domain):
                raise ValueError(
                    f"batch {batch[name]} does not fit stream {name!r}: domain {domain.name} has {len(domain)} images"
                )
            self.rows[name] = uniform(len(domain), batch[name], self.seeds[name])

    def load(self, step: tf.Tensor) -> dict[str, dict[str, tf.Tensor]]:
        """The batch of a step (int64 scalar)."""
        return {name: self._stream(name, step) for name in self.domains}

    def _stream(self, name: str, step: tf.Tensor) -> dict[str, tf.Tensor]:
        domain, rows = self.domains[name], self.rows[name](step)
        images = tf.gather(tf.constant(domain.images), rows)
        if self.augment is not None:
            seed, stream = self.seeds[name]
            images = self.augment(images, tf.stack([tf.constant(seed * 2**32 + stream, tf.int64), step]))
        found = {"image": images, "index": tf.cast(rows, tf.int32)}
        if domain.labels is not None:
            found["label"] = tf.gather(tf.constant(domain.labels), rows)
        if domain.origin is not None:
            found["domain"] = tf.gather(tf.constant(domain.origin), rows)
        return found

    def dataset(self, step, steps: int, segment: int) -> tf.data.Dataset:
        """Batches from `step` (a saved variable, read anew by every iteration) to the end of its segment."""

        def rest(_):
            now = step.value
            return tf.data.Dataset.range(now, tf.minimum((now // segment + 1) * segment, steps))

        data = tf.data.Dataset.from_tensors(0).flat_map(rest)
        return data.map(self.load).prefetch(2)

    def clean(self, name: str, batch: int = 256) -> tf.data.Dataset:
        """All images of a stream once, in order, as they are: batches uint8 [<= batch, H, W, 3]."""
        return tf.data.Dataset.from_tensor_slices(self.domains[name].images).batch(batch)
