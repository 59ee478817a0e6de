"""Train a model in finite segments, as all models here do."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from tfuda.core import nonfinite, ops
from tfuda.core.keras_private import BuiltModel
from tfuda.distributed import multi_host

ONLY_FIRST = tf.VariableAggregation.ONLY_FIRST_REPLICA


class Together(keras.callbacks.CallbackList):
    """Call the callbacks once at the begin and end of a run, though every segment is a Keras `fit`.

    So every segment has its own dataset. The dataset is shorter where a run resumes in mid-segment, and has new
    tables where a sampler follows the results of `refresh`.
    """

    def __init__(self, callbacks, model: Segmented, verbose, **params):
        options = {"add_history": True, "add_progbar": verbose != 0, "verbose": verbose, **params}
        super().__init__(callbacks, model=model, **options)
        self.trained = model

    def begin(self) -> None:
        super().on_train_begin()

    def end(self) -> None:
        super().on_train_end()

    def on_train_begin(self, logs=None):
        pass

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, self._loud(logs))

    def on_epoch_end(self, epoch, logs=None):
        self.trained.settle()
        super().on_epoch_end(epoch, self._loud(logs))

    def _loud(self, logs: dict) -> dict:
        """Return the logs without the model's quiet meters, whose values are stored in `noted`."""
        self.trained.noted = {name: logs[name] for name in self.trained.quiet}
        return {name: value for name, value in logs.items() if name not in self.trained.quiet}

    def on_train_end(self, logs=None):
        pass


class Segmented(BuiltModel):
    """Train in segments, count the steps, and resume in mid-segment.

    A subclass has a `train_step` that ends in `note` and `results`. Its `__init__` sets
    `self.step = self.memory("step", (), "int64")` (optimizer.iterations stalls when float16 overflows) and
    `self.meters`, a mean for each noted number.
    """

    steps: int  # where training ends
    segment: int  # steps in one Keras epoch
    step: keras.Variable
    meters: dict[str, keras.metrics.Mean]
    quiet: tuple[str, ...] = ()  # meters that no progress bar shows
    noted: dict[str, float]  # their results

    _inside = False  # True if the next epoch is the rest of a segment
    _wish: tf.Variable | None = None  # of a worker to stop, and after a step that of any worker

    def memory(self, name: str, shape: tuple, dtype: str = "", initializer="zeros"):
        """Return a new variable that is not trained, is saved in checkpoints and is equal on every replica."""
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
        """Return step / steps, a scalar from 0 to 1."""
        return tf.cast(self.step.value, ops.real()) / self.steps

    def agreed(self, shares: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Return the sums over all replicas of this replica's scalar shares, by name."""
        wish = {} if self._wish is None else {"wish": self._wish.value()}
        values = ops.everywhere(tf.stack([tf.cast(value, ops.real()) for value in {**shares, **wish}.values()]))
        found = dict(zip([*shares, *wish], tf.unstack(values), strict=True))
        if self._wish is not None:
            self._wish.assign(tf.minimum(found.pop("wish"), 1.0))
        return found

    def note(self, values: dict[str, tf.Tensor]) -> None:
        """Count the step, and put values over all replicas into the meters of their names."""
        for name, value in values.items():
            self.meters[name].update_state(value)
        self.step.assign_add(1)

    def results(self) -> dict[str, tf.Tensor]:
        """Return the means of all meters, as `train_step` returns them."""
        found = {name: meter.result() for name, meter in self.meters.items()}
        if multi_host.are_several():
            return {name: value[None] for name, value in found.items()}  # Keras reduces axis 0 there
        return found

    def state(self) -> list[keras.Variable]:
        """Return all variables that a bitwise identical resumed run needs.

        These are weights, seeds, memories, the optimizer's variables and open meters.
        """
        return [*self.variables, *self.optimizer.variables, *self.metrics_variables]

    def fit(self, streams, callbacks=(), verbose: int | str = "auto", **options) -> keras.callbacks.History:
        """Train from the current step to `steps`; one epoch is one segment.

        Training resumes in mid-segment after a restored checkpoint.

        Args:
            streams: `tfuda.build.streams(config, method)`, or a tf.data.Dataset of batches for Keras's own fit.
            callbacks: Keras callbacks.
            verbose: verbosity of the progress bar.
            **options: further options of Keras's fit.

        Raises:
            Diverged: if a term or a gradient is not finite.
        """
        if isinstance(streams, tf.data.Dataset):
            options = {"shuffle": False, **options}
            return super().fit(streams, callbacks=[*callbacks], verbose=verbose, **options)
        every, self.stop_training = math.ceil(self.steps / self.segment), False
        together = Together([*callbacks], model=self, epochs=every, steps=self.segment, verbose=verbose)
        if multi_host.are_several():
            self._wish = tf.Variable(0.0, dtype=ops.real(), trainable=False, aggregation=ONLY_FIRST)
        together.begin()
        while (step := int(self.step.numpy())) < self.steps and not self.stop_training:
            epoch, self._inside = step // self.segment, step % self.segment > 0
            if (step or self.looks_first) and not self._inside:
                self._between(streams)
                self.settle()
            data = self._data(streams, step, min((epoch + 1) * self.segment, self.steps))
            options |= {"initial_epoch": epoch, "epochs": epoch + 1, "shuffle": False}
            try:
                super().fit(data, callbacks=together, verbose=verbose, **options)
            except tf.errors.InvalidArgumentError as error:
                if not nonfinite.refused(error):
                    raise
                raise nonfinite.Diverged(self.diagnosed(streams)) from None
            if int(self.step.numpy()) == step:
                break
        together.end()
        return self.history

    def diagnosed(self, streams) -> str:
        """Return the reason why the step after the last counted one was refused."""
        return f"training diverged: a term or a gradient is not finite in step {int(self.step.numpy()) + 1}"

    def _data(self, streams, start: int, stop: int):
        """Return the batches of steps start to stop; each of several workers makes only its own rows."""
        followed = self.followed()
        if not multi_host.are_several():
            return streams.dataset(start, stop, followed)

        def mine(context):
            count = context.num_input_pipelines
            share = (context.input_pipeline_id, count, context.num_replicas_in_sync // count)
            return streams.dataset(start, stop, followed, share)

        return tf.distribute.get_strategy().distribute_datasets_from_function(mine)

    def settle(self) -> None:
        """Copy the first worker's results between steps, and its first device's moving statistics, to all workers."""
        multi_host.share_variables(self.non_trainable_variables)

    def stops(self, wish: bool) -> bool:
        """Return True if training stops after this step, given this process's wish; all workers stop together."""
        if self._wish is None:
            return wish
        if float(self._wish.numpy()) > 0:
            return True
        if wish:
            self._wish.assign(1.0)  # goes into the next step's sum
        return False

    def followed(self) -> dict:
        """Return the classes for a sampler, by stream."""
        return {}

    @property
    def looks_first(self) -> bool:
        """Return True if `_between` is also called before the first segment."""
        return False

    def _between(self, streams) -> None:
        """Update the model before every segment but the first; see `looks_first`."""

    def reset_metrics(self) -> None:
        """Reset the meters, but not in mid-segment: a resumed segment reports the same means."""
        if not self._inside:
            super().reset_metrics()
        self._inside = False
