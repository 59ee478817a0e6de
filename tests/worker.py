"""What a worker does in tests/distributed/test_multi_host.py: train cells, and write down what it then holds.

python tests/worker.py FOLDER CELL,CELL
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf
import tiny

from configs import digits
from tfuda.distributed import devices
from tfuda.experiment import training
from tfuda.experiment.workdir import Workdir

RUNS = {"short": (6, 2), "run": (60, 20)}  # steps and segment of a run as run/train.py makes it
WEIGHED = ("gsda", "mstn+biwaa", "mstn+biwaa+metaalign")  # by PADA, in cells that have no other weights of classes


def config(cell):
    """A small run with all the memories and tables that a cell can have."""
    plain = cell.removesuffix("/norm")  # which is with batch norm
    made = tiny.config(plain, smooth=plain == cell, steps=5, segment=3)
    if cell in WEIGHED:
        made.options.pada, made.samplers.target = True, "balanced"
    return made


def command(steps, segment):
    """The config of `commands.train_words` for a run of dann."""
    made = digits.get_config("dann")
    made.steps, made.segment, made.seed, made.batch, made.options.hidden = steps, segment, 1, 8, 8
    made.network_options.update(widths=(4, 6, 8), convolutions=1)
    return made


def double(name="float64"):
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)


if __name__ == "__main__":
    folder, cells = pathlib.Path(sys.argv[1]), sys.argv[2].split(",")
    tf.config.experimental.enable_op_determinism()
    with devices.strategy(hosts=True) as writes:
        name = "first" if writes else "second"
        result = {}
        for run in RUNS.keys() & cells:
            result = training.train_run(command(*RUNS[run]), Workdir(folder / run))
        double()
        for cell in (cell for cell in cells if cell not in RUNS):
            np.savez(folder / f"{cell.replace('/', '_')}.{name}.npz", **tiny.state(tiny.train(config(cell))))
    print(result)
