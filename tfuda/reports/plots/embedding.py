"""Draw source and target features in two dimensions.

One run and its starting point are drawn in colours of the classes: after Figure 10 of the ToAlign paper. Several runs
next to each other are drawn in colours of the domains: after Figure 2 of the TADA paper.
"""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from ml_collections import ConfigDict
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from tfuda import figure_style
from tfuda.core.method import Method
from tfuda.data.tasks import Domain, Task
from tfuda.evaluation import evaluate
from tfuda.experiment import build, training
from tfuda.experiment.workdir import Workdir
from tfuda.names import trains_source_only
from tfuda.networks.weights.pretrained import IMAGENET
from tfuda.reports.plots import history

POINTS = 500  # of each domain
LEGEND = 20  # classes up to which each has its line in the legend and its name at its centre
SAME = ("task", "data", "source_classes", "target_classes", "partial")  # what two runs must share to be compared
SHORT = 3  # letters up to which a class has its name among several runs too
WIDE = 36  # letters in a line of a title
MARKS: dict[str, dict[str, Any]] = {
    "source": {"marker": "o", "s": 9, "linewidths": 0.7, "facecolors": "none"},
    "target": {"marker": "^", "s": 13, "linewidths": 0},
}


class Cloud(NamedTuple):
    """One panel."""

    title: str
    points: dict[str, np.ndarray]  # of source and target, [n, 2]
    labels: dict[str, np.ndarray | None]  # int [n]


def part_of_domain(domain: Domain) -> Domain:
    """Return at most POINTS images of a domain, always the same."""
    return domain.rows(np.sort(np.random.default_rng(0).permutation(len(domain))[:POINTS]))


def embed(features: np.ndarray) -> np.ndarray:
    """Embed features [N, d] in the plane [N, 2] by t-SNE, in one thread: sums over several differ between runs."""
    if not np.isfinite(features).all():
        raise ValueError("the features are not finite, so there is nothing to plot: this training has diverged")
    flat = min(features.shape) < 2 or not features.std(0).any()
    with threadpool_limits(1):
        return TSNE(
            init="random" if flat else "pca",
            random_state=0,
            perplexity=min(30.0, max(1.0, (len(features) - 1) / 3)),
        ).fit_transform(features)


def cloud(title: str, method: Method, target: Domain, parts: dict[str, Domain]) -> Cloud:
    """Embed parts of source and target by the network's features.

    Args:
        title: the panel's title; the accuracy is added.
        method: the trained method.
        target: the test set on which the accuracy is measured.
        parts: the domains to embed, by side.
    """
    observer = evaluate.Observer(method.network)
    if target.labels is not None:
        accuracy = evaluate.score(target.labels, observer(target.images).logits).accuracy
        title += f"\ntarget accuracy {figure_style.percent(accuracy)}"
    points = embed(np.concatenate([observer(domain.images).features for domain in parts.values()]))  # [N, 2]
    count = len(parts["source"])
    labels = {side: domain.labels for side, domain in parts.items()}
    return Cloud(title, {"source": points[:count], "target": points[count:]}, labels)


def alike(first: ConfigDict, second: ConfigDict, *who: str) -> None:
    """Refuse runs of two tasks; `who` names them in the error."""
    for key in SAME:
        if first[key] != second[key]:
            raise ValueError(f"{who[0]} has {key}={first[key]!r}, {who[1]} has {second[key]!r}")


def after(config: ConfigDict, method: Method) -> str:
    """Return the title of the right panel."""
    title = f"{figure_style.run_name(config)} (step {int(method.step.numpy())})"
    return title if trains_source_only(config) else f"after adaptation: {title}"


def titles(configs: Sequence[ConfigDict]) -> list[str]:
    """Return the runs' names, with the options in which they differ."""
    names = [figure_style.run_name(config) for config in configs]
    return [textwrap.fill(name, WIDE) for name in history.apart(names, [*map(history.options, configs)])]


def earlier(config: ConfigDict, task: Task, before: str) -> tuple[str, Method]:
    """Return title and network of the left panel.

    Args:
        config: the config of the right panel's run.
        task: its task.
        before: the workdir of a source_only run; "" stands for the untrained network.
    """
    if not before:
        gone = config.weights not in ("", IMAGENET) and not os.path.isfile(config.weights)
        config = config.copy_and_resolve_references()
        config.weights = "" if gone else config.weights
        random = " from random weights, as its file of weights is gone" if gone else ""
        return f"before training (step 0){random}", build.method(config, task)
    other = Workdir(before).config()
    if not trains_source_only(other):
        raise ValueError(f"--before={before} is a run of {other.cell}: it has to be one of source_only")
    alike(other, config, f"--before={before}", "the run")
    return f"before adaptation ({figure_style.run_name(other)})", training.load_run(before)[2]


def middle(points: np.ndarray, own: np.ndarray) -> np.ndarray | None:
    """Return the median [2] of a class's points, or None where it lies among others: points [N, 2], own bool [N]."""
    if not own.any():
        return None
    centre = np.median(points[own], 0)
    near = np.argsort(((points - centre) ** 2).sum(1), kind="stable")[:10]
    return centre if own[near].mean() > 0.5 else None


def panel(axes: Axes, of: Cloud, classes: tuple[str, ...], sides: bool = False) -> None:
    """Draw a cloud: the marker is the domain, and a class's name stands amid its source points if they keep together.

    Args:
        axes: the panel.
        of: the cloud to draw.
        classes: the names of the classes.
        sides: whether the colour is the domain too, instead of the class; then only short names are written.
    """
    colours = np.array([*figure_style.class_colours(len(classes)), "#777777"], object)
    for side, look in MARKS.items():
        labels, points = of.labels[side], of.points[side]
        kinds = labels if labels is not None else np.full(len(points), -1)
        colour = [figure_style.SIDES[side]] * len(points) if sides else list(colours[kinds])
        inside = {} if "facecolors" in look else {"facecolors": colour}
        axes.scatter(*points.T, edgecolors=colour, alpha=0.85, **{**look, **inside})
    short = not sides or max(map(len, classes)) <= SHORT
    if of.labels["source"] is not None and len(classes) <= LEGEND and short:
        halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
        for k, name in enumerate(classes):
            if (centre := middle(of.points["source"], of.labels["source"] == k)) is not None:
                x, y = centre
                text = figure_style.shortened(name)
                axes.text(x, y, text, ha="center", va="center", weight="bold", path_effects=halo)
    axes.set(title=of.title, xlabel="t-SNE dimension 1", ylabel="t-SNE dimension 2", xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="#999999")


def legend(names: dict[str, str], classes: tuple[str, ...], unknown: bool, sides: bool = False) -> list[Line2D]:
    """Return the legend's entries.

    Args:
        names: the domains' names by side.
        classes: the names of the classes.
        unknown: whether the target has no labels.
        sides: whether colours are those of the domains instead of the classes.
    """
    colours = figure_style.SIDES if sides else dict.fromkeys(MARKS, "#333333")
    source, target = colours["source"], colours["target"]

    def entry(marker, face, edge, label):
        return Line2D(
            [], [], linestyle="", marker=marker, markersize=5, markerfacecolor=face, markeredgecolor=edge, label=label
        )

    handles = [
        entry("o", "none", source, f"source: {names['source']}"),
        entry("^", target, target, f"target: {names['target']}" + (" (no labels)" if unknown else "")),
    ]
    if len(classes) <= LEGEND and not sides:
        kinds = zip(classes, figure_style.class_colours(len(classes)), strict=True)
        handles += [entry("s", colour, colour, figure_style.shortened(name)) for name, colour in kinds]
    return handles


def tsne(paths: Sequence[str], out: str | os.PathLike, before: str = "") -> None:
    """Draw one run beside its starting point, or several runs abreast; the same images in all panels.

    Args:
        paths: workdirs of runs.
        out: the PNG file.
        before: the workdir of a source_only run as one run's starting point; "" stands for the untrained network.
    """
    folders = figure_style.once(paths)
    configs = [Workdir(path).config() for path in folders]
    for path, other in zip(folders, configs, strict=True):
        alike(other, configs[0], f"--workdir={path}", f"--workdir={folders[0]}")
    several = len(folders) > 1
    config, task, method = training.load_run(folders[0])
    names = titles(configs) if several else [after(config, method)]
    parts = {side: part_of_domain(task.tests[side]) for side in MARKS}
    clouds = []
    if before or not several:
        title, initial = earlier(config, task, before)
        clouds.append(cloud(title, initial, task.tests["target"], parts))
    clouds.append(cloud(names[0], method, task.tests["target"], parts))
    for path, name in zip(folders[1:], names[1:], strict=True):
        _, own, method = training.load_run(path)
        clouds.append(cloud(name, method, own.tests["target"], parts))
    draw(clouds, task, several, out)


def draw(clouds: Sequence[Cloud], task: Task, several: bool, out: str | os.PathLike) -> None:
    """Draw panels next to each other, more than three in rows."""
    count = len(clouds)
    columns = count if count <= 3 else math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    names = {side: figure_style.shortened(domain.name) for side, domain in task.tests.items()}
    size = (0.2 + 3.0 * columns, 0.4 + 3.4 * rows) if several else (7.2, 3.9)
    with figure_style.page(out, *size) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, of in zip(grid, clouds, strict=False):
            panel(axes, of, task.classes, several)
        for axes in grid[count:]:
            axes.set_axis_off()
        handles = legend(names, task.classes, task.tests["target"].labels is None, several)
        place = {"loc": "outside lower center", "ncols": 2} if several else {"loc": "outside right center"}
        figure.legend(handles=handles, handletextpad=0.3, **place)
