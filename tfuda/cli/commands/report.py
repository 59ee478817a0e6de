"""What runs have shown: pages to read in a browser, tables, and which validator to believe.

    python run/report.py --what=page runs/digits            writes runs/digits/report.html
    python run/report.py --what=index runs                  writes runs/index.html
    python run/report.py --what=table runs/table            writes runs/table/results.md, .csv and .tex
    python run/report.py --what=validators runs             writes runs/validators.md and .png

page: the numbers of a run and what they mean, curves, confusions, t-SNE before and after, where the network looks,
    the surest mistakes, health, validators, and the config against its defaults; one file, and no network
index: every run below a folder in a table to sort and filter, with their curves in one picture
table: the tables of run/benchmark.py, of what has ended so far
validators: of runs with labelled targets, how each validator's choice compares with the best (on target labels)
"""

from absl import flags

from tfuda.cli import launch
from tfuda.reports.pages import index, page
from tfuda.studies import tables, validators_study

# name: function(folders, out, say) -> the file
KINDS = {
    "page": page.page,
    "index": index.index,
    "table": tables.of_folder,
    "validators": validators_study.write_report,
}
WHAT = flags.DEFINE_enum("what", None, [*KINDS], "what to write")
OUT = flags.DEFINE_string("out", "", "the file (for table a folder); in the folder, with the name above, when empty")
BEFORE = flags.DEFINE_string("before", "", "for page: folder of a source_only run of the same task, for t-SNE")
BASELINE = flags.DEFINE_string("baseline", "", "for table: cell that the others are tested against")


def main(words):
    if not words:
        raise ValueError(f"name a folder: run/report.py --what={WHAT.value} FOLDER")
    for flag, kind in ((BEFORE, "page"), (BASELINE, "table")):
        if flag.value and WHAT.value != kind:
            raise ValueError(f"--{flag.name}={flag.value} is for --what={kind}, not {WHAT.value}")
    print(KINDS[WHAT.value](words, OUT.value, print, *filter(None, [BEFORE.value or BASELINE.value])))


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["what"])
