"""A run, or a folder of runs, as a page to read in a browser: one file that needs no other, and no network.

    python run/report.py --what=page runs/digits            writes runs/digits/report.html
    python run/report.py --what=index runs                  writes runs/index.html

page: the numbers of a run and what they mean, curves, confusions, t-SNE before and after, where the network looks,
    the surest mistakes, health, validators, and the config against its defaults
index: every run below a folder in a table to sort and filter, with their curves in one picture
"""

from absl import flags

from tfuda import launch
from tfuda.report import index, page

KINDS = {"page": page.page, "index": index.index}  # name: function(folders, out, say) -> the file
WHAT = flags.DEFINE_enum("what", None, [*KINDS], "what to write")
OUT = flags.DEFINE_string("out", "", "the file; in the folder, with the name above, when empty")
BEFORE = flags.DEFINE_string("before", "", "for page: folder of a source_only run of the same task, for t-SNE")


def main(words):
    if not words:
        raise ValueError(f"name a folder: run/report.py --what={WHAT.value} FOLDER")
    if BEFORE.value and WHAT.value != "page":
        raise ValueError(f"--before={BEFORE.value} is for --what=page, not {WHAT.value}")
    more = [BEFORE.value] if BEFORE.value else []
    print(KINDS[WHAT.value](words, OUT.value, print, *more))


if __name__ == "__main__":
    launch.launch(main, needs=["what"])
