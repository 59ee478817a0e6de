"""Time of a training step of each method, as a ratio to supervised training on the same number of images.

    python run/bench.py --config=configs/digits.py --methods=dann,dannp,dannp+toalign --rounds=15

All methods take turns within one process; the table gives the median and the quartiles over rounds.
"""

import json

from absl import flags

from tfuda import bench, devices, launch

CONFIG = launch.config_flag("configs/digits.py")
METHODS = flags.DEFINE_list(
    "methods", "dann,dann+toalign,dannp,dannp+toalign,cdan,cdane,cdane+toalign", "cells, separated by commas"
)
BATCH = flags.DEFINE_integer("batch", 32, "images of each stream")
ROUNDS = flags.DEFINE_integer("rounds", 15, "turns")
JSON = flags.DEFINE_bool("json", False, "print JSON instead of a table")
DEVICES = flags.DEFINE_string("devices", "", "one device; see run/train.py")


def main(words):
    if ROUNDS.value < 1:
        raise ValueError(f"--rounds={ROUNDS.value}: at least one round is needed")
    get_config, change = launch.config_file()["get_config"], launch.overrides()

    def configured(cell):
        config = get_config(cell)
        change(config)
        return config

    with devices.strategy(DEVICES.value):
        steps = {bench.SUPERVISED: bench.supervised(configured, BATCH.value)}
        steps |= {cell: bench.one_step(configured(cell), BATCH.value) for cell in METHODS.value}
        rows = bench.ratios(bench.measure(steps, ROUNDS.value))
    if JSON.value:
        print(json.dumps(rows))
        return
    print(f"{BATCH.value} + {BATCH.value} images, {ROUNDS.value} rounds\n")
    print("| method | ms per step | ratio (median) | quartiles |\n| --- | ---: | ---: | ---: |")
    for row in rows:
        spread = f"{row['low']:.2f} – {row['high']:.2f}"
        print(f"| {row['method']} | {row['milliseconds']:.1f} | {row['ratio']:.2f} | {spread} |")


if __name__ == "__main__":
    launch.launch(main)
