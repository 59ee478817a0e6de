"""Hold what the library needs of Keras that has no public name; no other module uses such names.

Tried with Keras 3.10.0 and 3.15.1.
"""

from __future__ import annotations

from collections.abc import Iterable

import keras


class BuiltModel(keras.Model):
    """A model that is built when `fit` begins, so that Keras does not call it symbolically.

    Keras's attempt passes labels of type float, and fails under several workers.
    """

    def _maybe_symbolic_build(self, *args, **options) -> None:
        """Do nothing."""


def layers_within(layer: keras.layers.Layer) -> Iterable[keras.layers.Layer]:
    """Return a layer and all layers within it; `Model.layers` has the first level alone."""
    return layer._flatten_layers()


def variable_index(optimizer: keras.optimizers.Optimizer, variable) -> int:
    """Return a variable's position in the optimizer's lists; under a strategy it is one device's copy."""
    return optimizer._get_variable_index(variable)
