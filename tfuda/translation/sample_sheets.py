"""Draw pictures of two domains, each translated to the other domain and back."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from tfuda import figure_style

GAP = 0.08  # gap between images, as a share of their width


def grid(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Arrange rows of images, uint8 [n, H, W, 3] each, on one sheet [R, C, 3] with white gaps."""
    count, height, width = rows[0].shape[:3]
    gap = max(1, round(GAP * width))
    sheet = np.full([len(rows) * (height + gap) - gap, count * (width + gap) - gap, 3], 255, np.uint8)
    for i, images in enumerate(rows):
        for j, image in enumerate(images):
            y, x = i * (height + gap), j * (width + gap)
            sheet[y : y + height, x : x + width] = image
    return sheet


def panel(axes: Axes, rows: Sequence[np.ndarray], titles: Sequence[str]) -> None:
    """Draw rows of images, uint8 [n, H, W, 3] each, with a title to the left of each row."""
    axes.imshow(grid(rows), interpolation="nearest")
    each = rows[0].shape[1] * (1 + GAP)
    axes.set_yticks([(i + 0.5) * each for i in range(len(rows))], [figure_style.shortened(title) for title in titles])
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def samples(names: Sequence[str], rows: Sequence[tuple[np.ndarray, ...]], out: str | os.PathLike) -> None:
    """Save one panel for each of two domains.

    Args:
        names: names of the two domains.
        rows: (images, translated, back) of each domain, each uint8 [n, H, W, 3].
        out: file to write.
    """
    with figure_style.page(out, 7.2, 4.6) as figure:
        panels = figure.subplots(2, 1)
        for axes, name, there, images in zip(panels, names, reversed(names), rows, strict=True):
            panel(axes, images, (name, f"as {there}", f"back to {name}"))
