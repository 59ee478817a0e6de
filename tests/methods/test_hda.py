"""HDA against its authors' code in all three settings, and its baseline in ToAlign's repository."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    FeatureNetwork,
    at_coefficient,
    discriminator_layers,
    golden_fixture,  # noqa: F401
    heuristic_layers,
)

from tfuda.methods.hda import HDA
from tfuda.networks.base import Outputs
from tfuda.networks.heads import HeuristicHead, kaiming

STREAMS = {"uda": ("source", "target"), "msda": ("source", "target"), "ssda": ("source", "target_labelled", "target")}
every_setting = pytest.mark.parametrize("setting", STREAMS)

# The released code's ramp ends at 10000 steps, and the discriminator counts a step before it looks at its ramp.
RELEASED = {"ramp_steps": 10000, "ramp_ahead": 1}


def released(file, setting) -> tuple[HDA, dict]:
    """The method as the file ran it, and every layer by its name there."""
    inputs, classes = file["net_fc__weight"].shape[::-1]
    network = FeatureNetwork(HDA.head(classes), inputs)
    ways = len(file[f"{setting}_D_ad_layer3__bias"])
    streams = dict.fromkeys(STREAMS[setting], 1) | ({"source": ways - 1} if setting == "msda" else {})
    hidden = len(file[f"{setting}_D_ad_layer1__bias"])
    method = HDA(network, streams=streams, hidden=hidden, dropout=0.0, **RELEASED)
    method.step.assign(int(file["ad_iter"]) - 1)
    layers = heuristic_layers(network.head, "net_fc", [f"net_heuristic{j}" for j in ("", 1, 2)])
    file.assign("", layers)
    verdict = {f"D_{key}": layer for key, layer in discriminator_layers(method).items()}
    file.assign(f"{setting}_", verdict)
    return method, layers | verdict


def batch_of(file, setting, x) -> dict:
    """The rows of x [ΣB, d] as streams; all but the target have labels."""
    batch = {}
    sizes, labels = file[f"{setting}_sizes"], file[f"{setting}_y"]
    for name, size, stop in zip(STREAMS[setting], sizes, np.cumsum(sizes), strict=True):
        rows = slice(stop - size, stop)
        batch[name] = {"image": x[rows]} | ({"label": tf.constant(labels[rows])} if name != "target" else {})
    if setting == "msda":
        batch["source"]["domain"] = tf.constant(file["msda_domain"])
    return batch


@pytest.mark.golden
@every_setting
def test_every_term_and_the_gradients_of_their_sum(golden, setting):
    file = golden("hda_losses")
    method, layers = released(file, setting)
    x = tf.constant(file[f"{setting}_x"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        batch, outputs = method.forward(batch_of(file, setting, x))
        terms = method.terms(batch, outputs)
        total = method.total(terms)
    for name, key in {"task": "cls", "domain": "transfer", "heuristic": "heuristic"}.items():
        file.equal(f"{setting}_loss_{key}", terms[name])
    file.equal(f"{setting}_loss_total", total)
    file.equal_gradients(f"{setting}_grad_", tape, total, {"x": x}, layers)


@pytest.mark.golden
@every_setting
def test_logits_heuristic_and_confidence(golden, setting):
    file = golden("hda_losses")
    method, _ = released(file, setting)
    x = tf.constant(file[f"{setting}_x"])
    file.equal(f"{setting}_logits", method(x))
    file.equal(f"{setting}_heuristic_out", method.network.head.heuristic(x))
    confidence = method.confidence(Outputs((), x, method(x)))
    file.equal(f"{setting}_mean_exp_neg_entropy", tf.reduce_mean(confidence))


@pytest.mark.golden
def test_the_discriminator_counts_one_step_ahead_of_the_entropy_weights(golden):
    file = golden("hda_losses")
    method, _ = released(file, "uda")
    file.equal("coeff_grl", method.reversal(method.ramp_ahead))
    file.equal("coeff_entropy", method.reversal())


@pytest.mark.golden
@pytest.mark.parametrize("tag", ["noent_", "ent_"])
def test_two_ways_for_several_sources(golden, tag):
    """ToAlign's baseline: weights per side, or without entropy weights one mean over all images."""
    file = golden("toalign_msda_loss")
    logits, size = tf.constant(file["logits"]), int(file["Bs"])
    classes, hidden = logits.shape[1], len(file["D_ad_layer1__bias"])
    entropic = tag == "ent_"
    network = FeatureNetwork(HDA.head(classes), 5)
    options = {"two_way": True, "entropic": entropic, "pooled": not entropic, "hidden": hidden, "dropout": 0.0}
    method = at_coefficient(HDA, file["coeff"])(network, streams={"source": 5, "target": 1}, **options)
    layers = {f"D_{key}": layer for key, layer in discriminator_layers(method).items()}
    file.assign("", layers)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        parts = {"source": logits[:size], "target": logits[size:]}
        outputs = {name: Outputs((), part, part) for name, part in parts.items()}
        loss = method.align({name: {"image": part} for name, part in parts.items()}, outputs)["domain"]
    file.equal(f"{tag}loss", loss)
    file.equal_gradients(f"{tag}grad_", tape, loss, {"logits": logits}, layers)


@pytest.mark.golden
def test_initial_values_of_the_head(golden):
    """The released initialiser's standard deviations, untruncated; biases 0."""
    file = golden("hda_init")
    (fundament,) = file.matches(r"std_fan(\d+)_fc_a(\d+)")
    parts = file.matches(r"std_fan(\d+)_heur\d+_a(\d+)")
    inputs, slopes = int(fundament[1]), [int(part[2]) for part in parts]
    head = HeuristicHead(1000, slopes, int(fundament[2]))
    head.build([None, inputs])
    for match, layer in zip((fundament, *parts), (head.fundament, *head.parts), strict=True):
        file.equal(match[0], np.sqrt(kaiming(int(match[2])).scale / inputs))
        kernel = np.asarray(layer.kernel, "f8")
        assert kernel.std() == pytest.approx(float(file[match[0]]), rel=3e-3)
        assert np.abs(kernel).max() > 4 * kernel.std()  # Keras's he_normal ends at 2.3
        assert not np.any(layer.bias)


# ---- without files


def small(streams=None, **options) -> HDA:
    keras.utils.set_random_seed(0)
    return HDA(FeatureNetwork(HDA.head(3), 5), streams=streams, hidden=4, dropout=0.0, **options)


@pytest.mark.parametrize(
    ("streams", "two_way", "domains", "width", "scale", "strength"),
    [
        ({"source": 1, "target": 1}, False, (1, 0), 1, 1 / 2, 1),
        ({"source": 1, "target": 1}, True, (1, 0), 1, 1 / 2, 1),
        ({"source": 5, "target": 1}, False, (1, 0), 6, 1, 1),
        ({"source": 5, "target": 1}, True, (1, 0), 2, 1, 1),
        ({"source": 1, "target_labelled": 1, "target": 1}, False, (2, 1, 0), 3, 2 / 3, 1 / 2),
        ({"source": 1, "target_labelled": 1, "target": 1}, True, (2, 1, 0), 3, 2 / 3, 1 / 2),
        ({"source": 4, "target_labelled": 1, "target": 1}, False, (2, 1, 0), 6, 2 / 3, 1 / 2),
        ({"source": 4, "target_labelled": 1, "target": 1}, True, (2, 1, 0), 3, 2 / 3, 1 / 2),
    ],
)
def test_the_game_follows_from_the_streams(streams, two_way, domains, width, scale, strength):
    method = small(streams, two_way=two_way)
    assert method.domains == dict(zip(streams, domains, strict=True))
    assert (method.width, method.scale, method.strength) == (width, scale, strength)
    assert method.discriminator.output_shape[-1] == width


def test_one_source_and_its_target_are_what_a_method_expects_unless_told():
    assert small().streams == {"source": 1, "target": 1} and small().width == 1


def test_numbers_by_hand_stand_above_the_table():
    method = small({"source": 5, "target": 1}, scale=0.25, strength=3.0, width=7)
    assert (method.scale, method.strength, method.width) == (0.25, 3.0, 7)


@pytest.mark.parametrize(("labelled", "first"), [(False, 1), (True, 2)])
def test_every_source_is_a_domain_of_its_own(labelled, first):
    streams = {"source": 3, "target": 1} | ({"target_labelled": 1} if labelled else {})
    batch = {"source": {"image": tf.zeros([4, 5]), "domain": tf.constant([2, 0, 1, 1])}}
    for two_way, expected in ((False, [first + 2, first, first + 1, first + 1]), (True, [first] * 4)):
        assert small(streams, two_way=two_way).label(batch, "source").numpy().tolist() == expected


def test_a_linear_head_is_refused():
    with pytest.raises(ValueError, match="HDA needs a network whose head has a heuristic"):
        HDA(FeatureNetwork(keras.layers.Dense(3), 5))


def test_the_heuristic_is_of_any_part_of_the_streams():
    method = small()
    features = tf.random.stateless_normal([4, 5], [0, 1])
    outputs = {"source": Outputs((), features, method(features))}
    expected = np.abs(method.network.head.heuristic(features)).mean()
    assert float(method.regularise({}, outputs)["heuristic"]) == pytest.approx(float(expected), rel=1e-6)


def test_at_first_the_logits_are_nearly_the_negative_heuristic():
    keras.utils.set_random_seed(0)
    head, features = HeuristicHead(7), tf.random.stateless_normal([4, 64], [0, 1])
    logits, z = head(features), head.heuristic(features)
    assert np.abs(logits + z).max() < 0.05 * np.abs(z).max()


def test_layers_of_the_head_have_names_of_their_own():
    head = HeuristicHead(3, slopes=(0, 1))
    head.build([None, 5])
    names = ["fundament", "heuristic_0", "heuristic_1"]
    assert [v.path for v in head.variables] == [f"head/{n}/{v}" for n in names for v in ("kernel", "bias")]
