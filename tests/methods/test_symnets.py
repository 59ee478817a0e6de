"""SymNets against an independent reference: every part, and which gradient goes to which player."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    FeatureNetwork,
    at_coefficient,
    golden_fixture,  # noqa: F401
)

from tfuda.core import optimizers
from tfuda.methods.symnets import SymNets, share_of
from tfuda.networks.heads import SymmetricHead


def network(classes, width, hidden=0):
    made = FeatureNetwork(SymmetricHead(classes), width, hidden)
    made.classes = classes
    return made


def of_file(file, kind=SymNets, **options):
    """A method with the file's weights, and a batch of its features."""
    made = at_coefficient(kind, file["lam"])(network(len(file["b"]) // 2, file["fs"].shape[1]), **options)
    made.network.head.pair.set_weights([file["W"].T, file["b"]])
    batch = {"source": {"image": tf.constant(file["fs"]), "label": tf.constant(file["y"])}}
    return made, {**batch, "target": {"image": tf.constant(file["ft"])}}


def look(method, batch) -> tuple[dict, tf.Tensor, dict]:
    """Terms, their weighted sum, and its gradients to {fs, ft, W, b}, in PyTorch's layout."""
    pair = method.network.head.pair
    sources = {"fs": batch["source"]["image"], "ft": batch["target"]["image"], "W": pair.kernel, "b": pair.bias}
    sources = {name: getattr(x, "value", x) for name, x in sources.items()}
    with tf.GradientTape() as tape:
        tape.watch(sources)
        terms = method.terms(*method.forward(batch))
        total = method.total(terms)
    gradients = tape.gradient(total, sources)
    return terms, total, {**gradients, "W": tf.transpose(gradients["W"])}


@pytest.mark.golden
def test_every_part(golden):
    file = golden("symnets")
    terms, total, _ = look(*of_file(file))
    lam = float(file.arrays["lam"])
    expected = {
        "head": file.arrays["task_s"] + file.arrays["task_t"],
        "sides": file.arrays["part1"] + file.arrays["part2"],
        "task": file.arrays["category"],
        "domain": lam * file.arrays["domain"],
        "entropy": lam * file.arrays["entropy"],
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=2e-5 if file.precision == "float32" else 1e-9)
    file.equal("loss_head", terms["head"] + terms["sides"])
    file.equal("loss_backbone", terms["task"] + terms["domain"] + terms["entropy"])
    np.testing.assert_allclose(total, file.arrays["loss_head"] + file.arrays["loss_backbone"], rtol=1e-5)


@pytest.mark.golden
@pytest.mark.parametrize("case", ["", "_no_em"])
def test_features_have_the_backbone_s_gradient_and_the_head_its_own(golden, case):
    file = golden("symnets")
    options = {"trade_offs": {"entropy": 0.0}} if case else {}
    terms, _, gradients = look(*of_file(file, **options))
    for key in ("fs", "ft"):
        file.equal_gradient(f"grad_loss_backbone{case}_{key}", gradients[key])
        file.differs(f"grad_loss_head_{key}", gradients[key])
    for key in "Wb":
        file.equal_gradient(f"grad_loss_head_{key}", gradients[key])
        file.differs(f"grad_loss_backbone{case}_{key}", gradients[key])
    without = terms["task"] + terms["domain"]
    file.equal("loss_backbone_no_em", without)


@pytest.mark.golden
def test_the_target_s_classifier_answers(golden):
    file = golden("symnets")
    method, batch = of_file(file)
    classes = len(file["b"]) // 2
    expected = file.arrays["ft"] @ file.arrays["W"][classes:].T + file.arrays["b"][classes:]
    np.testing.assert_allclose(method(batch["target"]["image"]), expected, rtol=1e-4, atol=1e-6)


# ---- without files


def small(**options):
    """A method behind a backbone of one layer, in the middle of its ramp, and a batch."""
    keras.utils.set_random_seed(1)
    method = SymNets(network(3, 5, hidden=6), steps=20, **options)
    method.compile(optimizers.SGD(0.1, lambda path: (1.0, 0.0), nesterov=False))
    method.step.assign(5)
    rng = np.random.default_rng(0)
    batch = {
        "source": {"image": tf.constant(rng.normal(size=[6, 5])), "label": tf.constant([0, 1, 2, 0, 1, 2])},
        "target": {"image": tf.constant(rng.normal(size=[4, 5]))},
    }
    return method, batch


def test_one_step_moves_both_players_by_their_own_losses(double):
    """Two losses written down with a softmax over all 2K and plain logarithms, each differentiated by its player."""
    method, batch = small()
    body, pair, y = method.network.body, method.network.head.pair, batch["source"]["label"]
    variables = [tf.identity(v.value) for v in (body.kernel, body.bias, pair.kernel, pair.bias)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(variables)
        w, b, u, c = variables
        z = {name: tf.nn.relu(stream["image"] @ w + b) @ u + c for name, stream in batch.items()}
        ps, pt = tf.nn.softmax(z["source"]), tf.nn.softmax(z["target"])
        pick = lambda p, labels: -tf.reduce_mean(tf.math.log(tf.gather(p, labels, batch_dims=1)))  # noqa: E731
        side = lambda p: -tf.reduce_mean(tf.math.log(tf.reduce_sum(p, 1)))  # noqa: E731
        each = [tf.nn.softmax(z["source"][:, part]) for part in (slice(3), slice(3, 6))]
        head = pick(each[0], y) + pick(each[1], y) + side(ps[:, :3]) + side(pt[:, 3:])
        q = pt[:, :3] + pt[:, 3:]
        entropy = -tf.reduce_mean(tf.reduce_sum(q * tf.math.log(q), 1))
        lam = 2 / (1 + np.exp(-10 * 5 / 20)) - 1
        task = 0.5 * pick(ps, y) + 0.5 * pick(ps, y + 3)
        back = task + lam * (0.5 * side(pt[:, :3]) + 0.5 * side(pt[:, 3:]) + entropy)
    slopes = [*tape.gradient(back, variables[:2]), *tape.gradient(head, variables[2:])]
    method.train_step(batch)
    after = (body.kernel, body.bias, pair.kernel, pair.bias)
    for variable, old, slope in zip(after, variables, slopes, strict=True):
        np.testing.assert_allclose(variable, old - 0.1 * slope, rtol=1e-9, atol=1e-14)


def test_labelled_target_images_join_what_has_labels(double):
    method, batch = small()
    half = {name: {k: v[:3] for k, v in stream.items()} for name, stream in batch.items()}
    rest = {k: v[3:] for k, v in batch["source"].items()}
    whole = method.task(*method.forward(batch))
    parted = method.task(*method.forward({**half, "target_labelled": rest}))
    for name in ("task", "head"):
        np.testing.assert_allclose(parted[name], whole[name], rtol=1e-12)


def test_weights_of_classes_multiply_the_source_s_parts_and_no_other(double):
    method, batch = small(pada=True)
    with_ones = method.terms(*method.forward(batch))
    method.class_weights.assign([0.5] * 3)
    halved = method.terms(*method.forward(batch))
    for name in ("task", "head"):
        np.testing.assert_allclose(halved[name], 0.5 * with_ones[name], rtol=1e-12)
    for name in ("domain", "entropy"):
        np.testing.assert_allclose(halved[name], with_ones[name], rtol=1e-12)
    assert float(halved["sides"]) < float(with_ones["sides"])


def test_a_side_that_has_no_probability_gives_finite_numbers():
    logits = tf.constant([[300.0, 0, -300, -300], [-300, -300, 300, 0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = share_of(logits, logits[:, 2:])
    np.testing.assert_allclose(loss, [600, 0], atol=1)
    assert np.isfinite(tape.gradient(loss, logits)).all()
