"""Time of a training step of each method, as a ratio to supervised training on the same number of images.

    python run/bench.py --config=configs/digits.py --methods=dann,dannp,dannp+toalign --rounds=15
    python run/bench.py --methods=hda,hda+toalign,gvb,gvb+metaalign --memory
    python run/bench.py --network=resnet50 --size=224 --batch=4 --methods=dannp,dannp+toalign
    python run/bench.py --batch=30 --methods=forward,daaa
    python run/bench.py --what=input
    python run/bench.py --what=bank --memory

All entries take turns in one process; medians and quartiles are over rounds. `forward` is one pass of a frozen
network over as many images, which DAAA's step makes beside what supervised training does. `input` measures the
pipeline from JPEG files to batches, beside a loader as PyTorch users write it; `bank` GSDA's and TADA's
discriminators, beside a loop.
"""

import json

from absl import flags

from tfuda import bench, bench_bank, bench_input, devices, launch

CONFIG = launch.config_flag("configs/digits.py")
CELLS = "dann,dann+toalign,dannp,dannp+toalign,cdan,cdane,cdane+toalign,hda,hda+toalign,gvb"
METHODS = flags.DEFINE_list("methods", CELLS, "cells")
WHAT = flags.DEFINE_enum("what", "step", ["step", "input", "bank"], "training steps, input pipeline, or bank")
NETWORK = flags.DEFINE_string("network", "", "another network than the config's, as resnet50")
SIZE = flags.DEFINE_integer("size", 0, "another image size than the config's, as 224")
BATCH = flags.DEFINE_integer("batch", 32, "images of each stream")
ROUNDS = flags.DEFINE_integer("rounds", 15, "turns")
MEMORY = flags.DEFINE_bool("memory", False, "peak memory too, each method in a process of its own")
JSON = flags.DEFINE_bool("json", False, "print JSON instead of a table")


def configured(cell):
    config = launch.config_file()["get_config"](cell)
    bench.on(config, NETWORK.value, SIZE.value)
    launch.overrides()(config)
    return config


def main(words):
    if ROUNDS.value < 1:
        raise ValueError(f"--rounds={ROUNDS.value}: at least one round is needed")
    if WHAT.value == "input":
        rows, what = bench_input.measure(ROUNDS.value), "JPEG files of 600 × 450"
    else:
        with devices.chosen():
            if WHAT.value == "step":
                rows = bench.steps(configured, METHODS.value, BATCH.value, ROUNDS.value, MEMORY.value)
            else:
                rows = bench_bank.measure(ROUNDS.value, MEMORY.value)
        what = f"{BATCH.value} + {BATCH.value} images" if WHAT.value == "step" else "72 samples"
    print(json.dumps(rows) if JSON.value else bench.table(rows, f"{what}, {ROUNDS.value} rounds"))


if __name__ == "__main__":
    launch.launch(main)
