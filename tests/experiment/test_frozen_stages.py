"""Frozen stages are computed once, and training on what they made is training through the whole network."""

import functools
import itertools
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda import names
from tfuda.data import pipeline, stored_views
from tfuda.evaluation import evaluate
from tfuda.experiment import build, frozen_stages, prerequisites, training
from tfuda.experiment.workdir import Workdir

pytestmark = pytest.mark.usefixtures("untraced")
CELLS = ("dannp+toalign", "adda")
COUNT = 32  # pictures of each domain
ALL = [name for name in names.modules("methods") if name not in ("daaa", *CELLS)]


def config(cell="dannp+toalign", frozen="2", views=3, **changes):
    """Three stages of a small network; with batch norm, which frozen stages must not move."""
    made = tiny.config(cell, **{"steps": 3, "segment": 3, **changes})
    made.network.frozen, made.views, made.views_precision = frozen, views, "float32"
    return made


def few(made):
    """The config's task, with COUNT pictures of each domain."""

    def cut(domains):
        return {name: domain.rows(np.arange(COUNT)) for name, domain in domains.items()}

    task = build.task(made)
    return task._replace(streams=cut(task.streams), tests=cut(task.tests), trains=cut(task.trains))


def said(task, made, method):
    """(task of stored views, lines for the user)."""
    lines = []
    return frozen_stages.stored_task(made, task, method, lines.append), lines


def trained(made, stored):
    """The method after training on stored views, or on the pictures of the same views."""
    task, teacher = prerequisites.untaught(made, few(made))
    method = build.method(made, task, teacher)
    of = made.copy_and_resolve_references()
    if not stored:
        of.network.frozen = "0"
    seen, _ = said(task, of, method if stored else build.method(of, task, teacher))
    image = next(iter(build.streams(made, seen).dataset(0, 1)))["source"]["image"]
    assert (image.shape[-1] == 3) != stored
    method.fit(build.streams(made, seen), verbose=0)
    return method


def assert_same_training(cell, frozen):
    maps, pictures = (trained(config(cell, frozen), stored) for stored in (True, False))
    assert tiny.largest(maps, pictures) < 1e-5
    before = trained(config(cell, frozen, steps=1), True)
    assert tiny.largest(maps, before) > 1e-5


@pytest.mark.parametrize("cell, frozen", [(CELLS[0], "all"), pytest.param(CELLS[1], "1", marks=pytest.mark.slow)])
def test_steps_on_stored_maps_are_steps_through_the_whole_network(cell, frozen):
    assert_same_training(cell, frozen)


@pytest.mark.slow
@pytest.mark.parametrize("cell, frozen", [*zip(ALL, itertools.cycle(("1", "all")))])
def test_every_method_trains_on_stored_maps_as_on_pictures(cell, frozen):
    assert_same_training(cell, frozen)


def test_views_are_those_of_the_view_and_the_augmentation():
    made = config(frozen="0", views=40)
    task = few(made)
    seen, _ = said(task, made, build.method(made, task))
    images, pictures = seen.streams["source"].images, task.streams["source"].images
    rows = np.arange(4)
    np.testing.assert_array_equal(images.take(rows, 0 * rows), pictures[:4])  # view 0 is evaluation's
    moved = [images.take(rows, 0 * rows + number) for number in range(1, 41)]
    assert len({view[0].tobytes() for view in moved}) > 10  # of 25 shifts
    back = np.roll(pictures[0], (1, -2), (0, 1))[4:-4, 4:-4]
    assert any(np.array_equal(view[0][4:-4, 4:-4], back) for view in moved)
    drawn = pipeline.drawn_views(40, 4000, tf.constant([1, 2], tf.int64)).numpy()
    assert drawn.min() == 1 and drawn.max() == 40
    assert not pipeline.drawn_views(0, 50, tf.constant([1, 2], tf.int64)).numpy().any()


def test_no_views_train_on_the_view_of_evaluation():
    made = config(views=0)
    task = few(made)
    seen, _ = said(task, made, build.method(made, task))
    batch = build.streams(made, seen).load(1)["target"]
    found = seen.streams["target"].images.take(batch["index"].numpy(), np.zeros(8, int))
    np.testing.assert_array_equal(batch["image"], found)


def test_runs_share_what_is_there_and_a_killed_one_goes_on_bitwise_identical(tmp_path, monkeypatch):
    made = config(frozen="all")
    task = few(made)
    method = build.method(made, task)
    monkeypatch.setattr(stored_views, "ROWS", 9)
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "killed"))
    plain, passes = frozen_stages.Work.compute, []

    def dies(work, images, picture_names, rows):
        passes.append(rows)
        for part in plain(work, images, picture_names, rows):
            yield part
            if len(passes) == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(frozen_stages.Work, "compute", dies)
    with pytest.raises(KeyboardInterrupt):
        said(task, made, method)
    monkeypatch.setattr(frozen_stages.Work, "compute", plain)
    files = [*(tmp_path / "killed").rglob("*.npy")]
    assert len(files) == 2
    resumed, lines = said(task, made, method)
    assert "pictures in 4 views each" in lines[0] and "MB in" in lines[0]
    assert said(task, made, method)[1] == []
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "whole"))
    whole, _ = said(task, made, method)
    for name, domain in whole.streams.items():
        rows = np.arange(len(domain))
        for view in range(4):
            views = 0 * rows + view
            found = resumed.streams[name].images.take(rows, views)
            np.testing.assert_array_equal(found, domain.images.take(rows, views))
    assert said(task, config("mcd", frozen="all", seed=0), method)[1] == []


def test_results_do_not_depend_on_the_pictures_beside():
    made = config(frozen="2")
    task = few(made)
    work = frozen_stages.Work(made, build.network(made, task), task)
    images = task.streams["source"].images
    names_ = frozen_stages.picture_names(images)
    some = np.concatenate([*work.compute(images, names_, range(30))])
    other = np.concatenate([*work.compute(images, names_, [29, 7, 31, 3])])
    np.testing.assert_array_equal(some[[29, 7, 3]], other[[0, 1, 3]])


def test_a_run_resumes_and_is_measured_on_the_whole_network(tmp_path):
    made = config(frozen="1", steps=4, segment=2)
    task = few(made)
    train_run = functools.partial(training.train_run, task=task)
    result = train_run(made, Workdir(tmp_path / "whole"))
    paused = Workdir(tmp_path / "paused")
    train_run(made, paused, until=2)
    assert train_run(made, paused)["last"] == result["last"]
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in Workdir(tmp_path / "whole").rows()]
    assert rows == [{k: v for k, v in row.items() if k != "seconds"} for row in paused.rows()]
    _, _, method = training.load_run(tmp_path / "whole", last=True)
    (tmp_path / "paused" / "result.json").unlink()  # killed between the last checkpoint and the result
    (tmp_path / "paused" / "outputs.npz").unlink()
    train_run(made, paused)
    for folder in ("whole", "paused"):
        with np.load(tmp_path / folder / "outputs.npz") as kept:
            seen = evaluate.Observer(method.network)(few(made).streams["target"].images)
            np.testing.assert_allclose(kept["target_logits"], seen.logits, atol=2e-2)
            assert kept["source_logits"].shape == (COUNT, 10) and kept["source_labels"].shape == (COUNT,)
    assert isinstance(task.tests["target"].images, np.ndarray)
    assert evaluate.evaluate_domain(method.network, task.tests["target"]).accuracy == result["last"]


@pytest.mark.slow
def test_two_replicas_train_alike(two_replicas, double):
    made = config(frozen="1", smooth=True)
    one = trained(made, True)
    with two_replicas():
        two = trained(made, True)
    assert tiny.largest(one, two) < 1e-6  # the maps are float32


def test_little_room_and_damage_are_sentences(tmp_path, monkeypatch):
    made = config(frozen="1")
    task = few(made)
    method = build.method(made, task)
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path))
    made.views_room = 1e-4
    with pytest.raises(ValueError, match=r"take [\d.]+ MB, more than config\.views_room=0\.0001 allows"):
        said(task, made, method)
    made.views_room = 1.0
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(frozen_stages.shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(ValueError, match=r"the disk of .* has 0\.0 MB: make room, set TFUDA_CACHE"):
        said(task, made, method)
    monkeypatch.undo()
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path))
    said(task, made, method)
    file = next(tmp_path.rglob("*.npy"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"\.npy is damaged: delete it, and its views are computed again"):
        said(task, made, method)


@pytest.mark.slow
def test_what_was_unused_for_longest_makes_room(tmp_path, monkeypatch):
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path))
    folders = []
    for views in (1, 2, 3):
        made = config(frozen="1", views=views)
        task = few(made)
        method = build.method(made, task)
        if views == 3:  # as large as the first two, and a little more
            made.views_room = sum(file.stat().st_size for file in tmp_path.rglob("*")) * 1.2e-9
        said(task, made, method)
        folders.append({*(tmp_path / "frozen").iterdir()} - set().union(*folders))
    left = {*(tmp_path / "frozen").iterdir()}
    assert not folders[0] & left and folders[2] <= left


@pytest.mark.parametrize(
    "cell, changes, sentence",
    [
        ("daaa", {}, "daaa trains on pairs of pictures"),
        ("dann", {"view": {"test": "ten", "resize": 32, "size": 28}}, "keeps one view for evaluation"),
    ],
)
def test_what_needs_pictures_is_refused(cell, changes, sentence):
    made = config(cell)
    for key, value in changes.items():
        made[key].update(value)
    task, teacher = prerequisites.untaught(made, few(made))
    with pytest.raises(ValueError, match=sentence):
        said(task, made, build.method(made, task, teacher))
