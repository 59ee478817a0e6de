"""Draw a picture of a run, or of several.

    python run/plot.py --workdir=/tmp/digits1,/tmp/digits2 --what=curves --out=both.png
    python run/plot.py --workdir=/tmp/digits --what=tsne --before=/tmp/source_only
    python run/plot.py --workdir=/tmp/pairs --what=pairs --oracle=/tmp/M-M
    python run/plot.py --config=configs/digits.py --what=domains --out=domains.png

curves: accuracy and loss terms over training; runs that differ only in the seed become one line with a band
rounds: accuracy by round, of folders of run/rounds.py that differ only in the seed
sync: gradient norms of GSDA's levels over training; L_AT of DAAA and the target accuracy; several runs as in curves
tsne: source and target features before and after, or of several runs of one task side by side
cam: where the network looks, and what ToAlign or BIWAA aligns
attention: which regions TADA attends to; of DAAA where the source network looks, the adapted one, and an oracle
pairs: pictures and translations, of a folder of run/pair.py or a run of DAAA, and how many of them an oracle reads
confusion: which class of the target is taken for which
sweep: accuracy over the values of one option, of a folder of run/benchmark.py
labels: how often each class occurs in the source and in the target; needs no run
domains: images of every domain; needs no run
"""

import functools
import pathlib

from absl import flags

from tfuda import launch, plots, workdir

CONFIG = launch.config_flag()
BEFORE = flags.DEFINE_string("before", "", "for tsne: folder of a source_only run of the same task")
ORACLE = flags.DEFINE_string("oracle", "", "for pairs, and attention of DAAA: a source_only run on TARGET-TARGET")
SEVERAL = {"curves": plots.curves, "rounds": plots.rounds, "sync": plots.sync, "tsne": plots.tsne}
JUDGED = {"attention": plots.attention_of_run, "pairs": functools.partial(plots.pairs, say=print)}
SINGLE = {**JUDGED, "cam": plots.cam, "confusion": plots.confusion_of_run, "sweep": plots.sweep}
CONFIGS = {"labels": plots.labels, "domains": plots.domains}
WORKDIR = flags.DEFINE_multi_string("workdir", None, f"folder; for {', '.join(SEVERAL)} several: commas or repeated")
WHAT = flags.DEFINE_enum("what", None, [*SEVERAL, *SINGLE, *CONFIGS], "the picture")
OUT = flags.DEFINE_string("out", "", "the PNG file; WORKDIR/plots/WHAT.png when empty (the first WORKDIR of several)")


def main(words):
    if words:
        raise ValueError(f"unexpected word {words[0]!r}: every setting is a --flag")
    what, folders = WHAT.value, [name for text in WORKDIR.value or [] for name in text.split(",") if name]
    if CONFIG.value is not None and (what not in CONFIGS or folders):
        raise ValueError(f"--config is for --what={' and '.join(CONFIGS)} without a --workdir")
    if not folders and (CONFIG.value is None or not OUT.value):
        raise ValueError(f"--workdir is missing: {' and '.join(CONFIGS)} take --config and --out in its place")
    if len(folders) > 1 and what not in SEVERAL:
        raise ValueError(f"--what={what} draws one folder, not {len(folders)}: {' and '.join(SEVERAL)} take several")
    if BEFORE.value and what != "tsne":
        raise ValueError(f"--before is for --what=tsne, not {what}")
    if ORACLE.value and what not in JUDGED:
        raise ValueError(f"--oracle={ORACLE.value} is for --what={' and '.join(JUDGED)}, not {what}")
    out = pathlib.Path(OUT.value or pathlib.Path(folders[0], "plots", f"{what}.png"))
    if out.suffix.lower() != ".png":
        raise ValueError(f"--out={out}: pictures are PNG files, so the name has to end in .png")
    if what in SEVERAL:
        SEVERAL[what](folders, out, *filter(None, [BEFORE.value]))
    elif what in SINGLE:
        SINGLE[what](folders[0], out, *filter(None, [ORACLE.value]))
    else:
        CONFIGS[what](workdir.Workdir(folders[0]).config() if folders else CONFIG.value, out)
    print(out)


if __name__ == "__main__":
    launch.launch(main, needs=["what"])
