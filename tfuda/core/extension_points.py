"""Provide the default part of each extension point, and check which parts fit which method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol

import tensorflow as tf

from tfuda.core import step_signs

if TYPE_CHECKING:
    from tfuda.core.method import Method


class Weigher(Protocol):
    """Weigh the outputs that an alignment sees.

    Attributes:
        changes: what differs from the outputs given: "features", their "norms", "logits".
    """

    changes: ClassVar[tuple[str, ...]]

    def __call__(self, network, batch, outputs) -> dict: ...


def unweighed(network, batch, outputs):
    """Return the outputs unchanged: the default weigher."""
    return outputs


def latest(batch, outputs):
    """Add the network's current predictions on the target to the batch, as pseudo-labels int32 [B]."""
    pseudo = tf.argmax(outputs["target"].logits, -1, tf.int32)
    return {**batch, "target": {**batch["target"], "pseudo": pseudo}}


def joint(method, batch):
    """Return the gradients of the weighted sum of all terms after one forward pass: the default combiner.

    Args:
        method: the method in training.
        batch: {stream: {image, label?, ...}}.

    Returns:
        Gradients of all trainable variables, terms, batch and outputs.
    """
    with tf.GradientTape() as tape:
        batch, outputs = method.forward(batch)
        terms = method.terms(batch, outputs)
        loss = method.optimizer.scale_loss(method.total(terms))
    return method.gradients(tape, loss), terms, batch, outputs


def fits(kind: type[Method], weigh: Weigher | type[Weigher]) -> bool:
    """Return True if the alignment of this method reads what the weigher changes."""
    return not {*kind.reads}.isdisjoint(weigh.changes)


def trade_off(regulariser: Callable | None) -> dict[str, float]:
    """Return {name of its term: factor} of a regulariser, {} for None."""
    return {type(regulariser).__name__.lower(): regulariser.trade_off} if regulariser else {}  # type: ignore[attr-defined]


def check_parts(method) -> None:
    """Refuse parts without effect on the method: an unread weigher, unused class weights, unused labelled images.

    Raises:
        ValueError: if a part could not act, or a regulariser's name is already that of a term.
    """
    kind, weigh = type(method), method.weigh
    if method.pada and "pada" in kind.refuses:
        raise ValueError(f"{kind.__name__} does not weigh the source's classes: leave out options.pada")
    if "target_labelled" in method.streams and "shots" in kind.refuses:
        raise ValueError(f"{kind.__name__} has no use for labelled target images: leave out --config.shots")
    if not {*trade_off(method.regulariser)}.isdisjoint({"loss", *step_signs.SIGNS, *method.trade_offs}):
        raise ValueError(
            f"{kind.__name__} reports {min(trade_off(method.regulariser))!r} itself: rename the regulariser"
        )
    if weigh is not unweighed and not fits(kind, weigh):
        refuse_weigher(kind, weigh)


def refuse_weigher(kind: type[Method], weigh: Weigher) -> None:
    """Raise a ValueError that says why a weigher does not fit a method."""
    name, reads = type(weigh).__name__.lower(), kind.reads
    if not reads:
        raise ValueError(f"{kind.__name__} aligns nothing that a weigher shows, so {name} cannot act on it")
    raise ValueError(
        f"{kind.__name__} aligns {' and '.join(reads)}, and {name} changes {' and '.join(weigh.changes)} alone: "
        "it could not act"
    )
