"""Deliver the results that a user with two folders wants: an exported model, and predictions for the target."""

from __future__ import annotations

from collections.abc import Callable

from ml_collections import ConfigDict

from tfuda.atomic_files import open_whole
from tfuda.experiment import card_facts, training
from tfuda.experiment.workdir import Workdir
from tfuda.serving import export, predict


def deliver_run(config: ConfigDict, workdir: Workdir, say: Callable[[str], None]) -> int:
    """Write export/ and predictions.csv into a finished run's folder; return the number of unreadable files.

    Each is named, and is not counted where the config leaves such files out.
    """
    model, table = workdir.path / "export", workdir.path / "predictions.csv"
    if not (model / "saved_model.pb").is_file():
        of, task, method = training.load_run(workdir.path)
        card = card_facts.model_card(of, task, method, workdir)
        export.export_network(method.network, task.classes, model, task.streams["target"].images[:64], card=card)
    with open_whole(table, **predict.CSV) as out:
        bad = predict.predict_files(export.Model(model), [config.target], out, say)
    say(f"model: {model}")
    say(f"predictions: {table}")
    return 0 if config.on_bad_image == "skip" else bad
