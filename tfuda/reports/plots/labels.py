"""Draw how often each class occurs in the source and in the target, after Figure 3 of the BIWAA paper."""

from __future__ import annotations

import os

import numpy as np
from matplotlib.axes import Axes
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.core import pseudo_labels
from tfuda.data.tasks import Task
from tfuda.experiment import build

NAMED = 40  # classes up to which every class has its name
LETTER = 0.075  # inches
COLOURS = {**figure_style.SIDES, "predicted": figure_style.PALETTE[4]}


def shares(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the share of every class [K], from labels int [N] in 0..K-1."""
    return np.bincount(labels, minlength=classes) / len(labels)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """Return the total variation of two distributions [K]: the share that would have to change its class."""
    return float(np.abs(first - second).sum() / 2)


def known(config: ConfigDict, task: Task) -> dict[str, np.ndarray]:
    """Return labels int [N] of the training images by side; "predicted" holds those of earlier rounds' prior."""
    found = {side: domain.labels for side, domain in task.trains.items() if domain.labels is not None}
    before = pseudo_labels.prior(config, task)
    return found | ({} if before is None else {"predicted": before.argmax(1)})


def bars(axes: Axes, distributions: dict[str, np.ndarray], names: dict[str, str]) -> None:
    """Draw distributions [K] side by side for every class."""
    width = 0.84 / len(distributions)
    for i, (side, distribution) in enumerate(distributions.items()):
        place = np.arange(len(distribution)) + (i - (len(distributions) - 1) / 2) * width
        axes.bar(place, 100 * distribution, width, color=COLOURS[side], linewidth=0, label=names[side])


def ticks(axes: Axes, classes: tuple[str, ...], room: float) -> float:
    """Write names of classes, or numbers where there are very many.

    Args:
        axes: the panel.
        classes: the names of the classes.
        room: the width of a class in inches.

    Returns:
        The height of the text in inches.
    """
    axes.set_xlim(-0.7, len(classes) - 0.3)
    axes.set_xlabel("class" if len(classes) <= NAMED else "number of the class")
    if len(classes) > NAMED:
        return 0.0
    names = [figure_style.shortened(name) for name in classes]
    wide = LETTER * max(map(len, names))
    axes.set_xticks(range(len(names)), names, rotation=90 if wide > room else 0)
    axes.tick_params(axis="x", length=0)
    return wide if wide > room else 0.0


def labels(config: ConfigDict, out: str | os.PathLike) -> None:
    """Draw the class frequencies of the training images of the config's task."""
    task = build.task(config)
    found = known(config, task)
    distributions = {side: shares(of, len(task.classes)) for side, of in found.items()}
    short = {side: figure_style.shortened(domain.name) for side, domain in task.trains.items()}
    names = {side: f"{side}: {short[side]}, {len(domain)} images" for side, domain in task.trains.items()}
    names["predicted"] = "target, as earlier rounds predict"
    far = "the target has none"
    if "target" in found:
        far = f"total variation distance {distance(distributions['source'], distributions['target']):.3f}"
    width = float(np.clip(2.5 + 0.22 * len(task.classes), 6.0, 10.0))
    with figure_style.page(out, width, 3.6) as figure:
        axes = figure.subplots()
        bars(axes, distributions, names)
        figure.set_figheight(3.6 + ticks(axes, task.classes, (width - 1) / len(task.classes)))
        axes.set_ylabel("share of the training images (%)")
        axes.yaxis.grid(True)
        axes.set_title(f"labels of {short['source']} → {short['target']}: {far}", fontsize=10)
        figure.legend(loc="outside lower center", ncols=2 if width < 9 else 3)
