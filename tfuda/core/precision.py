"""Set the precision in which layers of backbones and generators compute: config.precision.

    float32     as Keras is set: float32, unless a program chose another policy
    bfloat16    Keras's mixed_bfloat16: weights in float32, products in bfloat16
    float16     Keras's mixed_float16: products in float16, the loss scaled so that small gradients are not lost; a
                step whose gradients overflow is skipped by the optimizer, and the scale halved

In all three the pool and all that comes after it is float32 (`ops.real()`): bottleneck, heads and discriminators,
losses, class gradients, norms and memories.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import keras

from tfuda.names import near

POLICIES = {"float32": "", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}


@contextlib.contextmanager
def policy(name: str) -> Iterator[None]:
    """Let layers made in this context compute in the named precision."""
    if name not in POLICIES:
        raise ValueError(f"precision={name!r}{near(name, POLICIES)}")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[name] or before)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def in_precision(build: Callable) -> Callable:
    """Wrap a function (config, ...) so that its layers compute in config.precision."""

    @functools.wraps(build)
    def inside(config, *args, **options):
        with policy(config.precision):
            return build(config, *args, **options)

    return inside
