"""Collect what a finished run knows of its model, for the card of an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from tfuda.atomic_files import read_json
from tfuda.core.segmented_model import Segmented
from tfuda.data.tasks import Task
from tfuda.evaluation.combined_estimate import Estimate
from tfuda.experiment import build
from tfuda.experiment.workdir import PATHS, PATHS_OF_PAIRS, Workdir, flat
from tfuda.networks.weights import pretrained
from tfuda.serving.model_card import Card


def model_card(
    config: ConfigDict,
    task: Task,
    method: Segmented,
    workdir: Workdir,
    estimate: Estimate | None = None,
    warnings: Sequence[str] = (),
) -> Card:
    """Return the card of the checkpoint that `method` holds; nothing in it comes from target labels.

    Args:
        config, task, method: of `training.load_run`.
        workdir: the folder of the run.
        estimate: of the target accuracy, without target labels; None if unknown.
        warnings: sentences besides those of the run's result.json.
    """
    step = int(method.step.numpy())
    row: Mapping[str, float] = next((row for row in workdir.rows() if int(row["step"]) == step), {})
    about = read_json(workdir.path / "config.json", "config")
    complaints = read_json(workdir.result).get("complaints", []) if workdir.result.is_file() else []
    source = task.streams["source"]
    weights, license = starting_weights(config)
    return Card(
        task.classes,
        config.task,
        config.cell,
        network_name(config),
        weights,
        license,
        step,
        config.select,
        {name: len(domain) for name, domain in task.streams.items()},
        np.bincount(source.known_labels, minlength=len(task.classes)).tolist(),
        row.get("source_accuracy", float("nan")),
        estimate,
        {key.removeprefix("val_"): value for key, value in row.items() if key.startswith("val_")},
        [*complaints, *warnings],
        settings(config),
        {**about.get("versions", {}), "commit": about.get("commit", "")},
    )


def network_name(config: ConfigDict) -> str:
    """Return the network in words, such as "resnet50" or "applications MobileNetV2"."""
    options = config.network_options
    return " ".join([config.network.name, *(str(options[key]) for key in ("model", "preset") if options.get(key))])


def starting_weights(config: ConfigDict) -> tuple[str, str]:
    """Return what the backbone started from in words, and its license; "" for one that is not known."""
    if not config.weights:
        return "random weights", "none is needed, because training started from random weights"
    if build.starts_from_run(config):  # another run's, which had a start of its own
        return starting_weights(Workdir(config.weights).config())
    if config.weights != pretrained.IMAGENET:
        return "a file of the user", ""
    options = config.network_options
    keys = config.network.name, options.get("model"), f"{config.network.name}{options.get('depth')}"
    for key in (*keys, f"{config.network.name}_{options.get('variant')}"):
        if key in pretrained.table():
            return f"ImageNet weights of {key}", pretrained.table()[key]["license"]
    return "pretrained weights", ""


def settings(config: ConfigDict) -> dict:
    """Return the config as {key: value}, flat, without the paths of this machine."""
    gone = {*PATHS, *(f"pairs.{key}" for key in PATHS_OF_PAIRS), "network_options.preset"}
    return {key: value for key, value in flat(config.to_dict()).items() if key not in gone}
