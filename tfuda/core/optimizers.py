"""Provide stochastic gradient descent by PyTorch's rule, with a learning rate and a momentum for every group.

docs/methods/index.md#optimizer has the equations and the weight decay of each released code.

    v <- m v + g + wd p
    p <- p - rate s (g + wd p + m v)        Nesterov; without: p <- p - rate s v

Keras's own SGD keeps the rate inside the velocity and decouples the weight decay. The two agree only while the
rate stands still; the released codes decay it at every step.

`optimizer.accumulate` = N, ours and Keras's alike, is Keras's gradient_accumulation_steps: the mean gradient of N
small batches makes one update, so that a small card trains with the gradient of a large batch. Steps, ramps, segments
and the rate's schedule count small batches, so `steps` are N times as many. It is the large batch for what is a mean
over samples, and not for what looks at a batch as a whole: batch norm, weights that sum to one over the batch,
centroids and other memories (which move after every small batch), GSDA's |S - ΣS|, MMD. The last steps % N batches
update nothing. One device only.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import keras
import tensorflow as tf

from tfuda.core import keras_private, ops


def gathering(batches: int) -> dict[str, int]:
    """Return the optimizer's option that accumulates the gradients of so many batches."""
    if batches < 1:
        raise ValueError(f"optimizer.accumulate={batches}: the number of batches of an update is at least 1")
    if batches > 1 and ops.replicas() > 1:  # Keras's tf.cond has no place for what replicas do together
        raise ValueError(
            f"optimizer.accumulate={batches} works on one device only, and this run has {ops.replicas()}: leave it "
            "out, as the devices share the batch"
        )
    return {"gradient_accumulation_steps": batches} if batches > 1 else {}


def known() -> dict[str, Callable]:
    """Return Keras's optimizers by name."""
    found = {name.lower(): kind for name, kind in vars(keras.optimizers).items() if inspect.isclass(kind)}
    return {name: kind for name, kind in found.items() if issubclass(kind, keras.optimizers.Optimizer)}


class SGD(keras.optimizers.SGD):
    """Update variables by PyTorch's SGD rule.

    Args:
        learning_rate: a number or a schedule of Keras.
        groups: path of a variable -> (s, m), the factor on its learning rate and its momentum.
        decay: weight decay wd, added to the gradient.
        nesterov: True for Nesterov's momentum.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        groups: Callable[[str], tuple[float, float]] = lambda path: (1.0, 0.9),
        decay: float = 0.0,
        nesterov: bool = True,
        **options,
    ):
        # Keras makes velocities only where its momentum is not 0; ours is by group.
        super().__init__(learning_rate, momentum=0.9, nesterov=nesterov, **options)
        self.groups = groups
        self.decay = decay  # not Keras's `weight_decay`, which would act a second time
        self.rules: list[tuple[float, float]] = []

    def build(self, variables) -> None:
        super().build(variables)
        self.rules = [self.groups(variable.path) for variable in variables]

    def update_step(self, gradient, variable, learning_rate) -> None:
        i = keras_private.variable_index(self, variable)
        scale, momentum = self.rules[i]
        gradient = tf.cast(gradient, variable.dtype) + self.decay * variable
        velocity = momentum * self.momentums[i] + gradient
        self.assign(self.momentums[i], velocity)
        direction = gradient + momentum * velocity if self.nesterov else velocity
        self.assign_sub(variable, tf.cast(learning_rate, variable.dtype) * scale * direction)
