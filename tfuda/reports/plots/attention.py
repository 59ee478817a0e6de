"""Draw where the network looks, and what is aligned: after Figures 4, 5, 6 and 9 of the ToAlign paper, 1 of BIWAA's.

With F the last map, y^k the logit of class k, α_c the spatial mean of dy^k/dF_c, CE^k the cross-entropy:

    response   mean_c |F_c|                                       what is pooled and aligned of the target
    Grad-CAM   ReLU(Σ_c α_c F_c)                                   k predicted
    ± task     ReLU(± h w Σ_c dy^k/dF_c F_c)                       k the label (source), predicted (target)
    weighted   Σ_c |∇_c F_c| / sqrt(mean_hw Σ_c ∇_c²),  ∇ = dCE^k/dF   k likewise; in the place of ± task for BIWAA

h w dy^k/dF_c is ToAlign's w^cls_c = dy^k/df_c where f is F's spatial mean. Where a bottleneck or an attention lies
between f and F, it is w^cls carried back to the map. So Grad-CAM and the positive part look alike where k is equal.
Likewise ∇ over its norm is BIWAA's weight ∇/|∇| of f, carried back; of a confident and right image both are 0.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable

from tfuda import figure_style
from tfuda.core import ops
from tfuda.data import pipeline
from tfuda.data.tasks import Domain
from tfuda.evaluation import evaluate
from tfuda.experiment import training
from tfuda.networks.base import Network
from tfuda.weighers.biwaa import wrong
from tfuda.weighers.toalign import logit_of

HEAT = matplotlib.colormaps["inferno"]


class Views(NamedTuple):
    """Maps of B images, each [B, h, w]."""

    response: np.ndarray
    grad_cam: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    weighted: np.ndarray


class Column(NamedTuple):
    """A column's heading, its view, and the views with which it shares its maximum."""

    title: str
    view: str
    scale: tuple[str, ...]


COMMON = (
    Column("response of the\nlast map", "response", ("response",)),
    Column("Grad-CAM,\npredicted class", "grad_cam", ("grad_cam",)),
)
TASK = (
    Column("task-relevant\n(ToAlign, +)", "positive", ("positive", "negative")),
    Column("task-irrelevant\n(ToAlign, −)", "negative", ("positive", "negative")),
)
ALIGNED = {"biwaa": (Column("weighted\n(BIWAA)", "weighted", ("weighted",)),)}  # by weigher; TASK of any other


def gradient(network: Network, maps: tuple, classes: np.ndarray, score: Callable = logit_of) -> tf.Tensor:
    """Return d score / dF [B, h, w, C] at the last map.

    Args:
        network: the network.
        maps: its maps, the last one F [B, h, w, C].
        classes: the class of each image, int [B].
        score: the score to differentiate; each paper has its own.
    """

    def head(last):
        return network.top((*maps[:-1], last)).logits

    return ops.sensitivity(functools.partial(score, head, classes), maps[-1])


def grad_cam(maps: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Return Grad-CAM [B, h, w] from maps and gradients, both [B, h, w, C]."""
    alpha = tf.reduce_mean(gradients, [1, 2], keepdims=True)  # [B, 1, 1, C]
    return tf.nn.relu(tf.reduce_sum(alpha * maps, -1))


def task_map(maps: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Return ToAlign's modulated map, of either sign, [B, h, w], from maps and gradients, both [B, h, w, C]."""
    area = maps.shape[1] * maps.shape[2]
    return area * tf.reduce_sum(gradients * maps, -1)


def weighted(maps: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Return BIWAA's weighted map [B, h, w] from maps and the cross-entropy's gradients, both [B, h, w, C]."""
    squares = tf.reduce_mean(tf.reduce_sum(gradients**2, -1, keepdims=True), [1, 2], keepdims=True)  # [B, 1, 1, 1]
    return tf.reduce_sum(tf.abs(tf.math.divide_no_nan(gradients, tf.sqrt(squares)) * maps), -1)


def look_at_maps(network: Network, images: np.ndarray, labels: np.ndarray | None = None) -> Views:
    """Return views of images uint8 [B, H, W, 3]; the task is that of the labels (int [B]), or of the predictions."""
    outputs = network(images, training=False)
    predicted = tf.argmax(outputs.logits, -1, tf.int32)
    last, classes = outputs.maps[-1], predicted if labels is None else labels
    task = task_map(last, gradient(network, outputs.maps, classes))
    found = (
        tf.reduce_mean(tf.abs(last), -1),
        grad_cam(last, gradient(network, outputs.maps, predicted)),
        tf.nn.relu(task),
        tf.nn.relu(-task),
        weighted(last, gradient(network, outputs.maps, classes, wrong)),
    )
    return Views(*(tf.cast(view, tf.float32).numpy() for view in found))


def choose(labels: np.ndarray | None, predicted: np.ndarray, right: int, wrong: int) -> np.ndarray:
    """Return rows of the first rightly and wrongly classified images, of as many classes as possible.

    Args:
        labels: int [N], or None; without labels the first images are chosen.
        predicted: int [N].
        right, wrong: numbers of images; where one kind is short the other fills up.
    """
    if labels is None:
        return np.arange(min(right + wrong, len(predicted)))
    kinds = [varied(np.flatnonzero((labels == predicted) == kind), labels) for kind in (True, False)]
    count = right + wrong
    wrong = min(max(wrong, count - len(kinds[0])), len(kinds[1]))
    return np.concatenate([kinds[0][: count - wrong], kinds[1][:wrong]])


def varied(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the same rows: first one of every class, then a second of every class, and so on."""
    seen = np.zeros(labels.max() + 1, int)
    turn = np.empty(len(rows), int)
    for i, label in enumerate(labels[rows]):
        turn[i] = seen[label]
        seen[label] += 1
    return rows[np.argsort(turn, kind="stable")]


def overlay(image: np.ndarray, view: np.ndarray, top: float) -> np.ndarray:
    """Draw heat over the grey image.

    Args:
        image: uint8 [H, W, 3].
        view: a map [h, w].
        top: the value of the map that has the strongest colour.

    Returns:
        Colours [H, W, 3] in 0..1.
    """
    large = tf.image.resize(view[..., None], image.shape[:2], "bilinear").numpy()[..., 0]  # [H, W]
    heat = HEAT(np.clip(large / top if top > 0 else 0 * large, 0, 1))[..., :3]
    grey = np.repeat(image.mean(-1, keepdims=True) / 255, 3, -1)
    return 0.35 * grey + 0.65 * heat


def row(axes: np.ndarray, image: np.ndarray, views: Views, columns: tuple[Column, ...]) -> None:
    """Draw one image [H, W, 3] with its views [h, w] in these columns."""
    tops = [max(getattr(views, name).max() for name in column.scale) for column in columns]
    heats = [overlay(image, getattr(views, of.view), top) for of, top in zip(columns, tops, strict=True)]
    show(axes, [image, *heats])


def show(axes: np.ndarray, pictures: Sequence[np.ndarray]) -> None:
    """Draw each picture [H, W, 3] in a cell of its own."""
    for cell, picture in zip(axes, pictures, strict=True):
        cell.imshow(picture, interpolation="nearest")
        cell.set(xticks=[], yticks=[])
        cell.spines[:].set_visible(False)


def caption(axes: Axes, side: str, domain: Domain, index: int, predicted: np.ndarray, *more: str) -> None:
    """Write left of a row the domain, the label, the prediction and further lines."""
    lines = [f"{side} {figure_style.shortened(domain.name)}"]
    if domain.labels is not None:
        lines.append(f"true: {figure_style.shortened(domain.classes[domain.labels[index]])}")
    lines.append(f"predicted: {figure_style.shortened(domain.classes[predicted[index]])}")
    axes.set_ylabel("\n".join([*lines, *more]), rotation=0, ha="right", va="center", fontsize=8, linespacing=1.4)


def picked(network: Network, tests: dict[str, Domain]) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Choose two images of the source and four of the target, half of them misclassified if there are such.

    Yields for each side: its name, the images' rows int [n], all predictions int [N], the images uint8 [n, H, W, 3].
    """
    observer = evaluate.Observer(network)
    for side, half in (("source", 1), ("target", 2)):
        domain = tests[side]
        predicted = observer(domain.images).logits.argmax(1)
        index = choose(domain.labels, predicted, half, half)
        yield side, index, predicted, pipeline.read_pictures(domain.images[index], network.view)


def cam(path: str, out: str | os.PathLike) -> None:
    """Draw the maps of some images of both test sets."""
    config, task, method = training.load_run(path)
    rows = []
    for side, index, predicted, images in picked(method.network, task.tests):
        domain = task.tests[side]
        known = domain.labels if side == "source" else None  # as in training
        found = look_at_maps(method.network, images, None if known is None else known[index])
        for i, k in enumerate(index):
            rows.append((images[i], Views(*(view[i] for view in found)), (side, domain, k, predicted)))
    columns = (*COMMON, *ALIGNED.get(config.weigher, TASK))
    with figure_style.page(out, 2.6 + 1.05 * len(columns), 0.9 + 1.05 * len(rows)) as figure:
        figure.suptitle(f"{figure_style.run_name(config)}, {figure_style.task_name(config.task)}", fontsize=10)
        grid = figure.subplots(len(rows), 1 + len(columns), squeeze=False)
        for axes, (image, views, said) in zip(grid, rows, strict=True):
            row(axes, image, views, columns)
            caption(axes[0], *said)
        for axes, title in zip(grid[0], ["image", *(column.title for column in columns)], strict=True):
            axes.set_title(title, fontsize=8)
        bar = figure.colorbar(ScalarMappable(cmap=HEAT), ax=grid, shrink=0.4, aspect=25, ticks=[0, 1])
        bar.set_label("share of the image's maximum", labelpad=-4)
        bar.outline.set_visible(False)
