"""GSDA against the equations written out discriminator by discriminator, in files and in a loop here."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import FeatureNetwork, at_coefficient, golden_fixture  # noqa: F401

from configs import digits
from tfuda.experiment import build
from tfuda.methods.gsda import GSDA
from tfuda.methods.shared.class_hierarchy import partition, split

PARTS = {"W1": "w1", "b1": "b1", "W2": "w2", "b2": "b2", "w3": "w3", "b3": "b3"}
both_readings = pytest.mark.parametrize("reading", ["pdet", "pgrad"])
files = pytest.mark.parametrize("name", ["gsda_relu", "gsda_tanh"])


class Case:
    """The file's network and discriminators, and one pass, with no reversal: coefficient -1."""

    def __init__(self, file, reading):
        self.file, classes = file, int(file["r"])
        network = FeatureNetwork(keras.layers.Dense(classes, use_bias=False), file["f"].shape[1])
        network.head.kernel.assign(file["Wc"])
        hidden, activation = file["P_W2"].shape[-1], file.name.removeprefix("gsda_")
        options = {"groups": len(file["groups"]), "hidden": hidden, "activation": activation}
        self.method = at_coefficient(GSDA, -1.0)(network, detached=reading == "pdet", **options)
        members = [[float(str(k) in group.split(",")) for k in range(classes)] for group in file["groups"]]
        self.method.membership.assign(members)
        for key, own in PARTS.items():
            variable = getattr(self.method.bank, own)
            variable.assign(np.reshape(file[f"P_{key}"], variable.shape))
        n = len(file["y_s"])
        self.f = tf.constant(file["f"])
        with tf.GradientTape(persistent=True) as self.tape:
            self.tape.watch(self.f)
            self.batch = {
                "source": {"image": self.f[:n], "label": tf.constant(file["y_s"])},
                "target": {"image": self.f[n:]},
            }
            _, self.outputs = self.method.forward(self.batch)
            self.terms = self.method.align(self.batch, self.outputs)
            self.losses = {
                "g": self.terms["domain"],
                "l": self.terms["groups"] + self.terms["classes"],
                "syn": self.terms["synchrony"],
            }

    def gradient(self, name, source):
        zero = tf.UnconnectedGradients.ZERO
        return self.tape.gradient(self.losses[name], source, unconnected_gradients=zero)


@pytest.mark.golden
@files
@both_readings
def test_losses_and_norms_are_those_of_the_file(golden, name, reading):
    case = Case(golden(name), reading)
    for key, loss in case.losses.items():
        case.file.equal(f"{reading}_L_{key}", loss)
    case.file.equal(f"{reading}_L_grp", case.terms["groups"])
    case.file.equal(f"{reading}_L_cls", case.terms["classes"])
    domain, groups, classes = split(case.file[f"{reading}_S_each"], case.method.membership.shape[0])
    found = (case.terms[f"{level}_norm"] for level in ("domain", "groups", "classes"))
    expected = (domain, groups.sum(), classes.sum())
    np.testing.assert_allclose(list(found), expected, rtol=2e-5 if case.file.precision == "float32" else 1e-9)


@pytest.mark.golden
@files
@both_readings
def test_every_discriminator_s_weights_and_norms_are_those_of_the_file(golden, name, reading):
    case = Case(golden(name), reading)
    seen = []
    original = case.method.compared
    case.method.compared = lambda norms: seen.append(norms) or original(norms)
    case.method.align(case.batch, case.outputs)
    case.file.equal(f"{reading}_S_each", tf.reduce_sum(seen[0], 1) / seen[0].shape[1])
    norms = np.linalg.norm(case.file[f"{reading}_G_each"], axis=-1)
    np.testing.assert_allclose(seen[0] / seen[0].shape[1], norms, rtol=1e-4, atol=1e-7)
    p = tf.nn.softmax(case.outputs["target"].logits)
    case.file.equal(f"{reading}_p_t", p)
    case.file.equal(f"{reading}_w", tf.transpose(case.method.masses(case.batch, case.f, p)))


@pytest.mark.golden
@files
@both_readings
@pytest.mark.parametrize("loss", ["g", "l", "syn"])
def test_gradients_are_those_of_the_file(golden, name, reading, loss):
    case = Case(golden(name), reading)
    case.file.equal_gradient(f"{reading}_dL_{loss}_df", case.gradient(loss, case.f))
    for key, own in PARTS.items():
        reference = case.file[f"{reading}_dL_{loss}_dP_{key}"]
        found = case.gradient(loss, getattr(case.method.bank, own).value)
        if reference.size:
            case.file.equal_gradient(f"{reading}_dL_{loss}_dP_{key}", tf.reshape(found, reference.shape))
        else:
            assert not np.any(found)


def method_and_batch(**options):
    network = FeatureNetwork(keras.layers.Dense(6), 5)
    made = GSDA(network, hidden=7, groups=2, **options)
    rng = np.random.default_rng(0)
    batch = {
        "source": {"image": tf.constant(rng.normal(size=[4, 5]), "float32"), "label": tf.constant([0, 3, 3, 5])},
        "target": {"image": tf.constant(rng.normal(size=[3, 5]), "float32")},
    }
    return made, batch


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize(("detached", "counted"), [(True, False), (False, False), (False, True)])
def test_a_loop_over_discriminators_classes_and_samples_gives_the_same(dropout, detached, counted, monkeypatch):
    """The gradient of every weighted loss with respect to each feature, by a tape of its own."""
    made, batch = method_and_batch(dropout=dropout, detached=detached)
    counts = tf.constant([0.5, 2.0, 1.0, 0.25, 3.0, 0.5, 1.5] if counted else [1.0] * 7)
    parts = {"source": counts[:4], "target": counts[4:]}
    monkeypatch.setattr(made, "importance", lambda batch, name: parts[name])
    _, outputs = made.forward(batch)
    f = tf.concat([batch["source"]["image"], batch["target"]["image"]], 0)
    drawn = made.bank.masks(f[None], training=True)
    made.bank.masks = lambda x, training: drawn
    terms = made.align(batch, outputs)
    members = made.membership.numpy()
    losses, norms = np.zeros(9), np.zeros(9)
    for n in range(7):
        domain = 1.0 if n < 4 else 0.0
        for m in range(9):
            with tf.GradientTape() as tape:
                x = f[n : n + 1]
                tape.watch(x)
                p = tf.nn.softmax(made.network.head(x))[0] if n >= 4 else tf.one_hot(batch["source"]["label"][n], 6)
                p = tf.stop_gradient(p) if detached else p
                weight = 1.0 if m == 0 else tf.tensordot(members[m - 1], p, 1) if m < 3 else p[m - 3]
                masks = [mask if isinstance(mask, float) else mask[m, n : n + 1] for mask in drawn]
                a = tf.nn.relu(x @ made.bank.w1[m] + made.bank.b1[m]) * masks[0]
                a = tf.nn.relu(a @ made.bank.w2[m] + made.bank.b2[m]) * masks[1]
                logit = tf.linalg.matvec(a, made.bank.w3[m]) + made.bank.b3[m]
                loss = counts[n] * weight * tf.nn.sigmoid_cross_entropy_with_logits([domain], logit)[0] / 7
            losses[m] += float(loss)
            norms[m] += float(tf.norm(tape.gradient(loss, x)))
    inner = np.abs(norms[1:3] - members @ norms[3:]).mean()
    expected = {
        "domain": losses[0],
        "groups": losses[1:3].sum(),
        "classes": losses[3:].sum(),
        "synchrony": inner + abs(norms[0] - norms[1:3].sum()),
    }
    for name, value in expected.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-5), name


def test_losses_are_reversed_towards_the_features_and_synchrony_is_not():
    def gradients(coefficient):
        keras.utils.set_random_seed(0)
        network = FeatureNetwork(keras.layers.Dense(6), 5)
        made = at_coefficient(GSDA, coefficient)(network, hidden=7, groups=2)
        _, batch = method_and_batch()
        f = batch["source"]["image"]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(f)
            _, outputs = made.forward(batch)
            terms = made.align(batch, outputs)
        return {
            k: (tape.gradient(v, f), tape.gradient(v, made.bank.w1.value))
            for k, v in terms.items()
            if "norm" not in k and k != "discriminator"
        }

    plain, reversed_ = gradients(-1.0), gradients(0.5)
    for name in plain:
        factor = 1.0 if name == "synchrony" else -0.5
        np.testing.assert_allclose(reversed_[name][0], factor * plain[name][0], rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(reversed_[name][1], plain[name][1], rtol=1e-4, atol=1e-7)


def test_a_feature_to_which_every_discriminator_is_dead_gives_finite_gradients():
    made, batch = method_and_batch()
    made.bank.b1.assign(tf.fill(made.bank.b1.shape, -100.0))
    f = batch["target"]["image"]
    with tf.GradientTape() as tape:
        tape.watch(f)
        _, outputs = made.forward(batch)
        total = made.total(made.align(batch, outputs))
    assert np.isfinite(tape.gradient(total, f)).all()


def test_groups_divide_the_classes_and_may_overlap():
    rng = np.random.default_rng(0)
    plain, more = partition(31, 6, 0, rng), partition(31, 6, 2, rng)
    assert (plain.sum(0) == 1).all() and sorted(plain.sum(1)) == [5, 5, 5, 5, 5, 6]
    assert (more.sum(0) >= 1).all() and more.sum() == 31 + 12
    one, other = (build.method(tiny.config("gsda", seed=seed)).membership.numpy() for seed in (0, 1))
    again = build.method(tiny.config("gsda")).membership.numpy()
    assert (one == again).all() and (one != other).any() and one.shape == (2, 10)


def test_the_ablation_s_levels_leave_terms_out():
    made, batch = method_and_batch(levels="domain+classes", synchronised=False)
    _, outputs = made.forward(batch)
    terms = made.align(batch, outputs)
    assert "groups" not in terms and "synchrony" not in terms and {"domain", "classes"} <= terms.keys()
    with pytest.raises(ValueError, match="gsda has no level 'class': join any of domain, groups, classes"):
        method_and_batch(levels="domain+class")


def test_the_sampler_takes_confident_images_only(eager):
    made = tiny.config("gsda", steps=4, segment=2)
    made.samplers.target = "balanced"
    for sure, expected in ((0.0, False), (1.1, True)):
        made.options.sure = sure
        classes = tiny.train(made).classes.numpy()
        assert (classes < 0).all() == expected and (classes < 0).any() == expected


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gsda", "tada[dropout=0]"])
def test_xla_compiles_the_bank(cell):
    made = tiny.config(cell, smooth=True, steps=3, segment=3)
    made.network_options.widths = (4, 6)
    plain = tiny.train(made)
    made.jit = True
    compiled = tiny.train(made)
    assert tiny.largest(plain, compiled) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_synchronised_norms_stay_finite_for_two_thousand_steps(policy):
    made = digits.get_config("gsda")
    made.update(steps=2000, segment=500, batch=16)
    keras.mixed_precision.set_global_policy(policy)
    try:
        method = tiny.train(made)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert int(method.step.numpy()) == 2000
    assert all(np.isfinite(np.asarray(variable, "f8")).all() for variable in method.state())
