"""Other labels of the target, once the protocol has built its domains, change accuracies and nothing else.

Every config with every seam and every method with every seam, the search and the rounds; a config's own shots are its
labelled target, and cells and loaders that are named oracle are upper lines on purpose.
"""

import runpy

import killing
import minis
import pairwise
import pytest
import tiny

from tfuda import names
from tfuda.evaluation import validators
from tfuda.experiment import build, training
from tfuda.experiment.workdir import Workdir
from tfuda.studies import rounds, tune

FILES = {file.stem: file for file in minis.CONFIGS}
QUICK = ("digits", "hda+toalign")


def covering() -> list[tuple[str, str]]:
    """(config, cell): every config, and every method, with every weigher and combiner."""
    rows = [(name, *row) for name in FILES for row in pairwise.seams() if "oracle" not in row]
    chosen = pairwise.cover(rows, pairwise.without((0, 1), (1, 4)))
    return [(name, "+".join(filter(None, row))) for name, *row in chosen]


JUDGED = {"target_accuracy", "target_mean_class", "last", "selected", "oracle", "labels"}  # on the target's labels

pytestmark = pytest.mark.usefixtures("few_digits", "few_emoji", "untraced")


def blind(found):
    """What a folder holds, without what was measured on target labels."""
    if isinstance(found, dict):
        return {key: blind(value) for key, value in found.items() if key not in JUDGED}
    return [blind(value) for value in found] if isinstance(found, list) else found


def left(folder):
    """What stands in a folder, to the bit."""
    return {place: blind(held) for place, held in killing.content(folder).items()}


def test_the_cover_holds_every_config_and_every_method():
    files, cells = map(set, zip(*covering()))
    assert {cell.partition("+")[0] for cell in cells} == {*names.modules("methods")} and files == {*FILES}
    assert files >= {"digits", "mnist", "folders", "domainnet126"}


@pytest.mark.parametrize(
    "name, cell",
    [QUICK, *(pytest.param(*row, marks=pytest.mark.slow) for row in covering() if row != QUICK)],
)
def test_no_config_trains_or_selects_by_target_labels(name, cell, miniature, tmp_path):
    made = minis.small(FILES[name], miniature, cell)
    made.validators, made.select = "all", sorted(validators.ALL)[len(cell) % len(validators.ALL)]
    made.steps, made.segment, made.steps_per_execution, made.source_test = 2, 1, 1, 20
    made.pairs.update(steps=1, segment=1, batch=2, width=4, blocks=1, pool=2, size=0)
    if made.method == "daaa":
        made.shots, made.batch = 0, 20
    if made.method in ("dan", "jan"):
        made.batches.source = 0  # MMD compares as many pictures of either domain
    if not made.view.size:
        made.network_options.update(tiny.config().network_options)
    task = build.task(made)
    assert task.streams["target"].labels is None
    results = []
    for place, seen in (("plain", task), ("strange", tiny.permuted(task))):
        folder = Workdir(tmp_path / place)
        results.append(blind(training.train_run(made.copy_and_resolve_references(), folder, task=seen)))
    assert "selected_step" in results[0] and results[0].pop("seconds") >= 0 and results[1].pop("seconds") >= 0
    assert results[0] == results[1]
    assert left(tmp_path / "plain") == left(tmp_path / "strange")


def twice(work, monkeypatch, tmp_path):
    """work(folder) with the target's labels as they are, and with others once a task is built: what both give."""
    plain, built = work(tmp_path / "plain"), build.task
    monkeypatch.setattr(build, "task", lambda *given: tiny.permuted(built(*given)))
    return plain, work(tmp_path / "strange")


SEARCHES = [
    ("dannp+toalign", "random", "snd"),
    pytest.param("dannp+toalign", "hyperband", "im", marks=pytest.mark.slow),
    pytest.param("dannp+toalign", "bayesian", "dev", marks=pytest.mark.slow),
    pytest.param("dannp+toalign", "random", "agreement", marks=pytest.mark.slow),
    pytest.param("daaa", "random", "im", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("cell, kind, objective", SEARCHES)
def test_a_search_draws_and_chooses_without_target_labels(cell, kind, objective, monkeypatch, tmp_path):
    sweep = runpy.run_path(str(minis.CONFIGS[0].with_name("digits.py")))["sweep"]

    def work(folder):
        made = tiny.config(cell, steps=3 if kind == "hyperband" else 2, segment=1, select=objective)
        trials = {"random": 2, "bayesian": 5, "hyperband": 1}[kind]
        tuner = tune.Search(made.copy_and_resolve_references, sweep, folder, trials, kind=kind)
        best = tune.search(tuner)
        return best, [(trial.hyperparameters.values, trial.score) for trial in tuner.oracle.trials.values()]

    plain, strange = twice(work, monkeypatch, tmp_path)
    assert plain == strange and len(plain[1]) >= 2
    assert left(tmp_path / "plain") == left(tmp_path / "strange")


@pytest.mark.slow
@pytest.mark.parametrize("loader", ["predicted", "random"])
def test_rounds_follow_their_own_predictions_not_the_labels(loader, monkeypatch, tmp_path):
    def work(folder):
        made = tiny.config("biwaa", steps=3, segment=1, imbalance="target")
        return [blind(row) for row in rounds.series(made, folder, loader, 3, 0, lambda line: None)]

    plain, strange = twice(work, monkeypatch, tmp_path)
    assert plain == strange and len(plain) == 3
    assert left(tmp_path / "plain") == left(tmp_path / "strange")


def test_an_oracle_does_see_labels(tmp_path):
    """So the comparison above can fail."""
    made = tiny.config("source_only", steps=2, segment=1)
    made.samplers.target = "oracle"
    task = build.task(made)
    for name, seen in (("plain", task), ("strange", tiny.permuted(task))):
        training.train_run(made, Workdir(tmp_path / name), task=seen)
    assert left(tmp_path / "plain") != left(tmp_path / "strange")
