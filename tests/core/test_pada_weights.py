"""PADA's class weights: values, and where they count."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import golden_fixture  # noqa: F401

from tfuda.core import losses, pada_weights
from tfuda.experiment import build

KINDS = ("dann", "mstn", "hda", "gsda", "tada")


@pytest.mark.golden
def test_class_weights_are_those_of_a_public_implementation(golden):
    file = golden("tllib_official")
    file.equal("pada_w_T0.1", pada_weights.class_weights(tf.nn.softmax(file["yt"])))


def test_the_paper_s_class_weights_are_means_of_the_plain_softmax():
    posterior = np.float32([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]])
    np.testing.assert_allclose(pada_weights.class_weights(posterior, 1.0), [1.0, 0.5 / 1.2, 0.3 / 1.2], rtol=1e-5)


def method_and_pass(cell, weights=None):
    made = tiny.config(cell, batch=6)
    made.options.pada = weights is not None
    task = build.task(made)
    method = build.method(made, task)
    if weights is not None:
        method.class_weights.assign(weights)
    method.step.assign(made.steps // 2)  # at step 0 nothing is reversed
    batch = build.streams(made, task).load(0)
    return method, *method.forward(batch)


def test_weights_multiply_the_source_s_losses_and_are_not_normalised():
    weights = np.linspace(0.1, 1, 10)
    method, batch, outputs = method_and_pass("dann", weights)
    own = weights[batch["source"]["label"]]
    wrong = losses.cross_entropy(batch["source"]["label"], outputs["source"].logits).numpy()
    assert float(method.task(batch, outputs)["task"]) == pytest.approx((own * wrong).mean(), rel=1e-5)
    verdicts = {name: tf.constant(np.linspace(-1, 2, 6)[:, None], "float32") for name in ("source", "target")}
    loss = float(method.compare(batch, outputs, verdicts)["domain"])
    sides = [losses.binary_cross_entropy(tf.fill([6], y), verdicts["source"][:, 0], 1e-8).numpy() for y in (1, 0)]
    assert loss == pytest.approx(0.5 * (own * sides[0]).mean() + 0.5 * own.mean() * sides[1].mean(), rel=1e-5)


@pytest.mark.parametrize("cell", KINDS)
def test_a_class_of_weight_zero_takes_no_part_in_task_and_game(cell):
    _, batch, _ = method_and_pass(cell)
    absent = int(batch["source"]["label"][0])
    method, batch, outputs = method_and_pass(cell, 1.0 - np.eye(10)[absent])
    gone = np.flatnonzero(batch["source"]["label"].numpy() == absent)
    with tf.GradientTape(persistent=True) as tape:
        features, logits = outputs["source"].features, outputs["source"].logits
        tape.watch([features, logits])
        game = method.align(batch, outputs).get("domain")
        task = method.task(batch, outputs)["task"]
    sources = [tape.gradient(task, logits), *(tape.gradient(game, x) for x in (features, logits))]
    found = [gradient for gradient in sources if gradient is not None]
    assert len(found) >= 2
    for gradient in found:
        rest = np.delete(gradient, gone, 0)
        assert not np.any(gradient.numpy()[gone]) and np.abs(rest).max() > 0


@pytest.mark.slow
def test_weights_follow_the_target_between_segments_and_favour_its_classes():
    made = tiny.config("dann", task="M-H", target_classes=5, steps=120, segment=60, batch=32)
    made.options.pada = True
    method = tiny.train(made)
    weights = method.class_weights.numpy()
    assert weights.max() == 1 and weights[:5].mean() > 2 * weights[5:].mean()
    assert any(weight is method.class_weights for weight in method.state())
