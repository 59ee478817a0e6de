"""Search hyper-parameters with keras-tuner, by a validator that reads no target label; the same command resumes.

    python run/tune.py --config=configs/digits.py:toalign --trials=6 --workdir=runs/tune
    python run/tune.py --config=configs/digits.py:mcd --tuner=hyperband --objective=bnm --trials=8 --workdir=runs/mcd

The config's file defines the search space as sweep(hp, config). Each trial is a run in WORKDIR/trialNN; trials.csv
lists all trials, and best.py is the config of the best. --tuner=hyperband stops worse trials early
(tfuda/studies/tuner_oracles.py). Several processes search together where KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP
and KERASTUNER_ORACLE_PORT are set (tfuda/studies/tune.py).
"""

import pathlib

from absl import flags

from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.evaluation import validators
from tfuda.studies import tune, tuner_oracles

CONFIG = launch.config_flag()
TRIALS = flags.DEFINE_integer("trials", 10, "how many settings to try; the first is the config's own")
WORKDIR = flags.DEFINE_string("workdir", "runs/tune", "folder of the search")
SEED = flags.DEFINE_integer("search_seed", 0, "seed of the drawn settings")
TUNER = flags.DEFINE_enum("tuner", "random", tuner_oracles.KINDS, "how settings are drawn")
OBJECTIVE = flags.DEFINE_string(
    "objective", "", f"one of {', '.join(validators.ALL)}, or your own; empty for config.select"
)


def main(words):
    sweep = launch.config_file().get("sweep")
    if sweep is None:
        raise ValueError(f"the file of --config={launch.words_of_config()[0]} defines no sweep(hp, config)")
    if TRIALS.value < 1:
        raise ValueError(f"--trials={TRIALS.value}: a search needs at least one trial")
    folder, get_config = pathlib.Path(WORKDIR.value), CONFIG.value.copy_and_resolve_references
    with devices.chosen():
        tuner = tune.Search(get_config, sweep, folder, TRIALS.value, SEED.value, print, TUNER.value, OBJECTIVE.value)
        rows = tune.search(tuner)
    if rows is None:
        return
    print(f"\n{tune.text(rows)}\n\n{folder / 'trials.csv'}")
    best = rows[0]["trial"]
    print(f"best: trial {best}, {tuner.objective} {rows[0][tuner.objective]:.4f}, run in {folder / f'trial{best}'}")
    print(f"python run/train.py --config={folder / 'best.py'} --workdir=DIR")


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["config"])
