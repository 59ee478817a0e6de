"""MetaAlign against the authors' code on GVB, and against a reference written straight down on DANNP."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    FeatureNetwork,
    discriminator_layers,
    golden_fixture,  # noqa: F401
    heuristic_layers,
    torch_layout,
    weights,
)

from tfuda.combiners.metaalign import MetaAlign
from tfuda.core import ops, optimizers
from tfuda.core.method import Method, unweighed
from tfuda.methods.dannp import DANNP
from tfuda.methods.gvb import GVB
from tfuda.methods.source_only import SourceOnly
from tfuda.weighers.toalign import ToAlign

# What the released code does and the file does not say (docs/methods/index.md#optimizer):
# weight decay, and the factor on rates of new layers
DECAY, NEW_LAYERS = 1e-3, 10.0

both_orders = pytest.mark.parametrize("step", [0, 1], ids=["task_first", "align_first"])


class Recorded(MetaAlign):
    """Keeps θ' where a test can see it."""

    def with_left_over(self, method, ahead, task_first):
        self.seen = dict(zip(map(id, method.trainable_variables), ahead, strict=True))
        return super().with_left_over(method, ahead, task_first)


# ---- against the authors' code


class Run:
    """The file's run at its first step: the method, its layers by their names there, and its batches."""

    def __init__(self, file, **options):
        self.file, self.start = file, 0 if file["order"][0] == "cls_first" else 1
        self.rate = tf.Variable(0.0, dtype=ops.real())
        self.combine = Recorded(rate=float(file["meta_lr"]), **options)
        hidden, inputs = file["it0_before_net_lay__weight"].shape
        network = FeatureNetwork(GVB.head(len(file["it0_before_net_fc__bias"])), inputs, hidden)
        self.method = self.kind()(
            network,
            combine=self.combine,
            hidden=len(file["it0_before_D_ad_layer1__bias"]),
            dropout=0.0,
            ramp_ahead=1,
        )
        verdict = {**discriminator_layers(self.method), "gvbd": self.method.bridge}
        self.layers = {"net_lay": network.body, **heuristic_layers(network.head, "net_fc", ["net_gvbg_layer"])}
        self.layers |= {f"D_{key}": layer for key, layer in verdict.items()}
        groups = {True: (1.0, 0.9), False: (NEW_LAYERS, 0.9)}
        self.method.compile(optimizers.SGD(lambda: self.rate, lambda path: groups["backbone" in path], DECAY))
        file.assign("it0_before_", self.layers)
        self.method.step.assign(self.start)
        self.step = tf.function(self.method.train_step)

    def kind(self):
        """GVB at the file's coefficients."""
        coefficients, start = (self.file["coeff_entropy"], self.file["coeff_grl"]), self.start

        class Fixed(GVB):
            def reversal(self, ahead=0):
                return tf.gather(tf.constant(coefficients[ahead]), self.step.value - start)

        return Fixed

    def gradients(self, i: int) -> dict:
        """Of iteration i, by the file's names; also leaves θ' in `combine.seen`."""
        self.rate.assign(self.file[f"it{i}_lr"])
        found, *_ = self.method.combine(self.method, self.batch(i))
        return self.named(dict(zip(map(id, self.method.trainable_variables), found, strict=True)))

    def batch(self, i: int) -> dict:
        source = {"image": tf.constant(self.file["xs"][i]), "label": tf.constant(self.file["ys"][i])}
        return {"source": source, "target": {"image": tf.constant(self.file["xt"][i])}}

    def named(self, values: dict) -> dict:
        """{id of variable: value} by the file's names, in PyTorch's layout."""
        found = {}
        for key, layer in self.layers.items():
            found[f"{key}__weight"] = tf.transpose(values[id(layer.kernel)])
            found[f"{key}__bias"] = values[id(layer.bias)]
        return found


def iterations(file) -> range:
    return range(len(file["order"]))


@pytest.mark.golden
def test_whole_steps_of_training_as_released(golden):
    """Gradients, θ' where the code has one, and every parameter after every step, with its stale discriminator."""
    file = golden("metaalign_steps")
    run = Run(file, stale_discriminator=True)
    for i in iterations(file):
        for key, gradient in run.gradients(i).items():
            file.equal_gradient(f"it{i}_grad_{key}", gradient)
        fresh = run.named(run.combine.seen)
        for key, value in fresh.items():
            if key.startswith("net_") or file["order"][i] == "trs_first":
                file.equal(f"it{i}_fast_{key}", value)
        run.step(run.batch(i))
        for key, value in weights(run.layers).items():
            file.equal(f"it{i}_after_{key}", torch_layout(key, value))


@pytest.mark.golden
def test_gradients_with_a_fresh_discriminator(golden):
    """They differ from the released ones once there is a left-over, and only where the task goes first."""
    file = golden("metaalign_steps")
    run, late = Run(file), 0
    for i in iterations(file):
        file.assign(f"it{i}_before_", run.layers)
        run.method.step.assign(run.start + i)
        gradients, stale = run.gradients(i), run.start + i > 1 and file["order"][i] == "cls_first"
        for key, gradient in gradients.items():
            if not stale:
                file.equal_gradient(f"it{i}_grad_{key}", gradient)
        if stale:
            file.differs(f"it{i}_grad_net_lay__weight", gradients["net_lay__weight"])
            for match in file.matches(rf"it{i}_spec_fresh_D_grad_(.+)"):
                file.equal_gradient(match[0], gradients[match[1]])
                late += 1
    assert late


@pytest.mark.golden
def test_the_gradients_are_of_first_order(golden):
    file = golden("metaalign_steps")
    run = Run(file)
    for match in file.matches(r"it(\d+)_spec_second_order_grad_(net_lay__weight)"):
        i = int(match[1])
        file.assign(f"it{i}_before_", run.layers)
        run.method.step.assign(run.start + i)
        file.differs(match[0], run.gradients(i)[match[2]])


# ---- against a reference written straight down


def reversed_by(c, x):
    """x, with the gradient times -c."""
    return tf.stop_gradient((1 + c) * x) - c * x


class Reference:
    """DANNP on an MLP, from nothing but the equations.

    p: kernels and biases of body, head, and the three layers of the discriminator
    oriented: does the discriminator see ToAlign's features of the source?
    """

    def __init__(self, batch, c, oriented):
        self.batch, self.c, self.oriented = batch, c, oriented

    def logits(self, p, name, oriented=False):
        f = tf.nn.relu(self.batch[name]["image"] @ p[0] + p[1])
        if oriented:
            wf = tf.stop_gradient(tf.gather(p[2], self.batch[name]["label"], axis=1)) * tf.transpose(f)
            f = tf.transpose(tf.norm(f, axis=1) / tf.norm(wf, axis=0) * wf)
        return f @ p[2] + p[3]

    def task(self, p):
        log = tf.nn.log_softmax(self.logits(p, "source"))
        return -tf.reduce_mean(tf.gather(log, self.batch["source"]["label"], batch_dims=1))

    def align(self, p):
        total = 0.0
        for name, sign in {"source": 1.0, "target": -1.0}.items():
            shown = tf.nn.softmax(self.logits(p, name, self.oriented and name == "source"))
            entropy = -tf.reduce_sum(shown * tf.math.log(shown + 1e-5), -1)
            e = tf.exp(-reversed_by(self.c, entropy))
            x = reversed_by(self.c, shown)
            for w, b in ((p[4], p[5]), (p[6], p[7])):
                x = tf.nn.relu(x @ w + b)
            wrong = -tf.math.log(tf.sigmoid(sign * (x @ p[8] + p[9])[:, 0]) + 1e-8)
            total += tf.reduce_sum(e * wrong) / tf.stop_gradient(tf.reduce_sum(e)) / 2
        return total

    def gradient(self, loss, p):
        with tf.GradientTape() as tape:
            tape.watch(p)
            value = loss(p)
        return tape.gradient(value, p, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def metaalign(self, p, first, second, rates):
        g = self.gradient(first, p)
        ahead = [x - rate * dx for x, rate, dx in zip(p, rates, g, strict=True)]
        return [a + b for a, b in zip(g, self.gradient(second, ahead), strict=True)]


def small(kind: type = DANNP, head=None, weigh=unweighed, **options) -> tuple[Method, dict]:
    """A compiled method on an MLP, in the middle of the ramp, and a batch."""
    keras.utils.set_random_seed(0)
    network = FeatureNetwork(head or keras.layers.Dense(3, name="head"), 5, hidden=6)
    method = kind(network, weigh, MetaAlign(**options), hidden=4, dropout=0.0, steps=20)
    method.compile(optimizers.SGD(0.01))
    batch = {
        "source": {"image": tf.random.stateless_normal([6, 5], [0, 1]), "label": tf.constant([0, 1, 2] * 2)},
        "target": {"image": tf.random.stateless_normal([4, 5], [0, 2])},
    }
    return method, batch


@both_orders
@pytest.mark.parametrize("weigh", [unweighed, ToAlign()])
def test_dannp_equals_a_reference_written_straight_down(step, weigh):
    method, batch = small(weigh=weigh, rate=30.0, multiplier=4.0)
    method.step.assign(10 + step)
    reference = Reference(batch, float(method.reversal()), weigh is not unweighed)
    turns = [reference.task, reference.align]
    rates = [30.0 * 0.01 * (4.0 if i in (2, 3) else 1.0) for i in range(10)]
    layers = [method.network.body, method.network.head, *discriminator_layers(method).values()]
    variables = [variable for layer in layers for variable in (layer.kernel, layer.bias)]
    start = [variable.value for variable in variables]
    expected = reference.metaalign(start, *(turns[::-1] if step else turns), rates)
    gradients, terms, *_ = method.combine(method, batch)
    gradients = dict(zip(map(id, method.trainable_variables), gradients, strict=True))
    for variable, theirs in zip(variables, expected, strict=True):
        np.testing.assert_allclose(gradients[id(variable)], theirs, rtol=1e-4, atol=1e-6)
    assert float(terms["task"]) == pytest.approx(float(reference.task(start)), rel=1e-5)
    assert float(terms["domain"]) == pytest.approx(float(reference.align(start)), rel=1e-5)


@both_orders
def test_without_an_inner_step_it_is_the_plain_sum(step):
    """But for regularisers: half of the labelled streams' and half of all streams', or both in full."""
    method, batch = small(GVB, GVB.head(3), rate=0.0)
    method.step.assign(step)
    with tf.GradientTape() as tape:
        batch, outputs = method.forward(batch)
        terms = method.terms(batch, outputs)
        bridges = terms.pop("generator_bridge"), method.regularise(batch, {"source": outputs["source"]})
        regular = bridges[0] + bridges[1]["generator_bridge"]
        loss = method.total(terms) + (regular if step else regular / 2)
    plain = method.gradients(tape, loss)
    for ours, theirs in zip(method.combine(method, batch)[0], plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_the_faster_layers_are_found_by_name_not_by_part_of_a_name():
    method, _ = small(GVB, GVB.head(3))
    combine = method.combine
    faster = {v.path for v in method.trainable_variables if combine.factor(v) == combine.multiplier}
    assert {path.rpartition("/")[0].rpartition("/")[2] for path in faster} == {"fundament", "heuristic_0", "bridge"}
    attention = keras.Variable(0.0, name="kernel")
    attention._path = "backbone_0/multi_head_attention/kernel"
    assert combine.factor(attention) == 1.0


# ---- errors


def test_a_method_that_aligns_nothing_is_refused():
    network = FeatureNetwork(keras.layers.Dense(3), 5)
    with pytest.raises(
        ValueError, match="SourceOnly aligns nothing, so metaalign cannot set task and alignment against"
    ):
        SourceOnly(network, combine=MetaAlign())
