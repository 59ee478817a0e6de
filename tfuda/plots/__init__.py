"""Pictures for papers and posters, as PNG files; needs no display.

curves     accuracy and loss terms over training, of one run or several
tsne       source and target features before and after
cam        where the network looks, and what ToAlign aligns
confusion  which class is taken for which
domains    what the images of the domains look like
"""

import logging

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it announces the making of its font cache

from tfuda.plots.attention import cam  # noqa: E402
from tfuda.plots.embedding import tsne  # noqa: E402
from tfuda.plots.history import curves  # noqa: E402
from tfuda.plots.matrix import confusion, confusion_of_run  # noqa: E402
from tfuda.plots.sheet import domains  # noqa: E402

__all__ = ["cam", "confusion", "confusion_of_run", "curves", "domains", "tsne"]
