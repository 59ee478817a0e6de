"""Adapt to a folder of pictures by the method that suits it, chosen without labels; the same command resumes.

    python run/adapt.py --source=photos/ --target=scans/ --workdir=w

--source has a folder for each class, --target pictures without labels. source_only and a portfolio of methods are
trained on features of a pretrained network. A criterion without target labels chooses among them, and source_only
stays unless another is clearly better. The workdir gets export/ (the model, with a card), predictions.csv,
label_these.csv (pictures whose labels would help most), result.json (the chosen method, and how accurate it
probably is) and report.html, a page about all of it. With time left of --budget=MINUTES the chosen network is
fine-tuned. Labelled target pictures are taken by --labelled, to train on, and by --labels, to measure. Any
--config.KEY=VALUE holds for every method.
"""

import pathlib

from absl import flags

from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.reports.pages import adaptation, page
from tfuda.studies.adaptation import adapt, request

CONFIG = launch.config_flag("folders:dann")
SOURCE = flags.DEFINE_string("source", None, "folder with a folder of pictures for each class")
TARGET = flags.DEFINE_string("target", None, "folder of pictures without labels")
WORKDIR = flags.DEFINE_string("workdir", None, "folder of everything that is made")
LABELS = flags.DEFINE_string("labels", "", "class folders of target pictures, to measure the result at the end")
LABELLED = flags.DEFINE_string("labelled", "", "class folders of target pictures that train too, as shots")
BUDGET = flags.DEFINE_float("budget", 0.0, "minutes after which no further method is begun; 0 for no limit", 0.0)
FINETUNE = flags.DEFINE_bool(
    "finetune", None, "fine-tune the chosen network; by default, if --budget is given and leaves time"
)
METHODS = flags.DEFINE_list("methods", list(request.PORTFOLIO), "the portfolio: cells to compare with source_only")
SEED = flags.DEFINE_integer("seed", 0, "seed of weights and batches")
OWN = ("source", "target", "labels", "labelled", "seed")  # keys of a config that flags of this command set


def percent(found: dict) -> str:
    """Return an estimate for a reader."""
    return f"{100 * found['value']:.0f} % (from {100 * found['low']:.0f} to {100 * found['high']:.0f} %)"


def write_page(folder: pathlib.Path, result: dict) -> pathlib.Path:
    """Write report.html about the chosen run, with the choice at its top; return its path."""
    runs = folder / "candidates"
    before = "" if result["chosen"] == adapt.PLAIN else str(runs / adapt.PLAIN)
    print("writing report.html", flush=True)
    first = [adaptation.part(result)]
    return page.page([str(runs / result["chosen"])], str(folder / "report.html"), lambda line: None, before, first)


def main(words):
    if (named := launch.words_of_config()[0]) not in launch.DEFAULT:
        raise ValueError(f"--config={named}: give cells of folders by --methods, and settings by --config.KEY=VALUE")
    if own := [key for key in launch.words_of_config()[1] if key in OWN]:
        raise ValueError(f"--config.{own[0]}: give it as --{own[0]}, which holds for the folder as well")
    asked = request.Request(
        SOURCE.value,
        TARGET.value,
        WORKDIR.value,
        LABELS.value,
        LABELLED.value,
        METHODS.value,
        BUDGET.value,
        SEED.value,
        FINETUNE.value,
        launch.overrides(),
    )
    folder = pathlib.Path(WORKDIR.value)
    with devices.chosen():
        result = adapt.adapt(asked, lambda line: print(line, flush=True))
        made = [folder / name for name in ("export", "predictions.csv", "label_these.csv", "result.json")]
        if not result["interrupted"] and result["pictures"] <= request.MANY:
            made.append(write_page(folder, result))
    print(f"\nchosen: {result['chosen']}, without target labels")
    print(f"  estimated target accuracy  {percent(result['estimate'])}")
    if result["chosen"] != adapt.PLAIN:
        print(f"  source_only                {percent(result['source_only'])}")
    if "measured" in result:
        print(f"  measured on --labels       {100 * result['measured']:.1f} %")
    for line in result["warnings"]:
        print(f"  note: {line}")
    print(*made, sep="\n")
    return 1 if result["unreadable"] else 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["source", "target", "workdir"])
