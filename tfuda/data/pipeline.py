"""From domains to finite segments of batches {stream: {image, label?, index, domain?}}."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np
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
        self.at = 0  # the step that the next iteration of a dataset starts at
        self.rows = {}
        for name, domain in self.domains.items():
            if not 1 <= batch[name] <= len(domain):
                raise ValueError(
                    f"batch {batch[name]} does not fit stream {name!r}: domain {domain.name} has {len(domain)} images"
                )
            self.rows[name] = uniform(len(domain), batch[name], self.seeds[name])
        with tf.device("cpu:0"):  # once, and not in every graph
            self.tensors = {name: self._tensors(domain) for name, domain in self.domains.items()}

    @staticmethod
    def _tensors(domain: Domain) -> dict[str, tf.Tensor]:
        arrays = {"image": domain.images, "label": domain.labels, "domain": domain.origin}
        return {key: tf.constant(array) for key, array in arrays.items() if array is not None}

    def load(self, step: tf.Tensor) -> dict[str, dict[str, tf.Tensor]]:
        """The batch of a step (int64 scalar)."""
        return {name: self._stream(name, step) for name in self.domains}

    def _stream(self, name: str, step: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = self.rows[name](step)
        found = {key: tf.gather(tensor, rows) for key, tensor in self.tensors[name].items()}
        if self.augment is not None:
            seed, stream = self.seeds[name]
            key = tf.stack([tf.constant(seed * 2**32 + stream, tf.int64), step])
            found["image"] = self.augment(found["image"], key)
        return {**found, "index": tf.cast(rows, tf.int32)}

    def dataset(self, steps: int, segment: int) -> tf.data.Dataset:
        """Batches from step `at` to the end of its segment; every iteration looks at `at` anew.

        A Python number and not the method's variable, which may live on a GPU, where a dataset cannot read it.
        """

        def rest(_):
            at = tf.ensure_shape(tf.numpy_function(lambda: np.int64(self.at), [], tf.int64), [])
            return tf.data.Dataset.range(at, tf.minimum((at // segment + 1) * segment, steps))

        data = tf.data.Dataset.from_tensors(0).flat_map(rest)
        return data.map(self.load).prefetch(2)

    def clean(self, name: str, batch: int = 256) -> tf.data.Dataset:
        """All images of a stream once, in order, as they are: batches uint8 [<= batch, H, W, 3]."""
        return tf.data.Dataset.from_tensor_slices(self.domains[name].images).batch(batch)
