"""Draw what the images of the domains look like: a contact sheet."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.data import catalogue, pipeline
from tfuda.data.files import same
from tfuda.data.tasks import Domain
from tfuda.data.views import View
from tfuda.experiment import build, validation

SPLITS = ("train", "test")
COLUMNS = 10  # classes at most; of more, some
IMAGES = 3  # of each class
GAP = 0.08  # between images, of their width
NEAR = 64  # pixels: larger images are drawn smaller than they are


def names(config: ConfigDict) -> list[str]:
    """Return all domains of the data where they are known, else those of the task."""
    if config.data in catalogue.names() and config.data not in validation.READERS:
        return list(catalogue.set_of(config.data).domains)
    module = sys.modules.get(config.data.partition(":")[0]) or sys.modules.get(f"tfuda.data.readers.{config.data}")
    source, _, target = config.task.rpartition("-")
    return list(getattr(module, "DOMAINS", ())) or [*source.split("+"), target]


def columns(domain: Domain, most: int = COLUMNS) -> tuple[list[str], list[np.ndarray]]:
    """Return class names and the rows of each class's first images; evenly spaced classes where there are many."""
    if domain.labels is None:
        return [""] * most, np.array_split(np.arange(len(domain))[: most * IMAGES], most)
    count = len(domain.classes)
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
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


def panel(axes: Axes, domain: Domain, view: View, most: int = COLUMNS, named: bool = True) -> None:
    """Draw one split of one domain, with class names above its columns unless `named` is False."""
    titles, rows = columns(domain, most)
    images = pipeline.read_pictures(domain.images[np.concatenate(rows)], view)  # [n, H, W, 3]
    rows = np.split(np.arange(len(images)), np.cumsum([len(row) for row in rows])[:-1])
    sheet = montage(images, rows)
    axes.imshow(sheet, interpolation="nearest" if images.shape[1] <= NEAR else "antialiased")
    each = (sheet.shape[1] + max(1, round(GAP * images.shape[2]))) / len(rows)
    turn = 45 if slanted(titles) else 0
    axes.xaxis.tick_top()
    axes.set_xticks(
        [(j + 0.5) * each for j in range(len(rows))] if named else [],
        [figure_style.shortened(title, 12) for title in titles] if named else [],
        rotation=turn,
        ha="left" if turn else "center",
    )
    axes.set_yticks([])
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)


def slanted(titles: Iterable[str]) -> bool:
    """Return whether a column's name is too long to stand above it."""
    return max(map(len, titles)) > 3


def domains(config: ConfigDict, out: str | os.PathLike) -> None:
    """Draw every domain of the config's data: a row each, with training and testing side by side.

    Where both are the same pictures, the row shows twice as many classes once. Names of classes stand above the first
    row, and above each row whose classes differ from the first row's.
    """
    load = build.loader(config)
    found, view = names(config), build.view(config)
    first = load(found[0], "train")
    once = same(first.images, load(found[0], "test").images)
    every = [[load(name, split) for split in (SPLITS[:1] if once else SPLITS)] for name in found]
    named = [row is every[0] or row[0].classes != first.classes for row in every]
    tall = sum(
        1.12 + (0.6 if slanted(row[0].classes or ("",)) else 0.15) * told
        for row, told in zip(every, named, strict=True)
    )
    with figure_style.page(out, 7.2, 0.35 + tall) as figure:
        grid = figure.subplots(len(found), len(every[0]), squeeze=False)
        for name, row, told, places in zip(found, every, named, grid, strict=True):
            for split, domain, axes in zip(SPLITS, row, places, strict=False):
                panel(axes, domain, view, 2 * COLUMNS if once else COLUMNS, told)
                said = f"{len(domain)} images, {len(domain.classes)} classes"
                axes.set_xlabel(said if once else f"{split}: {said}", fontsize=8)
            places[0].set_ylabel(figure_style.shortened(name), fontsize=11, rotation=0, ha="right", va="center")
