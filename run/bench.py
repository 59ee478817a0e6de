"""Time of a training step of each method, as a ratio to supervised training on the same number of images.

    python run/bench.py --config=configs/digits.py --methods=dann,dannp,dannp+toalign --rounds=15
    python run/bench.py --network=resnet50 --size=224 --batch=4 --methods=dannp,dannp+toalign
    python run/bench.py --what=input

All entries take turns within one process; the table gives the median and the quartiles over rounds. `input` measures
the pipeline from JPEG files to batches, beside a loader as PyTorch users write it, with as many processes as cores.
"""

import json

from absl import flags

from tfuda import bench, bench_input, devices, launch

CONFIG = launch.config_flag("configs/digits.py")
METHODS = flags.DEFINE_list(
    "methods", "dann,dann+toalign,dannp,dannp+toalign,cdan,cdane,cdane+toalign", "cells, separated by commas"
)
WHAT = flags.DEFINE_enum("what", "step", ["step", "input"], "training steps, or the input pipeline")
NETWORK = flags.DEFINE_string("network", "", "another network than the config's, as resnet50")
SIZE = flags.DEFINE_integer("size", 0, "another image size than the config's, as 224")
BATCH = flags.DEFINE_integer("batch", 32, "images of each stream")
ROUNDS = flags.DEFINE_integer("rounds", 15, "turns")
JSON = flags.DEFINE_bool("json", False, "print JSON instead of a table")
DEVICES = flags.DEFINE_string("devices", "", "one device; see run/train.py")


def steps():
    get_config, change = launch.config_file()["get_config"], launch.overrides()

    def configured(cell):
        config = get_config(cell)
        bench.on(config, NETWORK.value, SIZE.value)
        change(config)
        return config

    with devices.strategy(DEVICES.value):
        entries = {bench.SUPERVISED: bench.supervised(configured, BATCH.value)}
        entries |= {cell: bench.one_step(configured(cell), BATCH.value) for cell in METHODS.value}
        return bench.ratios(bench.measure(entries, ROUNDS.value))


def main(words):
    if ROUNDS.value < 1:
        raise ValueError(f"--rounds={ROUNDS.value}: at least one round is needed")
    rows = steps() if WHAT.value == "step" else bench_input.measure(ROUNDS.value)
    if JSON.value:
        print(json.dumps(rows))
        return
    print(
        bench.table(rows, f"{BATCH.value} + {BATCH.value} images" if WHAT.value == "step" else "600 × 450 JPEG files")
    )


if __name__ == "__main__":
    launch.launch(main)
