"""Search a config's `sweep` with keras-tuner, on a validator that reads no target label; again to resume.

    python run/tune.py --config=configs/digits.py:toalign --trials=6 --workdir=runs/tune

Each trial is a run in WORKDIR/trialNN. The last line is the run/train.py command of the best one. Several processes
search together where KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT are set: see tfuda/tune.py.
"""

import pathlib
import shlex
import sys

from absl import flags

from tfuda import devices, launch, stages, tune

CONFIG = launch.config_flag()
TRIALS = flags.DEFINE_integer("trials", 10, "how many settings to try, the config's own first")
WORKDIR = flags.DEFINE_string("workdir", "runs/tune", "folder of the search")
SEED = flags.DEFINE_integer("search_seed", 0, "seed of the draws of settings")


def main(words):
    sweep = launch.config_file().get("sweep")
    if sweep is None:
        raise ValueError(f"the file of --config={launch.words_of_config()[0]} defines no sweep(hp, config)")
    if TRIALS.value < 1:
        raise ValueError(f"--trials={TRIALS.value}: a search needs at least one trial")
    folder = pathlib.Path(WORKDIR.value)
    with devices.chosen():
        tuner = tune.Search(CONFIG.value.copy_and_resolve_references, sweep, folder, TRIALS.value, SEED.value, print)
        found = tune.search(tuner)
    if found is None:
        return
    best, value, values = found
    print(f"\nbest: trial {best}, {tune.VALIDATOR} {value:.4f}, run in {folder / f'trial{best}'}")
    said = [word for word in sys.argv[1:] if word.lstrip("-").startswith("config")]
    chosen = [f"--config.{key}={setting}" for key, setting in values.items()]
    config = CONFIG.value.copy_and_resolve_references()
    if stages.needed(config):
        stages.share(config, folder)
        made = {"pairs.folder": config.pairs.folder, "teacher": config.teacher}
        chosen += [f"--config.{key}={place}" for key, place in made.items() if place]
    print(" ".join(["python run/train.py", *map(shlex.quote, [*said, *chosen]), "--workdir=DIR"]))


if __name__ == "__main__":
    launch.launch(main, needs=["config"])
