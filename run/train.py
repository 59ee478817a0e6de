"""Train a method on a task; the same command again resumes it.

    python run/train.py --config=configs/digits.py:dannp+toalign --config.task=R-M --config.steps=800 \\
        --workdir=/tmp/digits --seed=1

A cell of the grid is METHOD, METHOD+WEIGHER or METHOD+WEIGHER+COMBINER; `toalign` alone is dannp+toalign. The
workdir gets config.json, metrics.csv, checkpoints/, events/ (TensorBoard) and result.json.
"""

from absl import flags

from tfuda import devices, experiment, launch, workdir

CONFIG = launch.config_flag()
WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run")
SEED = flags.DEFINE_integer("seed", None, "short for --config.seed")
DEVICES = flags.DEFINE_string("devices", "", "gpu:0,gpu:1 for several; every GPU, else the CPU, when empty")


def main(words):
    if words:
        raise ValueError(f"unexpected word {words[0]!r}: every setting is a --flag")
    config = CONFIG.value
    if SEED.value is not None:
        config.seed = SEED.value
    with devices.strategy(DEVICES.value):
        result = experiment.train(config, workdir.Workdir(WORKDIR.value), verbose="auto", say=print)
    print(experiment.table(result))


if __name__ == "__main__":
    launch.launch(main, needs=["config", "workdir"])
