"""Provide layers that stay exact over replicas and through checkpoints."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from tfuda.core import keras_private, ops


def synchronised(network: keras.Model) -> keras.Model:
    """Set batch norm to use the batches of all devices, where Keras normalises by device.

    Returns:
        The network that was given.
    """
    for layer in keras_private.layers_within(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    return network


def unfused(network: keras.Model) -> keras.Model:
    """Set batch norm to use Keras's own operations, for a comparison of their time.

    Returns:
        The network that was given.
    """
    for layer in keras_private.layers_within(network):
        if isinstance(layer, BatchNormalization):
            layer.fused = False
    return network


def chain(layers: Sequence[keras.layers.Layer], name: str) -> keras.Sequential:
    """Chain layers in ops.real(); a plain Sequential made under mixed precision rounds its inputs.

    Args:
        layers: the layers, in order.
        name: name of the model.

    Returns:
        The model that calls one layer after the other.
    """
    made = keras.Sequential([*layers], name=name)
    made.dtype_policy = keras.dtype_policies.DTypePolicy(ops.real())
    return made


_passing = threading.local()  # replicas are threads


@contextlib.contextmanager
def parts(sizes: Sequence[tf.Tensor]) -> Iterator[None]:
    """Tell Dropout in this context how many rows each of the streams has that share a pass.

    Args:
        sizes: the number of rows of each stream, on this replica.
    """
    before, _passing.sizes = streams_in_pass(), sizes
    try:
        yield
    finally:
        _passing.sizes = before


def streams_in_pass() -> Sequence[tf.Tensor]:
    """Return the numbers of rows that `parts` was told; none outside of it."""
    return getattr(_passing, "sizes", ())


class Dropout(keras.layers.Dropout):
    """Apply dropout with one mask drawn for the whole batch, of which each replica takes its rows.

    So one replica and N give the same numbers (Keras's own gives every replica the same mask), also where streams
    share a pass: one stream's whole batch comes before the next one's. The state of the seed generator is a variable
    of the layer and goes into the checkpoint, so a resumed run draws on.
    x [..., B, d] -> [..., B, d].
    """

    def call(self, x, training=False):
        if not training or not self.rate:
            return x
        rows, shape, count = tf.shape(x)[-2], tf.shape(x), ops.replicas()
        whole = tf.concat([shape[:-2], [rows * count], shape[-1:]], 0)
        with tf.control_dependencies([x]):  # else the call that meets the end of the data draws too
            seed = tf.cast(self.seed_generator.next(), tf.int32)
        draw = tf.random.stateless_uniform(whole, seed)
        if count > 1:
            mine, before = [], 0
            for size in streams_in_pass() or [rows]:
                first = before * count + ops.rank() * size
                mine.append(draw[..., first : first + size, :])
                before += size
            draw = tf.concat(mine, -2)  # [..., B, d]
        return tf.where(draw >= self.rate, x / (1.0 - self.rate), tf.zeros_like(x))


class BatchNormalization(keras.layers.BatchNormalization):
    """Normalise as Keras does; maps of a batch in training by TensorFlow's one fused kernel, which is faster.

    n counts the positions of this replica's images, as PyTorch's does, or of all that are synchronised.
    x [B, h, w, C] or [B, C] -> the same.

    Args:
        unbiased: True to move the variance to the batch's unbiased one, sum of squares / (n - 1); False for / n, as
            Keras does.
        options: of Keras's layer.
    """

    fused = True  # False for Keras's operations, which agree but for rounding; so for [B, C], float64, synchronised

    def __init__(self, *, unbiased: bool = True, **options):
        super().__init__(**options)
        self.unbiased = unbiased

    def call(self, x, training=False):
        if not (training and self.trainable):
            return super().call(x, training=False)
        if self.fused and x.ndim == 4 and not self.synchronized and x.dtype != tf.float64:
            return self._in_one(x)
        if not self.unbiased:
            return super().call(x, training=True)
        x = keras.ops.cast(x, self.variable_dtype)
        mean, variance = keras.ops.moments(x, [*range(x.ndim - 1)], synchronized=self.synchronized)  # [C]
        n = self._count(x)
        self._move(mean, variance * (n / keras.ops.maximum(n - 1, 1)))
        x = keras.ops.batch_normalization(x, mean, variance, -1, self.beta, self.gamma, self.epsilon)
        return keras.ops.cast(x, self.compute_dtype)

    def _in_one(self, x: tf.Tensor) -> tf.Tensor:
        """Return x [B, h, w, C] normalised by the batch; statistics are float32 whatever the type of x."""
        gamma, beta = (keras.ops.cast(each, "float32") for each in (self.gamma, self.beta))
        empty = tf.zeros([0])
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=beta, mean=empty, variance=empty, epsilon=self.epsilon
        )
        n = self._count(x)
        self._move(mean, variance if self.unbiased else variance * ((n - 1) / n))
        return y

    def _count(self, x: tf.Tensor) -> tf.Tensor:
        """Return n for x [..., C], a scalar."""
        n = keras.ops.cast(keras.ops.prod(keras.ops.shape(x)[:-1]), self.variable_dtype)
        return n * ops.replicas() if self.synchronized else n

    def _move(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        """Move the moving statistics to those of a batch, [C] each."""
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))


def moving_statistics(network: keras.Model) -> list[keras.Variable]:
    """Return the moving means and variances, [C] each, of all batch norms that learn."""
    return [each for norm in learning_norms(network) for each in (norm.moving_mean, norm.moving_variance)]


def differ_by_replica(network: keras.Model) -> bool:
    """Return True if batch norm learns statistics of each replica's own images."""
    return not all(norm.synchronized for norm in learning_norms(network))


def learning_norms(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return all batch norms that learn."""
    norms = [one for one in keras_private.layers_within(network) if isinstance(one, keras.layers.BatchNormalization)]
    return [norm for norm in norms if norm.trainable]


def freeze(stages: Sequence[keras.layers.Layer], frozen: int | str, network: str = "the network"):
    """Freeze the first stages of a backbone: neither they nor their batch norm learn.

    Args:
        stages: the stages of the backbone.
        frozen: how many of the first, or "all".
        network: name of the network, for the error's sentence.

    Returns:
        The stages that were given.

    Raises:
        ValueError: there are not so many stages.
    """
    count = len(stages) if frozen == "all" else int(frozen) if str(frozen).isdecimal() else -1
    most = len(stages)
    if not 0 <= count <= most:
        raise ValueError(
            f"network.frozen={frozen}: {network} has {most} stages, so 0 to {most} or all of them can be frozen"
        )
    for stage in stages[:count]:
        stage.trainable = False
    return stages
