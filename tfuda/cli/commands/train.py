"""Train a method on a task; the same command resumes.

    python run/train.py --config=configs/digits.py:dannp+toalign --config.task=R-M --config.steps=800 \\
        --workdir=/tmp/digits --seed=1

A cell names a METHOD and, each after a +, any of a WEIGHER, a COMBINER and a REGULARISER: hda+toalign+mcc. `toalign`
alone means dannp+toalign, and `mcc` means source_only+mcc. The workdir gets config.json, metrics.csv, checkpoints/,
selected/ (the checkpoint that --config.select chose without target labels), events/ (TensorBoard) and result.json.
"""

from absl import flags

from tfuda.cli import launch
from tfuda.core import nonfinite, precision
from tfuda.distributed import devices
from tfuda.experiment import delivery, training, workdir

CONFIG = launch.config_flag()
WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run")
SEED = flags.DEFINE_integer("seed", None, "short for --config.seed")
BAD = flags.DEFINE_enum("on_bad_image", None, ["error", "skip"], "short for --config.on_bad_image")
PRECISION = flags.DEFINE_enum("precision", None, list(precision.POLICIES), "short for --config.precision")
ON_NAN = flags.DEFINE_enum("on_nan", None, nonfinite.ON_NAN, "short for --config.on_nan")


def main(words):
    config = CONFIG.value
    if SEED.value is not None:
        config.seed = SEED.value
    for flag in (BAD, PRECISION, ON_NAN):
        if flag.value is not None:
            config[flag.name] = flag.value
    folder = workdir.Workdir(WORKDIR.value)
    training.check_labels(config, folder)
    with devices.chosen(hosts=True) as writes:
        result = training.train_run(config, folder, verbose="auto", say=print)
    print(training.summary_table(result))
    return 1 if config.deliver and writes and delivery.deliver_run(config, folder, print) else 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["config", "workdir"])
