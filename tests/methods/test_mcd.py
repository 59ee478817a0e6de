"""MCD: discrepancy and balance against tllib, and whole steps against a reference written straight down."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import (
    FeatureNetwork,
    golden_fixture,  # noqa: F401
)

from tfuda.core import keras_private, optimizers
from tfuda.methods.mcd import MCD
from tfuda.networks.base import Outputs
from tfuda.serving import export

TRADE_OFFS = {"task": 0.8, "balance": 0.3, "discrepancy": 7.0}
BACK, HEADS = (0.1, 0.5), (1.0, 0.9)  # factor on the rate, and momentum
RATE, DECAY = 0.05, 0.02


def made(classes, width, hidden=0, turns=2, **options):
    """Heads of one hidden layer on features [B, width], or behind a backbone of a ReLU layer."""
    options = {"hidden": 4, "depth": 1, "dropout": 0.0, **options}
    head = MCD.head(classes, {**MCD.options(), **options})
    network = FeatureNetwork(head, width, hidden)
    return MCD(network, turns_of_backbone=turns, trade_offs=TRADE_OFFS, **options)


def weighted(method, box, first, second) -> tuple[tf.Tensor, list]:
    """A box's weighted term of both heads' logits of the target, and the gradients to them."""
    both = [tf.constant(first), tf.constant(second)]
    with tf.GradientTape() as tape:
        tape.watch(both)
        outputs = {"target": Outputs((), None, both[0], {"second": both[1]})}
        loss = method.total(getattr(method, box)({}, outputs))
    return loss, tape.gradient(loss, both)


@pytest.mark.golden
def test_the_discrepancy_and_its_gradients(golden):
    file, factor = golden("tllib_official"), TRADE_OFFS["discrepancy"]
    method = made(file["yt"].shape[1], 3)
    loss, gradients = weighted(method, "align", file["yt"], file["yt_adv"])
    file.equal("mcd_disc", loss / factor)
    for key, gradient in zip(("yt", "yt_adv"), gradients, strict=True):
        file.equal_gradient(f"mcd_disc_g_{key}", gradient / factor)


@pytest.mark.golden
@pytest.mark.parametrize("place", [0, 1])
def test_each_head_s_balance_and_its_gradient(golden, place):
    """The other head's logits are all equal, which is as balanced as can be."""
    file, factor = golden("tllib_official"), TRADE_OFFS["balance"]
    logits = [np.zeros_like(file["yt"])] * 2
    logits[place], classes = file["yt"], file["yt"].shape[1]
    loss, gradients = weighted(made(classes, 3), "regularise", *logits)
    file.equal("mcd_ent", loss / factor + np.log(1 / classes + 1e-6))
    file.equal_gradient("mcd_ent_g_yt", gradients[place] / factor)
    assert np.abs(gradients[1 - place]).max() < 1e-6


# ---- whole steps


def head_of(x, w, b, gamma, beta, u, c):
    """Linear, batch norm, ReLU, linear."""
    h = x @ w + b
    h = gamma * (h - tf.reduce_mean(h, 0)) / tf.sqrt(tf.math.reduce_variance(h, 0) + 1e-5) + beta
    return tf.nn.relu(h) @ u + c


class Reference:
    """Steps A, B and C on weights [backbone 2, first head 6, second head 6], with a velocity for each."""

    def __init__(self, batch, weights):
        self.batch, self.p = batch, weights
        self.v = [tf.zeros_like(x) for x in weights]

    def losses(self, p):
        """task + balance, and the discrepancy, each times its factor."""
        logits = {}
        for name, stream in self.batch.items():
            f = tf.nn.relu(stream["image"] @ p[0] + p[1])
            logits[name] = head_of(f, *p[2:8]), head_of(f, *p[8:14])
        task = balance = 0.0
        for z in logits["source"]:
            own = tf.gather(tf.nn.log_softmax(z), self.batch["source"]["label"], batch_dims=1)
            task -= tf.reduce_mean(own)
        p1, p2 = (tf.nn.softmax(z) for z in logits["target"])
        for q in (p1, p2):
            balance -= tf.reduce_mean(tf.math.log(tf.reduce_mean(q, 0) + 1e-6))
        apart = tf.reduce_mean(tf.abs(p1 - p2))
        return TRADE_OFFS["task"] * task + TRADE_OFFS["balance"] * balance, TRADE_OFFS["discrepancy"] * apart

    def update(self, sign_of_labels, sign_of_discrepancy, moving):
        with tf.GradientTape() as tape:
            tape.watch(self.p)
            labels, apart = self.losses(self.p)
            loss = sign_of_labels * labels + sign_of_discrepancy * apart
        gradients = tape.gradient(loss, self.p)
        for i in moving:
            factor, momentum = BACK if i < 2 else HEADS
            g = gradients[i] + DECAY * self.p[i]
            self.v[i] = momentum * self.v[i] + g
            self.p[i] = self.p[i] - RATE * factor * (g + momentum * self.v[i])
        return labels, apart

    def step(self, turns):
        found = self.update(1, 0, range(14))
        apart = self.update(1, -1, range(2, 14))[1]
        for _ in range(turns):
            self.update(0, 1, range(2))
        return found[0], apart


def ready(turns=2):
    """(method, batch, its variables in the reference's order)."""
    keras.utils.set_random_seed(3)
    method = made(3, 5, hidden=6, turns=turns)
    groups = lambda path: BACK if "backbone" in path else HEADS  # noqa: E731
    method.compile(optimizers.SGD(RATE, groups, DECAY))
    rng = np.random.default_rng(0)
    batch = {
        "source": {"image": tf.constant(rng.normal(size=[6, 5])), "label": tf.constant([0, 1, 2, 0, 1, 2])},
        "target": {"image": tf.constant(rng.normal(size=[8, 5]) + 0.5)},
    }
    parts = (method.network.body, method.network.head, method.second)
    return method, batch, [variable for part in parts for variable in part.trainable_variables]


@pytest.mark.parametrize("turns", [1, 2])
def test_two_whole_steps_end_where_the_reference_ends(double, turns):
    method, batch, variables = ready(turns)
    reference = Reference(batch, [tf.identity(v.value) for v in variables])
    for _ in range(2):
        labels, apart = reference.step(turns)
        method.reset_metrics()
        noted = method.train_step(batch)
    for i, variable in enumerate(variables):
        np.testing.assert_allclose(variable, reference.p[i], rtol=1e-8, atol=1e-12)
        place = keras_private.variable_index(method.optimizer, variable)
        np.testing.assert_allclose(method.optimizer.momentums[place], reference.v[i], rtol=1e-7, atol=1e-11)
    said = TRADE_OFFS["task"] * noted["task"] + TRADE_OFFS["balance"] * noted["balance"]
    np.testing.assert_allclose(said, labels, rtol=1e-8)
    np.testing.assert_allclose(TRADE_OFFS["discrepancy"] * noted["discrepancy"], apart, rtol=1e-8)
    assert int(method.step.numpy()) == 2


def test_the_plan_says_who_moves():
    method, _, variables = ready(turns=3)
    first, heads, *back = method.plan()
    assert first.moves is None and len(back) == 3
    assert [heads.moves(v) for v in variables] == [False] * 2 + [True] * 12
    assert all([turn.moves(v) for v in variables] == [True] * 2 + [False] * 12 for turn in back)
    assert heads.boxes == {"task": 1.0, "beside": 1.0, "align": -1.0} and back[0].boxes == {"align": 1.0}


def test_both_heads_are_of_one_form_and_start_apart():
    method = made(3, 5, hidden=6, depth=2, dropout=0.5)
    names = [layer.name for layer in method.second.layers]
    block = ["dropout_{}", "hidden_{}", "hidden_{}_norm", "hidden_{}_relu"]
    assert names == [name.format(i) for i in range(2) for name in block] + ["logits"]
    assert [layer.name for layer in method.network.head.layers] == names
    kernels = [part.layers[-1].kernel.numpy() for part in (method.network.head, method.second)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1


def test_the_first_head_answers(tmp_path):
    task, method = tiny.prepared(tiny.config("mcd"))
    images = task.tests["target"].images[:4]
    answer = method(images).numpy()
    features = method.network(images).features
    np.testing.assert_array_equal(answer, method.network.head(features))
    export.export_network(method.network, task.classes, tmp_path / "model", images)
    np.testing.assert_allclose(export.open_model(tmp_path / "model")(images), tf.nn.softmax(answer), atol=1e-6)
    assert np.abs(answer - method.second(features)).max() > 1e-3
    inside = {id(variable) for variable in method.network.variables}
    assert inside.isdisjoint(map(id, method.second.variables))
    assert {*map(id, method.network.head.variables)} <= inside
