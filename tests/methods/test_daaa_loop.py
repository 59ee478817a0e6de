"""DAAA's loss against loops over layers, streams and images."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import golden_fixture  # noqa: F401

from tfuda.methods.daaa import DAAA
from tfuda.methods.shared import mmd
from tfuda.methods.shared.attention_transfer import attention, mean_of_gaussians
from tfuda.networks.base import Network
from tfuda.networks.small import small

STREAMS = ("source", "source_as_target", "target", "target_as_source")


SIZES = dict(zip(STREAMS, (4, 2, 3, 2)))
TARGETS, ALL = 6, "+".join(STREAMS)


def network(shown="layers"):
    return Network(small((4, 5), convolutions=2, stride=2, smooth=True), 3, (8, 8), shown=shown)


def images(rng, count):
    return tf.constant(rng.integers(0, 256, [count, 8, 8, 3]), "uint8")


def made(parts=ALL, **options):
    """(method, teacher, batch): two networks of other weights, pictures that are noise, a posterior like any."""
    keras.utils.set_random_seed(0)
    rng, teacher, names = np.random.default_rng(0), network(), parts.split("+")
    method = DAAA(network(), teacher=teacher, targets=TARGETS, parts=parts, passes=(tuple(names),), **options)
    if method.learns and method.lagging:
        q = rng.dirichlet([0.05] * 3, TARGETS)
        q[:2] = [0.96, 0.03, 0.01], [0.5, 0.3, 0.2]  # one above the threshold, one below
        method.posteriors.assign(q)
    batch = {}
    for name in names:
        batch[name] = {
            "image": images(rng, SIZES[name]),
            "index": tf.constant(rng.permutation(TARGETS)[: SIZES[name]]),
        }
        if name.startswith("source"):
            batch[name]["label"] = tf.constant(rng.integers(0, 3, SIZES[name]), "int32")
        if name != "source":
            batch[name]["pair"] = images(rng, SIZES[name])
    if "target" in batch:
        batch["target"]["index"] = tf.constant([0, 1, 4])
    return method, teacher, batch


POOLED = {"squares": lambda c: (c**2).sum(), "absolute": lambda c: np.abs(c).sum(), "max": lambda c: np.abs(c).max()}
APART = {
    "l2": lambda d: np.sqrt((d**2).sum()),
    "l2_eps": lambda d: np.sqrt((d**2).sum() + 1e-12),
    "l2sq": lambda d: (d**2).sum(),
    "l1": lambda d: np.abs(d).sum(),
}


def one_attention(maps, pooling):
    """Of one image [h, w, C], position by position."""
    height, width, _ = maps.shape
    flat = np.array([POOLED[pooling](maps[y, x]) for y in range(height) for x in range(width)])
    return flat / np.sqrt(sum(value**2 for value in flat))


def certainties(method, batch):
    """q of each image of the target's streams, as a constant."""
    found = {}
    for name in ("target", "target_as_source"):
        if name in batch and method.lagging:
            found[name] = [method.posteriors.numpy()[i] for i in batch[name]["index"].numpy()]
        elif name in batch:
            real = batch[name]["image"] if name == "target" else batch[name]["pair"]
            found[name] = tf.nn.softmax(method.network(real, training=False).logits).numpy()
    return found


def reference(method, teacher, batch, q):
    """L: one image, one layer and one stream after another."""
    seen = method.network(tf.concat([batch[name]["image"] for name in batch], 0), training=True)
    whole, row, loss = sum(SIZES[name] for name in batch), 0, 0.0
    plain = [batch[name]["image" if name in ("source", "target_as_source") else "pair"] for name in batch]
    shown = teacher(tf.concat(plain, 0), training=False).maps
    for name in batch:
        for n in range(SIZES[name]):
            for wanted, found in zip(shown, seen.maps, strict=True):
                a, b = (one_attention(maps[row].numpy(), method.pooling) for maps in (wanted, found))
                loss += method.trade_offs["attention"] * APART[method.distance](a - b)
            logits = seen.logits[row].numpy()
            p = np.exp(logits) / np.exp(logits).sum()
            if "label" in batch[name]:
                loss -= np.log(p[int(batch[name]["label"][n])])
            elif max(q[name][n]) >= method.threshold:
                loss -= sum(q[name][n][k] * np.log(p[k]) for k in range(3))
            row += 1
    return loss / whole


CASES = {
    "paper": {},
    "absolute": {"pooling": "absolute"},
    "max": {"pooling": "max"},
    "l1": {"distance": "l1"},
    "squared": {"distance": "l2sq"},
    "em_a": {"lagging": False, "threshold": 0.4},
    "em_b": {"threshold": 0.0},
    "without": {"trade_offs": {"attention": 0.0}},
    "t_f": {"parts": "source_as_target", "trade_offs": {"attention": 0.0}},
    "s_t_f": {"parts": "source+source_as_target"},
    "translations": {"parts": "source_as_target+target_as_source"},
    "real": {"parts": "source+target"},
    "unlabelled": {"parts": "target+target_as_source", "lagging": False, "threshold": 0.0},
}


@pytest.mark.parametrize("case", CASES)
def test_a_loop_over_layers_streams_and_images_gives_the_same_loss_and_gradient(double, case):
    method, teacher, batch = made(**CASES[case])
    weights = method.network.trainable_variables
    with tf.GradientTape() as tape:
        _, outputs = method.forward(batch)
        terms = method.terms(batch, outputs)
        loss = method.total(terms)
    gradients = tape.gradient(loss, [v.value for v in weights], unconnected_gradients=tf.UnconnectedGradients.ZERO)
    assert len(outputs[next(iter(batch))].maps) == 4
    assert ("task" in terms) == any(name.startswith("source") for name in batch)
    assert ("expectation" in terms) == any(name.startswith("target") for name in batch)
    q = certainties(method, batch)
    assert float(loss) == pytest.approx(reference(method, teacher, batch, q), rel=1e-10)

    rng, around = np.random.default_rng(1), [v.numpy() for v in weights]
    way = [rng.normal(size=v.shape) for v in weights]

    def moved(size):
        for variable, value, step in zip(weights, around, way):
            variable.assign(value + size * step)
        return reference(method, teacher, batch, q)

    expected = (moved(1e-6) - moved(-1e-6)) / 2e-6
    assert sum((g.numpy() * step).sum() for g, step in zip(gradients, way)) == pytest.approx(expected, rel=1e-6)


def test_the_threshold_drops_and_keeps_images_here(double):
    """Else the loop would compare little."""
    method, _, batch = made()
    sure = [q.max() >= method.threshold for q in certainties(method, batch)["target"]]
    assert any(sure) and not all(sure)


def test_before_the_first_posterior_there_is_no_expectation():
    for threshold in (0.95, 0.0):
        method, _, batch = made(threshold=threshold)
        method.posteriors.assign(tf.zeros_like(method.posteriors.value))
        _, outputs = method.forward(batch)
        assert float(method.regularise(batch, outputs)["expectation"]) == 0


@pytest.mark.parametrize("distance", ["l2", "mmd", "jmmd"])
@pytest.mark.parametrize("same", [False, True])
def test_gradients_are_finite_and_none_reaches_the_teacher(double, distance, same):
    method, teacher, batch = made(distance=distance, copy=same)
    watched = [v.value for v in teacher.variables if v.dtype == "float64"]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(watched)
        _, outputs = method.forward(batch)
        value = method.align(batch, outputs)["attention"]
    assert np.isfinite(value) and all(gradient is None for gradient in tape.gradient(value, watched))
    sources = [v.value for v in method.network.trainable_variables if "head" not in v.path]
    found = tape.gradient(value, sources)
    assert all(np.isfinite(gradient).all() for gradient in found) and any(np.any(gradient) for gradient in found)


def test_kernels_compare_the_attentions_of_every_layer(double):
    method, teacher, batch = made(distance="mmd")
    _, outputs = method.forward(batch)
    plain = [batch[name]["image" if name in ("source", "target_as_source") else "pair"] for name in batch]
    sides = teacher(tf.concat(plain, 0), training=False).maps, zip(*(outputs[name].maps for name in batch))
    layers = [(attention(a), attention(tf.concat(b, 0))) for a, b in zip(*sides)]
    expected = sum(mmd.mmd(a, b, estimator="quad") for a, b in layers)
    assert float(method.align(batch, outputs)["attention"]) == pytest.approx(float(expected), rel=1e-10)
    method.distance = "jmmd"
    expected = mmd.jmmd(*zip(*layers), [mean_of_gaussians] * len(layers))
    assert float(method.align(batch, outputs)["attention"]) == pytest.approx(float(expected), rel=1e-10)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, 0.75),
        ({"restart": False}, 0.7),
        ({"parts": "source+source_as_target"}, 0.7),
        ({"parts": "source+target_as_source"}, 0.75),
        ({"lagging": False}, 0.75),
    ],
)
def test_progress_starts_anew_with_the_posterior(options, expected):
    method, _, _ = made(steps=10, segment=4, **options)
    method.step.assign(7)
    assert float(method.rate_progress) == pytest.approx(expected)
    assert float(method.progress) == pytest.approx(0.7)
