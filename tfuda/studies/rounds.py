"""Train BIWAA-I: repeat training, balanced and helped by earlier rounds' predictions (WACV 2023, §3.3, §3.4).

    P_r      softmax of every target image at the end of round r, [N, K]; the mean of ten crops where the view has ten
    prior    of round R: Σ_r w_r P_r over r < R,  w_r = (1 - q)^(R-1-r) / Σ (1 - q)^(R-1-r),  q = 0.2
    loader   round 0 draws the target's images at random; a later round by turns of the classes arg max prior
    labels   a round's pseudo-labels start from its prior and leave it (tfuda/core/pseudo_labels.py, eqs. 13, 14)
    seed     of round R's weights and batches: seed + 100 R

Every round starts from scratch. There are three loaders. "predicted" is the one above. "random" never balances: the
lower line of Figure 5. "oracle" balances by the true labels from round 0 on: the upper line. The oracle's
pseudo-labels still come from the network. All else is equal in the three loaders, so round 0 of the first two is the
same run.

Paper against code (docs/methods/biwaa.md#biwaa-rounds):
- Eq. 12 is a plain running mean, in which round 0 keeps the weight (1 - q)^(R-1): `rounds.average=plain`. The code
  normalises the weights, and so does the default.
- The code's P_r is the sum of ten crops, and counts tenfold in eq. 13: `beliefs.scale=10`.

Table 5's switches: `beliefs.rate=1` for no A_r, `rounds.rate=1` for no A_i, `beliefs.fade=0` for no B.
"""

from __future__ import annotations

import csv
import io
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.atomic_files import write_whole
from tfuda.core import pseudo_labels
from tfuda.evaluation import evaluate, validators
from tfuda.experiment import build, prerequisites, training
from tfuda.experiment.workdir import PATHS, Workdir, flat
from tfuda.names import near
from tfuda.studies import table_text

LOADERS = ("predicted", "random", "oracle")
FIELDS = ("loader", "round", "seed", "last", "selected", "oracle", "labels", "agreement")
AVERAGES = ("normalised", "plain")


def check_rounds(config: ConfigDict, folder: pathlib.Path, loaders: Sequence[str]) -> None:
    """Refuse settings that cannot work, before hours of training.

    Args:
        config: the config of the first round.
        folder: the folder of the rounds.
        loaders: names among LOADERS.

    Raises:
        ValueError: if a loader is unknown or needs missing labels, or the config sets what follows from the round.
    """
    for loader in loaders:
        if loader not in LOADERS:
            raise ValueError(f"unknown loader {loader!r}{near(loader, LOADERS)}")
    average([np.zeros([1, 1])], config.rounds.rate, config.rounds.average)
    if config.prior or config.rounds.index or config.samplers.target == "oracle":
        raise ValueError(
            "prior, rounds.index and samplers.target follow from the round and --loaders: leave them out"
        )
    target = build.task(config).trains["target"] if "oracle" in loaders else None
    if target is not None and target.labels is None:
        raise ValueError(
            f"the loader oracle needs labels of the target's training images, and {target.name} has none"
        )
    for record in sorted(folder.glob("*/config.json")):
        _same(config, Workdir(record.parent))


def _same(config: ConfigDict, other: Workdir) -> None:
    """Refuse a folder whose rounds had another config, apart from the keys that differ between rounds."""
    new, old = (flat(json.loads(json.dumps(made.to_dict()))) for made in (config, other.config()))
    for key in sorted({*new, *old} - {"prior", "rounds.index", "samplers.target", "pairs.folder", *PATHS}):
        if new.get(key) != old.get(key):
            raise ValueError(
                f"{other.path} is a round with another config ({key} is {old.get(key)!r} there and {new.get(key)!r} "
                "here): choose another --workdir"
            )


def average(predictions: Sequence[np.ndarray], rate: float, kind: str = "normalised") -> np.ndarray:
    """Return the prior [N, K] after several rounds.

    Args:
        predictions: P_r [N, K] of each round, the first round first.
        rate: q, the share of the newest round, in (0, 1].
        kind: "normalised" or "plain".
    """
    if kind not in AVERAGES:
        raise ValueError(f"rounds.average={kind!r}: choose {' or '.join(AVERAGES)}")
    if not 0 < rate <= 1:
        raise ValueError(f"rounds.rate={rate}: the newest round's share is above 0 and at most 1")
    count = len(predictions)
    weights = (1.0 - rate) ** np.arange(count - 1, -1, -1)
    if kind == "normalised":
        weights = weights / weights.sum()
    else:
        weights[1:] *= rate
    return np.tensordot(weights, np.stack(predictions), 1)


def save_beliefs(path: pathlib.Path, beliefs: np.ndarray) -> None:
    """Write beliefs [N, K] to a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    np.savez(out, beliefs=beliefs.astype(np.float32))
    write_whole(path, out.getvalue())


def predictions(workdir: Workdir) -> np.ndarray:
    """Return P_r of a finished round, float32 [N, K], from its file, or else from its last checkpoint."""
    path = workdir.path / "beliefs.npz"
    if not path.is_file():
        _, task, method = training.load_run(workdir.path, last=True)
        logits = evaluate.Observer(method.network)(task.streams["target"].images).logits
        save_beliefs(path, tf.nn.softmax(logits).numpy())
    return pseudo_labels.load_beliefs(str(path))


def round_folder(folder: pathlib.Path, loader: str, index: int) -> Workdir:
    """Return the workdir of a round: round0, round1, ...; random1, ...; oracle0, ...."""
    shared = loader == "predicted" or (loader == "random" and index == 0)
    return Workdir(folder / f"{'round' if shared else loader}{index}")


def prepared(config: ConfigDict, folder: pathlib.Path, loader: str, index: int) -> ConfigDict:
    """Return the config of a round whose earlier rounds are finished, and write the round's prior.

    Args:
        config: the config of the first round.
        folder: the folder of the rounds.
        loader: one of LOADERS.
        index: the number of the round.
    """
    made = config.copy_and_resolve_references()
    prerequisites.share(made, folder)
    made.rounds.index = index
    made.samplers.target = "oracle" if loader == "oracle" else "uniform"
    if index:
        before = [predictions(round_folder(folder, loader, earlier)) for earlier in range(index)]
        prior = round_folder(folder, loader, index).path / "prior.npz"
        save_beliefs(prior, average(before, config.rounds.rate, config.rounds.average))
        made.prior = str(prior)
        if loader == "predicted":
            made.samplers.target = "balanced"
    return made


def series(
    config: ConfigDict, folder: pathlib.Path, loader: str, count: int, verbose: int | str, say: Callable[[str], None]
) -> Iterator[dict]:
    """Train `count` rounds, or resume them, and yield one row of FIELDS after each.

    Args:
        config: the config of the first round.
        folder: the folder of the rounds.
        loader: one of LOADERS.
        count: the number of rounds.
        verbose: see training.
        say: receives each message.
    """
    for index in range(count):
        workdir = round_folder(folder, loader, index)
        made = prepared(config, folder, loader, index)
        task = build.task(made, say)
        if workdir.finished() is None:
            say(f"round {index} of {count}, loader {loader}: {workdir.path}")
        result = training.train_run(made, workdir, verbose, task, say)
        row = {"loader": loader, "round": index, "seed": made.seed}
        row |= {key: result.get(key, "") for key in ("last", "selected", "oracle")}
        found = [predictions(round_folder(folder, loader, earlier)) for earlier in range(index + 1)]
        labels, beliefs = task.trains["target"].labels, average(found, config.rounds.rate, config.rounds.average)
        row["labels"] = "" if labels is None else evaluate.score(labels, beliefs).accuracy
        classes = [p.argmax(1) for p in found[-2:]]
        yield row | {"agreement": validators.agreement(classes[-1], classes[-2]) if index else ""}


def markdown(rows: list[dict]) -> str:
    """Return a table of final accuracy, rounds down and loaders across (of the averaged predictions in brackets)."""
    loaders = list(dict.fromkeys(row["loader"] for row in rows))
    lines = [["round", *loaders], ["---:"] * (len(loaders) + 1)]
    for index in sorted({row["round"] for row in rows}):
        here = {row["loader"]: row for row in rows if row["round"] == index}
        lines.append([str(index), *(_cell(here.get(loader)) for loader in loaders)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(row: dict | None) -> str:
    if row is None or row["last"] == "":
        return ""
    return f"{100 * row['last']:.1f}" + (f" ({100 * row['labels']:.1f})" if row["labels"] != "" else "")


def known(folder: pathlib.Path) -> list[dict]:
    """Return the rows of rounds.csv, or none where the file does not exist."""
    path = folder / "rounds.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        found = [{key: _read(key, value) for key, value in row.items()} for row in csv.DictReader(file)]
    if any({*row} != {*FIELDS} or row["loader"] not in LOADERS for row in found):
        raise ValueError(f"{path} is no table of rounds as run/rounds.py writes it: move it away")
    return [row for row in found if round_folder(folder, row["loader"], row["round"]).finished()]


def _read(key: str, value: str):
    if key == "loader" or not value:
        return value
    return int(value) if key in ("round", "seed") else float(value)


def write_report(rows: list[dict], folder: pathlib.Path) -> list[dict]:
    """Write rounds.csv and rounds.md with these rows and those that earlier commands wrote of other rounds."""
    found = {(row["loader"], row["round"]): row for row in [*known(folder), *rows]}
    rows = [found[key] for key in sorted(found, key=lambda key: (LOADERS.index(key[0]), key[1]))]
    write_whole(folder / "rounds.csv", table_text.as_csv(rows, FIELDS))
    write_whole(folder / "rounds.md", markdown(rows))
    return rows
