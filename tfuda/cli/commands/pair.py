"""Pair each training picture of two domains with a translation to the other domain; the same command resumes.

    python run/pair.py --config=configs/digits.py --config.task=H-M --workdir=runs/pairs
    python run/pair.py --config=configs/digits.py --config.task=H-M --workdir=runs/brought \\
        --source_as_target=made/H2M --target_as_source=made/M2H

The first command trains a CycleGAN (config.pairs) and translates with that CycleGAN. The workdir gets config.json,
metrics.csv, checkpoints/, samples/ (a picture after each segment), the translated pictures of both domains, and
index.json. The second command takes two folders of pictures that another tool translated; each file has the name of
its original.
"""

from absl import flags

from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.experiment import translated_pairs, workdir

CONFIG = launch.config_flag()
WORKDIR = flags.DEFINE_string("workdir", None, "folder of the pairs")
SEED = flags.DEFINE_integer("seed", None, "short for --config.seed")
THERE = flags.DEFINE_string("source_as_target", "", "folder with pictures of the source that another tool translated")
BACK = flags.DEFINE_string("target_as_source", "", "folder with pictures of the target that another tool translated")


def main(words):
    config, folder = CONFIG.value, workdir.Workdir(WORKDIR.value)
    if SEED.value is not None:
        config.seed = SEED.value
    for flag in (THERE, BACK):
        if flag.value:
            config.pairs[flag.name] = flag.value
    with devices.chosen():
        index = translated_pairs.make_pairs(config, folder, "auto", say=print)
    for direction in translated_pairs.DIRECTIONS:
        about = index[direction]
        print(f"{folder.path / about['translated']}: {about['count']} pictures of {about['domain']}")
    return 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["config", "workdir"])
