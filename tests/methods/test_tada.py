"""TADA against the equations in float64, its variants, and attention where a trained network is used."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import at_coefficient, golden_fixture  # noqa: F401

from tfuda.evaluation import evaluate
from tfuda.experiment import build
from tfuda.methods.tada import TADA
from tfuda.networks.attention import RegionAttention
from tfuda.networks.base import Network
from tfuda.networks.small import small
from tfuda.serving import export

TAGS = {
    "printed": {},
    "entropy": {"weight": "entropy"},
    "printed_nodetach": {"detached": False},
    "local_only": {"scope": "local"},
    "global_only": {"scope": "global"},
}
REGIONS = {"V1": "w1", "c1": "b1", "V2": "w2", "c2": "b2", "v3": "w3", "c3": "b3"}
tags = pytest.mark.parametrize("tag", TAGS)


class Case:
    """One pass on the file's maps; the reversal is 1, so that features minimise C and discriminators maximise it."""

    def __init__(self, file, tag):
        self.file, self.tag = file, tag
        side, channels = file["feat"].shape[1], file["feat"].shape[-1]
        options = {**TADA.options(), **TAGS[tag], "region_hidden": file["P_V2"].shape[-1], "dropout": 0.0}
        stages = small(widths=(4, channels), convolutions=1)
        classes, width = file["P_Wy"].shape[1], file["P_Wb"].shape[1]
        network = Network(stages, classes, (2 * side, 2 * side), bottleneck=width, attention=TADA.attention(options))
        kind = at_coefficient(TADA, 1.0)
        adversarial = ("local",) if tag == "local_only" else ("domain", "local")
        trade_offs = {"entropy": float(file["gamma"]), **dict.fromkeys(adversarial, float(file["lam"]))}
        self.method = kind(network, dropout=0.0, hidden=file["P_D2"].shape[0], trade_offs=trade_offs, **TAGS[tag])
        self.players = {**self.discriminator(), **self.regions()}
        self.network = {
            "Wb": network.bottleneck.kernel,
            "bb": network.bottleneck.bias,
            "Wy": network.head.kernel,
            "by": network.head.bias,
        }
        for key, variable in {**self.players, **self.network}.items():
            variable.assign(np.reshape(file[f"P_{key}"], variable.shape))
        self.maps, n = tf.constant(file["feat"]), len(file["y_s"])
        with tf.GradientTape(persistent=True) as self.tape:
            self.tape.watch(self.maps)
            self.whole = network.top((self.maps,), True, 1.0)
            halves = {"source": slice(None, n), "target": slice(n, None)}
            self.outputs = {k: tf.nest.map_structure(lambda x, s=s: x[s], self.whole) for k, s in halves.items()}
            batch = {name: {"image": self.maps[rows]} for name, rows in halves.items()}
            batch["source"]["label"] = tf.constant(file["y_s"])
            self.terms = self.method.terms(batch, self.outputs)
            self.loss = self.method.total(self.terms)

    def discriminator(self):
        if self.method.scope == "local":
            return {}
        dense = [layer for layer in self.method.discriminator.layers if isinstance(layer, keras.layers.Dense)]
        names = (("D1", "e1"), ("D2", "e2"), ("d3", "e3"))
        return {
            k: v for (w, b), layer in zip(names, dense, strict=True) for k, v in ((w, layer.kernel), (b, layer.bias))
        }

    def regions(self):
        attention = self.method.network.attention
        return {key: getattr(attention.discriminators, own) for key, own in REGIONS.items()} if attention else {}


@pytest.mark.golden
@tags
def test_values_are_those_of_the_file(golden, tag):
    case = Case(golden("tada"), tag)
    case.file.equal(f"{tag}_z", case.whole.features)
    case.file.equal(f"{tag}_logits", case.whole.logits)
    if "local" in case.method.scope:
        case.file.equal(f"{tag}_region_logits", case.whole.extras["regions"])
        case.file.equal(f"{tag}_w", case.whole.extras["attention"])
    names = {"y": "task", "h": "entropy", "l": "local", "g": "domain"}
    found = {key: case.terms[name] for key, name in names.items() if name in case.terms}
    assert len(found) == (4 if case.method.scope == "local+global" else 3)
    for key, term in found.items():
        case.file.equal(f"{tag}_L_{key}", term)


@pytest.mark.golden
@tags
def test_features_minimise_the_objective_and_discriminators_maximise_it(golden, tag):
    case = Case(golden("tada"), tag)
    prefix = f"{tag}_dC_d"
    case.file.equal_gradient(f"{prefix}feat", case.tape.gradient(case.loss, case.maps))
    zero = tf.UnconnectedGradients.ZERO
    for sign, variables in ((1.0, case.network), (-1.0, case.players)):
        for key, variable in variables.items():
            found = sign * case.tape.gradient(case.loss, variable.value, unconnected_gradients=zero)
            if f"{prefix}{key}" in case.file.arrays:
                reference = case.file[f"{prefix}{key}"]
                case.file.equal(f"{prefix}{key}", tf.reshape(found, reference.shape))
            else:
                assert not np.any(found), key


@pytest.mark.parametrize("weight", ["one_minus_entropy", "entropy"])
def test_a_loop_over_images_and_regions_gives_the_same_attention(weight):
    layer = RegionAttention(hidden=5, weight=weight)
    maps = tf.constant(np.random.default_rng(0).normal(size=[3, 2, 2, 4]), "float32")
    attended, extras = layer(maps)
    bank = layer.discriminators
    for n in range(3):
        for k in range(4):
            x = maps[n, k // 2, k % 2]
            for w, b in ((bank.w1, bank.b1), (bank.w2, bank.b2)):
                x = tf.nn.relu(tf.linalg.matvec(w[k], x, transpose_a=True) + b[k, 0])
            p = float(tf.sigmoid(tf.tensordot(bank.w3[k], x, 1) + bank.b3[k, 0]))
            doubt = -p * np.log(p) - (1 - p) * np.log(1 - p)
            expected = doubt if weight == "entropy" else 1 - doubt
            assert float(extras["attention"][n, k]) == pytest.approx(expected, rel=1e-4)
            np.testing.assert_allclose(attended[n, k // 2, k % 2], (1 + expected) * maps[n, k // 2, k % 2], rtol=1e-4)


def test_shared_regions_are_one_discriminator():
    layer = RegionAttention(hidden=5, shared=True)
    maps = tf.ones([2, 3, 3, 4])
    _, extras = layer(maps)
    assert (
        np.ptp(extras["regions"]) == 0
        and sum(v.shape.num_elements() for v in layer.weights if "kernel" in v.path) == 50
    )


@pytest.mark.slow
def test_attention_is_part_of_evaluation_export_and_checkpoints(tmp_path):
    made = tiny.config("tada")
    task = build.task(made)
    method = tiny.train(made, task)
    images = task.tests["target"].images[:16]
    outputs = method.network(images, training=False)
    assert outputs.extras["attention"].shape == (16, 64)
    plain = method.network.head(method.network.pool(outputs.maps[-1]))
    assert np.abs(plain - outputs.logits).max() > 1e-3
    np.testing.assert_allclose(evaluate.Observer(method.network)(images).logits, outputs.logits, rtol=1e-4, atol=1e-5)
    export.export_network(method.network, task.classes, tmp_path / "model", images)
    served = export.Model(tmp_path / "model")(images)
    np.testing.assert_allclose(served, tf.nn.softmax(outputs.logits), atol=1e-5)
    assert any("attention" in v.path for v in method.network.variables)


def test_the_local_scope_builds_no_discriminator_of_images_and_refuses_a_weigher_of_its_input():
    made = tiny.config("tada[scope=local]")
    method = tiny.train(made)
    assert not hasattr(method, "discriminator")
    assert not [v.path for v in method.trainable_variables if "discriminator" in v.path and "attention" not in v.path]
    assert float(method.meters["local"].result()) > 0 and float(method.meters["entropy"].result()) > 0
    with pytest.raises(
        ValueError, match=r"^tada with scope=local has no L_domain, so a weigher cannot act: leave it out$"
    ):
        build.method(tiny.config("tada[scope=local]+biwaa"))


def test_scopes_and_weights_that_do_not_exist_are_named():
    with pytest.raises(ValueError, match="tada has no scope='regional': choose local, global"):
        build.method(tiny.config("tada[scope=regional]"))
    with pytest.raises(ValueError, match="tada has no weight='one': choose one_minus_entropy or entropy"):
        build.method(tiny.config("tada[weight=one]"))


def test_a_network_without_attention_is_refused():
    network = Network(small((4,)), 3, (8, 8))
    with pytest.raises(ValueError, match="TADA needs a network with attention"):
        TADA(network)
