"""Compute schedules as pure functions of training progress or of the step."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def ramp(progress: tf.Tensor | float, alpha: float = 10.0) -> tf.Tensor:
    """Return 2 / (1 + exp(-alpha progress)) - 1, which rises from 0 towards 1.

    Args:
        progress: scalar, usually step / steps.
        alpha: slope of the ramp (docs/methods/index.md#reversal-ramp).
    """
    return 2.0 / (1.0 + tf.exp(-alpha * progress)) - 1.0


def inverse_decay(rate: float, gamma: float = 10.0, power: float = 0.75) -> Callable:
    """Return the function progress -> rate (1 + gamma progress)^-power.

    ToAlign counts progress from 0 to 1 with gamma 10. CDAN, HDA, GVB and MetaAlign count steps with gamma
    0.001 (docs/methods/index.md#learning-rate): the same function of another argument.
    """
    return lambda progress: rate * (1.0 + gamma * progress) ** -power


def linear_decay(rate: float, start: float = 0.5) -> Callable:
    """Return a function of progress: `rate` up to `start`, then a line down to 0 at progress 1 (CycleGAN)."""
    return lambda progress: rate * tf.minimum((1.0 - progress) / (1.0 - start), 1.0)


NAMED = {"ramp": ramp}  # that a trade-off may name


def value(setting, progress: tf.Tensor):
    """Return the current value of a trade-off: a number, a name in NAMED, or a callable of the progress."""
    if isinstance(setting, str):
        if setting not in NAMED:
            raise ValueError(f"unknown schedule {setting!r}: give a number or {' or '.join(map(repr, NAMED))}")
        return NAMED[setting](progress)
    return setting(progress) if callable(setting) else setting
