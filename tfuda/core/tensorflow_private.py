"""Hold what the library needs of TensorFlow that has no public name; no other module uses such names.

Tried with TensorFlow 2.18.1 and 2.21.0.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterable, Iterator

from tensorflow.python.framework.ops import gradient_registry

CUSTOM = "CustomGradient-"  # what tf.custom_gradient registers begins with


def kept_gradients() -> set[str]:
    """Return the names of the gradients of tf.custom_gradient that TensorFlow keeps."""
    return {name for name in gradient_registry.list() if name.startswith(CUSTOM)}


def forget(names: Iterable[str]) -> None:
    """Free gradients of tf.custom_gradient, and the graphs that they hold."""
    for name in names:
        del gradient_registry._registry[name]
    gc.collect()


@contextlib.contextmanager
def forgetting() -> Iterator[None]:
    """Free at the end what was traced within: TensorFlow keeps the graph of every custom gradient, 18 MB a run."""
    before = kept_gradients()
    try:
        yield
    finally:
        forget(kept_gradients() - before)
