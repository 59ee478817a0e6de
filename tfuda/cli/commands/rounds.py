"""Train in rounds, each from scratch with the predictions of earlier rounds (BIWAA-I); the same command resumes.

    python run/rounds.py --config=configs/office_home.py:biwaa --rounds=10 --workdir=runs/rounds
    python run/rounds.py --config=configs/digits.py:biwaa --rounds=5 --loaders=predicted,random,oracle \\
        --config.imbalance=target --workdir=/tmp/rounds

Each round has its own folder in the workdir: round0, round1, ... After every round the tables rounds.csv and
rounds.md are written, and where the target has test labels the picture rounds.png. The loader "oracle" balances
batches by the target's true labels; its accuracy is an upper bound, not a result.
"""

import pathlib

from absl import flags

from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.experiment import delivery
from tfuda.reports import plots
from tfuda.studies import rounds

CONFIG = launch.config_flag()
WORKDIR = flags.DEFINE_string("workdir", None, "folder of all rounds")
ROUNDS = flags.DEFINE_integer("rounds", 10, "how many rounds; a larger number later resumes", lower_bound=1)
LOADERS = flags.DEFINE_list("loaders", ["predicted"], "what balances the target's batches: predicted, random, oracle")
SEED = flags.DEFINE_integer("seed", None, "short for --config.seed")


def main(words):
    config, folder, bad = CONFIG.value, pathlib.Path(WORKDIR.value), 0
    rows: list[dict] = []
    if SEED.value is not None:
        config.seed = SEED.value
    rounds.check_rounds(config, folder, LOADERS.value)
    with devices.chosen():
        for loader in LOADERS.value:
            for row in rounds.series(config, folder, loader, ROUNDS.value, "auto", print):
                rows = rounds.write_report([*rows, row], folder)
                if row["last"] != "":
                    plots.rounds([str(folder)], folder / "rounds.png")
            if config.deliver and loader == "predicted":
                last = rounds.round_folder(folder, loader, ROUNDS.value - 1)
                bad = delivery.deliver_run(config, last, print)
    print(f"\n{rounds.markdown(rows)}\n{folder / 'rounds.csv'}")
    return 1 if bad else 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["config", "workdir"])
