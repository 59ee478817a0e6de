"""Source and target features before and after adaptation, in two dimensions: after Figure 10 of the ToAlign paper."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from ml_collections import ConfigDict
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from tfuda import build, evaluate, experiment
from tfuda.data.domains import Domain, Task
from tfuda.method import Method
from tfuda.plots import style
from tfuda.workdir import Workdir

POINTS = 500  # of each domain
LEGEND = 20  # classes up to which each has its line in the legend and its name at its centre
SAME = ("data", "task", "source_classes", "target_classes")  # what two runs must share to be compared
MARKS: dict[str, dict[str, Any]] = {
    "source": {"marker": "o", "s": 9, "linewidths": 0.7, "facecolors": "none"},
    "target": {"marker": "^", "s": 13, "linewidths": 0},
}


class Cloud(NamedTuple):
    """One panel."""

    title: str
    points: dict[str, np.ndarray]  # of source and target, [n, 2]
    labels: dict[str, np.ndarray | None]  # int [n]


def part(domain: Domain) -> Domain:
    """At most POINTS images, always the same."""
    return domain.rows(np.sort(np.random.default_rng(0).permutation(len(domain))[:POINTS]))


def embed(features: np.ndarray) -> np.ndarray:
    """t-SNE [N, d] -> [N, 2]; one thread, because sums over several differ from run to run."""
    if not np.isfinite(features).all():
        raise ValueError("the features are not finite, so there is nothing to plot: this training has diverged")
    flat = min(features.shape) < 2 or not features.std(0).any()
    with threadpool_limits(1):
        return TSNE(
            init="random" if flat else "pca",
            random_state=0,
            perplexity=min(30.0, max(1.0, (len(features) - 1) / 3)),
        ).fit_transform(features)


def cloud(title: str, method: Method, tests: dict[str, Domain]) -> Cloud:
    """Both test sets through the network, into one plane; the accuracy is that of the whole target test set."""
    observer, target = evaluate.Observer(method.network), tests["target"]
    if target.labels is not None:
        accuracy = evaluate.score(target.labels, observer(target.images).logits).accuracy
        title += f"\ntarget accuracy {style.percent(accuracy)}"
    parts = {side: part(tests[side]) for side in MARKS}
    points = embed(np.concatenate([observer(domain.images).features for domain in parts.values()]))  # [N, 2]
    count = len(parts["source"])
    labels = {side: domain.labels for side, domain in parts.items()}
    return Cloud(title, {"source": points[:count], "target": points[count:]}, labels)


def earlier(config: ConfigDict, task: Task, before: str) -> tuple[str, Method]:
    """Title and network of the left panel: the source-only run in `before`, or the untrained network."""
    if not before:
        return "before training (step 0)", build.method(config, task)
    other = Workdir(before).config()
    if other.method != "source_only":
        raise ValueError(f"--before={before} is a run of {other.method}: it has to be one of source_only")
    for key in SAME:
        if other[key] != config[key]:
            raise ValueError(f"--before={before} has {key}={other[key]!r}, the run has {config[key]!r}")
    return f"before adaptation ({style.run_name(other)})", experiment.load(before)[2]


def middle(points: np.ndarray, own: np.ndarray) -> np.ndarray | None:
    """Median [2] of a class's points, or None where it lies among others: points [N, 2], own bool [N]."""
    if not own.any():
        return None
    centre = np.median(points[own], 0)
    near = np.argsort(((points - centre) ** 2).sum(1), kind="stable")[:10]
    return centre if own[near].mean() > 0.5 else None


def panel(axes: Axes, of: Cloud, classes: tuple[str, ...]) -> None:
    """Colour is class, marker is domain, a class's name stands amid its source points, if they keep together."""
    colours = np.array([*style.class_colours(len(classes)), "#777777"], object)
    for side, look in MARKS.items():
        labels, points = of.labels[side], of.points[side]
        colour = list(colours[labels if labels is not None else np.full(len(points), -1)])
        inside = {} if "facecolors" in look else {"facecolors": colour}
        axes.scatter(*points.T, edgecolors=colour, alpha=0.85, **{**look, **inside})
    if of.labels["source"] is not None and len(classes) <= LEGEND:
        halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
        for k, name in enumerate(classes):
            if (centre := middle(of.points["source"], of.labels["source"] == k)) is not None:
                x, y = centre
                text = style.shortened(name)
                axes.text(x, y, text, ha="center", va="center", weight="bold", path_effects=halo)
    axes.set(title=of.title, xlabel="t-SNE dimension 1", ylabel="t-SNE dimension 2", xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="#999999")


def legend(names: dict[str, str], classes: tuple[str, ...], unknown: bool) -> list[Line2D]:
    """Markers for the domains and colours for the classes."""

    def entry(marker, face, edge, label):
        return Line2D(
            [], [], linestyle="", marker=marker, markersize=5, markerfacecolor=face, markeredgecolor=edge, label=label
        )

    handles = [
        entry("o", "none", "#333333", f"source: {names['source']}"),
        entry("^", "#333333", "#333333", f"target: {names['target']}" + (" (no labels)" if unknown else "")),
    ]
    if len(classes) <= LEGEND:
        colours = style.class_colours(len(classes))
        handles += [entry("s", c, c, style.shortened(n)) for n, c in zip(classes, colours, strict=True)]
    return handles


def tsne(path: str, out: str | os.PathLike, before: str = "") -> None:
    """The run in `path` at the right, what was before it at the left."""
    config, task, method = experiment.load(path)
    first, initial = earlier(config, task, before)
    title = f"{style.run_name(config)} (step {int(method.step.numpy())})"
    title = title if config.method == "source_only" else f"after adaptation: {title}"
    clouds = [cloud(first, initial, task.tests), cloud(title, method, task.tests)]
    with style.page(out, 7.2, 3.9) as figure:
        for axes, of in zip(figure.subplots(1, 2), clouds, strict=True):
            panel(axes, of, task.classes)
        names = {side: domain.name for side, domain in task.tests.items()}
        handles = legend(names, task.classes, task.tests["target"].labels is None)
        figure.legend(handles=handles, loc="outside right center", handletextpad=0.3)
