"""Combine gradients for papers with alternating updates: several updates in one step.

A method of such a paper sets `_combine = staticmethod(turns)`, and `plan()` lists the turns in order.
Every turn passes the batch anew, with the weights that the turn before left. Momentum and weight decay skip
variables that a turn does not update. So each turn costs a forward and backward pass of its streams. Terms are
reported as the first turn that has them finds them. The optimizer counts every update as a step of its own, which
Adam's corrections follow. It takes the place of a cell's combiner, so there is no mcd+metaalign.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfuda.core import nonfinite, ops


class Turn(NamedTuple):
    """Describe one update of a step.

    Attributes:
        boxes: the sign of every box, of "task", "align" and "beside", whose terms are summed in this turn.
        moves: True for a variable of the method that this turn updates; None for all.
        reads: True for a stream {image, label?, ...} that this turn passes; None for all.
    """

    boxes: dict[str, float]
    moves: Callable[[keras.Variable], bool] | None = None
    reads: Callable[[dict], bool] | None = None


def turns(method, batch):
    """Apply all turns but the last; return the last turn's gradients, terms, batch and outputs.

    A term, stream or output of several turns is the first turn's.
    """
    found: list[dict] = [{}, {}, {}]
    *before, last = method.plan()
    for turn in before:
        gradients, terms, *seen = look_ahead(method, batch, turn)
        fine = tf.constant(True)
        if not method.overflows:
            fine = nonfinite.finite([ops.everywhere(nonfinite.squares([g for g in gradients if g is not None]))])
        judged = {name: tf.where(fine, term, np.nan) for name, term in terms.items()}  # so that the step is refused
        found = [{**new, **old} for old, new in zip(found, [judged, *seen], strict=True)]
        with tf.control_dependencies([] if method.on_nan == "skip" else [nonfinite.refuse(fine, method.step.value)]):
            method.move(gradients)
    gradients, *seen = look_ahead(method, batch, last)
    return gradients, *({**new, **old} for old, new in zip(found, seen, strict=True))


def look_ahead(method, batch, turn: Turn):
    """Return gradients of one turn, None for variables not updated, with terms, batch and outputs of its streams."""
    read = {name: stream for name, stream in batch.items() if turn.reads is None or turn.reads(stream)}
    with tf.GradientTape() as tape:
        read, outputs = method.forward(read)
        boxes = {name: getattr(method, name)(read, outputs) for name in turn.boxes}
        total = sum((sign * method.total(boxes[name]) for name, sign in turn.boxes.items()), tf.zeros([], ops.real()))
        loss = method.optimizer.scale_loss(total)
    variables = method.trainable_variables
    moving = [turn.moves is None or turn.moves(variable) for variable in variables]
    some = iter(method.gradients(tape, loss, [v.value for v, moves in zip(variables, moving, strict=True) if moves]))
    terms = {name: term for box in boxes.values() for name, term in box.items()}
    return [next(some) if moves else None for moves in moving], terms, read, outputs
