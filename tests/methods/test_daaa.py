"""DAAA against a file of its equations in float64, in a loop over layers, streams and images, and in short runs."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import golden_fixture  # noqa: F401

from tfuda.core import ops
from tfuda.experiment import build, prerequisites
from tfuda.experiment.workdir import Workdir
from tfuda.methods.daaa import DAAA
from tfuda.methods.shared.attention_transfer import DISTANCES, POOLING, attention, l2_eps
from tfuda.networks.base import Outputs

pytestmark = pytest.mark.usefixtures("untraced")

STREAMS = ("source", "source_as_target", "target", "target_as_source")
OTHER = 1000  # added to the row of a file: the image that the network sees in the target's style
modes = pytest.mark.parametrize("mode", ["l2", "l2_eps", "l2sq", "l1"])


# ---- the file


class Rows(keras.Model):
    """A network whose images [B, 1] are rows of the file, which has its maps and logits.

    asked: logits of evaluation mode, for rows in the target's style; without, it is a teacher
    """

    def __init__(self, maps, logits, asked=None):
        super().__init__(name="network")
        self.layers_maps, self.logits, self.asked = tuple(map(tf.constant, maps)), tf.constant(logits), asked
        self.classes = logits.shape[1]

    def blank(self):
        return tf.fill([1, 1], tf.constant(OTHER, ops.real()))

    def call(self, images, training=False, reversal=1.0):
        rows = tf.cast(images[:, 0], tf.int32)
        if self.asked is not None and not training:
            return Outputs((), images, tf.gather(self.asked, rows - OTHER))
        rows = rows % OTHER if training else rows  # a teacher fails at the target's style
        return Outputs(tuple(tf.gather(m, rows) for m in self.layers_maps), images, tf.gather(self.logits, rows))


class Case:
    """One step on the file's maps and logits."""

    def __init__(self, file, **options):
        self.file, self.count = file, len(file["logits"])
        sizes = dict(zip(STREAMS, (len(file[key]) for key in ("yS", "pair_Tf", "logits_post", "pair_Sf"))))
        assert sum(sizes.values()) == self.count
        ends = np.cumsum([0, *sizes.values()])
        self.rows = {name: slice(a, b) for name, a, b in zip(sizes, ends, ends[1:])}
        layers = range(len(file.matches(r"FT\d+")))
        frozen = Rows([file[f"FS{i}"] for i in layers], file["logits"])
        asked = tf.pad(file["logits_post"], [[self.rows["target"].start, 0], [0, 0]])
        network = Rows([file[f"FT{i}"] for i in layers], file["logits"], asked)
        self.method = DAAA(network, teacher=frozen, targets=sizes["target"], passes=(STREAMS,), **options)
        if self.method.lagging:
            self.method.posteriors.assign(tf.nn.softmax(file["logits_post"]))
        with tf.GradientTape(persistent=True) as self.tape:
            self.sources = [*network.layers_maps, network.logits]
            self.tape.watch(self.sources)
            batch, outputs = self.method.forward(self.batch())
            self.terms = {key: self.count * value for key, value in self.method.terms(batch, outputs).items()}

    def batch(self):
        """The source's style is a row, the target's a row and OTHER; a pair of a translation is its real image."""

        def images(rows):
            return tf.constant(np.asarray(rows)[:, None], ops.real())

        file, row = self.file, {name: np.arange(self.count)[rows] for name, rows in self.rows.items()}
        real = file["pair_Sf"] + self.rows["target"].start + OTHER
        return {
            "source": {"image": images(row["source"]), "label": file["yS"]},
            "source_as_target": {
                "image": images(row["source_as_target"] + OTHER),
                "pair": images(row["source_as_target"]),
                "label": file["yS"][file["pair_Tf"]],
            },
            "target": {
                "image": images(row["target"] + OTHER),
                "pair": images(row["target"]),
                "index": tf.range(len(row["target"])),
            },
            "target_as_source": {
                "image": images(row["target_as_source"]),
                "pair": images(real),
                "index": file["pair_Sf"],
            },
        }

    def gradients(self, term):
        """With respect to the maps of every layer, and to the logits."""
        zero = tf.UnconnectedGradients.ZERO
        found = self.tape.gradient(self.terms[term], self.sources, unconnected_gradients=zero)
        *maps, logits = map(tf.convert_to_tensor, found)
        return maps, logits


@pytest.mark.golden
def test_attention_is_that_of_the_file(golden):
    file = golden("daaa")
    for match in file.matches(r"F([ST]\d+)"):
        maps, key = tf.constant(file[match[0]]), f"A{match[1]}"
        file.equal(key, tf.reshape(POOLING["squares"](maps), file[key].shape))
        length = np.linalg.norm(file[key], axis=-1, keepdims=True)
        file.equal(key, attention(maps) * length)


@pytest.mark.golden
@modes
def test_distances_and_their_gradients_are_those_of_the_file(golden, mode, monkeypatch):
    epsilon = float(golden("daaa").arrays["eps_norm"])
    monkeypatch.setitem(DISTANCES, "l2_eps", functools.partial(l2_eps, epsilon=epsilon))
    case = Case(golden("daaa"), distance=mode)
    file, layers = case.file, range(len(case.sources) - 1)
    maps = ([attention(tf.constant(file[f"F{side}{i}"])) for i in layers] for side in "ST")
    file.equal(f"{mode}_terms", [DISTANCES[mode](a, b) for a, b in zip(*maps)])
    file.equal(f"{mode}_sum", case.terms["attention"])
    found, logits = case.gradients("attention")
    for i in layers:
        file.equal_gradient(f"{mode}_sum_dFT{i}", found[i])
    assert not np.any(logits)


@pytest.mark.parametrize("mode, expected", [("l2", 0.0), ("l2_eps", 1e-6), ("l2sq", 0.0), ("l1", 0.0)])
def test_identical_maps_are_not_apart_and_give_no_gradient(mode, expected):
    for maps in (np.random.default_rng(0).normal(size=[3, 2, 2, 5]), np.zeros([3, 2, 2, 5])):
        maps = tf.constant(maps, "float32")
        with tf.GradientTape() as tape:
            tape.watch(maps)
            apart = DISTANCES[mode](tf.stop_gradient(attention(maps)), attention(maps))
        np.testing.assert_allclose(apart, np.full(3, expected), rtol=1e-6)
        assert not np.any(tape.gradient(apart, maps))  # and no NaN


@modes
def test_maps_that_are_equal_but_for_rounding_give_no_gradient(mode):
    maps = tf.constant(np.random.default_rng(0).normal(size=[8, 4, 4, 5]), "float32")
    wanted = attention(3.1 * maps)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        found = attention(maps)
        apart = DISTANCES[mode](wanted, found)
    assert 0 < np.abs(wanted - found).max() < 1e-6
    assert np.abs(tape.gradient(apart, maps)).max() < 1e-6


@pytest.mark.parametrize("mode", ["l2", "l1"])
def test_a_copy_of_its_teacher_starts_without_gradient_of_the_attention(mode):
    config = tiny.config(f"daaa[copy=True;distance={mode}]", smooth=True)
    task, method = tiny.prepared(config)
    batch = next(iter(build.streams(config, task).dataset(0, 1)))
    with tf.GradientTape() as tape:
        batch, outputs = method.forward(batch)
        term = method.terms(batch, outputs)["attention"]
    assert float(term) < 1e-5
    assert max(np.abs(gradient).max() for gradient in method.gradients(tape, term)) < 1e-4


@pytest.mark.golden
@pytest.mark.parametrize("lagging", [True, False])
def test_cross_entropies_and_their_gradients_are_those_of_the_file(golden, lagging):
    """With lagging=False the file's posterior is the network's, in evaluation mode and of the real images."""
    file = golden("daaa")
    for threshold in [match[1] for match in file.matches(r"keep_(.+)")]:
        case = Case(file, threshold=float(threshold), lagging=lagging)
        file.equal("CE_sum", case.terms["task"])
        file.equal_gradient("CE_grad", case.gradients("task")[1])
        file.equal(f"EM_sum_{threshold}", case.terms["expectation"])
        maps, found = case.gradients("expectation")
        file.equal_gradient(f"EM_grad_{threshold}", found)
        assert not any(np.any(gradient) for gradient in maps)
        kept, moved = file[f"keep_{threshold}"], np.any(found, 1)
        assert (moved[case.rows["target"]] == kept).all()
        assert (moved[case.rows["target_as_source"]] == kept[file["pair_Sf"]]).all()


@pytest.mark.golden
def test_the_posterior_is_that_of_the_file(golden):
    case = Case(golden("daaa"))
    case.file.equal("post", case.method.posteriors.value)
    asked = Case(golden("daaa"), lagging=False)
    found = asked.method.asked(asked.batch(), ["target", "target_as_source"])
    case.file.equal("post", found[0])
    np.testing.assert_allclose(found[1], tf.gather(found[0], case.file["pair_Sf"]), rtol=1e-5)


@pytest.mark.golden
def test_the_loss_is_the_sum_of_all_over_the_number_of_images(golden):
    case = Case(golden("daaa"), trade_offs={"attention": 0.3}, distance="l2")
    file = case.file
    whole = file["CE_sum"] + file["EM_sum_0.95"] + 0.3 * file["l2_sum"]
    assert float(case.method.total(case.terms)) == pytest.approx(float(whole), rel=1e-5)
    shares = {key: value / case.count for key, value in case.terms.items()}
    assert float(case.method.total(shares)) == pytest.approx(float(whole) / case.count, rel=1e-5)


# ---- runs


def test_so_does_the_learning_rate_and_the_ramp_does_not():
    config = tiny.config("daaa")
    rates = {}
    for restart in (True, False):
        config.options.restart = restart
        method = tiny.prepared(config)[1]
        rates[restart], ramps = [], []
        for step in range(6):
            method.step.assign(step)
            rates[restart].append(float(method.optimizer.learning_rate))
            ramps.append(float(method.reversal()))
        assert ramps == sorted(set(ramps))
    again = rates[True]
    assert (
        again[4:] == again[:2] and again[0] == pytest.approx(config.optimizer.rate) and again[3] < again[1] < again[0]
    )
    assert rates[False] == sorted(set(rates[False]), reverse=True)


def taught(text, **changes):
    """(config, task, method, teacher), the teacher being another network than the one at the start."""
    config = tiny.config(text, **changes)
    task, teacher = prerequisites.untaught(config, build.task(config))
    rng = np.random.default_rng(0)
    for variable in teacher.variables:
        variable.assign(variable.numpy() * rng.uniform(0.8, 1.2, variable.shape))
    return config, task, build.method(config, task, teacher), teacher


def looked(network, streams):
    """The posterior of a network on all target images."""
    return np.concatenate(
        [tf.nn.softmax(network(images, training=False).logits) for images in streams.clean("target")]
    )


def test_it_may_start_as_the_teacher_with_a_posterior_before_the_first_step():
    config, task, method, teacher = taught("daaa[wait=False;copy=True]")
    for one, other in zip(method.network.get_weights(), teacher.get_weights(), strict=True):
        assert np.array_equal(one, other)
    streams = build.streams(config, task)
    method.fit(streams, callbacks=[tiny.StopAt(1)], verbose=0)
    np.testing.assert_allclose(method.posteriors, looked(teacher, streams), rtol=1e-4, atol=1e-6)


def test_else_it_starts_as_any_network_and_waits_for_the_first_segment():
    config, task, method, teacher = taught("daaa", steps=5)
    assert any(np.any(a != b) for a, b in zip(method.network.get_weights(), teacher.get_weights()))
    before, streams = tiny.state(method), build.streams(config, task)
    method.fit(streams, callbacks=[tiny.StopAt(4)], verbose=0)
    assert not np.any(method.posteriors) and tiny.differing(before, tiny.state(method))
    expected = looked(method.network, streams)
    method.fit(streams, verbose=0)
    assert int(method.step.numpy()) == 5
    np.testing.assert_allclose(method.posteriors, expected, rtol=1e-4, atol=1e-6)


def test_the_teacher_never_changes_and_is_in_no_checkpoint(tmp_path):
    config, task, method, teacher = taught("daaa[lagging=False]", steps=3)
    before = [v.numpy() for v in teacher.variables]
    method.fit(build.streams(config, task), verbose=0)
    assert all(np.array_equal(old, v) for old, v in zip(before, teacher.variables, strict=True))
    held = {id(v) for v in method.state()}
    assert not held & {id(v) for v in teacher.variables}
    plain = build.method(config, task)
    assert len(method.state()) == len(plain.state())
    saved = tf.train.list_variables(Workdir(tmp_path).checkpoints(method).save())
    assert len([name for name, _ in saved if name.startswith("state")]) == len(plain.state())


def test_without_a_teacher_it_evaluates_and_says_what_training_needs():
    config = tiny.config("daaa")
    task = prerequisites.untaught(config, build.task(config)).task
    method, streams = build.method(config, task), build.streams(config, task)
    assert method(task.tests["target"].images[:3]).shape == (3, 10)
    with pytest.raises(ValueError, match="daaa trains with a teacher: pass one to build"):
        method.fit(streams, verbose=0)


@pytest.mark.parametrize("option", ["distance=l3", "pooling=sum"])
def test_distances_and_poolings_that_do_not_exist_are_named(option):
    name, _, value = option.partition("=")
    with pytest.raises(ValueError, match=f"daaa has no {name}='{value}': choose"):
        tiny.prepared(tiny.config(f"daaa[{option}]"))
