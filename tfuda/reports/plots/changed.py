"""Draw target pictures on which two runs of one task differ: from wrong to right, and from right to wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from tfuda import figure_style
from tfuda.data import pipeline
from tfuda.evaluation import evaluate
from tfuda.experiment import training
from tfuda.reports.plots import embedding

COLUMNS = 8
ROWS = {"right": 2, "wrong": 1}  # rows of pictures that became right, and of those that became wrong
SHADE = {"right": "#2e7d32", "wrong": "#c62828"}


def picked(became: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` of the rows that `became` (bool [N]) marks, evenly over all: int [n]."""
    rows = np.flatnonzero(became)
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)] if len(rows) else rows


def changed(paths: Sequence[str], out: str | os.PathLike) -> None:
    """Draw pictures that the second run classifies rightly and the first wrongly, and the other way round.

    Which of them are shown follows from their places in the test set alone.

    Args:
        paths: folders of two runs of one task, as of source_only and of an adapted network.
        out: PNG file to write.
    """
    if len(paths) != 2:
        raise ValueError(f"--what=changed compares two runs, not {len(paths)}: --workdir=BEFORE,AFTER")
    (before, task, old), (after, _, new) = (training.load_run(path) for path in paths)
    embedding.alike(before, after, f"--workdir={paths[0]}", paths[1])
    test = task.tests["target"]
    if test.labels is None:
        raise ValueError(f"{paths[0]} has no labelled target: nothing tells right from wrong")
    first, second = (evaluate.Observer(run.network)(test.images).logits.argmax(1) for run in (old, new))
    was, now = first == test.labels, second == test.labels
    rows = {
        "right": picked(~was & now, ROWS["right"] * COLUMNS),
        "wrong": picked(was & ~now, ROWS["wrong"] * COLUMNS),
    }
    names = embedding.titles([before, after])
    with figure_style.page(out, 1.15 * COLUMNS, 0.9 + 1.45 * sum(ROWS.values())) as figure:
        figure.suptitle(
            f"{figure_style.task_name(task.name)}, {len(test)} target pictures: {names[0]} "
            f"{figure_style.percent(was.mean())} right, {names[1]} {figure_style.percent(now.mean())}. "
            f"{(~was & now).sum()} became right (green), {(was & ~now).sum()} wrong (red)",
            fontsize=10,
        )
        grid = figure.subplots(sum(ROWS.values()), COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.axis("off")
        place = iter(grid[: ROWS["right"]].flat), iter(grid[ROWS["right"] :].flat)
        for (kind, index), cells in zip(rows.items(), place, strict=True):
            images = pipeline.read_pictures(test.images[index], new.network.view) if len(index) else np.empty([0])
            for axes, image, k in zip(cells, images, index, strict=False):
                axes.imshow(image)
                classes = [figure_style.shortened(test.classes[found[k]], 12) for found in (first, second)]
                axes.set_title(f"{classes[0]}\n→ {classes[1]}", fontsize=7, color=SHADE[kind])
