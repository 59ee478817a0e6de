"""Define what all figures share: colours, fonts, labels, and how a figure is saved."""

from __future__ import annotations

import contextlib
import os
import pathlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Literal

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from ml_collections import ConfigDict

from tfuda.atomic_files import open_whole
from tfuda.names import PARTS

DPI = 200
# Okabe and Ito's, which the colour-blind can tell apart; ordered by contrast with white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
SIDES = {"source": PALETTE[0], "target": PALETTE[1]}
# Ten for classes: Paul Tol's "muted" in the order of hue, its grey a little darker.
TEN = ("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499", "#999999")
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "text.parse_math": False,  # a class name may contain dollar signs
}


@contextlib.contextmanager
def page(
    path: str | os.PathLike, width: float, height: float, layout: Literal["constrained", "compressed"] = "constrained"
) -> Iterator[Figure]:
    """Yield a figure that is saved to `path` as PNG at the end; the user's own Matplotlib style is ignored.

    Args:
        path: file to write; missing folders are created.
        width: width in inches.
        height: height in inches.
        layout: layout engine of Matplotlib; "compressed" keeps the gaps in a grid of images small.
    """
    path = pathlib.Path(path)
    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a class name in a script that the font lacks
        figure = Figure(figsize=(width, height), layout=layout)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_whole(path) as file:
            figure.savefig(file, dpi=DPI, format="png", metadata={"Software": None})


def once(paths: Iterable[str]) -> list[str]:
    """Return the folders in their order, each real path only once."""
    return [*{os.path.realpath(path): path for path in paths}.values()]


def class_colours(count: int) -> list:
    """Return one colour for each of `count` classes."""
    return list(TEN[:count]) if count <= len(TEN) else list(matplotlib.colormaps["turbo"](np.linspace(0, 1, count)))


def run_name(config: ConfigDict) -> str:
    """Return the short name of a run, as "dannp+toalign+metaalign"; "package.module:Name" gives "Name"."""
    parts = [config[part] for part in PARTS]
    return "+".join(part.rpartition(":")[2] for part in parts if part)


def task_name(task: str) -> str:
    """Return a task's name with an arrow: "H+M-S" becomes "H+M → S"."""
    return task.replace("-", " → ", 1)


def shortened(name: str, most: int = 16) -> str:
    """Shorten a class name to at most `most` characters."""
    return name if len(name) <= most else name[: most - 1] + "…"


def percent(share: float) -> str:
    """Format a share in [0, 1] as per cent with one decimal."""
    return f"{100 * share:.1f} %"
