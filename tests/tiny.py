"""Runs of a few steps for tests."""

import contextlib
import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from configs import digits
from tfuda.core import schedules
from tfuda.data import image_headers
from tfuda.experiment import build, prerequisites
from tfuda.experiment.workdir import restore


def config(cell: str = "dannp+toalign", smooth: bool = False, **changes):
    """A small network on the digit domains; smooth: softplus, average pooling, no batch norm but for adabn."""
    made = digits.get_config(cell)
    made.task, made.steps, made.segment, made.batch, made.steps_per_execution = "R-S", 7, 4, 8, 1
    norm = not smooth or made.method == "adabn"
    made.network_options.update(widths=(4, 6, 8), convolutions=1, stride=1, norm=norm, smooth=smooth)
    made.network.synchronised = smooth and norm
    if made.method == "daaa":
        made.batch = 40
        made.pairs.update(steps=2, segment=2, batch=2, width=4, blocks=1)
    if "hidden" in made.options:
        made.options.hidden = 8
    if "region_hidden" in made.options:
        made.options.region_hidden = 8
    if "turns_of_backbone" in made.options:
        made.options.update(turns_of_backbone=1, depth=1)
    if made.combiner == "metaalign":
        made.combiner_options.rate = 2.0  # an inner rate of 0.1, as in the paper; 5 would magnify rounding
    for key, value in changes.items():
        made[key] = value
    return made


@contextlib.contextmanager
def eagerly():
    """Train without tracing, which takes as long as eight steps.

    Reading pictures is traced all the same, since tf.data is: its longest function once and not once a dataset.
    """
    other = image_headers.other
    image_headers.other = headers()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)
        image_headers.other = other


@functools.cache
def headers():
    return image_headers.other.get_concrete_function()


def prepared(made, task=None):
    """(task, method), with an untaught teacher and no translations where there have to be such."""
    task, teacher = prerequisites.untaught(made, task or build.task(made))
    return task, build.method(made, task, teacher)


def train(made, task=None, callbacks=(), checkpoint=None):
    """A method trained by `fit`, from the newest checkpoint of `checkpoint(method)` where that is given."""
    task, method = prepared(made, task)
    if checkpoint:
        restore(checkpoint(method))
    method.fit(build.streams(made, task), callbacks=callbacks, verbose=0)
    return method


def has_the_first_loss_of_a_straight_line(trained, made, task) -> None:
    """A method after one step: its cross-entropy by NumPy, and its loss as the weighted sum of its terms."""
    _, fresh = prepared(made, task)
    batch, outputs = fresh.forward(next(iter(build.streams(made, task).dataset(0, 1, {}))))
    named = [name for name in outputs if "label" in batch[name]]
    logits = np.concatenate([outputs[name].logits for name in named]).astype("f8")  # [B, K]
    labels = np.concatenate([batch[name]["label"] for name in named])  # [B]
    p = np.exp(logits - logits.max(1, keepdims=True))
    expected = -np.log(p[np.arange(len(labels)), labels] / p.sum(1)).mean()
    values = {name: float(meter.result()) for name, meter in trained.meters.items()}
    np.testing.assert_allclose(values["task"], expected, rtol=1e-4)
    start = {name: schedules.value(factor, 0.0) for name, factor in trained.trade_offs.items()}
    np.testing.assert_allclose(values["loss"], sum(start[name] * values[name] for name in start), rtol=1e-4)


def permuted(task):
    """The task with other labels of the target, as evaluation alone would see them."""

    assert task.tests["target"].labels is not None

    def strange(domains):
        if domains["target"].labels is None:
            return domains
        labels = np.random.default_rng(0).permutation(domains["target"].labels)
        return {**domains, "target": dataclasses.replace(domains["target"], labels=labels)}

    return task._replace(tests=strange(task.tests), trains=strange(task.trains))


def state(method) -> dict[str, np.ndarray]:
    """All that a checkpoint holds, by position and last name: Keras numbers the models of a process."""
    names = [variable.path.rpartition("/")[2] for variable in method.state()]
    return {f"{i} {name}": np.array(v) for i, (name, v) in enumerate(zip(names, method.state()))}


def differing(a: dict, b: dict) -> list[str]:
    """Names in two states that are not equal to the bit."""
    assert a.keys() == b.keys()
    return [name for name in a if not np.array_equal(a[name], b[name])]


def largest(a, b):
    """The largest difference between the states of two methods, but for seeds and meters' shares."""
    a, b = state(a), state(b)
    kept = [name for name in a if not name.endswith(("state", "total", "count"))]  # meters hold one share each
    return max(float(np.abs(a[name].astype("f8") - b[name]).max()) for name in kept)


class StopAt(keras.callbacks.Callback):
    """Ends `fit` after a step, as a kill would."""

    def __init__(self, step: int):
        super().__init__()
        self.at = step

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = int(self.model.step.numpy()) >= self.at


class SaveAt(keras.callbacks.Callback):
    """Saves after a step, as a run that is killed there would have, and lets training go on."""

    def __init__(self, step: int, checkpoints):
        super().__init__()
        self.at, self.checkpoints = step, checkpoints

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == self.at:
            self.checkpoints(self.model).save()
