"""BIWAA's feature weighting against the authors' code: values, gradients, and which of its factors are constants."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    TOLERANCE,
    FeatureNetwork,
    golden_fixture,  # noqa: F401
    relative_error,
)
from test_method import convolutions

from tfuda.core import ops
from tfuda.experiment import cells
from tfuda.methods.dannp import DANNP
from tfuda.networks.base import Outputs
from tfuda.networks.heads import HeuristicHead
from tfuda.weighers.biwaa import BIWAA, wrong

RECORDED = 2e-5  # the authors' loop ran in float32
SIDES = {"source": ("s", "Ys", "label"), "target": ("t", "Yt", "pseudo")}

HEADS = {
    "linear": lambda classes: keras.layers.Dense(classes),
    "heuristic": lambda classes: HeuristicHead(classes),
    "mlp": lambda classes: keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(classes)]),
}


def stream(network, features, **known) -> tuple[dict, Outputs]:
    """One stream of a batch, and its outputs."""
    features = tf.convert_to_tensor(features)
    known = {key: tf.constant(value) for key, value in known.items()}
    return {"image": features, **known}, Outputs((features,), features, network.head(features), {"a": features})


def linear_network(kernel, bias) -> FeatureNetwork:
    """Whose head is linear, from PyTorch's [K, d] and [K]."""
    network = FeatureNetwork(keras.layers.Dense(len(bias)), kernel.shape[1])
    network.head.set_weights([kernel.T, bias])
    return network


def closed_form(logits, labels, kernel) -> np.ndarray:
    """(softmax(z) - onehot(y)) W, with W [K, d] as in PyTorch."""
    p = np.exp(logits - logits.max(1, keepdims=True))
    return (p / p.sum(1, keepdims=True) - np.eye(len(kernel))[labels]) @ kernel


def normalised(gradient, factor: float) -> np.ndarray:
    return factor * gradient / np.linalg.norm(gradient, axis=1, keepdims=True)


def one_by_one(head, features, labels, factor: float) -> np.ndarray:
    """The weights [B, d] of any head: every sample alone, by the definition of cross-entropy."""
    found = []
    for feature, label in zip(features, labels, strict=True):
        feature = tf.constant(feature[None])
        with tf.GradientTape() as tape:
            tape.watch(feature)
            loss = -tf.math.log(tf.nn.softmax(head(feature))[0, label])
        gradient = tape.gradient(loss, feature)
        found.append(gradient[0])
    return normalised(np.array(found, "float64"), factor)


# ---- against the authors' code


@pytest.mark.golden
def test_weighted_features_of_every_iteration(golden):
    file = golden("biwaa_official_run1")
    sources = file["feat_s"].shape[1]
    rows = {"source": slice(None, sources), "target": slice(sources, None)}
    for i, weighted in enumerate(file["weighted"]):
        for name, (side, labels, kind) in SIDES.items():
            network = linear_network(file[f"fc_w_{side}"][i], file[f"fc_b_{side}"][i])
            known, outputs = stream(network, file[f"feat_{side}"][i], **{kind: file[labels][i]})
            assert relative_error(outputs.logits, file[f"logits_{side}"][i]) <= RECORDED
            seen = BIWAA(float(file["factor"]))(network, {name: known}, {name: outputs})
            error = relative_error(seen[name].features, weighted[rows[name]])
            assert error <= RECORDED, f"iteration {i}, {name}: off by {error:.1e}"


@pytest.mark.golden
def test_the_gradient_of_a_linear_head_is_the_closed_form(golden):
    file = golden("biwaa_official_run1")
    features, labels, kernel = file["feat_s"][0], file["Ys"][0], file["fc_w_s"][0]
    network = linear_network(kernel, file["fc_b_s"][0])
    known, outputs = stream(network, features, label=labels)
    closed = closed_form(outputs.logits.numpy(), labels, kernel)
    found = ops.sensitivity(functools.partial(wrong, network.head, labels), outputs.features)
    assert relative_error(found, closed) <= TOLERANCE[file.precision]
    seen = BIWAA(float(file["factor"]))(network, {"source": known}, {"source": outputs})
    expected = features * normalised(closed, float(file["factor"]))
    assert relative_error(seen["source"].features, expected) <= TOLERANCE[file.precision]


@pytest.mark.golden
@pytest.mark.parametrize("head", HEADS)
def test_any_head_gives_each_sample_the_gradient_of_its_own_cross_entropy(golden, head):
    file = golden("biwaa_official_run1")
    features, labels = file["feat_t"][0], file["Yt"][0]
    keras.utils.set_random_seed(0)
    network = FeatureNetwork(HEADS[head](file["fc_b_t"].shape[1]), features.shape[1])
    known, outputs = stream(network, features, pseudo=labels)
    seen = BIWAA(float(file["factor"]))(network, {"target": known}, {"target": outputs})
    weights = one_by_one(network.head, features, labels, float(file["factor"]))
    assert relative_error(seen["target"].features, features * weights) <= TOLERANCE[file.precision]


# ---- without files


def some(streams=("source", "target"), labels=(0, 2, 1)) -> tuple[FeatureNetwork, dict, dict]:
    """A network of 3 classes, a batch and its outputs; the target has other pseudo-labels than the source labels."""
    keras.utils.set_random_seed(0)
    network, batch, outputs = FeatureNetwork(keras.layers.Dense(3), 5), {}, {}
    for i, name in enumerate(streams):
        features = tf.random.stateless_normal([3, 5], [0, i])
        known = {"pseudo": [1, 1, 0]} if name == "target" else {"label": labels}
        batch[name], outputs[name] = stream(network, features, **known)
    return network, batch, outputs


@pytest.mark.parametrize("head", HEADS)
def test_the_weight_is_a_constant(head):
    """Gradients reach the features as through a product with a number, and the head not at all."""
    keras.utils.set_random_seed(0)
    network = FeatureNetwork(HEADS[head](3), 5)
    features, v = tf.random.stateless_normal([3, 5], [0, 1]), tf.random.stateless_normal([3, 5], [0, 2])
    with tf.GradientTape() as tape:
        tape.watch(features)
        known, outputs = stream(network, features, label=(0, 2, 1))
        seen = BIWAA(4.0)(network, {"source": known}, {"source": outputs})["source"].features
        loss = tf.reduce_sum(seen * v)
    kernels = [variable.value for variable in network.head.trainable_variables]
    found, *of_head = tape.gradient(loss, [features, *kernels])
    weight = one_by_one(network.head, features.numpy(), (0, 2, 1), 4.0)
    np.testing.assert_allclose(found, weight * v, rtol=1e-4, atol=1e-5)
    assert of_head and all(gradient is None for gradient in of_head)


@pytest.mark.parametrize("xla", [False, True])
def test_a_sure_and_right_sample_has_features_of_zeros_and_finite_gradients(xla):
    network = linear_network(np.array([[400.0, 0.0], [0.0, 400.0]], "float32"), np.zeros(2, "float32"))
    features = tf.constant([[1.0, 0.0], [0.1, 0.1]])

    @tf.function(jit_compile=xla)
    def features_and_gradients(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            outputs = Outputs((), features, network.head(features))
            seen = BIWAA()(network, {"source": {"label": tf.constant([0, 0])}}, {"source": outputs})
            seen = seen["source"].features
            loss = tf.reduce_sum(ops.safe_norm(seen))
        return seen, tape.gradient(loss, features)

    seen, gradient = features_and_gradients(features)
    assert (tf.nn.softmax(network.head(features))[0] == [1.0, 0.0]).numpy().all()
    assert (seen[0] == 0).numpy().all() and (gradient[0] == 0).numpy().all()
    assert np.isfinite(gradient).all() and np.abs(seen[1]).min() > 0


def test_only_features_are_exchanged():
    network, batch, outputs = some()
    before = dict(outputs)
    seen = BIWAA()(network, batch, outputs)
    assert outputs == before
    for name in outputs:
        assert np.abs(seen[name].features - outputs[name].features).max() > 1e-3
        assert seen[name].logits is outputs[name].logits
        assert seen[name].maps is outputs[name].maps
        assert seen[name].extras is outputs[name].extras


def test_streams_with_labels_use_them_and_the_target_its_pseudo_labels():
    network, batch, outputs = some(("source", "target", "target_labelled"))
    batch["target_labelled"]["pseudo"] = tf.constant([1, 1, 2])  # has labels too
    seen = BIWAA()(network, batch, outputs)
    kernel = network.head.kernel.numpy().T
    for name, labels in {"source": [0, 2, 1], "target": [1, 1, 0], "target_labelled": [0, 2, 1]}.items():
        weight = normalised(closed_form(outputs[name].logits.numpy(), labels, kernel), 10.0)
        np.testing.assert_allclose(seen[name].features, outputs[name].features * weight, rtol=1e-4, atol=1e-5)


def test_a_method_that_reads_only_logits_takes_no_biwaa():
    network, _, _ = some()
    sentence = r"^DANNP aligns logits, and biwaa changes features and norms alone: it could not act$"
    for weigh in (BIWAA(), BIWAA(3.0)):
        with pytest.raises(ValueError, match=sentence):
            DANNP(network, weigh=weigh)


@pytest.mark.parametrize(("word", "method", "weigher"), [("biwaa", "mstn", "biwaa"), ("toalign", "dannp", "toalign")])
def test_a_weigher_alone_stands_on_the_method_of_its_paper(word, method, weigher):
    for text in (word, f"{method}+{word}"):
        cell = cells.parse_cell(text)
        assert (cell.method, cell.weigher, cell.combiner) == (method, weigher, "")
    assert cells.parse_cell("biwaa[factor=16]").weigher_options.factor == 16.0


@pytest.mark.parametrize(
    "method", ["mstn", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dann", "afn"))]
)
def test_no_pass_through_the_backbone_is_added(method):
    plain = convolutions(method)
    assert plain and convolutions(f"{method}+biwaa") == plain
