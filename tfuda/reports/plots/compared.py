"""Draw where several networks look in the same test pictures: after Figures 5 and 9 of ToAlign's paper, 1 of BIWAA's.

No network chooses the pictures: they are the first of each of some classes, evenly spread (without labels, evenly
spread pictures). Of each network two maps are drawn (attention.py): of what its adversarial loss aligns, and Grad-CAM
of the class that it predicts. What is aligned is

    weighted   with BIWAA's weights, on both sides
    positive   with ToAlign's weights, on the source
    response   of any other network, and of ToAlign's on the target

Every map has its own whole scale.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.cm import ScalarMappable
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.data import pipeline
from tfuda.data.tasks import Domain
from tfuda.evaluation import evaluate
from tfuda.experiment import training
from tfuda.names import trains_source_only
from tfuda.networks.base import Network
from tfuda.reports.plots import attention, embedding

ROWS = {"source": 2, "target": 4}
MOST = 5  # networks
ALIGNED = {"biwaa": {"source": "weighted", "target": "weighted"}, "toalign": {"source": "positive"}}  # by weigher


def shared_rows(domain: Domain, count: int) -> np.ndarray:
    """Return rows of a domain that no prediction decides, int [at most count]."""
    if domain.labels is None:
        return np.unique(np.linspace(0, len(domain) - 1, min(count, len(domain))).round().astype(int))
    classes, first = np.unique(domain.labels, return_index=True)
    return first[np.unique(np.linspace(0, len(classes) - 1, min(count, len(classes))).round().astype(int))]


def looks(
    config: ConfigDict, network: Network, side: str, domain: Domain, index: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (aligned [n, h, w], Grad-CAM [n, h, w], predicted classes int [n]) of some pictures of a domain."""
    images = pipeline.read_pictures(domain.images[index], network.view)
    known = domain.labels if side == "source" else None  # as in training
    views = attention.look_at_maps(network, images, None if known is None else known[index])
    aligned = getattr(views, ALIGNED.get(config.weigher, {}).get(side, "response"))
    return aligned, views.grad_cam, evaluate.Observer(network)(domain.images[index]).logits.argmax(1)


def cam(paths: Sequence[str], out: str | os.PathLike) -> None:
    """Draw the maps of one run (attention.py), or those of several runs of one task beside each other."""
    paths = figure_style.once(paths)
    if len(paths) == 1:
        attention.cam(paths[0], out)
        return
    if len(paths) > MOST:
        raise ValueError(f"{len(paths)} runs are too many beside each other: at most {MOST}")
    runs = [training.load_run(path) for path in paths]
    first, task, _ = runs[0]
    for path, (config, _, _) in zip(paths[1:], runs[1:], strict=True):
        embedding.alike(first, config, f"--workdir={paths[0]}", path)
        if config.view != first.view:
            raise ValueError(f"{path} has another config.view than {paths[0]}: the networks see other pictures")
    rows = [(side, k) for side, count in ROWS.items() for k in shared_rows(task.tests[side], count)]
    configs = [config for config, _, _ in runs]
    kinds = [("response" if trains_source_only(config) else "aligned", "Grad-CAM") for config in configs]
    with figure_style.page(out, 1.9 + 1.15 * (1 + 2 * len(runs)), 0.9 + 1.3 * len(rows), "compressed") as figure:
        figure.suptitle(f"{figure_style.task_name(first.task)}: the same pictures for all", fontsize=10)
        grid = figure.subplots(len(rows), 1 + 2 * len(runs), squeeze=False)
        for side, cells in ((side, grid[[of == side for of, _ in rows]]) for side in ROWS):
            draw_side(cells, runs, side, np.array([k for of, k in rows if of == side]))
        names = zip(embedding.titles(configs), kinds, strict=True)
        heads = ["image", *(f"{name}\n{what}" for name, kind in names for what in kind)]
        for axes, head in zip(grid[0], heads, strict=True):
            axes.set_title(head, fontsize=8)
        bar = figure.colorbar(ScalarMappable(cmap=attention.HEAT), ax=grid, shrink=0.4, aspect=25, ticks=[0, 1])
        bar.set_label("share of the image's maximum", labelpad=-4)
        bar.outline.set_visible(False)


def draw_side(grid: np.ndarray, runs: Sequence[tuple], side: str, index: np.ndarray) -> None:
    """Draw the rows of one side, and beneath each network's maps the class that it predicts."""
    domain, view = runs[0][1].tests[side], runs[0][2].network.view
    images = pipeline.read_pictures(domain.images[index], view)
    seen = [looks(config, method.network, side, domain, index) for config, _, method in runs]
    for i, axes in enumerate(grid):
        maps = [view[i] for aligned, gradients, _ in seen for view in (aligned, gradients)]
        attention.show(axes, [images[i], *(attention.overlay(images[i], each, each.max()) for each in maps)])
        lines = [f"{side} {figure_style.shortened(domain.name)}"]
        if domain.labels is not None:
            lines.append(f"true: {figure_style.shortened(domain.classes[domain.labels[index[i]]])}")
        axes[0].set_ylabel("\n".join(lines), rotation=0, ha="right", va="center", fontsize=8, linespacing=1.4)
        for cell, (_, _, predicted) in zip(axes[1::2], seen, strict=True):
            cell.set_xlabel(f"predicted: {figure_style.shortened(domain.classes[predicted[i]], 10)}", fontsize=7)
