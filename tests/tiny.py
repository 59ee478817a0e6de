"""Runs of a few steps for tests, and the list of all methods: a new one is picked up by itself."""

import keras
import numpy as np
import pytest

from configs import digits
from tfuda import build, names, seams, stages
from tfuda.workdir import restore

CONTAINED = {"cdan", "dann", "dannp", "mstn"}  # in cdane, mstn+biwaa and dannp+toalign
COMBINED = ("dannp", "dannp+toalign", "gvb")  # all that aligns takes two steps in tests/combiners


def cells() -> list:
    """Every method of the library, every weigher on its own paper's, and one with every combiner.

    All other pairs of a method and a weigher that fits are marked slow, and so is a method that another contains.
    """
    known, weighers = names.modules("methods"), names.modules("weighers")
    pairs = [(method, weigher) for method in known for weigher in weighers if fits(method, weigher)]
    own = {(names.says(names.resolve(weigher, "weighers"), "STANDS_ON", ""), weigher) for weigher in weighers}
    combiners = names.modules("combiners")
    combined = [f"{cell}+{combiner}" for cell in COMBINED for combiner in combiners]
    quick = {f"{m}+{w}" for m, w in own} | {f"{COMBINED[0]}+{combiner}" for combiner in combiners}
    quick |= {*known} - CONTAINED
    every = [*known, *(f"{m}+{w}" for m, w in pairs), *combined]
    return [pytest.param(cell, marks=() if cell in quick else pytest.mark.slow) for cell in dict.fromkeys(every)]


def fits(method: str, weigher: str) -> bool:
    return seams.fits(names.resolve(method, "methods"), names.resolve(weigher, "weighers"))


def config(cell: str = "dannp+toalign", smooth: bool = False, **changes):
    """A small network on the digit domains; smooth: softplus, average pooling, no batch norm."""
    made = digits.get_config(cell)
    made.task, made.steps, made.segment, made.batch, made.steps_per_execution = "R-S", 7, 4, 8, 1
    made.network_options.update(widths=(4, 6, 8), convolutions=1, stride=1, norm=not smooth, smooth=smooth)
    if made.method == "daaa":
        made.batch = 40
        made.pairs.update(steps=2, segment=2, batch=2, width=4, blocks=1)
    if "hidden" in made.options:
        made.options.hidden = 8
    if "region_hidden" in made.options:
        made.options.region_hidden = 8
    if made.combiner == "metaalign":
        made.combiner_options.rate = 2.0  # an inner rate of 0.1, as in the paper; 5 would magnify rounding
    for key, value in changes.items():
        made[key] = value
    return made


def prepared(made, task=None):
    """(task, method), with an untaught teacher and no translations where there have to be such."""
    task, teacher = stages.untaught(made, task or build.task(made))
    return task, build.method(made, task, teacher)


def train(made, task=None, callbacks=(), checkpoint=None):
    """A method trained by `fit`, from a checkpoint manager's newest where one is given."""
    task, method = prepared(made, task)
    if checkpoint:
        restore(checkpoint(method))
    method.fit(build.streams(made, task), callbacks=callbacks, verbose=0)
    return method


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
