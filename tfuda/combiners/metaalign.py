"""MetaAlign: Coordinating Domain Alignment and Classification for Unsupervised Domain Adaptation (Wei et al., CVPR
2021), https://arxiv.org/abs/2103.13575

The task and the alignment take turns. One is evaluated at the weights θ, the other at θ after a step of gradient
descent on the first. So a step good for one is preferred where the step does not harm the other.

    T, A      the terms of `task` and `align`, each times its trade-off
    R, R_s    those of `regularise`, over all streams and over the labelled ones
    θ'      = θ - rate · lr · m g               g is a constant, so this is of first order; lr is the optimizer's

    even steps, the task first      g = ∇(T + R_s)(θ)      gradient  ∇(T + R_s / 2)(θ) + ∇(A + R / 2)(θ')
    odd steps, the alignment first  g = ∇(A + R)(θ)        gradient  ∇(A + R)(θ) + ∇(T + R_s)(θ')

θ are all variables, those of the discriminators too; the reversal of gradients stands inside A, so there θ' is a step
of that training. m is `multiplier` for variables of layers named in `faster` (heads, bottleneck, GVB's bridge). It is
1 for all others, the discriminators' trunks too, whatever their factors in the optimizer, as in the released code.

It acts on any method that aligns, with any weigher. Terms are reported at θ. A step makes two passes of every stream,
with their gradients; dropout draws twice, and batch statistics move twice. Regularisers cost another backward pass of
the labelled streams.

Paper against code (docs/methods/adversarial.md#metaalign), and the option that selects the other:
- The paper learns weights for groups of layers. Its released code, which the README names for the paper's numbers,
  has them commented out, and keeps first order. So here.
- `rate` is 100 in the README and 1 by the code's default. The first is an inner rate of 0.1 where training starts
  at 0.001; choose it anew for an optimizer with another rate.
- `stale_discriminator=True` repeats a slip of the released code, which forgets to set the discriminator back before
  steps with the task first. They evaluate A at the θ' of the step before. The gradient found there is added to that
  of today's discriminator. The left-over weights are saved variables.
- The released code normalises the task's pass by statistics of the source alone, and the alignment's by those of both
  domains: `passes=joint` with `task_alone=True`. That costs one more pass of the labelled streams for each of the
  two.
- Where gradients are not finite (float16 that overflows) θ' = θ, and batch statistics only move to finite values. The
  optimizer skips such a step, but a NaN in the statistics would stay for good.
"""

from __future__ import annotations

from typing import NamedTuple

import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.core.extension_points import joint
from tfuda.core.method import Batch, Method, Terms
from tfuda.networks.base import Outputs


class Look(NamedTuple):
    """Hold the results of one pass over a batch; the totals are scaled for float16."""

    task: tf.Tensor
    align: tf.Tensor
    regular: tf.Tensor  # R
    beside: tf.Tensor  # R_s
    terms: Terms
    batch: Batch
    outputs: dict[str, Outputs]


class MetaAlign:
    """Combine task and alignment in turns, each evaluated after an inner step on the other.

    Args:
        rate: factor of the inner step's rate on the optimizer's.
        multiplier: m for variables of the layers in `faster`.
        faster: names of layers whose inner step is larger.
        task_alone: True for a separate pass of the labelled streams for the task.
        stale_discriminator: True to repeat the released code's slip, see above.
    """

    def __init__(
        self,
        rate: float = 100.0,
        multiplier: float = 10.0,
        faster: tuple = ("head", "bottleneck", "bridge"),
        task_alone: bool = False,
        stale_discriminator: bool = False,
    ):
        self.rate, self.multiplier, self.faster = rate, multiplier, set(faster)
        self.task_alone, self.stale_discriminator = task_alone, stale_discriminator
        self.left: dict[int, keras.Variable] = {}  # of the discriminators' variables, by position

    @staticmethod
    def fits(kind: type[Method]) -> bool:
        """Return True if a method has a task and an alignment, and no turns of its own."""
        return kind.align is not Method.align and kind._combine is joint and "task" in kind.trade_offs

    def make(self, method: Method) -> None:
        if not self.fits(kind := type(method)):
            why = "has no task" if "task" not in kind.trade_offs else "aligns nothing"
            why = why if kind._combine is joint else "has turns of its own"
            raise ValueError(f"{kind.__name__} {why}, so metaalign cannot set task and alignment against each other")
        if self.stale_discriminator:
            network = {id(variable) for variable in method.network.trainable_variables}
            for i, variable in enumerate(method.trainable_variables):
                if id(variable) not in network:
                    self.left[i] = method.memory(f"left_{i}", variable.shape, variable.dtype)

    def __call__(self, method: Method, batch: Batch):
        task_first = method.step.value % 2 == 0
        first = tf.cast(task_first, ops.real())  # factors instead of tf.cond, which replicas cannot enter together
        with tf.GradientTape(persistent=True) as tape:
            now = self.look(method, batch)
            loss = first * now.task + (1.0 - first) * (now.align + now.regular)
        early, beside = method.gradients(tape, loss), method.gradients(tape, now.beside)
        ahead = self.ahead(method, [g + first * r for g, r in zip(early, beside, strict=True)])
        if self.left:
            ahead = self.with_left_over(method, ahead, task_first)
        with tf.GradientTape() as tape:
            tape.watch(ahead)
            with keras.StatelessScope(list(zip(method.trainable_variables, ahead, strict=True))) as scope:
                then = self.look(method, batch)
            loss = first * (then.align + then.regular / 2.0) + (1.0 - first) * (then.task + then.beside)
        late = method.gradients(tape, loss, ahead)
        move_on(method, scope)
        gradients = [a + first / 2.0 * r + b for a, r, b in zip(early, beside, late, strict=True)]
        return gradients, now.terms, now.batch, now.outputs

    def look(self, method: Method, batch: Batch) -> Look:
        """Pass a batch through the method, and return all totals that either turn needs."""
        labelled = [name for name in batch if "label" in batch[name]]
        alone = {name: batch[name] for name in labelled}
        batch, outputs = method.forward(batch)
        shown = method.forward(alone)[1] if self.task_alone else {name: outputs[name] for name in labelled}
        task, align = method.task(batch, shown), method.align(batch, outputs)
        regular, beside = method.beside(batch, outputs), method.beside(batch, shown)

        def total(terms: Terms) -> tf.Tensor:
            return method.optimizer.scale_loss(method.total(terms))

        terms = {**task, **align, **regular}
        return Look(total(task), total(align), total(regular), total(beside), terms, batch, outputs)

    def ahead(self, method: Method, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """Return θ' from this replica's share of g, equal on every replica."""
        variables = method.trainable_variables
        scale = method.optimizer.scale_loss(tf.ones([], ops.real()))
        rate = tf.cast(self.rate * method.optimizer.learning_rate, ops.real())
        steps = [
            rate * self.factor(variable) * gradient / scale
            for variable, gradient in zip(variables, ops.everywhere(gradients), strict=True)
        ]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(step)) for step in steps])
        return [
            variable.value - tf.where(finite, step, tf.zeros_like(step))
            for variable, step in zip(variables, steps, strict=True)
        ]

    def factor(self, variable: keras.Variable) -> float:
        return self.multiplier if self.faster & set(variable.path.split("/")) else 1.0

    def with_left_over(self, method: Method, ahead: list[tf.Tensor], task_first: tf.Tensor) -> list[tf.Tensor]:
        """Return θ' with the discriminators of the last step that had the alignment first."""
        there_is = task_first & (method.step.value > 1)
        ahead = list(ahead)
        for i, left in self.left.items():
            kept = tf.where(there_is, left.value, ahead[i])
            left.assign(tf.where(task_first, left.value, ahead[i]))
            ahead[i] = kept
        return ahead


def move_on(method: Method, scope: keras.StatelessScope) -> None:
    """Assign batch statistics and dropout seeds their values in the scope, where these are finite."""
    for variable in method.non_trainable_variables:
        moved = scope.get_current_value(variable)
        if moved is not None:
            if moved.dtype.is_floating:
                moved = tf.where(tf.math.is_finite(moved), moved, variable.value)
            variable.assign(moved)
