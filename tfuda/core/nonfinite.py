"""Handle terms and gradients that are not finite, as config.on_nan says.

    stop    the graph refuses the step before anything is updated, and the run ends with a sentence that names the
            first layer, term or gradient at fault and the images; the last checkpoint is finite
    skip    the step changes nothing but the counter of steps, and is counted in `skipped`

A step is judged by its terms over all replicas and, except in float16, by its gradients. In float16 the optimizer
skips gradients that overflow and lowers the loss scale. With jit=True the graph cannot refuse a step, and `stop`
notices after the step, or after `steps_per_execution` steps.
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
MARK = "not finite in step"
SHOWN = 5  # images that a sentence names


class Diverged(ValueError):
    """Report that a term or a gradient is not finite."""


def finite(tensors: Iterable[tf.Tensor]) -> tf.Tensor:
    """Return True, a scalar bool, if every number of every tensor is finite."""
    return tf.reduce_all([tf.constant(True), *(tf.reduce_all(tf.math.is_finite(x)) for x in tensors)])


def squares(gradients: Iterable[tf.Tensor]) -> tf.Tensor:
    """Return the sum of the squares of all numbers, a scalar of ops.real(); infinite if a square overflows."""
    halves = (tf.nn.l2_loss(tf.cast(gradient, ops.real())) for gradient in gradients)
    return 2.0 * tf.add_n([tf.zeros([], ops.real()), *halves])


def agreed(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor | None]
) -> Sequence[tf.Tensor | None]:
    """Return a replica's gradients, all NaN where those of another replica are not finite.

    Keras's loss scaling asks the first replica alone whether a step overflowed. Without loss scaling, or with one
    replica, gradients are returned as they are.
    """
    if ops.replicas() == 1 or not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return gradients
    bad = ops.everywhere(tf.cast(~finite(each for each in gradients if each is not None), ops.real()))
    return [each if each is None else tf.where(bad > 0, tf.constant(np.nan, each.dtype), each) for each in gradients]


def refuse(good: tf.Tensor, step: tf.Tensor) -> tf.Operation:
    """Return an operation that ends the graph if `good` is False; both arguments are scalars."""
    return tf.debugging.Assert(good, [MARK, step])


def refused(error: tf.errors.OpError) -> bool:
    """Return True if `refuse` raised this error."""
    return MARK in str(error)


def values_of(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    """Return copies of the variables' values, for `put_back`."""
    return [tf.identity(variable.value) for variable in variables]


def put_back(good: tf.Tensor, variables: Sequence[keras.Variable], kept: Sequence[tf.Tensor]) -> None:
    """Reset every variable to its kept value if the step was not finite."""
    for variable, old in zip(variables, kept, strict=True):
        variable.assign(tf.where(good, variable.value, old))


# ---- what was wrong


@contextlib.contextmanager
def watched() -> Iterator[list[tuple[str, np.ndarray]]]:
    """Yield a list of (path, non-finite rows) of layers called eagerly in this context, inner layers first."""
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
    """Return a clause that names what is not finite in a step of a method, without changing the method."""
    broken = [v.path for v in method.trainable_variables if not finite([v.value])]
    said = [f"variable {broken[0]} is not finite"] if broken else []
    batch = streams.load(step, method.followed())
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
    if not said and ops.replicas() > 1:
        return "every layer's output is finite; a run on one device would name the term or the gradient"
    return "; ".join(said) or "a second look, with other draws of dropout, finds all finite"


def retaken(method, batch) -> tuple[list, list, dict]:
    """Repeat a step without changing the method; return non-finite layers, gradients and terms.

    On several replicas a step is no look at one batch, and nothing is returned.
    """
    if ops.replicas() > 1:
        return [], [None] * len(method.trainable_variables), {}
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
    """Return a phrase that names some of a batch's images by path, or by position in the domain."""
    names = images.paths[rows] if isinstance(images, Files) else rows
    shown = ", ".join(map(str, names[:SHOWN])) + (", ..." if len(rows) > SHOWN else "")
    return f"{len(rows)} of {count} images ({shown})"
