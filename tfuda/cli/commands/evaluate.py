"""Evaluate a run on the target's test images: accuracy, accuracy by class, confusion matrix.

    python run/evaluate.py --workdir=/tmp/digits --split=test

--domain and --split choose other images. The confusion matrix is also drawn, in WORKDIR/plots/.
"""

import pathlib

from absl import flags

from tfuda.cli import launch
from tfuda.evaluation import evaluate
from tfuda.experiment import training
from tfuda.reports import plots

WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run")
SPLIT = flags.DEFINE_enum("split", "test", ["train", "test"], "which images of the domain")
LAST = flags.DEFINE_bool("last", False, "take the last checkpoint, not the one that config.select chose")
DOMAIN = flags.DEFINE_enum("domain", "target", ["source", "target"], "which side of the task")
LABELS = flags.DEFINE_string("labels", "", "class folders of target pictures to measure a run of two folders on")


def main(words):
    config, task, method = training.load_run(WORKDIR.value, LAST.value, LABELS.value)
    domain = (task.tests if SPLIT.value == "test" else task.trains)[DOMAIN.value]
    if domain.labels is None:
        raise ValueError(
            f"the {DOMAIN.value} pictures of --split={SPLIT.value} have no labels to measure on: for a run of two "
            "folders --labels=FOLDER names class folders of target pictures, which --split=test takes"
        )
    score = evaluate.evaluate_domain(method.network, domain)
    print(f"{DOMAIN.value} {domain.name}, {SPLIT.value}: {len(domain)} images, step {int(method.step.numpy())}")
    print(evaluate.table(score, task.classes))
    path = pathlib.Path(WORKDIR.value) / "plots" / f"confusion_{DOMAIN.value}_{SPLIT.value}.png"
    plots.confusion(score, task.classes, f"{config.cell} on {config.task}", path)
    print(path)


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["workdir"])
