"""Choose among trained candidates, and write what the user gets: model, predictions, estimate, warnings."""

from __future__ import annotations

import csv
import io
import json
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfuda.atomic_files import open_whole, write_whole
from tfuda.data import decodable
from tfuda.data.files import Files, pictures_below, same
from tfuda.data.tasks import Task
from tfuda.evaluation import calibration, evaluate, importance, pictures_to_label, warning_signs
from tfuda.evaluation.combined_estimate import Estimate, Row
from tfuda.evaluation.validators import softmax
from tfuda.experiment import card_facts, frozen_stages, training
from tfuda.experiment.workdir import Workdir
from tfuda.serving import export, predict
from tfuda.studies.adaptation import choice, finetune
from tfuda.studies.adaptation.choice import PLAIN, Candidate, Choice
from tfuda.studies.adaptation.request import PORTFOLIO, Request

if TYPE_CHECKING:
    from tfuda.studies.adaptation.adapt import Trained

TABLE = pathlib.Path(__file__).with_name("calibration.csv")  # estimates and truth of the emoji's runs
SHIFTED = (
    "The target seems to show a part of the classes alone, so source_only is kept: methods that align whole domains "
    "would spread the target over all classes."
)
TOO_SMALL = (
    "No class of the source has three pictures, so none is held out: its accuracy is that on pictures that train, "
    "and what is estimated from it is too high."
)
LABEL = 20  # pictures in label_these.csv


def calibration_rows(path: pathlib.Path = TABLE) -> list[Row]:
    """Return the calibration table: columns task, truth, and one for each estimate; [] where there is no file."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(line for line in file if not line.startswith("#")))
    names = [name for name in lines[0] if name not in ("variant", "task", "seed", "cell", "truth")] if lines else []
    return [Row(line["task"], {name: float(line[name]) for name in names}, float(line["truth"])) for line in lines]


def deliver(asked: Request, trained: Trained, found: Choice) -> dict:
    """Write everything into the workdir, and return the contents of result.json.

    Args:
        asked: what the user asked for.
        trained: the candidates, source_only among them.
        found: which candidate to deliver, and all scores.
    """
    chosen = found.name
    task, done, stopped, say = trained.task, trained.done, trained.stopped, trained.say
    candidates = [one for _, one in done.values()]
    estimates = estimated(candidates)
    config, candidate = done[chosen]
    workdir = Workdir(asked.folder / "candidates" / chosen)
    of, _, method = training.load_run(workdir.path, last=True)
    seen = outputs(config, task, method)
    weights = importance.ratio_of_logits(candidate.source_logits, candidate.target_logits)
    said = [stopped + "."] * bool(stopped) + [SHIFTED] * found.shifted
    said += [TOO_SMALL] * same(task.streams["source"].images, task.tests["source"].images)
    warnings = [*said, *signs(task, candidate, seen, estimates, weights)]
    method.network.temperature = heat = temperature(candidate, estimates[chosen])
    model, images = asked.folder / "export", task.streams["target"].images
    card = card_facts.model_card(of, task, method, workdir, estimates[chosen], warnings)
    export.export_network(method.network, task.classes, model, images[:64], card=card)
    with open_whole(asked.folder / "predictions.csv", **predict.CSV) as out:
        bad = predict.predict_files(export.Model(model), [asked.target], out, say, tenths(len(images), say))
    served = softmax(candidate.target_logits / heat)
    wanted = label_these(task, candidates, served, seen["target"].features, asked.target)
    write_whole(asked.folder / "label_these.csv", wanted)
    result = {
        "chosen": chosen,
        "estimate": rounded(estimates[chosen]),
        "source_only": rounded(estimates[PLAIN]),
        "estimates": {name: rounded(one) for name, one in estimates.items()},
        "scores": {name: round(value, 4) for name, value in found.scores.items()},
        "criterion": choice.CRITERION,
        "margin": choice.MARGIN,
        "temperature": round(heat, 4),
        "source_accuracy": round(float((candidate.source_logits.argmax(1) == candidate.source_labels).mean()), 4),
        "warnings": warnings,
        "unreadable": bad,
        "pictures": sum(map(len, task.streams.values())),
        "finished": not stopped,
        "interrupted": stopped.startswith("stopped"),
    }
    if (truth := task.tests["target"].labels) is not None:
        logits = evaluate.Observer(method.network)(task.tests["target"].images).logits
        result["measured"] = round(evaluate.score(truth, logits).accuracy, 4)
    write_whole(asked.folder / "result.json", json.dumps(result, indent=1) + "\n")
    return result


def estimated(candidates: Sequence[Candidate]) -> dict[str, Estimate]:
    """Return the estimated accuracy of each candidate; by agreement too where all of the portfolio are there.

    What others agree on is calibrated for that portfolio: beside fewer networks, or others, it is something else.
    """
    rows, names = calibration_rows(), {one.name for one in candidates}
    whole = names - {name for name in names if name.endswith(finetune.SUFFIX)} == {PLAIN, *PORTFOLIO}
    return {
        one.name: choice.estimated(one, finetune.beside(one, candidates) if whole else [], rows) for one in candidates
    }


def rounded(found: Estimate) -> dict[str, float]:
    """Return an estimate for result.json."""
    return {name: round(value, 4) for name, value in found._asdict().items()}


def outputs(config, task: Task, method) -> dict[str, evaluate.Seen]:
    """Return the chosen network's outputs on held-out source and on target."""
    stored = frozen_stages.stored_task(config, task, method, lambda line: None)
    observer = evaluate.Observer(method.network)
    return {
        "source": observer(stored.tests["source"].images),
        "target": observer(stored.streams["target"].images),
    }


def temperature(candidate: Candidate, estimate: Estimate) -> float:
    """Return the temperature for served probabilities: their mean confidence is the estimated accuracy."""
    found = calibration.matched_temperature(candidate.target_logits, estimate.value)
    return found if math.isfinite(found) else 1.0


def signs(
    task: Task,
    candidate: Candidate,
    seen: Mapping[str, evaluate.Seen],
    estimates: Mapping[str, Estimate],
    weights: np.ndarray,
) -> list[str]:
    """Return the warnings about the chosen candidate, as sentences."""
    plain = estimates[PLAIN] if candidate.name != PLAIN else None
    case = warning_signs.Case(
        task.classes,
        np.bincount(task.streams["source"].known_labels, minlength=len(task.classes)),
        softmax(candidate.source_logits),
        seen["source"].features,
        candidate.source_labels,
        softmax(candidate.target_logits),
        seen["target"].features,
        candidate.name,
        estimates[candidate.name],
        plain,
        weights,
    )
    return warning_signs.warning_signs(case)


def tenths(count: int, say: Callable[[str], None]) -> Callable[[int], None]:
    """Return a function of how many predictions are done, which says so after every tenth, from 2000 on."""
    told = 0

    def progress(done: int) -> None:
        nonlocal told
        if count >= 2000 and 10 * done // count > told:
            told = 10 * done // count
            say(f"predictions.csv: {done} of {count} pictures")

    return progress


def originals(images: Files, folder: str) -> list[str]:
    """Return the paths of pictures below a folder, in place of the copies of those that only Pillow reads."""
    copies = {str(decodable.copy_of(path)): path for path in pictures_below(folder)}
    return [copies.get(path, path) for path in images]


def label_these(
    task: Task, candidates: list[Candidate], served: np.ndarray, features: np.ndarray, target: str
) -> str:
    """Return the text of label_these.csv: the target pictures whose labels would help most, the most useful first.

    Args:
        task: the task.
        candidates: all candidates.
        served: probabilities of the delivered network, which stand beside each file, [N, K].
        features: its features of the target images, [N, d].
        target: folder of the target pictures.
    """
    posteriors = np.stack([softmax(one.target_logits) for one in candidates])  # [M, N, K]
    rows = pictures_to_label.choose_pictures(posteriors, features, LABEL)
    images = task.streams["target"].images
    names = originals(images[rows], target) if isinstance(images, Files) else [str(row) for row in rows]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "predicted", "confidence"])
    for name, row in zip(names, rows, strict=True):
        writer.writerow([name, task.classes[int(served[row].argmax())], f"{served[row].max():.4f}"])
    return out.getvalue()
