"""Where the network looks, and what ToAlign aligns: after Figures 4, 5, 6 and 9 of the ToAlign paper.

With F the last map, y^k the logit of class k, α_c the spatial mean of dy^k/dF_c:

    response   mean_c |F_c|                                       what is pooled and aligned of the target
    Grad-CAM   ReLU(Σ_c α_c F_c)                                   k predicted
    ± task     ReLU(± h w Σ_c dy^k/dF_c F_c)                       k the label (source), predicted (target)

h w dy^k/dF_c is ToAlign's w^cls_c = dy^k/df_c where f is F's spatial mean, and w^cls carried back to the map where
a bottleneck or an attention lies between. So Grad-CAM and the positive part look alike where k is the same.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import matplotlib
import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from tfuda import evaluate, experiment, ops
from tfuda.data import pipeline
from tfuda.data.domains import Domain
from tfuda.networks.base import Network
from tfuda.plots import style

HEAT = matplotlib.colormaps["inferno"]


class Views(NamedTuple):
    """Maps of B images, each [B, h, w]."""

    response: np.ndarray
    grad_cam: np.ndarray
    positive: np.ndarray
    negative: np.ndarray


TITLES = (
    "image",
    "response of the\nlast map",
    "Grad-CAM,\npredicted class",
    "task-relevant\n(ToAlign, +)",
    "task-irrelevant\n(ToAlign, −)",
)


def gradient(network: Network, maps: tuple, classes: np.ndarray) -> tf.Tensor:
    """dy^k/dF [B, h, w, C] at the last map, one class for each image (int [B])."""

    def logit(last):
        logits = network.top((*maps[:-1], last)).logits
        return tf.gather(logits, classes, batch_dims=1)

    return ops.sensitivity(logit, maps[-1])


def grad_cam(maps: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Both [B, h, w, C] -> [B, h, w]."""
    alpha = tf.reduce_mean(gradients, [1, 2], keepdims=True)  # [B, 1, 1, C]
    return tf.nn.relu(tf.reduce_sum(alpha * maps, -1))


def task_map(maps: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """ToAlign's modulated map, of either sign: both [B, h, w, C] -> [B, h, w]."""
    area = maps.shape[1] * maps.shape[2]
    return area * tf.reduce_sum(gradients * maps, -1)


def look(network: Network, images: np.ndarray, labels: np.ndarray | None = None) -> Views:
    """Views of images uint8 [B, H, W, 3]; the task is that of the labels (int [B]), or of the predictions."""
    outputs = network(images, training=False)
    predicted = tf.argmax(outputs.logits, -1, tf.int32)
    last = outputs.maps[-1]
    task = task_map(last, gradient(network, outputs.maps, predicted if labels is None else labels))
    found = (
        tf.reduce_mean(tf.abs(last), -1),
        grad_cam(last, gradient(network, outputs.maps, predicted)),
        tf.nn.relu(task),
        tf.nn.relu(-task),
    )
    return Views(*(tf.cast(view, tf.float32).numpy() for view in found))


def choose(labels: np.ndarray | None, predicted: np.ndarray, right: int, wrong: int) -> np.ndarray:
    """Rows of the first rightly and wrongly classified images, of as many classes as possible.

    Where one kind is short the other fills up; without labels the first images.
    """
    if labels is None:
        return np.arange(min(right + wrong, len(predicted)))
    kinds = [varied(np.flatnonzero((labels == predicted) == kind), labels) for kind in (True, False)]
    count = right + wrong
    wrong = min(max(wrong, count - len(kinds[0])), len(kinds[1]))
    return np.concatenate([kinds[0][: count - wrong], kinds[1][:wrong]])


def varied(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The same rows: first one of every class, then a second of every class, and so on."""
    seen = np.zeros(labels.max() + 1, int)
    turn = np.empty(len(rows), int)
    for i, label in enumerate(labels[rows]):
        turn[i] = seen[label]
        seen[label] += 1
    return rows[np.argsort(turn, kind="stable")]


def overlay(image: np.ndarray, view: np.ndarray, top: float) -> np.ndarray:
    """Heat over the grey image: uint8 [H, W, 3] and [h, w] in 0..top -> [H, W, 3] in 0..1."""
    large = tf.image.resize(view[..., None], image.shape[:2], "bilinear").numpy()[..., 0]  # [H, W]
    heat = HEAT(np.clip(large / top if top > 0 else 0 * large, 0, 1))[..., :3]
    grey = np.repeat(image.mean(-1, keepdims=True) / 255, 3, -1)
    return 0.35 * grey + 0.65 * heat


def row(axes: np.ndarray, image: np.ndarray, views: list[np.ndarray]) -> None:
    """One image [H, W, 3] with its four views [h, w]; the two task maps share a scale."""
    response, cam, positive, negative = views
    task = max(positive.max(), negative.max())
    tops = [response.max(), cam.max(), task, task]
    shown = [image, *(overlay(image, view, top) for view, top in zip(views, tops, strict=True))]
    for cell, picture in zip(axes, shown, strict=True):
        cell.imshow(picture, interpolation="nearest")
        cell.set(xticks=[], yticks=[])
        cell.spines[:].set_visible(False)


def caption(axes: Axes, side: str, domain: Domain, index: int, predicted: np.ndarray) -> None:
    """Left of a row: the domain, the label and the prediction."""
    lines = [f"{side} {style.shortened(domain.name)}"]
    if domain.labels is not None:
        lines.append(f"true: {style.shortened(domain.classes[domain.labels[index]])}")
    lines.append(f"predicted: {style.shortened(domain.classes[predicted[index]])}")
    axes.set_ylabel("\n".join(lines), rotation=0, ha="right", va="center", fontsize=8, linespacing=1.4)


def cam(path: str, out: str | os.PathLike) -> None:
    """Two images of the source's test set and four of the target's, half of them misclassified if there are such."""
    config, task, method = experiment.load(path)
    observer, rows = evaluate.Observer(method.network), []
    for side, half in (("source", 1), ("target", 2)):
        domain = task.tests[side]
        predicted = observer(domain.images).logits.argmax(1)
        index = choose(domain.labels, predicted, half, half)
        known = domain.labels if side == "source" else None  # as in training
        images = pipeline.read(domain.images[index], method.network.view)
        found = look(method.network, images, None if known is None else known[index])
        for i, k in enumerate(index):
            rows.append((images[i], [view[i] for view in found], (side, domain, k, predicted)))
    with style.page(out, 6.8, 0.9 + 1.05 * len(rows)) as figure:
        figure.suptitle(f"{style.run_name(config)}, {style.task_name(config.task)}", fontsize=10)
        grid = figure.subplots(len(rows), len(TITLES), squeeze=False)
        for axes, (image, views, said) in zip(grid, rows, strict=True):
            row(axes, image, views)
            caption(axes[0], *said)
        for axes, title in zip(grid[0], TITLES, strict=True):
            axes.set_title(title, fontsize=8)
        bar = figure.colorbar(ScalarMappable(cmap=HEAT), ax=grid, shrink=0.4, aspect=25, ticks=[0, 1])
        bar.set_label("share of the image's maximum", labelpad=-4)
        bar.outline.set_visible(False)
