"""Draw a picture of a run, or of several.

    python run/plot.py --workdir=/tmp/digits --what=curves
    python run/plot.py --workdir=/tmp/digits1,/tmp/digits2 --what=curves --out=both.png
    python run/plot.py --workdir=/tmp/digits --what=tsne --before=/tmp/source_only
    python run/plot.py --config=configs/digits.py --what=domains --out=domains.png

curves: accuracy and loss terms over training; runs that differ only in the seed become one line with a band
tsne: source and target features, before and after
cam: where the network looks, and what ToAlign aligns
confusion: which class of the target is taken for which
domains: images of every domain; needs no run
"""

import pathlib

from absl import flags

from tfuda import launch, plots, workdir

CONFIG = launch.config_flag()
BEFORE = flags.DEFINE_string("before", "", "for tsne: folder of a source_only run of the same task")
WHATS = {
    "curves": lambda folders, out: plots.curves(folders, out),
    "tsne": lambda folders, out: plots.tsne(folders[0], out, BEFORE.value),
    "cam": lambda folders, out: plots.cam(folders[0], out),
    "confusion": lambda folders, out: plots.confusion_of_run(folders[0], out),
    "domains": lambda folders, out: plots.domains(
        workdir.Workdir(folders[0]).config() if folders else CONFIG.value, out
    ),
}
WORKDIR = flags.DEFINE_multi_string("workdir", None, "folder of a run; for curves several, with commas or repeated")
WHAT = flags.DEFINE_enum("what", None, list(WHATS), "the picture")
OUT = flags.DEFINE_string("out", "", "the PNG file; WORKDIR/plots/WHAT.png when empty (the first WORKDIR of several)")


def main(words):
    if words:
        raise ValueError(f"unexpected word {words[0]!r}: every setting is a --flag")
    what, folders = WHAT.value, [name for text in WORKDIR.value or [] for name in text.split(",") if name]
    if CONFIG.value is not None and (what != "domains" or folders):
        raise ValueError("--config is for --what=domains without a --workdir")
    if not folders and CONFIG.value is None:
        raise ValueError("--workdir is missing; --help shows an example")
    if not folders and not OUT.value:
        raise ValueError("--out is missing: without a --workdir the picture needs a file")
    if len(folders) > 1 and what != "curves":
        raise ValueError(f"--what={what} draws one run, not {len(folders)}: only curves compares")
    if BEFORE.value and what != "tsne":
        raise ValueError(f"--before is for --what=tsne, not {what}")
    out = pathlib.Path(OUT.value or pathlib.Path(folders[0], "plots", f"{what}.png"))
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out={out}: pictures are PNG files, so the name has to end in .png")
    WHATS[what](folders, out)
    print(out)


if __name__ == "__main__":
    launch.launch(main, needs=["what"])
