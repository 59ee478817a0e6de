"""A combiner for games whose players move one after the other: several updates in one step.

A method whose paper plays so says `_combine = staticmethod(turns)`, and `plan()` lists its turns in their order.
Every turn looks at the batch anew, with the weights that the turn before left; momentum and weight decay leave alone
what does not move in it. So a step costs a pass of its streams, forwards and backwards, for every turn. Terms are
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
    """boxes: the sign of every box, of "task", "align" and "beside", whose terms are summed in this turn
    moves: does a variable of the method move? None for all
    reads: of a stream {image, label?, ...}, does it take part? None for all
    """

    boxes: dict[str, float]
    moves: Callable[[keras.Variable], bool] | None = None
    reads: Callable[[dict], bool] | None = None


def turns(method, batch):
    """The last turn's gradients, after the updates of those before, and what the first looks found."""
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
    """Gradients of one turn, a None for what stays; terms, batch and outputs of the streams that take part."""
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
