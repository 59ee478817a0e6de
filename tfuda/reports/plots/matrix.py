"""Draw which class is taken for which."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tfuda import figure_style
from tfuda.evaluation import evaluate
from tfuda.experiment import training

WRITTEN = 20  # classes up to which cells hold numbers
NAMED = 100  # classes up to which every tick has a name


def shares(counts: np.ndarray) -> np.ndarray:
    """Return percent of each row [K, K]; NaN in the rows of classes without an image."""
    total = counts.sum(1, keepdims=True)
    return np.where(total > 0, 100.0 * counts / np.maximum(total, 1), np.nan)


def confusion(
    score: evaluate.Score, classes: Sequence[str], title: str = "", path: str | os.PathLike = "confusion.png"
) -> None:
    """Draw the confusion matrix in percent of each true class.

    Args:
        score: the score of a test set.
        classes: the names of the classes.
        title: the text above the accuracy.
        path: the PNG file.
    """
    count = len(classes)
    side = float(np.clip(1.8 + 0.32 * count, 4.0, 10.0))
    accuracy = f"accuracy {figure_style.percent(score.accuracy)} of {score.confusion.sum()} images"
    with figure_style.page(path, side + 0.6, side) as figure:
        axes = figure.subplots()
        axes.set_facecolor("#dddddd")  # shows where a class has no images
        image = axes.imshow(shares(score.confusion), cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
        axes.set(title="\n".join(filter(None, [title, accuracy])), xlabel="predicted class", ylabel="true class")
        axes.spines[:].set_visible(False)
        ticks(axes, classes)
        if count <= WRITTEN:
            write(axes, shares(score.confusion))
        bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=30)
        bar.set_label("percent of the true class")
        bar.outline.set_visible(False)


def ticks(axes: Axes, classes: Sequence[str]) -> None:
    """Write the names of all classes; where there are very many, numbers of some."""
    if len(classes) > NAMED:
        return
    names = [figure_style.shortened(name) for name in classes]
    size = 8 if len(classes) <= WRITTEN else max(4.0, 8 - 0.06 * len(classes))
    turn = 90 if max(map(len, names)) > 3 else 0
    axes.set_xticks(range(len(names)), names, fontsize=size, rotation=turn)
    axes.set_yticks(range(len(names)), names, fontsize=size)
    axes.tick_params(length=0)


def write(axes: Axes, cells: np.ndarray) -> None:
    """Write whole percents into the cells [K, K]; exact zeros stay empty."""
    for (row, column), value in np.ndenumerate(cells):
        if value > 0:
            colour = "white" if value > 55 else "#222222"
            text = f"{value:.0f}" if value >= 0.5 else "<1"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)


def confusion_of_run(path: str, out: str | os.PathLike) -> None:
    """Draw the confusion matrix of a run's target test set."""
    config, task, method = training.load_run(path)
    target = task.tests["target"]
    if target.labels is None:
        raise ValueError(f"target domain {target.name} has no labels, which a confusion matrix needs")
    title = f"{figure_style.run_name(config)}, {figure_style.task_name(config.task)}, target {target.name}"
    confusion(evaluate.evaluate_domain(method.network, target), task.classes, title, out)
