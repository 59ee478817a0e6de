"""ToAlign against the authors' code: values, gradients, and which of its factors are constants."""

import functools
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    TOLERANCE,
    FeatureNetwork,
    at_coefficient,
    discriminator_layers,
    golden_fixture,  # noqa: F401
    heuristic_layers,
    relative_error,
)

from tfuda.core import ops
from tfuda.methods.dannp import DANNP
from tfuda.methods.hda import HDA
from tfuda.methods.source_only import SourceOnly
from tfuda.networks.base import Outputs
from tfuda.networks.heads import HeuristicHead
from tfuda.weighers.toalign import SQUASH, ToAlign

FILES = {"toalign_fpos": DANNP, "toalign_fpos_hda": HDA}  # one linear head, and HDA's difference of heads
both_heads = pytest.mark.parametrize("name", FILES)
both_weights = pytest.mark.parametrize("tag", ["noent_", "ent_"])


def head_of(file) -> tuple[keras.layers.Layer, dict]:
    """A head as the file has it, and its linear layers by their names there."""
    classes = len(file["net_fc__bias"])
    heuristics = len(file.matches(r"net_fc\d*__bias")) - 1
    if not heuristics:
        head = keras.layers.Dense(classes)
        return head, {"net_fc": head}
    head = HeuristicHead(classes, slopes=range(heuristics))
    return head, heuristic_layers(head, "net_fc", [f"net_fc{i}" for i in range(heuristics)])


def network_of(file) -> tuple[FeatureNetwork, dict]:
    head, layers = head_of(file)
    network = FeatureNetwork(head, file["f_s"].shape[1])
    file.assign("", layers)
    return network, layers


def weighed(file, **options) -> Outputs:
    """What the discriminator sees of the file's source features."""
    network, _ = network_of(file)
    f = tf.constant(file["f_s"])
    outputs = {"source": Outputs((), f, network.head(f))}
    return ToAlign(**options)(network, {"source": {"label": file["labels"]}}, outputs)["source"]


def played(file, tag):
    """An adversarial loss of the file's method with ToAlign: tape, loss, inputs, layers and seen outputs."""
    network, layers = network_of(file)
    kind = at_coefficient(FILES[file.name], file["coeff"])
    hidden = len(file["D_ad_layer1__bias"])
    method = kind(network, weigh=ToAlign(), hidden=hidden, dropout=0.0, entropic=tag == "ent_")
    layers |= {f"D_{key}": layer for key, layer in discriminator_layers(method).items()}
    file.assign("", layers)
    inputs = {"f_s": tf.constant(file["f_s"]), "f_t": tf.constant(file["f_t"])}
    batch = {
        "source": {"image": inputs["f_s"], "label": tf.constant(file["labels"])},
        "target": {"image": inputs["f_t"]},
    }
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        batch, outputs = method.forward(batch)
        loss = method.align(batch, outputs)["domain"]
    seen = method.weigh(network, batch, outputs)
    views = tf.concat([method.view(seen[stream]) for stream in ("source", "target")], 0)
    return types.SimpleNamespace(tape=tape, loss=loss, inputs=inputs, layers=layers, views=views)


def lost_in_float32(file, tag) -> tuple[str, ...]:
    """Gradients that float32 cannot hold to 2e-5, by the beginnings of their keys.

    What comes back through a softmax is in proportion to 1 - max p, the small difference of two numbers that float32
    knows to 1e-7. So nothing is compared behind samples that are all surer than 99 % (HDA's source is, to 1e-11).
    """
    doubt = 1.0 - file.arrays[f"{tag}softmax"].max(1)
    source = len(file["f_s"])
    behind = {"f_s": doubt[:source], "f_t": doubt[source:], "net_": doubt}
    return tuple(key for key, rows in behind.items() if file.precision == "float32" and rows.max() < 0.01)


# ---- against the authors' code


@pytest.mark.golden
@both_heads
def test_sensitivity_is_the_gradient_of_the_label_s_logit(golden, name):
    file = golden(name)
    network, _ = network_of(file)
    score = functools.partial(label_score, network.head, file["labels"])
    w = ops.sensitivity(score, tf.constant(file["f_s"]))
    file.equal_gradient("grad_logit_k_wrt_f", w)
    file.equal("w_cls", w)


def label_score(head, labels, features):
    return tf.gather(head(features), labels, batch_dims=1)


@pytest.mark.golden
@both_heads
def test_sensitivity_of_linear_heads_is_the_label_s_row_of_the_weights(golden, name):
    file = golden(name)
    _, layers = network_of(file)
    first, *heuristics = (tf.gather(layer.kernel, file["labels"], axis=1) for layer in layers.values())
    rows = tf.transpose(first - sum(heuristics))
    file.equal("w_cls", rows)
    assert relative_error(weighed(file, scale=1.0).features, rows * file["f_s"]) <= TOLERANCE[file.precision]


@pytest.mark.golden
@both_heads
def test_task_oriented_features_and_logits(golden, name):
    file = golden(name)
    seen, bare = weighed(file), weighed(file, scale=1.0)
    file.equal("f_pos", seen.features)
    file.equal("logits_pos", seen.logits)
    s = ops.safe_norm(seen.features) / ops.safe_norm(bare.features)
    file.equal("s", s[:, 0])
    file.equal("w_pos", s * file["w_cls"])


@pytest.mark.golden
def test_heuristics_of_hda_s_head_see_the_task_oriented_features_too(golden):
    file = golden("toalign_fpos_hda")
    network, _ = network_of(file)
    file.equal("z_pos", network.head.heuristic(weighed(file).features))


@pytest.mark.golden
@both_heads
@both_weights
def test_domain_loss_and_its_gradients(golden, name, tag):
    file = golden(name)
    game = played(file, tag)
    file.equal(f"{tag}loss", game.loss)
    file.equal(f"{tag}softmax", game.views)
    file.equal_gradients(f"{tag}grad_", game.tape, game.loss, game.inputs, game.layers, lost_in_float32(file, tag))


@pytest.mark.golden
@both_heads
@both_weights
def test_gradients_flow_through_the_scale_but_not_through_the_sensitivity(golden, name, tag):
    """The other two readings of the paper differ where they can: s in the features, w in the head."""
    file = golden(name)
    game = played(file, tag)
    features, kernel = game.tape.gradient(game.loss, [game.inputs["f_s"], game.layers["net_fc"].kernel.value])
    if "f_s" not in lost_in_float32(file, tag):
        file.equal_gradient(f"{tag}spec_s_live_w_const_grad_f_s", features)
    file.equal_gradient(f"{tag}spec_s_live_w_const_grad_fc_W", tf.transpose(kernel))
    file.differs(f"{tag}spec_s_const_w_const_grad_f_s", features)
    file.differs(f"{tag}spec_s_live_w_live_grad_fc_W", tf.transpose(kernel))


@pytest.mark.golden
def test_fixed_scales(golden):
    file = golden("toalign_fpos")
    for match in file.matches(r"spec_fpos_fixed_s(\d+)"):
        file.equal(match[0], weighed(file, scale=float(match[1])).features)


@pytest.mark.golden
def test_squashed_sensitivities_at_a_fixed_scale(golden):
    file = golden("toalign_fpos")
    for match in file.matches(r"spec_fpos_(sigmoid|softmax)_s(\d+)"):
        file.equal(match[0], weighed(file, squash=match[1], scale=float(match[2])).features)


@pytest.mark.golden
def test_tialign_is_the_negative(golden):
    file = golden("toalign_fpos")
    file.equal("spec_f_neg", weighed(file, sign=-1.0).features)


# ---- without files


def some(features, labels=(0, 2, 1)) -> tuple[FeatureNetwork, dict, dict]:
    """A network of 3 classes, a batch and its outputs."""
    keras.utils.set_random_seed(0)
    network = FeatureNetwork(keras.layers.Dense(3), features.shape[1])
    batch = {name: {"image": features, "label": tf.constant(labels)} for name in ("source", "target")}
    outputs = {name: Outputs((features,), features, network.head(features), {"a": features}) for name in batch}
    return network, batch, outputs


@pytest.mark.parametrize("squash", SQUASH)
def test_the_adaptive_scale_keeps_the_length_of_every_feature(squash):
    features = tf.random.stateless_normal([3, 5], [0, 1])
    seen = ToAlign(squash=squash)(*some(features))["source"].features
    np.testing.assert_allclose(ops.safe_norm(seen), ops.safe_norm(features), rtol=1e-5)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("squash", SQUASH)
def test_features_of_zeros_stay_zeros_with_finite_gradients(squash, xla):
    network, batch, outputs = some(tf.zeros([3, 5]))

    @tf.function(jit_compile=xla)
    def features_and_gradients(features):
        source = outputs["source"]._replace(features=features)
        with tf.GradientTape() as tape:
            tape.watch(features)
            seen = ToAlign(squash=squash)(network, batch, {"source": source})["source"]
            loss = tf.reduce_sum(seen.logits**2) + tf.reduce_sum(seen.features)
        return seen.features, tape.gradient(loss, [features, network.head.kernel.value])

    seen, gradients = features_and_gradients(tf.zeros([3, 5]))
    assert (seen.numpy() == 0).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_only_features_and_logits_of_the_named_streams_are_exchanged():
    network, batch, outputs = some(tf.random.stateless_normal([3, 5], [0, 1]))
    seen = ToAlign()(network, batch, outputs)
    assert seen["target"] is outputs["target"]
    assert seen["source"].maps is outputs["source"].maps
    assert seen["source"].extras is outputs["source"].extras
    both = ToAlign(streams=("source", "target"))(network, batch, outputs)
    np.testing.assert_array_equal(both["target"].features, both["source"].features)
    np.testing.assert_allclose(both["target"].logits, network.head(both["target"].features), rtol=1e-6)


def test_classification_reads_the_ordinary_outputs():
    features = tf.random.stateless_normal([3, 5], [0, 1])
    network, batch, _ = some(features)
    plain = DANNP(network, hidden=4, dropout=0.0)
    oriented = DANNP(network, weigh=ToAlign(), hidden=4, dropout=0.0)
    oriented.discriminator.set_weights(plain.discriminator.get_weights())
    del batch["target"]["label"]
    a, b = (method.terms(*method.forward(batch)) for method in (plain, oriented))
    assert float(a["task"]) == float(b["task"])
    assert float(a["domain"]) != float(b["domain"])


def test_a_method_that_aligns_nothing_takes_no_weigher():
    network, _, _ = some(tf.zeros([3, 5]))
    with pytest.raises(ValueError, match="SourceOnly aligns nothing that a weigher shows"):
        SourceOnly(network, weigh=ToAlign())
