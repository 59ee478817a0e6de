"""One job on several hosts: the same command on each of them, a worker of MultiWorkerMirroredStrategy.

The first worker alone reads and writes the workdir, and measures. What it read or found reaches the others by `asked`
and `give`, which every worker has to call at the same place, outside of a step. So weights, memories and tables are
equal on all workers by construction, and not because hosts happen to compute alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfuda.core import ops


def are_several() -> bool:
    """Does this strategy train on several hosts?"""
    return tf.distribute.get_strategy().extended._in_multi_worker_mode()


def is_first() -> bool:
    """Is this the worker that writes?"""
    return not are_several() or tf.distribute.get_strategy().extended.should_checkpoint


def steps_at_once(steps: int) -> int:
    """Steps that one call makes; one on several hosts, whose collectives fail in Keras's loop of steps."""
    return 1 if are_several() else steps


@tf.function(reduce_retracing=True)
def _given(values: tf.Tensor) -> tf.Tensor:
    """values [n] of the first worker, on every worker; n is the same on all of them."""

    def inside():
        return ops.everywhere(tf.where(tf.equal(ops.rank(), 0), values, tf.zeros_like(values)))

    strategy = tf.distribute.get_strategy()
    return strategy.experimental_local_results(strategy.run(inside))[0]


def answer_of_first(ask: Callable[[], Any]) -> Any:
    """What the first worker answers (of JSON's kinds), or the mistake that it finds: on every worker."""
    if not are_several():
        return ask()
    said, mistake = "", None
    if is_first():
        try:
            said = json.dumps({"answer": ask()})
        except BaseException as error:  # the others wait for an answer, whatever it is
            kind = "" if isinstance(error, ValueError | OSError | tf.errors.OpError) else f"{type(error).__name__}: "
            said, mistake = json.dumps({"mistake": f"{kind}{error}"}), error
    text = np.frombuffer(said.encode(), np.uint8).astype(np.int32)
    size = int(_given(tf.constant([len(text)]))[0])
    text = _given(tf.constant(np.resize(text, size))).numpy()
    if mistake is not None:
        raise mistake
    heard = json.loads(text.astype(np.uint8).tobytes())
    if "mistake" in heard:
        raise ValueError(heard["mistake"])
    return heard["answer"]


def check_agreement(what: str, value: str) -> None:
    """Refuse workers that do not all hold the same value."""
    theirs = answer_of_first(lambda: value)
    if theirs != value:
        raise ValueError(f"this worker has another {what} than the first: start the same command on all of them")


def parts(variable: keras.Variable) -> tuple[tf.Variable, ...]:
    """A variable on every device of this worker."""
    return tf.distribute.get_strategy().experimental_local_results(variable.value)


def share_variables(variables: Iterable[keras.Variable]) -> None:
    """Make variables on all devices what they are on the first device of the first worker."""
    if not are_several():
        return
    kinds: dict[str, list] = {}
    for variable in variables:
        kinds.setdefault(variable.dtype, []).append(parts(variable))
    for same in kinds.values():
        sizes = [int(np.prod(own[0].shape)) for own in same]
        flat = _given(tf.concat([tf.reshape(own[0], [-1]) for own in same], 0))
        for own, value in zip(same, tf.split(flat, sizes), strict=True):
            for part in own:
                part.assign(tf.reshape(value, part.shape))
