"""Run one job on several hosts: the same command on each host, one worker of MultiWorkerMirroredStrategy.

Only the first worker reads and writes the workdir, and evaluates. The others receive its results through
`answer_of_first` and `share_variables`, which every worker must call at the same place, outside of a step. So
weights, memories and tables are equal on all workers by construction, not because hosts happen to compute alike.
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
    """Return True if the current strategy trains on several hosts."""
    return isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)


def is_first() -> bool:
    """Return True if this is the worker that writes."""
    return not are_several() or tf.distribute.get_strategy().extended.should_checkpoint


def steps_at_once(steps: int) -> int:
    """Return the steps of one call; 1 on several hosts, whose collectives fail in Keras's loop of steps."""
    return 1 if are_several() else steps


@tf.function(reduce_retracing=True, autograph=False)
def _given(values: tf.Tensor) -> tf.Tensor:
    """Return the first worker's values [n] on every worker; n is equal on all workers."""

    def inside():
        return ops.everywhere(tf.where(tf.equal(ops.rank(), 0), values, tf.zeros_like(values)))

    strategy = tf.distribute.get_strategy()
    return strategy.experimental_local_results(strategy.run(inside))[0]


def answer_of_first(ask: Callable[[], Any]) -> Any:
    """Return on every worker what `ask` returns (JSON) or raises on the first worker."""
    if not are_several():
        return ask()
    said, mistake = "", None
    if is_first():
        try:
            said = json.dumps({"answer": ask()})
        except BaseException as error:  # the other workers wait for an answer in any case
            kind = "" if isinstance(error, ValueError | OSError | tf.errors.OpError) else f"{type(error).__name__}: "
            said, mistake = json.dumps({"mistake": f"{kind}{error}"}), error
    text = np.frombuffer(said.encode(), np.uint8).astype(np.int32)
    try:
        size = int(_given(tf.constant([len(text)]))[0])
        text = _given(tf.constant(np.resize(text, size))).numpy()
    except tf.errors.OpError:
        if mistake is None:
            raise  # else another worker heard of the mistake, and has ended
    if mistake is not None:
        raise mistake
    heard = json.loads(text.astype(np.uint8).tobytes())
    if "mistake" in heard:
        raise ValueError(heard["mistake"])
    return heard["answer"]


def check_agreement(what: str, value: str) -> None:
    """Raise ValueError unless all workers hold the same value."""
    theirs = answer_of_first(lambda: value)
    if theirs != value:
        raise ValueError(f"this worker has another {what} than the first: start the same command on all of them")


def parts(variable: keras.Variable) -> tuple[tf.Variable, ...]:
    """Return the copies of a variable on the devices of this worker."""
    return tf.distribute.get_strategy().experimental_local_results(variable.value)


def share_variables(variables: Iterable[keras.Variable]) -> None:
    """Copy variables from the first device of the first worker to all devices."""
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
