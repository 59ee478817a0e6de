"""Draw which regions a network attends to, after Figure 3 of the TADA paper.

w_k of the regions k of the last map, as evaluation has it (tfuda/networks/attention.py), in 0.31 .. 1 for
weight=one_minus_entropy and in 0 .. 0.69 for weight=entropy. An image's w often differ by some hundredths only, so
every image has the whole scale of colours, and its numbers beside it.
"""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf
from matplotlib.cm import ScalarMappable

from tfuda import figure_style
from tfuda.experiment import training
from tfuda.networks.base import Network
from tfuda.reports.plots import attention

COLUMNS = ("image", "attention w", "w over the image")


def weights(network: Network, images: np.ndarray) -> np.ndarray:
    """Return w of the regions of the last map [B, h, w], from images uint8 [B, H, W, 3]."""
    outputs = network(images, training=False)
    height, width = outputs.maps[-1].shape[1:3]
    return tf.reshape(outputs.extras["attention"], [-1, height, width]).numpy()


def blocks(view: np.ndarray) -> np.ndarray:
    """Return colours [h, w, 3] of a map [h, w], scaled from its lowest to its highest value."""
    return attention.HEAT((view - view.min()) / max(np.ptp(view), np.finfo("float32").tiny))[..., :3]


def regions(path: str, out: str | os.PathLike) -> None:
    """Draw the regions of some images of both test sets."""
    config, task, method = training.load_run(path)
    network, name = method.network, figure_style.run_name(config)
    if "attention" not in network(network.blank()).extras:
        raise ValueError(
            f"--workdir={path} is a run of {config.method} without attention: --what=attention needs one of daaa, or "
            "of tada without scope=global"
        )
    rows = []
    for side, index, predicted, images in attention.picked(network, task.tests):
        for image, view, k in zip(images, weights(network, images), index, strict=True):
            rows.append((image, view, (side, task.tests[side], k, predicted)))
    with figure_style.page(out, 2.7 + 1.05 * len(COLUMNS), 0.8 + 1.05 * len(rows), "compressed") as figure:
        figure.suptitle(f"{name}, {figure_style.task_name(config.task)}", fontsize=10)
        grid = figure.subplots(len(rows), len(COLUMNS), squeeze=False)
        for axes, (image, view, said) in zip(grid, rows, strict=True):
            over = attention.overlay(image, view - view.min(), np.ptp(view))
            attention.show(axes, [image, blocks(view), over])
            attention.caption(axes[0], *said, f"w {view.min():.3f} – {view.max():.3f}")
        for axes, title in zip(grid[0], COLUMNS, strict=True):
            axes.set_title(title, fontsize=8)
        bar = figure.colorbar(ScalarMappable(cmap=attention.HEAT), ax=grid, shrink=0.4, aspect=25, ticks=[0, 1])
        bar.set_ticklabels(["lowest", "highest"])
        bar.set_label("w of the image", labelpad=-4)
        bar.outline.set_visible(False)
