"""What holds for every method: resuming, seeds, labels, precision, and cost."""

import collections

import minis
import numpy as np
import pairwise
import pytest
import tensorflow as tf
import tiny

from configs import folders
from tfuda import names
from tfuda.core.method import Method
from tfuda.experiment import build, callbacks, prerequisites, training
from tfuda.experiment.workdir import Workdir


@pytest.mark.slow
@pytest.mark.parametrize("case", pairwise.cases("resume"))
def test_a_run_resumed_in_mid_segment_equals_an_undisturbed_one_to_the_bit(case, tmp_path):
    made, folder = case.config(), Workdir(tmp_path)
    whole = tiny.train(made, callbacks=[tiny.SaveAt(3, folder.checkpoints)])
    assert folder.saved().endswith("ckpt-1")
    rest = tiny.train(made, checkpoint=folder.checkpoints)
    assert int(rest.step.numpy()) == made.steps
    assert tiny.differing(tiny.state(whole), tiny.state(rest)) == []


@pytest.mark.slow
def test_a_run_resumes_between_two_segments_too(eager, tmp_path):
    made, folder = tiny.config(steps=4, segment=2), Workdir(tmp_path)
    folder.checkpoints(tiny.train(made, callbacks=[tiny.StopAt(2)])).save()
    rest = tiny.train(made, checkpoint=folder.checkpoints)
    assert tiny.differing(tiny.state(tiny.train(made)), tiny.state(rest)) == []


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A config on pictures in folders, whose target batches follow the network's own classes."""
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "cache"))
    minis.folders(tmp_path / "photos", ("a", "b"), 10)
    minis.folders(tmp_path / "scans", ("x", "y"), 10, seed=1)
    made = folders.get_config("dannp+toalign")
    made.update(source=str(tmp_path / "photos"), target=str(tmp_path / "scans"), steps=7, segment=4, batch=4)
    made.view.update(resize=20, size=16, train="resized_crop")
    made.network_options = {"widths": (4, 6), "convolutions": 1}
    made.samplers.update(source="balanced", target="balanced")
    made.options.hidden, made.steps_per_execution = 8, 1
    return made


@pytest.mark.parametrize("stop", [pytest.param(stop, marks=pytest.mark.slow) for stop in (3, 4, 6)])
def test_a_run_on_pictures_that_follows_its_own_classes_resumes_to_the_bit(pictures, stop, tmp_path):
    whole = tiny.train(pictures)
    assert set(np.unique(whole.classes)) <= {0, 1} and len(whole.classes.shape) == 1
    folder = Workdir(tmp_path / "run")
    folder.checkpoints(tiny.train(pictures, callbacks=[tiny.StopAt(stop)])).save()
    rest = tiny.train(pictures, checkpoint=folder.checkpoints)
    assert tiny.differing(tiny.state(whole), tiny.state(rest)) == []


@pytest.mark.slow
@pytest.mark.parametrize("case", pairwise.cases("labels"))
def test_permuted_target_labels_change_no_bit_of_training_and_selection(case, eager, tmp_path):
    """In half precision, in which every method stays finite."""
    made = case.config(steps=3, segment=2, source_test=50, precision="float16")
    task, teacher = prerequisites.untaught(made, build.task(made))
    assert task.streams["target"].labels is None

    def trained(task, folder):
        """The state at the end, and what the label-free validator chose."""
        method = build.method(made, task, teacher)
        journal = callbacks.Journal(task, folder, folder.checkpoints(method), 0)
        method.fit(build.streams(made, task), callbacks=[journal], verbose=0)
        seen = [(row["step"], row["loss"], row["val_im"]) for row in journal.rows]
        return tiny.state(method), seen, training.summary(made, journal.rows)["selected_step"]

    plain, *chosen = trained(task, Workdir(tmp_path / "plain"))
    strange, *as_strange = trained(tiny.permuted(task), Workdir(tmp_path / "strange"))
    assert tiny.differing(plain, strange) == [] and chosen == as_strange
    assert all(np.isfinite(np.asarray(value, "f8")).all() for value in plain.values())


def test_another_seed_gives_other_numbers(eager):
    one, other = (tiny.state(tiny.train(tiny.config(steps=2, segment=2, seed=seed))) for seed in (0, 2))
    assert len(tiny.differing(one, other)) > 5


def test_steps_per_execution_changes_nothing():
    """Of seven steps in segments of four: the last segment is shorter than an execution."""
    one, four = (tiny.state(tiny.train(tiny.config(steps_per_execution=count))) for count in (1, 4))
    assert tiny.differing(one, four) == []


def test_a_joint_pass_has_one_batch_statistic():
    made = tiny.config("dann", passes="joint")
    task = build.task(made)
    method = build.method(made, task)
    batch = build.streams(made, task).load(tf.constant(0, tf.int64))
    _, outputs = method.forward(batch)
    images = tf.concat([batch["source"]["image"], batch["target"]["image"]], 0)
    together = method.network(images, training=True).features
    apart = method.network(batch["source"]["image"], training=True).features
    np.testing.assert_allclose(outputs["source"].features, together[:8], rtol=1e-5, atol=1e-6)
    assert np.abs(outputs["source"].features - apart).max() > 1e-3


def convolutions(cell, batch=8):
    """How often each kind of convolution stands in the graph of a step, with the images that each sees."""
    made = tiny.config(cell, batch=batch)
    task, method = tiny.prepared(made)
    data = build.streams(made, task).load(tf.constant(0, tf.int64))
    step = tf.function(method.train_step, autograph=False).get_concrete_function(data)
    kinds = [node.op for node in step.graph.as_graph_def().node if node.op.startswith("Conv2D")]
    return collections.Counter(kinds)


def test_toalign_adds_no_pass_through_the_backbone():
    supervised, plain, weighed = (convolutions(cell) for cell in ("source_only", "dannp", "dannp+toalign"))
    assert plain == weighed
    # two streams make two passes of supervised training's one, on half the images each
    assert plain == {kind: 2 * count for kind, count in supervised.items()}


def test_a_labelled_target_joins_the_task():
    made = tiny.config("dann", shots=3)
    task = build.task(made)
    assert len(task.streams["target_labelled"]) == 30
    method = build.method(made, task)
    batch = build.streams(made, task).load(tf.constant(0, tf.int64))
    batch, outputs = method.forward(batch)
    wrong = [
        tf.nn.sparse_softmax_cross_entropy_with_logits(batch[name]["label"], outputs[name].logits)
        for name in ("source", "target_labelled")
    ]
    expected = np.concatenate(wrong).mean()
    assert float(method.task(batch, outputs)["task"]) == pytest.approx(expected, rel=1e-6)


def test_three_sources_bring_their_domain(eager):
    made = tiny.config("dann", task="H+M+R-S", batch=32)
    task = build.task(made)
    batch = build.streams(made, task).load(tf.constant(0, tf.int64))
    assert set(np.unique(batch["source"]["domain"])) == {0, 1, 2}
    tiny.train(made, task)


def test_keras_fit_takes_a_dataset_too():
    made = tiny.config("dann")
    method = build.method(made)
    batch = build.streams(made).load(tf.constant(0, tf.int64))
    history = method.fit(tf.data.Dataset.from_tensors(batch).repeat(2), epochs=2, verbose=0)
    assert len(history.history["domain"]) == 2 and int(method.meters["loss"].count.numpy()) == 2


class Mine(Method):
    """Written as a user would: a term, a memory, and a look at the whole target between segments."""

    trade_offs = {"task": 1.0, "confusion": 0.5}
    strength = 2.0

    def make(self, probe):
        self.seen = self.memory("seen", (), "int32")
        self.certainty = self.memory("certainty", ())
        self.refreshed = self.memory("refreshed", (), "int32")

    def regularise(self, batch, outputs):
        agreed = tf.reduce_max(
            tf.one_hot(batch["target"]["pseudo"], 10) * tf.nn.softmax(outputs["target"].logits), -1
        )
        return {"confusion": self.strength * tf.reduce_mean(1 - agreed)}

    def remember(self, batch, outputs):
        self.seen.assign_add(tf.shape(batch["target"]["index"])[0])

    def refresh(self, posterior):
        self.certainty.assign(tf.reduce_mean(tf.reduce_max(posterior(), -1)))
        self.refreshed.assign_add(1)


def test_a_method_of_ones_own_uses_pseudo_labels_memories_and_refresh(eager):
    method = tiny.train(tiny.config("test_method:Mine", steps=5, segment=2))
    assert int(method.seen.numpy()) == 5 * 8
    assert int(method.refreshed.numpy()) == 2
    assert 0.1 < float(method.certainty.numpy()) < 1


def test_a_name_that_hides_keras_is_refused():
    with pytest.raises(TypeError, match=r"Bad\.losses hides keras\.Model\.losses"):

        class Bad(Method):
            losses = ()


def test_unknown_options_and_terms_are_named():
    made = tiny.config("dann")
    network = build.network(made, build.task(made))
    kind = names.resolve("dann", "methods")
    with pytest.raises(ValueError, match="DANN has no option 'hiden'"):
        kind(network, hiden=3)
    with pytest.raises(ValueError, match="DANN has no term 'domian'"):
        kind(network, trade_offs={"domian": 1.0})


def test_a_trade_off_may_follow_the_ramp():
    made = tiny.config("dann")
    task = build.task(made)
    method = build.method(made, task)
    method.trade_offs["domain"] = "ramp"
    terms = {"task": tf.constant(1.0), "domain": tf.constant(3.0)}
    assert float(method.total(terms)) == pytest.approx(1.0)
    method.step.assign(method.steps)
    assert float(method.total(terms)) == pytest.approx(1 + 3 * 0.99991, rel=1e-5)
