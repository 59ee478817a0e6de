"""What `run/verify.py --config` says of a run's cost is measured on its own data, steps and views."""

import itertools
import json

import pytest
import tiny
from commands import command

from tfuda.experiment import build, frozen_stages
from tfuda.profiling import cost

SMALL = ["--config=digits:dann", "--config.steps=7", "--config.segment=4", "--config.batch=8"]


@pytest.fixture(autouse=True)
def briefly(monkeypatch):
    monkeypatch.setattr(cost, "SECONDS", 0.2)


def config(views=3):
    made = tiny.config("dannp")
    made.network.frozen, made.views = ("2", views) if views >= 0 else ("0", -1)
    made.source_classes = made.target_classes = 2
    return made


def work(made):
    """The work on the frozen stages of a run, and the names of all its pictures."""
    task = build.task(made)
    domains = [domain for part in (task.streams, task.tests, task.trains) for domain in part.values()]
    names = [*itertools.chain(*(frozen_stages.picture_names(domain.images) for domain in domains))]
    return frozen_stages.Work(made, build.method(made, task).network, task), names


@pytest.mark.usefixtures("cache")
def test_the_views_that_are_missing_are_counted_and_timed():
    made = config()
    found = cost.estimate(made)
    ours, names = work(made)
    assert (found.pictures, found.views) == (len(set(names)), 4)
    assert found.bytes == len(set(names)) * ours.store.bytes_each
    assert min(found.first, found.step, found.evaluation, found.storing) > 0
    assert found.seconds == pytest.approx(found.storing + found.first + 6 * found.step + 2 * found.evaluation)
    assert len(ours.store.missing(names)) == found.pictures, "an estimate stores nothing"


@pytest.mark.slow
@pytest.mark.usefixtures("cache")
def test_views_that_are_there_cost_nothing():
    made = config()
    task = build.task(made)
    frozen_stages.stored_task(made, task, build.method(made, task), lambda line: None)
    found = cost.estimate(made)
    assert (found.pictures, found.storing, found.bytes) == (0, 0, 0)
    assert "views of all pictures are in" in cost.sentence(found)


@pytest.mark.usefixtures("cache")
def test_views_that_are_not_allowed_so_much_room_are_refused_beforehand():
    made = config()
    made.views_room = 1e-6
    with pytest.raises(ValueError, match=r"more than config\.views_room=1e-06 allows"):
        cost.estimate(made)


def test_steps_and_evaluations_are_those_of_the_config():
    found = cost.estimate(config(-1))
    assert (found.steps, found.evaluations, found.pictures, found.views) == (7, 2, 0, 0)
    assert "7 steps of" in cost.sentence(found) and "2 evaluations of" in cost.sentence(found)


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["daaa", "adda"])
def test_stages_before_a_run_are_named_and_not_timed(cell):
    made = tiny.config(cell)
    before = " and ".join(build.kind(made).stages)
    assert cost.sentence(cost.estimate(made)).endswith(f"; and what comes before, {before}")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0163, "0.016 s"), (3.21, "3.2 s"), (40.4, "40 s"), (180, "3 min"), (9000, "2.5 h")],
)
def test_a_duration_has_two_digits(seconds, said):
    assert cost.told(seconds) == said


def test_a_sentence_names_every_part():
    found = cost.Cost(600, 3.0, 0.0162, 6, 0.5, 1404, 4, 40.0, 52_000_000, "/cache")
    assert cost.sentence(found) == (
        "about 56 s: 40 s for the 4 views of 1404 pictures (52.0 MB in /cache), 600 steps of 0.016 s, "
        "6 evaluations of 0.5 s"
    )


def test_verify_says_what_a_run_of_the_config_costs():
    done = command("verify", *SMALL, "--json")
    assert done.stderr == ""
    found = json.loads(done.stdout)["cost"]
    assert (found["steps"], found["evaluations"]) == (7, 2) and found["seconds"] > 7 * found["step"] > 0
    wrong = command("verify", *SMALL, "--config.task=R-Q")
    assert "A run of this config would end at once: Unknown domain 'Q'" in wrong.stdout and wrong.returncode == 1


@pytest.mark.slow
def test_verify_takes_the_folders_of_a_config(tmp_path):
    for domain in "HM":
        command(
            "images", "--config=configs/digits.py", f"--domain={domain}", "--count=20", f"--out={tmp_path / domain}"
        )
    words = ["--config=configs/folders.py:dannp@small", f"--config.source={tmp_path / 'H'}"]
    words += [f"--config.target={tmp_path / 'M'}", "--config.batch=8"]
    done = command("verify", *words)
    assert "40 pictures" in done.stdout and "A run takes about" in done.stdout and "1000 steps of" in done.stdout
    wrong = command("verify", *words, "scans")
    assert wrong.returncode == 2 and "leave out scans" in wrong.stderr
