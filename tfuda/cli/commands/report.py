"""Report what runs have shown: pages for a browser, tables, and a comparison of validators.

    python run/report.py --what=page runs/digits            writes runs/digits/report.html
    python run/report.py --what=index runs                  writes runs/index.html
    python run/report.py --what=table runs/table            writes runs/table/results.md, .csv and .tex
    python run/report.py --what=validators runs             writes runs/validators.md and .png
    python run/report.py --what=estimates --out=FOLDER runs writes tables of estimated and true accuracy

page: one file about a run, readable offline: results and their meaning, curves, confusion matrix, t-SNE before and
    after training, class activation maps, surest mistakes, diagnostics, validators, and changes to the defaults
index: a table of every run below a folder, to sort and filter, and one picture with the curves of all
table: the tables of run/benchmark.py, from the runs that have ended
validators: for runs with labelled targets, each validator's choice beside the best checkpoint by target labels
estimates: for the same, what run/adapt.py would choose and estimate, beside the truth
"""

from absl import flags

from tfuda.cli import launch
from tfuda.reports.pages import index, page
from tfuda.studies import estimates_study, tables, validators_study

# name: function(folders, out, say) -> path of the written file
KINDS = {
    "page": page.page,
    "index": index.index,
    "table": tables.of_folder,
    "validators": validators_study.write_report,
    "estimates": estimates_study.write_report,
}
WHAT = flags.DEFINE_enum("what", None, [*KINDS], "what to write")
OUT = flags.DEFINE_string("out", "", "file to write, for table a folder; empty for the name above in FOLDER")
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
    launch.launch(main, needs=["what"], takes_words=True)
