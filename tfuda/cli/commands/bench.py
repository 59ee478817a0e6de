"""Measure the time of a training step of each method, as a ratio to supervised training on as many images.

    python run/bench.py --config=configs/digits.py --methods=dann,dannp,dannp+toalign --rounds=15
    python run/bench.py --network=resnet50 --size=224 --batch=4 --methods=dannp,dannp+toalign --memory
    python run/bench.py --what=input
    python run/bench.py --what=bank --memory
    python run/bench.py --what=frozen --config=configs/emoji.py --methods=dann
    python run/bench.py --what=serving --workdir=runs/one
    python run/bench.py --what=beside --beside='.venv-torch/bin/python tests/pytorch/step.py'

All entries take turns in one process, once in every round. Values of --what:

step: a training step; the row `forward` is one pass of a frozen network over as many images
frozen: a step on what frozen stages made of pictures (config.views), beside one through the whole network, at 192
input: the time from JPEG files to batches, beside a loader as PyTorch users write it
bank: the discriminators of GSDA and TADA, computed together and in a loop
serving: a SavedModel (--model, or exported from --workdir) under load; every answer is checked
gpu: a step of the first of --methods on a GPU, with and without XLA, mixed precision and the fused batch norm
beside: a step of the first of --methods beside that of --beside, a program in another framework: `make bench-torch`
"""

import json

import tensorflow as tf
from absl import flags

from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.profiling import banks, beside, frozen, input_speed, serving_load, step_time

CONFIG = launch.config_flag("digits")
CELLS = "dann,dann+toalign,dannp,dannp+toalign,cdan,cdane,cdane+toalign,hda,hda+toalign,gvb"
METHODS = flags.DEFINE_list("methods", CELLS, "cells, also with a changed setting: dann~jit, dann~bfloat16, ...")
WHAT = flags.DEFINE_enum(
    "what", "step", ["step", "frozen", "input", "bank", "serving", "gpu", "beside"], "what to measure"
)
NETWORK = flags.DEFINE_string("network", "", "network in place of the config's, as resnet50")
SIZE = flags.DEFINE_integer("size", 0, "image size in place of the config's, as 224")
BATCH = flags.DEFINE_integer("batch", 32, "images of each stream")
ROUNDS = flags.DEFINE_integer("rounds", 15, "how many turns each entry takes")
MEMORY = flags.DEFINE_bool("memory", False, "also measure peak memory, each method in its own process")
JSON = flags.DEFINE_bool("json", False, "print JSON instead of a table")
WORKDIR = flags.DEFINE_string("workdir", "", "with --what=serving, folder of a run, whose Keras model is right")
MODEL = flags.DEFINE_string("model", "", "with --what=serving, a SavedModel of run/export.py")
BESIDE = flags.DEFINE_string("beside", "", "with --what=beside, the other program: tests/pytorch/step.py")


def configured(cell, network="", size=0):
    config = launch.config_file()["get_config"](cell)
    step_time.on(config, network or NETWORK.value, size or SIZE.value)
    launch.overrides()(config)
    return config


def main(words):
    if ROUNDS.value < 1:
        raise ValueError(f"--rounds={ROUNDS.value}: at least one round is needed")
    if WHAT.value == "input":
        rows, what = input_speed.measure(ROUNDS.value), f"JPEG files of 600 × 450, {ROUNDS.value} rounds"
    elif WHAT.value == "serving":
        rows, what = serving_load.measure(MODEL.value, WORKDIR.value, ROUNDS.value)
    else:
        with devices.chosen():
            if WHAT.value == "gpu":
                if not tf.config.list_physical_devices("GPU"):
                    raise ValueError("--what=gpu needs a GPU, and TensorFlow sees none on this machine")
                rows = step_time.versions(configured, METHODS.value[0], BATCH.value, ROUNDS.value)
                what = f"{BATCH.value} + {BATCH.value} images on a GPU, {ROUNDS.value} rounds"
            elif WHAT.value == "step":
                rows = step_time.steps(configured, METHODS.value, BATCH.value, ROUNDS.value, MEMORY.value)
                what = f"{BATCH.value} + {BATCH.value} images, {ROUNDS.value} rounds"
            elif WHAT.value == "frozen":
                rows = [r for c in METHODS.value for r in frozen.measure(configured, c, BATCH.value, ROUNDS.value)]
                what = f"{BATCH.value} + {BATCH.value} images of {frozen.SIZE} x {frozen.SIZE}, {ROUNDS.value} rounds"
            elif WHAT.value == "beside":
                cases = [(NETWORK.value, SIZE.value, BATCH.value)] if NETWORK.value else beside.CASES
                rows = beside.measure(configured, METHODS.value[0], BESIDE.value, cases, ROUNDS.value)
                what = f"our step's time to the other program's, {ROUNDS.value} rounds"
            else:
                rows, what = banks.measure(ROUNDS.value, MEMORY.value), f"72 samples, {ROUNDS.value} rounds"
    print(json.dumps(rows) if JSON.value else step_time.table(rows, what))


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main)
