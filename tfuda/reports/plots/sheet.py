"""Draw what the images of the domains look like: a contact sheet."""

from __future__ import annotations

import os
import sys

import numpy as np
from matplotlib.axes import Axes
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.data import catalogue, pipeline
from tfuda.data.tasks import Domain
from tfuda.data.views import View
from tfuda.experiment import build, validation

SPLITS = ("train", "test")
COLUMNS = 10  # classes at most; of more, some
IMAGES = 3  # of each class
GAP = 0.08  # between images, of their width


def names(config: ConfigDict) -> list[str]:
    """Return all domains of the data where they are known, else those of the task."""
    if config.data in catalogue.names() and config.data not in validation.READERS:
        return list(catalogue.set_of(config.data).domains)
    module = sys.modules.get(config.data.partition(":")[0]) or sys.modules.get(f"tfuda.data.readers.{config.data}")
    source, _, target = config.task.rpartition("-")
    return list(getattr(module, "DOMAINS", ())) or [*source.split("+"), target]


def columns(domain: Domain) -> tuple[list[str], list[np.ndarray]]:
    """Return class names and the rows of each class's first images; evenly spaced classes where they are many."""
    if domain.labels is None:
        return [""] * COLUMNS, np.array_split(np.arange(len(domain))[: COLUMNS * IMAGES], COLUMNS)
    count = len(domain.classes)
    chosen = np.unique(np.linspace(0, count - 1, min(count, COLUMNS)).round().astype(int))
    rows = [np.flatnonzero(domain.labels == k)[:IMAGES] for k in chosen]
    return [domain.classes[k] for k in chosen], rows


def montage(images: np.ndarray, rows: list[np.ndarray]) -> np.ndarray:
    """Assemble a sheet [rows, columns, 3] with white gaps, from uint8 [N, H, W, 3] and each column's indices."""
    height, width = images.shape[1:3]
    gap = max(1, round(GAP * width))
    sheet = np.full([IMAGES * (height + gap) - gap, len(rows) * (width + gap) - gap, 3], 255, np.uint8)
    for j, column in enumerate(rows):
        for i, index in enumerate(column):
            y, x = i * (height + gap), j * (width + gap)
            sheet[y : y + height, x : x + width] = images[index]
    return sheet


def panel(axes: Axes, domain: Domain, view: View) -> None:
    """Draw one split of one domain, with class names above its columns."""
    titles, rows = columns(domain)
    images = pipeline.read_pictures(domain.images[np.concatenate(rows)], view)  # [n, H, W, 3]
    rows = np.split(np.arange(len(images)), np.cumsum([len(row) for row in rows])[:-1])
    sheet = montage(images, rows)
    axes.imshow(sheet, interpolation="nearest")
    each = (sheet.shape[1] + max(1, round(GAP * images.shape[2]))) / len(rows)
    turn = 45 if max(map(len, titles)) > 3 else 0
    axes.xaxis.tick_top()
    axes.set_xticks(
        [(j + 0.5) * each for j in range(len(rows))],
        [figure_style.shortened(title, 12) for title in titles],
        rotation=turn,
        ha="left" if turn else "center",
    )
    axes.set_yticks([])
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)


def domains(config: ConfigDict, out: str | os.PathLike) -> None:
    """Draw every domain of the config's data: a row of panels each, a column for training and one for testing."""
    load = build.loader(config)
    found, view = names(config), build.view(config)
    tall = 0.6 if any(len(name) > 3 for name in load(found[0], SPLITS[0]).classes) else 0.25
    with figure_style.page(out, 7.2, 0.35 + len(found) * (1.02 + tall)) as figure:
        grid = figure.subplots(len(found), len(SPLITS), squeeze=False)
        for i, name in enumerate(found):
            for j, split in enumerate(SPLITS):
                domain, axes = load(name, split), grid[i, j]
                panel(axes, domain, view)
                axes.set_xlabel(f"{split}: {len(domain)} images, {len(domain.classes)} classes", fontsize=8)
                if j == 0:
                    axes.set_ylabel(figure_style.shortened(name), fontsize=11, rotation=0, ha="right", va="center")
