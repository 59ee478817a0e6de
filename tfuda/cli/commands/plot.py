"""Draw a picture of a run, or of several.

    python run/plot.py --workdir=/tmp/digits1,/tmp/digits2 --what=curves --out=both.png
    python run/plot.py --config=configs/digits.py --what=domains --out=domains.png

curves: accuracy and loss terms over training; runs that differ only in the seed become one line with a band
rounds: accuracy by round, from folders of run/rounds.py that differ only in the seed
sync: GSDA's gradient norms by level over training, or DAAA's L_AT and target accuracy; several runs as in curves
tsne: source and target features before and after training, or of several runs of one task side by side
cam: class activation maps, where a network looks; several runs of one task beside each other, on the same pictures
changed: target pictures that the second of two runs classifies rightly and the first wrongly, and the other way
attention: what ToAlign or BIWAA aligns, TADA's regions, or the maps of all networks of DAAA
pairs: pictures and translations (run/pair.py, or a run of DAAA), and how many of them --oracle classifies right
confusion: the confusion matrix on the target
sweep, bars: accuracy over the values of one option, or by task with deviations, from a folder of run/benchmark.py
labels, domains: how often each class occurs, and example images of each domain; both work without a run
"""

import functools
import pathlib

from absl import flags

from tfuda.cli import launch
from tfuda.experiment import workdir
from tfuda.reports import plots

CONFIG = launch.config_flag()
BEFORE = flags.DEFINE_string("before", "", "for tsne: folder of a source_only run of the same task")
ORACLE = flags.DEFINE_string("oracle", "", "for pairs, and attention of DAAA: a source_only run on TARGET-TARGET")
SEVERAL = {"curves": plots.curves, "rounds": plots.rounds, "sync": plots.sync, "tsne": plots.tsne, "cam": plots.cam}
SEVERAL["changed"] = plots.changed
JUDGED = {"attention": plots.attention_of_run, "pairs": functools.partial(plots.pairs, say=print)}
SINGLE = {**JUDGED, "confusion": plots.confusion_of_run, "sweep": plots.sweep, "bars": plots.bars}
CONFIGS = {"labels": plots.labels, "domains": plots.domains}
WORKDIR = flags.DEFINE_multi_string("workdir", None, f"folder of a run; {', '.join(SEVERAL)} take several, by commas")
WHAT = flags.DEFINE_enum("what", None, [*SEVERAL, *SINGLE, *CONFIGS], "which picture to draw")
OUT = flags.DEFINE_string("out", "", "PNG file to write; empty for WORKDIR/plots/WHAT.png in the first WORKDIR")


def main(words):
    what, folders = WHAT.value, [name for text in WORKDIR.value or [] for name in text.split(",") if name]
    if CONFIG.value is not None and (what not in CONFIGS or folders):
        raise ValueError(f"--config is for --what={' and '.join(CONFIGS)} without a --workdir")
    if not folders and (CONFIG.value is None or not OUT.value):
        raise ValueError(f"--workdir is missing: {' and '.join(CONFIGS)} take --config and --out in its place")
    if len(folders) > 1 and what not in SEVERAL:
        raise ValueError(f"--what={what} draws one folder, not {len(folders)}: {' and '.join(SEVERAL)} take several")
    for flag, kinds in ((BEFORE, ["tsne"]), (ORACLE, JUDGED)):
        if flag.value and what not in kinds:
            raise ValueError(f"--{flag.name}={flag.value} is for --what={' and '.join(kinds)}, not {what}")
    out = pathlib.Path(OUT.value or pathlib.Path(folders[0], "plots", f"{what}.png"))
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out={out}: pictures are PNG files, so the name has to end in .png")
    if what in CONFIGS:
        CONFIGS[what](workdir.Workdir(folders[0]).config() if folders else CONFIG.value, out)
    else:
        of = folders if what in SEVERAL else folders[0]
        {**SEVERAL, **SINGLE}[what](of, out, *filter(None, [BEFORE.value or ORACLE.value]))
    print(out)


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["what"])
