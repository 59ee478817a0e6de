"""Several updates in one step: what a step that is no number leaves behind, what stays, and what does not fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import FeatureNetwork

from tfuda.combiners.metaalign import MetaAlign
from tfuda.core import nonfinite, optimizers
from tfuda.core.method import Method
from tfuda.experiment import build
from tfuda.methods.mcd import MCD
from tfuda.methods.mme import MME
from tfuda.methods.shared.alternating_updates import Turn, turns

KINDS = {
    "mcd": (MCD, {"hidden": 4, "depth": 1, "dropout": 0.5, "turns_of_backbone": 1}),
    "mme": (MME, {"hidden": 4}),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def ready(kind, on_nan="stop"):
    """(method, batch), after one step, so that momentum and batch statistics have moved."""
    keras.utils.set_random_seed(0)
    made, options = KINDS[kind]
    head = made.head(3, {**made.options(), **options})
    method = made(FeatureNetwork(head, 5, hidden=6), on_nan=on_nan, **options)
    method.compile(optimizers.SGD(0.05, lambda path: (1.0, 0.9), 0.01))
    rng = np.random.default_rng(0)
    batch = {
        "source": {"image": rng.normal(size=[6, 5]).astype("f4"), "label": np.int32([0, 1, 2] * 2)},
        "target": {"image": rng.normal(size=[6, 5]).astype("f4")},
    }
    batch = tf.nest.map_structure(tf.constant, batch)
    method.train_step(batch)
    return method, batch


def broken(batch, stream):
    """The batch with one number that is none in one stream."""
    images = batch[stream]["image"].numpy()
    images[1, 2] = np.nan
    return {**batch, stream: {**batch[stream], "image": tf.constant(images)}}


def changed(before, method, *counters) -> list[str]:
    """What is not what it was, but for counters."""
    names = tiny.differing(before, tiny.state(method))
    return [name for name in names if name.partition(" ")[2] not in counters]


# ---- no number


@pytest.mark.parametrize("kind", ["mme", pytest.param("mcd", marks=pytest.mark.slow)])
def test_a_first_turn_that_is_no_number_is_refused_before_anything_moves(kind):
    method, batch = ready(kind)
    weights = [v.numpy() for v in [*method.trainable_variables, *method.optimizer.variables]]
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.function(method.train_step)(broken(batch, "source"))
    assert nonfinite.refused(error.value)
    for old, variable in zip(weights, [*method.trainable_variables, *method.optimizer.variables], strict=True):
        np.testing.assert_array_equal(variable, old)
    assert int(method.step.numpy()) == 1


@every_kind
def test_a_last_turn_that_is_no_number_is_refused_and_leaves_finite_weights(kind):
    """The target takes no part in MME's first turn, which has moved by then; the run ends by its last checkpoint."""
    method, batch = ready(kind)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        method.train_step(broken(batch, "target"))
    assert nonfinite.refused(error.value) and int(method.step.numpy()) == 1
    assert all(np.isfinite(v).all() for v in method.trainable_variables)


@every_kind
@pytest.mark.parametrize("stream", ["source", "target"])
def test_a_skipped_step_undoes_every_turn_to_the_bit_and_is_counted(kind, stream):
    method, batch = ready(kind, "skip")
    before = tiny.state(method)
    method.train_step(broken(batch, stream))
    assert changed(before, method, "step", "skipped") == []
    assert int(method.step.numpy()) == 2 and int(method.skipped.numpy()) == 1
    method.train_step(batch)
    assert int(method.skipped.numpy()) == 1 and changed(before, method, "step", "skipped") != []
    assert all(np.isfinite(v).all() for v in method.trainable_variables)


@every_kind
def test_to_be_ready_to_skip_changes_no_bit(kind):
    one, other = (ready(kind, word) for word in nonfinite.ON_NAN)
    assert tiny.differing(tiny.state(one[0]), tiny.state(other[0])) == []


@pytest.mark.parametrize("cell", ["mme", pytest.param("mcd", marks=pytest.mark.slow)])
def test_a_run_that_diverges_ends_in_a_sentence_and_stays_as_it_was_refused(cell):
    """The second look that finds the reason refuses and changes nothing itself."""
    made = tiny.config(cell)
    made.optimizer.rate = 1e25
    task, method = tiny.prepared(made)
    streams, found = build.streams(made, task), []
    plain = method.diagnosed
    method.diagnosed = lambda streams: found.append(tiny.state(method)) or plain(streams)
    with pytest.raises(nonfinite.Diverged, match=r"^training diverged in step \d: (variable|the first)"):
        method.fit(streams, verbose=0)
    for name, value in tiny.state(method).items():
        np.testing.assert_array_equal(value, found[0][name], name)
    assert method.on_nan == "stop"


# ---- what moves


class Heads(Method):
    """Two turns, of which neither moves the backbone."""

    _combine = staticmethod(turns)

    def plan(self):
        head = {id(v) for v in self.network.head.trainable_variables}
        return [Turn({"task": 1.0}, lambda variable: id(variable) in head)] * 2


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_what_does_not_move_keeps_its_value_and_its_velocity(name):
    _, batch = ready("mcd")
    keras.utils.set_random_seed(0)
    method = Heads(FeatureNetwork(keras.layers.Dense(3), 5, hidden=6))
    groups = lambda path: (1.0, 0.9)  # noqa: E731
    method.compile(
        optimizers.SGD(0.05, groups, 0.1) if name == "sgd" else keras.optimizers.Adam(0.05, weight_decay=0.1)
    )
    slots = method.optimizer.variables[2:]  # after the counter and the rate
    for slot in slots:
        slot.assign(tf.ones_like(slot))
    body = method.network.body.trainable_variables
    shapes = {tuple(v.shape) for v in body}
    still = [*body, *(slot for slot in slots if tuple(slot.shape) in shapes)]
    assert len(still) == len(body) * (2 if name == "sgd" else 3)
    before, head = [v.numpy() for v in still], method.network.head.kernel.numpy()
    method.train_step(batch)
    for variable, old in zip(still, before, strict=True):
        np.testing.assert_array_equal(variable, old)
    assert np.abs(method.network.head.kernel - head).max() > 0
    assert int(method.optimizer.iterations.numpy()) == 2 and int(method.step.numpy()) == 1


def test_terms_are_those_of_the_first_turn_that_has_them():
    method, batch = ready("mcd")
    method.second.layers[0].rate = method.network.head.layers[0].rate = 0.0
    read, outputs = method.forward(batch)
    expected = {**method.task(read, outputs), **method.beside(read, outputs)}
    before = [tf.identity(v.value) for v in method.trainable_variables]
    method.reset_metrics()
    noted = method.train_step(batch)
    for name in ("task", "balance"):
        np.testing.assert_allclose(noted[name], expected[name], rtol=1e-5)
    assert all(np.any(a != b) for a, b in zip(before, method.trainable_variables, strict=True))


# ---- what does not fit


@pytest.mark.parametrize("cell", ["mcd", "ent", "mme"])
def test_gathering_gradients_over_batches_is_refused(cell):
    made = tiny.config(cell)
    made.optimizer.accumulate = 2
    with pytest.raises(
        ValueError, match=f"^optimizer.accumulate: a step of {cell} is several updates; leave it out$"
    ):
        build.method(made)


@pytest.mark.parametrize("cell", ["mcd", "ent", "mme"])
def test_metaalign_on_players_that_take_turns_is_refused(cell):
    with pytest.raises(ValueError, match=f"^{cell} has turns of its own, so metaalign cannot combine its terms$"):
        build.method(tiny.config(f"{cell}+metaalign"))
    said = f"^{cell.upper()} has turns of its own, so metaalign cannot set task and alignment against each other$"
    with pytest.raises(ValueError, match=said):
        MetaAlign().make(build.method(tiny.config(cell)))


def test_a_combiner_on_players_that_take_turns_is_refused():
    made = tiny.config("mcd")
    made.combiner = "seams:joint"
    with pytest.raises(ValueError, match="mcd has turns of its own, so seams:joint cannot combine its terms"):
        build.method(made)


def test_metaalign_on_a_method_without_a_task_is_refused():
    with pytest.raises(ValueError, match=r"^ADDA has no task, so metaalign cannot"):
        tiny.prepared(tiny.config("adda+metaalign"))
