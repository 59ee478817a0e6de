"""Draw where several networks look in one target picture, after Figure 5 of the DAAA paper.

The maps are A_l of one layer (tfuda/methods/shared/attention_transfer.py) and of the test picture itself. They show
the source network, the adapted one, and where there is one an oracle. The layer is the last aligned one of at least
7 × 7 places, or else the last. Every map has its own whole scale.
"""

from __future__ import annotations

import os
import pathlib

import numpy as np
import tensorflow as tf
from matplotlib.cm import ScalarMappable
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.data import pipeline
from tfuda.data.tasks import Domain, Task
from tfuda.evaluation import evaluate
from tfuda.experiment import build, prerequisites, training
from tfuda.experiment.workdir import Workdir
from tfuda.methods import daaa
from tfuda.methods.shared import attention_transfer
from tfuda.networks.base import Network
from tfuda.reports.plots import attention, oracle
from tfuda.reports.plots.regions import regions

SMALLEST = 7  # places on a side
HALF = 3  # images that the adapted network classifies rightly, and as many wrongly


def of_daaa(config: ConfigDict) -> bool:
    """Return whether the run is of DAAA, or of a method built on DAAA."""
    return "method" in config and issubclass(build.kind(config), daaa.DAAA)


def layer(maps: tuple) -> int:
    """Return the index of the map [B, h, w, C] to show."""
    large = [i for i, of in enumerate(maps) if min(of.shape[1:3]) >= SMALLEST]
    return large[-1] if large else len(maps) - 1


def look_at_layers(network: Network, images: np.ndarray, at: int, pooling: str) -> np.ndarray:
    """Return attention of the layer `at`, [B, h, w], from images uint8 [B, H, W, 3]."""
    maps = network(images, training=False).maps[at]
    return tf.reshape(attention_transfer.attention(maps, pooling), [-1, *maps.shape[1:3]]).numpy()


def teacher(path: str, config: ConfigDict, task: Task) -> Network:
    """Load the source network of the run in --workdir=PATH."""
    folder = prerequisites.folder_of(config, config.teacher, pathlib.Path(path, "teacher"))
    if Workdir(folder).finished() is None or not tf.train.latest_checkpoint(folder / "checkpoints"):
        raise FileNotFoundError(f"--workdir={path} lacks its source network: {folder} holds no finished run")
    return prerequisites.taught(config, Workdir(folder), task, training.train_run)


def judge(path: str, config: ConfigDict, task: Task) -> Network:
    """Load the oracle in --oracle=PATH.

    Args:
        path: the oracle's workdir.
        config: the config of the run to draw.
        task: the task of the run to draw.

    Raises:
        ValueError: if its network differs from the run's, so that one layer cannot be compared.
    """
    own, network = oracle.load_oracle(path, config, task)
    for key in ("network", "network_options", "view"):
        if own[key] != config[key]:
            raise ValueError(
                f"--oracle={path} has another config.{key} than the run, so their layers cannot be compared"
            )
    network.shown = build.kind(config).shown(config.options)
    return network


def chosen(networks: dict[str, Network], domain: Domain) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Choose images by the adapted network's predictions: (rows int [n], the networks' predictions int [N])."""
    read = {name: evaluate.Observer(network)(domain.images).logits.argmax(1) for name, network in networks.items()}
    return attention.choose(domain.labels, read["adapted network"], HALF, HALF), read


def networks(path: str, out: str | os.PathLike, judged: str = "") -> None:
    """Draw some target test images of a run of DAAA.

    Args:
        path: the run's workdir.
        out: the PNG file.
        judged: the folder of the oracle's run, or "".
    """
    config, task, method = training.load_run(path)
    seen = {"source network": teacher(path, config, task), "adapted network": method.network}
    if judged:
        seen["oracle"] = judge(judged, config, task)
    domain = task.tests["target"]
    index, read = chosen(seen, domain)
    images = pipeline.read_pictures(domain.images[index], method.network.view)  # [n, H, W, 3]
    maps = method.network(method.network.blank()).maps
    at = layer(maps)
    views = [look_at_layers(network, images, at, method.pooling) for network in seen.values()]
    which = f"layer {at + 1} of {len(maps)}, {maps[at].shape[1]} × {maps[at].shape[2]}"
    with figure_style.page(out, 2.4 + 1.05 * (1 + len(seen)), 0.9 + 1.05 * len(images), "compressed") as figure:
        figure.suptitle(
            f"{figure_style.run_name(config)}, {figure_style.task_name(config.task)}: attention, {which}", fontsize=10
        )
        grid = figure.subplots(len(images), 1 + len(seen), squeeze=False)
        for i, (axes, k) in enumerate(zip(grid, index, strict=True)):
            attention.show(axes, [images[i], *(attention.overlay(images[i], v[i], v[i].max()) for v in views)])
            others = [(name, of[k]) for name, of in read.items() if name != "adapted network"]
            more = [f"{name}: {figure_style.shortened(domain.classes[label])}" for name, label in others]
            attention.caption(axes[0], "target", domain, k, read["adapted network"], *more)
        for axes, title in zip(grid[0], ["image", *seen], strict=True):
            axes.set_title(title, fontsize=8)
        bar = figure.colorbar(ScalarMappable(cmap=attention.HEAT), ax=grid, shrink=0.4, aspect=25, ticks=[0, 1])
        bar.set_label("share of the image's maximum", labelpad=-4)
        bar.outline.set_visible(False)


def attention_of_run(path: str, out: str | os.PathLike, judged: str = "") -> None:
    """Draw the attention of a run: of regions for TADA, of networks for DAAA.

    Args:
        path: the run's workdir.
        out: the PNG file.
        judged: the folder of the oracle's run, for DAAA alone.
    """
    config = Workdir(path).config()
    if "method" not in config:
        raise ValueError(f"--workdir={path} is a folder of run/pair.py: --what=attention needs a run of tada or daaa")
    if of_daaa(config):
        networks(path, out, judged)
        return
    if judged:
        raise ValueError(
            f"--oracle={judged} is for --what=attention of runs of daaa: --workdir={path} is a run of {config.method}"
        )
    regions(path, out)
