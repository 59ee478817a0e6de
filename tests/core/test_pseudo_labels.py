"""Beliefs against the authors' code, against references written straight down, and over replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import (
    FeatureNetwork,
    golden_fixture,  # noqa: F401
    relative_error,
)

from tfuda.core import ops, pseudo_labels, schedules
from tfuda.core.method import Method
from tfuda.networks.base import Outputs

RECORDED = 2e-5  # the authors' loop ran in float32
HORIZON = 20000  # of BIWAA's ramp; its file of schedules does not say so
SIDES = ("s", "t")


def remembering(count, classes, **options) -> Method:
    """A method with a memory of beliefs; its network is beside the point."""
    return Method(
        FeatureNetwork(keras.layers.Dense(classes), 2), pseudo=pseudo_labels.Beliefs(count, classes, **options)
    )


def show(method, index, logits, step=None) -> np.ndarray:
    """Pseudo-labels of images [B] with logits [B, K], which the memory takes in."""
    if step is not None:
        method.step.assign(step)
    logits = tf.convert_to_tensor(logits)
    batch = method.pseudo({"target": {"index": tf.constant(index)}}, {"target": Outputs((), logits, logits)})
    method.pseudo.remember(batch)
    return batch["target"]["pseudo"].numpy()


def table(method) -> np.ndarray:
    return method.pseudo.table.numpy()


@pytest.mark.golden
def test_one_image_s_running_belief(golden):
    """The file does not name the rate, so it is taken from one number of the second row."""
    file = golden("biwaa_schedules")
    predictions, beliefs = file.arrays["seq"], file.arrays["agg_within"]
    largest = np.abs(predictions[1] - beliefs[0]).argmax()
    rate = (beliefs[1] - beliefs[0])[largest] / (predictions[1] - beliefs[0])[largest]
    assert 0 < rate < 1
    method = remembering(3, predictions.shape[1], rate=float(rate))
    found = []
    for prediction in file["seq"]:
        label = show(method, [1], np.log(prediction)[None])
        found.append(table(method)[1])
        assert label == found[-1].argmax()
    file.equal("agg_within", found)
    assert (table(method)[[0, 2]] == 0).all()


@pytest.mark.golden
def test_trust_in_the_run_s_own_beliefs(golden):
    """Eq. 14 ends at 1 exactly; the code goes on along the sigmoid, which is within 1e-4."""
    file = golden("biwaa_schedules")
    fade = int(file["j"][file.arrays["u_eq14"] < 1].max())
    u = pseudo_labels.trust(tf.constant(file["j"]), fade)
    file.equal("u_eq14", u)
    before = file["j"] <= fade
    file.equal("u_official", u.numpy()[before], before)
    assert np.abs(u - file["u_official"]).max() < 1e-4
    assert (u.numpy()[~before] == 1).all() and (~before).any()


@pytest.mark.golden
def test_trust_in_every_iteration_of_biwaa_s_loop(golden):
    file = golden("biwaa_official_run1")
    steps = np.arange(len(file["u_boot"]))
    u, fade = pseudo_labels.trust(tf.constant(steps), int(file["pm_meth"])).numpy(), int(file["pm_meth"])
    assert np.abs(u - file["u_boot"]).max() < 1e-3
    assert relative_error(u[: fade + 1], file["u_boot"][: fade + 1]) <= RECORDED


@pytest.mark.golden
def test_biwaa_s_ramp(golden):
    file = golden("biwaa_schedules")
    iterations = tf.range(len(file["sigma_official_0_5003"]), dtype=file["sigma_official_0_5003"].dtype)
    file.equal("sigma_official_0_5003", schedules.ramp(iterations / HORIZON))


@pytest.mark.golden
def test_pseudo_labels_of_biwaa_s_loop_once_its_prior_has_faded(golden):
    """The file does not hold the prior of that run: noise takes its place, and decides until then."""
    file = golden("biwaa_official_run1")
    fade, (count,), classes = int(file["pm_meth"]), file["y_target_gt"].shape, file["logits_t"].shape[-1]
    prior = np.random.default_rng(0).dirichlet(np.ones(classes), count)
    method = remembering(count, classes, rate=float(file["agg_up"]), prior=prior, fade=fade, scale=10.0)
    compared = 0
    for step, (index, logits, labels) in enumerate(zip(file["t_idx"], file["logits_t"], file["Yt"], strict=True)):
        pseudo = show(method, index, logits, step)
        if step == 0:
            np.testing.assert_array_equal(pseudo, prior[index].argmax(1))
        if step > fade:
            np.testing.assert_array_equal(pseudo, labels, err_msg=f"iteration {step}")
            compared += 1
    assert compared


# ---- beliefs without files


def softmax(logits) -> np.ndarray:
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_beliefs_blend_with_the_prior_as_loops_do(scale):
    random, count, classes, rate, fade = np.random.default_rng(0), 60, 4, 0.8, 10
    prior = random.dirichlet(np.ones(classes), count)
    method, own, overruled = remembering(count, classes, rate=rate, prior=prior, fade=fade, scale=scale), {}, 0
    for step in (0, 1, 2, 3, 5, 9, 10, 11, 30):
        index, logits, expected = random.permutation(count)[:40], random.normal(size=(40, classes)), []
        for i, q in zip(index, softmax(logits)):
            own[i] = rate * q + (1 - rate) * own[i] if i in own else q
            u = 2 / (1 + np.exp(-10 * step / fade)) - 1 if step <= fade else 1.0
            expected.append(np.argmax(u * own[i] + (1 - u) * scale * prior[i]))
            overruled += expected[-1] != own[i].argmax()
        pseudo = show(method, index, logits.astype("float32"), step)
        np.testing.assert_array_equal(pseudo, expected, err_msg=f"step {step}")
        np.testing.assert_allclose(table(method)[[*own]], [*own.values()], rtol=1e-5, atol=1e-7)
    assert overruled > 40


def test_a_prior_that_counts_ten_times_lasts_longer():
    prior, logits = np.array([[0.9, 0.1]]), np.log([[0.1, 0.9]]).astype("float32")
    turns = {}
    for scale in (1.0, 10.0):
        method = remembering(1, 2, prior=prior, scale=scale)
        turns[scale] = next(step for step in range(500) if show(method, [0], logits, step)[0] == 1)
    assert turns == {1.0: 55, 10.0: 153}  # where u > 1/2 and u > 10/11


def test_a_fade_of_zero_never_asks_the_prior():
    prior = np.tile([1e6, 0.0], [3, 1])
    method = remembering(3, 2, rate=0.5, prior=prior, fade=0)
    for step in (0, 1, 1000):
        assert show(method, [0, 2], np.float32([[0, 1], [0, 2]]), step).tolist() == [1, 1]
    assert show(remembering(3, 2, prior=prior, fade=1), [0], np.float32([[0, 1]])).tolist() == [0]


def test_a_rate_of_one_keeps_no_table():
    plain, latest = Method(FeatureNetwork(keras.layers.Dense(4), 2)), remembering(3, 4, rate=1.0)
    assert latest.pseudo.table is None
    assert len(latest.variables) == len(plain.variables) == len(remembering(3, 4, rate=0.9).variables) - 1
    for label in (2, 0):
        assert show(latest, [1], tf.one_hot([label], 4)).tolist() == [label]


@pytest.mark.parametrize("rate", [0.0, -0.5, 1.5])
def test_a_rate_is_a_share(rate):
    with pytest.raises(ValueError, match=rf"^beliefs.rate={rate}: a number above 0 and at most 1"):
        pseudo_labels.Beliefs(3, 4, rate)


def test_the_first_visit_sets_a_belief_and_no_other_row_moves():
    method, logits = remembering(4, 3, rate=0.5), np.float32([[3, 0, 0], [0, 1, 0]])
    show(method, [2, 0], logits)
    np.testing.assert_allclose(table(method)[[2, 0]], softmax(logits), rtol=1e-6)
    assert (table(method)[[1, 3]] == 0).all()
    show(method, [0], logits[:1])
    np.testing.assert_allclose(table(method)[0], softmax(logits).mean(0), rtol=1e-6)
    np.testing.assert_allclose(table(method)[2], softmax(logits)[0], rtol=1e-6)


def test_of_an_image_twice_in_a_batch_the_last_belief_is_kept():
    method, first = remembering(4, 3, rate=0.5), np.float32([[0, 0, 2]])
    show(method, [1], first)
    logits = np.float32([[3, 0, 0], [0, 1, 0], [0, 2, 1], [1, 1, 0], [0, 0, 5]])
    show(method, [1, 3, 1, 3, 0], logits)
    np.testing.assert_allclose(table(method)[1], (softmax(first)[0] + softmax(logits)[2]) / 2, rtol=1e-6)
    np.testing.assert_allclose(table(method)[3], softmax(logits)[3], rtol=1e-6)
    np.testing.assert_allclose(table(method)[0], softmax(logits)[4], rtol=1e-6)


def test_a_large_table_is_kept_in_half_precision(monkeypatch):
    random = np.random.default_rng(0)
    visits = [(random.integers(0, 8, 5), random.normal(0, 30, (5, 4)).astype("float32")) for _ in range(6)]
    tables, labels = {}, {}
    for large, kind in ((32, "float32"), (31, "float16")):
        monkeypatch.setattr(pseudo_labels, "LARGE", large)
        method = remembering(8, 4, rate=0.9)
        assert method.pseudo.table.dtype == kind
        labels[kind] = [show(method, *visit) for visit in visits]
        tables[kind] = table(method).astype("float64")
    assert np.isfinite(tables["float16"]).all() and tables["float16"].max() > 0.9
    np.testing.assert_allclose(tables["float16"], tables["float32"], atol=2e-3)
    np.testing.assert_array_equal(labels["float16"], labels["float32"])


def test_beliefs_send_no_gradient_to_the_logits():
    method, logits = remembering(2, 3, rate=0.5), tf.constant([[0.0, 1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        batch = method.pseudo({"target": {"index": tf.constant([0])}}, {"target": Outputs((), logits, logits)})
    assert tape.gradient(batch["target"]["belief"], logits) is None


# ---- on two replicas


def test_of_an_image_on_both_replicas_the_second_s_belief_is_kept(two_replicas):
    index, logits = np.array([[1, 3], [3, 0]]), np.random.default_rng(0).normal(size=(2, 2, 3)).astype("float32")
    with two_replicas():
        both = remembering(4, 3, rate=0.5)

    def step():
        target = {"index": tf.constant(index)[ops.rank()]}
        outputs = {"target": Outputs((), None, tf.constant(logits)[ops.rank()])}
        both.pseudo.remember(both.pseudo({"target": target}, outputs))

    with two_replicas():
        tf.distribute.get_strategy().run(tf.function(step))
    alone = remembering(4, 3, rate=0.5)
    show(alone, index.ravel(), logits.reshape(4, 3))
    for copy in both.pseudo.table.value.values:
        np.testing.assert_allclose(copy, table(alone), rtol=1e-6)
    np.testing.assert_allclose(table(alone)[3], softmax(logits)[1, 0], rtol=1e-6)


@pytest.mark.slow
def test_memories_are_the_same_on_each_replica_and_on_one_device(two_replicas):
    made = tiny.config("biwaa", smooth=True, steps=5)
    alone = tiny.train(made)
    with two_replicas():
        both = tiny.train(made)
    for find in (lambda method: method.centroids, lambda method: method.pseudo.table):
        one, (first, second) = find(alone), find(both).value.values
        np.testing.assert_array_equal(first, second)
        np.testing.assert_allclose(first, one, atol=1e-6)
        assert any(variable is one for variable in alone.state())
        assert any(variable is find(both) for variable in both.state())
    seen = table(alone).sum(1)
    np.testing.assert_allclose(seen[seen > 0], 1.0, rtol=1e-5)
    assert 8 < (seen > 0).sum() <= 5 * 8
    assert (np.abs(alone.centroids).sum(-1) > 0).sum(1).min() > 1
