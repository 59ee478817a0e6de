"""Draw training pictures of both domains above their translations, and count how many an oracle recognises.

An oracle that has learnt the target's real labels classifies every translated source picture. The share classified as
the picture's own label measures how much of the class the generators keep. Beside it stands the oracle's accuracy on
real test pictures.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from tfuda import figure_style
from tfuda.data import pipeline
from tfuda.data.files import Files
from tfuda.data.tasks import Domain, Task
from tfuda.evaluation import evaluate
from tfuda.experiment import build, defaults, prerequisites
from tfuda.experiment import translated_pairs as made
from tfuda.experiment.workdir import Workdir
from tfuda.networks.base import Network
from tfuda.reports.plots import attention, oracle
from tfuda.translation import pair_store, sample_sheets

COLUMNS, LOTS = 10, 2  # pictures side by side, and how often


class Found(NamedTuple):
    """Finished pairs."""

    config: ConfigDict
    task: Task
    translated: dict[str, Domain]  # by direction
    side: int  # of the pictures, as the generators saw them


def whereabouts(path: str) -> tuple[ConfigDict, pathlib.Path]:
    """Return (config, folder of the pairs) of a folder of run/pair.py, or of a run that trains on pairs."""
    here = pathlib.Path(path)
    kinds = "a folder of run/pair.py nor a run with pairs, as of daaa"
    if not (here / "config.json").is_file():
        raise FileNotFoundError(f"--workdir={path} is neither {kinds}: {here / 'config.json'} is missing")
    config = Workdir(path).config()
    if "pairs" not in config:
        raise ValueError(f"--workdir={path} is neither {kinds}: its config has no pairs")
    if "method" not in config:  # pairs do not depend on the method; other missing keys are not checked
        return ConfigDict({**defaults.default_config("source_only").to_dict(), **config.to_dict()}), here
    if "pairs" not in build.kind(config).stages:
        raise ValueError(f"--workdir={path} is neither {kinds}: it is a run of {config.method}")
    return config, prerequisites.folder_of(config, config.pairs.folder, here / "pairs")


def find(path: str) -> Found:
    """Load the pairs of --workdir=PATH."""
    config, folder = whereabouts(path)
    index = pair_store.finished(folder)
    if index is None:
        raise FileNotFoundError(
            f"--workdir={path} has no finished pairs: {folder / 'index.json'} is missing; the command that made "
            "them resumes there"
        )
    task = build.task(config, lambda line: None)
    sides = zip(made.DIRECTIONS, ("source", "target"), strict=True)
    translated = {name: pair_store.load_pairs(folder, name, task.streams[side]) for name, side in sides}
    return Found(config, task, translated, index[made.DIRECTIONS[0]]["size"][0])


def chosen(domain: Domain) -> np.ndarray:
    """Choose rows of as many classes as possible, each lot in their order; without labels evenly spaced rows."""
    count = min(COLUMNS * LOTS, len(domain))
    if domain.labels is None:
        return np.linspace(0, len(domain) - 1, count).round().astype(int)
    rows = attention.varied(np.arange(len(domain)), domain.labels)[:count]
    cuts = range(0, count, COLUMNS)
    return np.concatenate([sorted(rows[at : at + COLUMNS], key=domain.labels.__getitem__) for at in cuts])


def lots(domain: Domain, translated: Domain, side: int) -> list[np.ndarray]:
    """Return a sheet's rows, uint8 [n, side, side, 3] each: pictures, translations, further pictures, theirs."""
    rows = chosen(domain)
    both = [pipeline.read_pictures(of.images[rows], made.whole_picture(of, side)) for of in (domain, translated)]
    cuts = range(0, len(rows), COLUMNS)
    return [images[at : at + COLUMNS] for at in cuts for images in both]


def verdict(network: Network, found: Found, path: str) -> str:
    """Return as text the accuracy of the oracle in --oracle=PATH on all translated source pictures and real ones."""
    there, real = found.translated["source_as_target"], found.task.tests["target"]
    if not network.view.size and (isinstance(there.images, Files) or there.images.shape[1:] != network.size):
        raise ValueError(
            f"--oracle={path} reads pictures of {network.size[1]} × {network.size[0]} only, and the translated "
            "pictures have another size: train an oracle with config.view.resize and config.view.size"
        )
    observer = evaluate.Observer(network)
    kept, known = (evaluate.score(of.known_labels, observer(of.images).logits).accuracy for of in (there, real))
    return (
        f"oracle reads {figure_style.percent(kept)} of {len(there)} translated pictures as their label; "
        f"{figure_style.percent(known)} of real test pictures of {real.name}"
    )


def pairs(path: str, out: str | os.PathLike, judge: str = "", say: Callable[[str], None] = lambda line: None) -> None:
    """Draw the pairs in a folder, or of a run that trains on them.

    Args:
        path: the workdir.
        out: the PNG file.
        judge: the folder of the oracle's run, or "".
        say: receives the oracle's verdict.
    """
    found = find(path)
    line = ""
    if judge:
        line = verdict(oracle.load_oracle(judge, found.config, found.task)[1], found, judge)
        say(line)
    domains = [found.task.streams[side] for side in ("source", "target")]
    sheets = [lots(d, t, found.side) for d, t in zip(domains, found.translated.values(), strict=True)]
    with figure_style.page(out, 7.2, 0.9 + sum(0.63 * len(rows) for rows in sheets)) as figure:
        figure.suptitle(
            f"{figure_style.task_name(found.config.task)}: training pictures and their translations", fontsize=10
        )
        panels = figure.subplots(2, 1, height_ratios=[len(rows) for rows in sheets])
        names = [domain.name for domain in domains]
        for axes, name, there, rows in zip(panels, names, reversed(names), sheets, strict=True):
            sample_sheets.panel(axes, rows, [name, f"as {there}"] * (len(rows) // 2))
        panels[0].set_title(line, fontsize=8)
