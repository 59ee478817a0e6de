"""Draw pictures for papers and posters, as PNG files; no display is needed.

curves     accuracy and loss terms over training, of one run or several
sync       gradient norms of GSDA's levels over training; distance of DAAA's attentions by update
tsne       source and target features before and after, or of several runs side by side
cam        where a network looks, and what ToAlign or BIWAA aligns; of several networks on the same pictures
attention  which regions TADA attends to; where DAAA's source network looks, and the adapted one
pairs      training pictures and their translations
changed    target pictures that one of two runs classifies rightly, and the other not
confusion  which class is taken for which
rounds     accuracy by round of training
sweep      accuracy over the values of an option
bars       accuracy of several cells by task, with deviations
labels     how often each class occurs in the source and in the target
domains    what the images of the domains look like
"""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # matplotlib announces that it builds its font cache

from tfuda.reports.plots.bars import bars  # noqa: E402
from tfuda.reports.plots.changed import changed  # noqa: E402
from tfuda.reports.plots.compared import cam  # noqa: E402
from tfuda.reports.plots.embedding import tsne  # noqa: E402
from tfuda.reports.plots.history import curves  # noqa: E402
from tfuda.reports.plots.labels import labels  # noqa: E402
from tfuda.reports.plots.matrix import confusion, confusion_of_run  # noqa: E402
from tfuda.reports.plots.networks import attention_of_run  # noqa: E402
from tfuda.reports.plots.pairs import pairs  # noqa: E402
from tfuda.reports.plots.regions import regions  # noqa: E402
from tfuda.reports.plots.rounds import rounds  # noqa: E402
from tfuda.reports.plots.sheet import domains  # noqa: E402
from tfuda.reports.plots.sweep import sweep  # noqa: E402
from tfuda.reports.plots.sync import sync  # noqa: E402

__all__ = [
    "attention_of_run",
    "bars",
    "cam",
    "changed",
    "confusion",
    "confusion_of_run",
    "curves",
    "domains",
    "labels",
    "pairs",
    "regions",
    "rounds",
    "sweep",
    "sync",
    "tsne",
]
