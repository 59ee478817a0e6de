"""ADDA: what moves, what each network sees, and a run through its stages."""

import killing
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda.experiment import build, callbacks, prerequisites, training
from tfuda.experiment.workdir import Workdir
from tfuda.methods.dann import DANN

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")


def ready(cell="adda", **changes):
    """(method, its teacher, batch) in mid-ramp, with norm and dropout; no weight is what the seed draws."""
    made = tiny.config(cell, **changes)
    made.network.update(bottleneck=5, neck="norm+dropout")
    task, teacher = prerequisites.untaught(made, build.task(made))
    teacher.set_weights([1.1 * w + 0.01 for w in teacher.get_weights()])
    method = build.method(made, task, teacher)
    method.step.assign(3)
    return method, teacher, build.streams(made, task).load(0)


@pytest.fixture(scope="module")
def stepped():
    """(method, teacher, batch, all weights of the network and of the teacher before two steps)."""
    method, teacher, batch = ready()
    before = [[w.copy() for w in net.get_weights()] for net in (method.network, teacher)]
    for _ in range(2):
        method.train_step(batch)
    return method, teacher, batch, before


def same(ours, theirs) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)]


def test_the_network_starts_as_the_teacher(stepped):
    _, _, _, (network, teacher) = stepped
    assert all(same(network, teacher))


def test_without_a_copy_it_starts_as_it_was_drawn():
    method, teacher, _ = ready("adda[copy=False]")
    assert not any(same(method.network.get_weights(), teacher.get_weights()))


def test_head_and_teacher_stay_and_the_backbone_moves(stepped):
    method, teacher, _, (before, taught) = stepped
    assert all(same(teacher.get_weights(), taught))
    places = {id(v): i for i, v in enumerate(method.network.weights)}
    head = [places[id(v)] for v in method.network.head.weights]
    assert len(head) == 2 and all(same(method.network.head.get_weights(), [before[i] for i in head]))
    now = method.network.get_weights()
    assert not any(np.array_equal(now[i], before[i]) for i in places.values() if i not in head)


def test_neither_is_among_what_trains_or_is_saved(stepped):
    method, teacher, _, _ = stepped
    trained, saved = ({*map(id, found)} for found in (method.trainable_variables, method.state()))
    assert trained.isdisjoint(map(id, [*teacher.variables, *method.network.head.variables]))
    assert saved.isdisjoint(map(id, teacher.variables)) and saved >= {*map(id, method.network.head.variables)}
    assert {*map(id, method.discriminator.trainable_variables)} <= trained


def test_source_images_pass_through_the_teacher_in_evaluation_mode_and_not_through_the_network():
    """Other source images leave the same batch statistics; the features compared are the teacher's."""
    (one, teacher, batch), (other, _, _) = ready(), ready()
    source = batch["source"]
    strange = {**batch, "source": {**source, "image": 255 - source["image"]}}
    statistics = []
    for method, seen in ((one, batch), (other, strange)):
        _, outputs = method.forward(seen)
        statistics.append([v.numpy() for v in method.network.non_trainable_variables if "moving" in v.path])
    assert len(statistics[0]) > 0 and all(same(*statistics))
    untouched = [v for v in teacher.non_trainable_variables if "moving" in v.path]
    assert not any(same(statistics[0], [v.numpy() for v in untouched]))
    _, outputs = one.forward(batch)
    np.testing.assert_array_equal(outputs["source"].features, teacher(source["image"], training=False).features)
    assert not np.allclose(outputs["target"].features, teacher(batch["target"]["image"], training=False).features)


def test_the_game_is_dann_s_and_nothing_else_counts():
    method, _, batch = ready("adda[dropout=0]")
    batch, outputs = method.forward(batch)
    with tf.GradientTape(persistent=True) as tape:
        features = outputs["target"].features
        tape.watch([features, outputs["source"].features])
        terms = method.terms(batch, outputs)
        total = method.total(terms)
    assert terms.keys() == method.trade_offs.keys() == {"domain", "discriminator"}
    np.testing.assert_allclose(total, DANN.align(method, batch, outputs)["domain"], rtol=1e-6)
    with tf.GradientTape() as plain:
        plain.watch(features)
        chance = tf.sigmoid(method.discriminator(features)[:, 0])
        loss = -0.5 * tf.reduce_mean(tf.math.log(1 - chance))
    expected = -float(method.reversal()) * plain.gradient(loss, features)
    np.testing.assert_allclose(tape.gradient(total, features), expected, rtol=1e-3, atol=1e-6)
    assert method.task(batch, outputs) == {}


# ---- what is refused


def test_training_without_a_teacher_is_refused():
    made = tiny.config("adda")
    task = build.task(made)
    method = build.method(made, task)
    images = task.tests["target"].images[:2]
    np.testing.assert_array_equal(method(images), method.network(images).logits)
    with pytest.raises(
        ValueError, match=r"adda trains with a teacher: pass one to build\.method, as experiment/prerequisites\.py"
    ):
        method.fit(build.streams(made, task), verbose=0)


def test_labelled_target_images_are_refused_before_any_stage(tmp_path):
    with pytest.raises(ValueError, match=r"has no use for labelled target images: leave out --config\.shots"):
        training.train_run(tiny.config("adda", shots=1), Workdir(tmp_path))
    assert not (tmp_path / "teacher").exists()


# ---- a run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(config, task with few images to measure on, folder of a run that has ended, what it said, its result)."""
    made, said = tiny.config("adda", steps=6, segment=3), []
    task, folder = build.task(made), Workdir(tmp_path_factory.mktemp("adda"))
    task = task._replace(tests={name: domain.rows(np.arange(40)) for name, domain in task.tests.items()})
    result = training.train_run(made, folder, task=task, say=said.append)
    return made, task, folder, said, result


def test_a_run_makes_its_teacher_first_and_answers_by_its_head(whole):
    made, task, folder, said, result = whole
    assert (result["method"], result["steps"]) == ("adda", 6)
    assert [line for line in said if line.startswith("stage")] == [
        f"stage 1 of 2, source network: {folder.path / 'teacher'}",
        f"stage 2 of 2, adda: {folder.path}",
    ]
    assert Workdir(folder.path / "teacher").finished()["method"] == "source_only"
    teacher = prerequisites.taught(made, Workdir(folder.path / "teacher"), task, pytest.fail)
    network = training.load_run(folder.path)[2].network
    assert all(same(network.head.get_weights(), teacher.head.get_weights()))
    assert not all(same(network.get_weights(), teacher.get_weights()))


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_where_it_would_have_with_the_same_teacher(whole, tmp_path):
    made, task, one, _, _ = whole
    made, said, folder = made.copy_and_resolve_references(), [], Workdir(tmp_path / "stopped")
    made.teacher = str(one.path / "teacher")
    folder.path.mkdir()
    folder.record(made)
    method = build.method(made, task, prerequisites.taught(made, Workdir(made.teacher), task, pytest.fail))
    journal = callbacks.Journal(task, folder, folder.checkpoints(method), 0)
    method.fit(build.streams(made, task), callbacks=[journal, tiny.StopAt(3)], verbose=0)
    training.train_run(made, folder, task=task, say=said.append)
    assert "resuming at step 3 of 6" in said and not (folder.path / "teacher").exists()
    ours, theirs = (killing.content(work.path) for work in (folder, one))
    for name in ("checkpoints/checkpoint", "metrics.csv", "result.json"):
        assert ours[name] == theirs[name]
