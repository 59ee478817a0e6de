"""What all pictures have in common: colours, type, names, and how they reach the disk."""

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
    "text.parse_math": False,  # a class may be named with dollars
}


@contextlib.contextmanager
def page(
    path: str | os.PathLike, width: float, height: float, layout: Literal["constrained", "compressed"] = "constrained"
) -> Iterator[Figure]:
    """A figure of that many inches that is written to `path` at the end; users' own styles do not count.

    layout: Matplotlib's; "compressed" for a grid of images, of which none is cut or far from the next
    """
    path = pathlib.Path(path)
    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a class named in a script that the font lacks
        figure = Figure(figsize=(width, height), layout=layout)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_whole(path) as file:
            figure.savefig(file, dpi=DPI, format="png", metadata={"Software": None})


def once(paths: Iterable[str]) -> list[str]:
    """The same folders, one that is named twice only once."""
    return [*{os.path.realpath(path): path for path in paths}.values()]


def class_colours(count: int) -> list:
    """One colour for each class."""
    return list(TEN[:count]) if count <= len(TEN) else list(matplotlib.colormaps["turbo"](np.linspace(0, 1, count)))


def run_name(config: ConfigDict) -> str:
    """dannp+toalign+metaalign; of package.module:Name the last part."""
    parts = [config[part] for part in PARTS]
    return "+".join(part.rpartition(":")[2] for part in parts if part)


def task_name(task: str) -> str:
    """H+M-S -> H+M → S."""
    return task.replace("-", " → ", 1)


def shortened(name: str, most: int = 16) -> str:
    """A class name that fits under a column."""
    return name if len(name) <= most else name[: most - 1] + "…"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"
