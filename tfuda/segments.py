"""Training in finite segments: what all models that train here have in common."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from tfuda import guard, ops


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


class Segmented(keras.Model):
    """A model that counts its steps itself, trains in segments, and goes on in the middle of one.

    A model of this kind has a `train_step` that ends in `note` and `results`, and sets in its `__init__`
    `self.step = self.memory("step", (), "int64")` (optimizer.iterations stalls when float16 overflows) and
    `self.meters`, a mean for each number that it notes.
    """

    steps: int  # where training ends
    segment: int  # steps in one Keras epoch
    step: keras.Variable
    meters: dict[str, keras.metrics.Mean]
    quiet: frozenset[str] = frozenset()  # meters that `train_step` does not return

    _inside = False  # is the next epoch the rest of a segment?

    def memory(self, name: str, shape: tuple, dtype: str = "", initializer="zeros"):
        """A variable that training does not touch, but checkpoints hold; the same on every replica."""
        return self.add_weight(
            name=name,
            shape=shape,
            dtype=dtype or ops.real(),
            initializer=initializer,
            trainable=False,
            aggregation="only_first_replica",
        )

    @property
    def progress(self) -> tf.Tensor:
        """From 0 to 1, scalar."""
        return tf.cast(self.step.value, ops.real()) / self.steps

    def agreed(self, shares: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Values over all replicas, of this replica's shares; scalars."""
        values = ops.everywhere(tf.stack([tf.cast(value, ops.real()) for value in shares.values()]))
        return dict(zip(shares, tf.unstack(values), strict=True))

    def note(self, values: dict[str, tf.Tensor]) -> None:
        """End a step: count it, and put values over all replicas into the meters of their names."""
        for name, value in values.items():
            self.meters[name].update_state(value)
        self.step.assign_add(1)

    def results(self) -> dict[str, tf.Tensor]:
        """What `train_step` returns."""
        several = tf.distribute.get_strategy().extended._in_multi_worker_mode()
        found = {name: meter.result() for name, meter in self.meters.items() if name not in self.quiet}
        return {n: v[None] for n, v in found.items()} if several else found  # Keras reduces axis 0 there

    def state(self) -> list[keras.Variable]:
        """All that a run needs to go on to the same bits: weights, seeds, memories, optimizer, open meters."""
        return [*self.variables, *self.optimizer.variables, *self.metrics_variables]

    def fit(self, streams, callbacks=(), verbose: int | str = "auto", **options) -> keras.callbacks.History:
        """Train from the current step to `steps`; one epoch is one segment.

        streams: `tfuda.build.streams(config, method)`, or a tf.data.Dataset of batches, which Keras's own fit
        takes as ever. Goes on in mid-segment after a restored checkpoint.
        """
        if isinstance(streams, tf.data.Dataset):
            options = {"shuffle": False, **options}
            return super().fit(streams, callbacks=[*callbacks], verbose=verbose, **options)
        every, self.stop_training = math.ceil(self.steps / self.segment), False
        together = Together([*callbacks], model=self, epochs=every, steps=self.segment, verbose=verbose)
        together.begin()
        while (step := int(self.step.numpy())) < self.steps and not self.stop_training:
            epoch, self._inside = step // self.segment, step % self.segment > 0
            if (step or self.looks_first) and not self._inside:
                self._between(streams)
            data = streams.dataset(step, min((epoch + 1) * self.segment, self.steps), self._followed())
            options |= {"initial_epoch": epoch, "epochs": epoch + 1, "shuffle": False}
            try:
                super().fit(data, callbacks=together, verbose=verbose, **options)
            except tf.errors.InvalidArgumentError as error:
                if not guard.refused(error):
                    raise
                raise guard.Diverged(self.diagnosed(streams)) from None
            if int(self.step.numpy()) == step:
                break
        together.end()
        return self.history

    def diagnosed(self, streams) -> str:
        """Why the step after the last that counted was refused."""
        return f"training diverged: a term or a gradient is not finite in step {int(self.step.numpy()) + 1}"

    def _followed(self) -> dict:
        """Classes for a sampler, by stream."""
        return {}

    @property
    def looks_first(self) -> bool:
        """Is `_between` called before the first segment, too?"""
        return False

    def _between(self, streams) -> None:
        """Before every segment but the first."""

    def reset_metrics(self) -> None:
        """Not in the middle of a segment, so that a resumed one reports what it would have."""
        if not self._inside:
            super().reset_metrics()
        self._inside = False

    def _maybe_symbolic_build(self, *args, **options) -> None:
        """All is built already, and Keras's attempt fails under several workers."""
