"""AFN against the authors' code: both norms, the entropy and the dropout; with BIWAA; and over replicas."""

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
from test_layers import on_each

from tfuda.experiment import build
from tfuda.methods.afn import AFN, Embedding
from tfuda.networks.base import Outputs
from tfuda.weighers.biwaa import BIWAA

ENTROPY = 0.1  # the weight in the authors' train_ent.py; the file does not hold it
SETTINGS = ("office31", "visda", "partial_officehome")
settings = pytest.mark.parametrize("setting", SETTINGS)


def of_features(width, classes=3, **options) -> AFN:
    return AFN(FeatureNetwork(keras.layers.Dense(classes), width), **options)


def weighted_norm(method, source, target, labels=None) -> tuple[tf.Tensor, dict]:
    """L_norm of two domains' features [B, d] times its trade-off, and its gradients to both."""
    inputs = {"source": tf.convert_to_tensor(source), "target": tf.convert_to_tensor(target)}
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        batch = {name: {"image": features} for name, features in inputs.items()}
        if labels is not None:
            batch["source"]["label"] = tf.constant(labels)
        batch, outputs = method.forward(batch)
        loss = method.total(method.align(batch, outputs))
    return loss, tape.gradient(loss, inputs, unconnected_gradients="zero")


def step_of(file, key, weight) -> float:
    """SAFN's value is its weight times the step squared; only the gradient can tell the step's part in it."""
    return float(np.sqrt(file.arrays[key] / file.arrays[weight]))


# ---- against the authors' code


@pytest.mark.golden
@settings
@pytest.mark.parametrize("kind", ["safn", "hafn"])
def test_a_domain_s_norms_and_their_gradient(golden, kind, setting):
    """The file has one domain: it is the source of a game that ends before the target counts, and then the target."""
    file, key = golden("afn"), f"{kind}_{setting}"
    options = {"trade_offs": {"norm": float(file.arrays[f"{key}_w"])}}
    if kind == "hafn":
        options |= {"hard": True, "radius": float(file.arrays["radius"])}
    else:
        options["step_size"] = step_of(file, key, f"{key}_w")
    x, other = file["x"], 1 + file["x"][::-1]
    loss, gradients = weighted_norm(of_features(x.shape[1], warmup=1, **options), x, other)
    file.equal(key, loss)
    file.equal_gradient(f"{key}_grad", gradients["source"])
    loss, gradients = weighted_norm(of_features(x.shape[1], **options), other, x)
    file.equal_gradient(f"{key}_grad", gradients["target"])
    assert float(loss) > float(file[key])


@pytest.mark.golden
def test_entropy_and_its_gradient(golden):
    file = golden("afn")
    logits = tf.constant(file["ent_logits"])
    method = of_features(2, trade_offs={"entropy": ENTROPY})
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = method.total(method.regularise({}, {"target": Outputs((), None, logits)}))
    file.equal("ent_loss", loss)
    file.equal_gradient("ent_grad", tape.gradient(loss, logits))


@pytest.mark.golden
def test_dropout_that_preserves_the_squared_norm(golden, monkeypatch):
    """The file holds which numbers stay, as 0 and 1; its rate is taken from one number and held to the mask."""
    file = golden("afn")
    stays, x = file["l2drop_mask"], file["l2drop_relu_out"]
    assert set(np.unique(stays)) == {0.0, 1.0}
    row, column = np.unravel_index((x * stays).argmax(), x.shape)
    rate = float(1 - (file.arrays["l2drop_relu_out"][row, column] / file.arrays["l2drop_emb"][row, column]) ** 2)
    by_chance = 4 * np.sqrt(rate * (1 - rate) / (x > 0).sum())  # standard deviations of a share of so many
    assert rate == pytest.approx(1 - stays[x > 0].mean(), abs=max(0.05, by_chance))
    embedding = Embedding(x.shape[1], rate)
    monkeypatch.setattr(tf.random, "stateless_uniform", lambda shape, seed: tf.constant(stays))
    file.equal("l2drop_emb", embedding.preserved(tf.constant(x), training=True))
    np.testing.assert_array_equal(embedding.preserved(tf.constant(x)), x)


@pytest.mark.golden
def test_norms_of_features_that_biwaa_has_weighted(golden):
    """AFN+BG; the file's weight is that of Office-31."""
    file = golden("afn")
    x, kernel, weight = file["x"], file["bg_W"], "safn_office31_w"
    factor = float(np.linalg.norm(file.arrays["bg_mask"], axis=1).mean())
    method = of_features(
        x.shape[1],
        len(kernel),
        weigh=BIWAA(factor),
        warmup=1,
        step_size=step_of(file, "bg_safn", weight),
        trade_offs={"norm": float(file.arrays[weight])},
    )
    method.network.head.set_weights([kernel.T, np.zeros(len(kernel))])
    loss, gradients = weighted_norm(method, x, x, file["bg_y"])
    file.equal("bg_safn", loss)
    file.equal_gradient("bg_safn_grad", gradients["source"])
    features = tf.constant(x)
    source = Outputs((), features, method.network.head(features))
    seen = method.weigh(method.network, {"source": {"label": file["bg_y"]}}, {"source": source})["source"].features
    file.equal("bg_f", seen)
    assert relative_error(seen, file["bg_mask"] * x) <= 2e-5


# ---- without files


def test_hafn_is_the_square_of_the_mean_and_safn_the_mean_of_squares():
    x = np.float32([[3, 4], [0, 1]])  # norms 5 and 1
    loss, gradients = weighted_norm(of_features(2, hard=True, radius=4.0, trade_offs={"norm": 1.0}), x, 2 * x)
    assert float(loss) == (3 - 4) ** 2 + (6 - 4) ** 2
    np.testing.assert_allclose(gradients["source"], -np.array([[0.6, 0.8], [0, 1]]), rtol=1e-6)
    np.testing.assert_allclose(gradients["target"], 2 * np.array([[0.6, 0.8], [0, 1]]), rtol=1e-6)
    loss, gradients = weighted_norm(of_features(2, step_size=0.5, trade_offs={"norm": 1.0}), x, 2 * x)
    assert float(loss) == pytest.approx(2 * 0.25)
    for name in ("source", "target"):
        np.testing.assert_allclose(gradients[name], -0.5 * np.array([[0.6, 0.8], [0, 1]]), rtol=1e-6)


@pytest.mark.parametrize("options", [{"hard": True, "radius": 4.0}, {"step_size": 0.3}])
def test_two_replicas_have_the_norms_and_gradients_of_the_whole_batch(two_replicas, options):
    norms, method = tf.constant([[1.0, 2.0, 3.0], [4.0, 8.0, 9.0]]), of_features(2, **options)

    def value_and_gradient(rank):
        mine = norms[rank]
        with tf.GradientTape() as tape:
            tape.watch(mine)
            loss = method.penalty(mine)
        return tf.concat([loss[None], tape.gradient(loss, mine)], 0)

    shares = on_each(two_replicas, value_and_gradient)
    mean = float(tf.reduce_mean(norms))
    value, slope = ((mean - 4) ** 2, 2 * (mean - 4) / 6) if "hard" in options else (0.09, -2 * 0.3 / 6)
    assert sum(share[0] for share in shares) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose([share[1:] for share in shares], np.full([2, 3], slope), rtol=1e-5)


@pytest.mark.parametrize("options", [{"hard": True}, {}])
def test_the_target_s_norms_count_once_the_warmup_is_over(options):
    method = of_features(2, warmup=3, trade_offs={"norm": 1.0}, **options)
    x = np.float32([[3, 4], [0, 1]])
    source = float(method.penalty(tf.constant([5.0, 1.0])))
    target = float(method.penalty(tf.constant([10.0, 2.0])))
    for step in range(6):
        method.step.assign(step)
        loss, gradients = weighted_norm(method, x, 2 * x)
        assert float(loss) == pytest.approx(source + (target if step >= 3 else 0))
        assert np.abs(gradients["source"]).min(1).max() > 0
        assert gradients["target"].numpy().any() == (step >= 3)


@pytest.mark.parametrize("options", [{"hard": True}, {}, {"weigh": BIWAA()}])
def test_an_embedding_of_zeros_has_finite_gradients(options):
    x = np.float32([[0, 0], [3, 4]])
    loss, gradients = weighted_norm(of_features(2, **options), x, 0 * x, labels=[0, 1])
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    assert (gradients["source"][0] == 0).numpy().all() and np.abs(gradients["source"][1]).min() > 0


def test_probabilities_below_the_floor_have_no_gradient():
    """Of p log p: a logit still has the gradient that the softmax hands on from the others."""
    logits = np.array([[0.0, 1.0, -12.0, -14.0, -200.0], [0.0, 0.0, -60.0, -13.5, 0.5]])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    counted = p >= 1e-6
    assert counted.tolist() == [[True, True, True, False, False], [True, True, False, False, True]]
    by_p = np.where(counted, -np.log(p) - 1, 0)  # of -p log p, for one probability alone
    expected = p * (by_p - (p * by_p).sum(1, keepdims=True)) / len(p)
    method, seen = of_features(2), tf.constant(logits.astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(seen)
        loss = method.regularise({}, {"target": Outputs((), None, seen)})["entropy"]
    gradient = tape.gradient(loss, seen)
    assert float(loss) == pytest.approx(-np.where(counted, p * np.log(p), 0).sum(1).mean(), rel=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-10)
    assert gradient[0, 4] == 0


def test_the_entropy_is_the_target_s_and_adds_nothing_by_default():
    method, logits = of_features(2), tf.zeros([4, 3])
    terms = method.regularise({}, {name: Outputs((), None, logits) for name in ("source", "target")})
    assert float(terms["entropy"]) == pytest.approx(np.log(3))
    assert float(method.total(terms)) == 0
    assert method.regularise({}, {"source": Outputs((), None, logits)}) == {}


# ---- the embedding


def network(cell, bottleneck):
    made = tiny.config(cell)
    made.network.bottleneck = bottleneck
    keras.utils.set_random_seed(0)
    return build.network(made, build.task(made))


@pytest.mark.parametrize(("cell", "blocks", "dropout"), [("afn", 1, 0.5), ("afn[blocks=2;dropout=0.25]", 2, 0.25)])
def test_blocks_and_dropout_reach_the_network(cell, blocks, dropout):
    made = network(cell, 8)
    assert [type(layer) for layer in made.bottleneck.layers] == [Embedding] * blocks
    assert [layer.linear.units for layer in made.bottleneck.layers] == [8] * blocks
    assert [layer.dropout.rate for layer in made.bottleneck.layers] == [dropout] * blocks
    images = tf.zeros([2, *made.size], tf.uint8)
    whole = made(images)
    x = made.pool(whole.maps[-1])
    for layer in made.bottleneck.layers:
        x = layer(x)
    assert whole.features.shape == (2, 8)
    np.testing.assert_allclose(whole.features, x, rtol=1e-6)


def test_without_a_bottleneck_the_norm_is_that_of_the_pooled_features():
    made = network("afn", 0)
    whole = made(tf.zeros([2, *made.size], tf.uint8))
    assert made.bottleneck is None
    np.testing.assert_array_equal(whole.features, made.pool(whole.maps[-1]))


def test_an_embedding_is_linear_normalised_and_cut_at_zero():
    keras.utils.set_random_seed(0)
    embedding, x = Embedding(6, 0.5), tf.random.stateless_normal([5, 4], [0, 1])
    embedding(x)
    mean, variance = np.float32([0.01, -0.02, 0, 0.03, 0, 0]), np.float32([1e-4, 2e-4, 1, 4, 1e-4, 0])
    embedding.norm.moving_mean.assign(mean)
    embedding.norm.moving_variance.assign(variance)
    linear = x @ embedding.linear.kernel + embedding.linear.bias
    scaled = (linear - mean) / np.sqrt(variance + 1e-5) * embedding.norm.gamma + embedding.norm.beta
    np.testing.assert_allclose(embedding(x), np.maximum(scaled, 0), rtol=1e-4, atol=1e-6)
    assert (scaled.numpy() < 0).any() and (scaled.numpy() > 0).any()


def test_an_embedding_starts_with_the_papers_small_numbers():
    keras.utils.set_random_seed(0)
    embedding = Embedding(400, 0.5)
    embedding.build((None, 50))
    spread = {"kernel": embedding.linear.kernel, "bias": embedding.linear.bias, "gamma": embedding.norm.gamma - 1.0}
    for name, numbers in spread.items():
        assert np.std(numbers) == pytest.approx(0.01, rel=0.15), name
        assert abs(np.mean(numbers)) < 0.002, name
    assert embedding.norm.momentum == 0.9


def test_training_preserves_the_squared_norm_in_the_mean():
    keras.utils.set_random_seed(0)
    embedding, x = Embedding(1, 0.3), tf.ones([400, 50])
    dropped = embedding.preserved(x, training=True)
    assert float(tf.reduce_mean(dropped**2)) == pytest.approx(1.0, abs=0.02)
    assert 0.25 < np.mean(dropped.numpy() == 0) < 0.35


def test_options_that_cannot_act_are_refused():
    for cell, sentence in {
        "afn[blocks=2]": r"^afn has no embedding for blocks and dropout: set network\.bottleneck to its units$",
        "afn[blocks=0]": r"^options\.blocks=0: a whole number from 1 to 100$",
        "afn[radius=-3]": r"^options\.radius=-3\.0: a number above 0$",
        "afn+toalign": r"^AFN aligns norms, and toalign changes features and logits alone: it could not act$",
    }.items():
        with pytest.raises(ValueError, match=sentence):
            build.method(tiny.config(cell))
