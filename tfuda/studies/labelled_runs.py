"""Read finished runs whose target has labels: what their networks put out, and what was right.

The variant of a run says what its target shows:

    plain        every class, as the data set has them
    partial      some classes alone (config.target_classes or config.partial)
    imbalanced   a long tail of classes (config.imbalance=target)

Accuracy is that on the unlabelled target pictures, which the estimates see as well.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from tfuda.evaluation import importance
from tfuda.experiment import build, cells
from tfuda.experiment.workdir import OUTPUTS, Workdir
from tfuda.studies.adaptation import choice
from tfuda.studies.adaptation.request import PORTFOLIO

VARIANTS = ("plain", "partial", "imbalanced")
CANDIDATES = (choice.PLAIN, *(cells.parse_cell(cell).cell for cell in PORTFOLIO))  # of `tfuda adapt`
DRAWS = (  # keys of a config that decide which target pictures there are
    *("data", "root", "lists", "source", "target", "task", "data_seed", "seed", "shots", "unseen"),
    *("target_classes", "partial", "imbalance", "tail"),
)


class Run(NamedTuple):
    """Hold a finished run.

    Attributes:
        variant: one of VARIANTS.
        task: name of the task.
        seed: seed of the run.
        outputs: name of the cell, and the logits.
        labels: of the unlabelled target pictures, int [N]; for reports alone.
        weights: density ratio of the held-out source pictures, from the logits, [V].
    """

    variant: str
    task: str
    seed: int
    outputs: choice.Candidate
    labels: np.ndarray
    weights: np.ndarray

    @property
    def cell(self) -> str:
        """Return the name of the cell."""
        return self.outputs.name

    @property
    def truth(self) -> float:
        """Return the target accuracy, in 0..1."""
        return float((self.outputs.target_logits.argmax(1) == self.labels).mean())


Group = dict[str, Run]  # {cell: its run}
Key = tuple[str, str, int]  # variant, task, seed


def variant(config: ConfigDict) -> str:
    """Return which of VARIANTS the target of a config is."""
    if config.imbalance == "target":
        return "imbalanced"
    return "partial" if config.target_classes or config.partial else "plain"


def runs_below(folders: Iterable[str | os.PathLike]) -> list[Run]:
    """Return every finished run below some folders that kept its outputs and whose target has labels."""
    found, known = [], {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("result.json")):
            result, home = json.loads(path.read_text("utf-8")), path.parent
            if "last" not in result or not (home / OUTPUTS).is_file():
                continue
            config = Workdir(home).config()
            key = json.dumps([str(config.get(name)) for name in DRAWS])
            if key not in known:
                known[key] = build.task(config, lambda line: None).trains["target"].known_labels
            outputs = choice.read_outputs(config.cell, home / OUTPUTS)
            if len(outputs.target_logits) != len(known[key]):
                raise ValueError(
                    f"{home / OUTPUTS} has {len(outputs.target_logits)} target pictures, where the task has "
                    f"{len(known[key])}: the data have changed since; train the run again"
                )
            weights = importance.ratio_of_logits(outputs.source_logits, outputs.target_logits)
            found.append(Run(variant(config), config.task, config.seed, outputs, known[key], weights))
    if not found:
        raise ValueError(f"{', '.join(map(str, folders))}: no finished run with {OUTPUTS} and a labelled target")
    return found


def complete(runs: Iterable[Run]) -> dict[Key, Group]:
    """Return {(variant, task, seed): {cell: run}} of those that have all CANDIDATES, and only these."""
    groups: dict[Key, Group] = {}
    for run in runs:
        if run.cell in CANDIDATES:
            groups.setdefault((run.variant, run.task, run.seed), {})[run.cell] = run
    whole = {key: group for key, group in groups.items() if len(group) == len(CANDIDATES)}
    if not whole:
        raise ValueError(f"no task and seed has a finished run of each of {', '.join(CANDIDATES)}")
    order = sorted(whole, key=lambda key: (VARIANTS.index(key[0]), *key[1:]))
    return {key: {cell: whole[key][cell] for cell in CANDIDATES} for key in order}
