"""One run of callbacks over many fits."""

from __future__ import annotations

import keras


class Together(keras.callbacks.CallbackList):
    """The callbacks of a run, which begins and ends once, while every segment is a `fit` of Keras's.

    So every segment has a dataset of its own: of its own length, where a run resumes in its middle, and of its
    own tables, where a sampler follows what `refresh` found.
    """

    def __init__(self, callbacks, verbose, **params):
        super().__init__(callbacks, add_history=True, add_progbar=verbose != 0, verbose=verbose, **params)

    def begin(self) -> None:
        super().on_train_begin()

    def end(self) -> None:
        super().on_train_end()

    def on_train_begin(self, logs=None):
        pass

    def on_train_end(self, logs=None):
        pass
