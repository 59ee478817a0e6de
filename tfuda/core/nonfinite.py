"""What happens when a term or a gradient is no number any more: config.on_nan.

    stop    the graph refuses the step before anything is updated, and the run ends with a sentence that names the
            first layer, term or gradient at fault and the images; the last checkpoint is a good one
    skip    the step leaves everything as it was but the counter of steps, and is counted in `skipped`

A step is judged by its terms over all replicas and, but in float16, by its gradients: there those that overflow are
the optimizer's to skip, with a smaller scale for the next. With jit=True the graph cannot refuse, and `stop` notices
after the step, or after `steps_per_execution` of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfuda.core import ops
from tfuda.data.files import Files

ON_NAN = ("stop", "skip")
MARK = "no number in step"
SHOWN = 5  # images that a sentence names


class Diverged(ValueError):
    """A term or a gradient is no number any more."""


def finite(tensors: Iterable[tf.Tensor]) -> tf.Tensor:
    """Is every number of every tensor finite? bool, scalar."""
    return tf.reduce_all([tf.constant(True), *(tf.reduce_all(tf.math.is_finite(x)) for x in tensors)])


def squares(gradients: Iterable[tf.Tensor]) -> tf.Tensor:
    """Sum of the squares of all numbers, a scalar of ops.real(); infinite where a square is too large for that."""
    halves = (tf.nn.l2_loss(tf.cast(gradient, ops.real())) for gradient in gradients)
    return 2.0 * tf.add_n([tf.zeros([], ops.real()), *halves])


def refuse(good: tf.Tensor, step: tf.Tensor) -> tf.Operation:
    """An operation that ends the graph where a step is not good; both scalars."""
    return tf.debugging.Assert(good, [MARK, step])


def refused(error: tf.errors.OpError) -> bool:
    """Did `refuse` raise this?"""
    return MARK in str(error)


def values_of(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    """Copies to go `back` to."""
    return [tf.identity(variable.value) for variable in variables]


def put_back(good: tf.Tensor, variables: Sequence[keras.Variable], kept: Sequence[tf.Tensor]) -> None:
    """Where a step was not good, every variable is what it was."""
    for variable, old in zip(variables, kept, strict=True):
        variable.assign(tf.where(good, variable.value, old))


# ---- what was wrong


@contextlib.contextmanager
def watched() -> Iterator[list[tuple[str, np.ndarray]]]:
    """A list of what layers called in here, eagerly, give that is not finite: (path, which rows), inner first."""
    found: list[tuple[str, np.ndarray]] = []
    plain = keras.layers.Layer.__call__

    def call(layer, *args, **options):
        out = plain(layer, *args, **options)
        for x in tf.nest.flatten(out):
            if tf.is_tensor(x) and x.dtype.is_floating and not finite([x]):
                found.append((layer.path, ~np.isfinite(x).reshape(len(x), -1).all(1) if x.shape.rank else np.ones(1)))
        return out

    keras.layers.Layer.__call__ = call
    try:
        with keras.StatelessScope():
            yield found
    finally:
        keras.layers.Layer.__call__ = plain


def diagnose(method, streams, step: int) -> str:
    """What is not finite when a method takes the batch of a step, as a clause of a sentence; changes nothing."""
    broken = [v.path for v in method.trainable_variables if not finite([v.value])]
    said, batch = [f"variable {broken[0]} is not finite"] if broken else [], streams.load(step)
    for name, stream in batch.items():
        with watched() as layers:
            method.network(stream["image"], training=True, reversal=method.reversal())
        if layers:
            path, rows = layers[0]
            which = _images(np.asarray(stream["index"])[rows], len(rows), streams.domains[name].images)
            said.append(f"the first layer whose output is not finite is {path}, on {which} of stream {name}")
    layers, gradients, terms = retaken(method, batch)
    if layers and not said:
        said.append(f"the first layer whose output is not finite is {layers[0][0]}")
    wrong = [name for name, term in terms.items() if not finite([term])]
    both = [pair for pair in zip(method.trainable_variables, gradients, strict=True) if pair[1] is not None]
    steep = [variable.path for variable, gradient in both if not finite([squares([gradient])])]
    said += [f"the first term that is not finite is {wrong[0]}"] if wrong else []
    said += [f"the first gradient that is not finite is that of {steep[0]}"] if steep and not wrong else []
    return "; ".join(said) or "a second look, with other draws of dropout, finds all finite"


def retaken(method, batch) -> tuple[list, list, dict]:
    """What layers gave in a step that is looked at again, its gradients, and its terms; the method stays as it is."""
    kept, word = values_of(method.state()), method.on_nan
    method.on_nan = "skip"  # a step of several turns is not to refuse one now
    try:
        with watched() as layers:
            gradients, terms, *_ = method.combine(method, batch)
    finally:
        method.on_nan = word
        for variable, old in zip(method.state(), kept, strict=True):
            variable.assign(old)
    return layers, gradients, terms


def _images(rows: np.ndarray, count: int, images: np.ndarray | Files) -> str:
    """Some images of a batch of `count`, by their paths or their positions in the domain."""
    names = images.paths[rows] if isinstance(images, Files) else rows
    shown = ", ".join(map(str, names[:SHOWN])) + (", ..." if len(rows) > SHOWN else "")
    return f"{len(rows)} of {count} images ({shown})"
