"""CycleGAN's step: a straight-line reference, replicas, resuming, precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda.core import schedules
from tfuda.data import pipeline
from tfuda.data.tasks import Domain
from tfuda.experiment.workdir import Workdir, restore
from tfuda.translation import cyclegan
from tfuda.translation.cyclegan import CycleGAN

SIDE = 16


def made(per=1, jit=False, **options) -> CycleGAN:
    keras.utils.set_random_seed(0)
    options = {"width": 3, "blocks": 1, "pool": 3, "steps": 7, "segment": 4, **options}
    model = CycleGAN(SIDE, **options)
    model.compile(steps_per_execution=per, jit_compile=jit)
    return model


def momentums(optimizer) -> list[np.ndarray]:
    """Adam's, in the order of its variables."""
    return [v.numpy() for v in optimizer.variables if v.path.endswith("_momentum")]


def streams(batch=4) -> pipeline.Streams:
    rng = np.random.default_rng(0)
    images = {name: rng.integers(0, 256, [12, SIDE, SIDE, 3], np.uint8) for name in ("source", "target")}
    return pipeline.Streams({n: Domain(n, (), x) for n, x in images.items()}, dict.fromkeys(images, batch))


def trained(checkpoint=None, callbacks=(), **options) -> CycleGAN:
    model = made(**options)
    if checkpoint:
        restore(checkpoint(model))
    model.fit(streams(), callbacks=callbacks, verbose=0)
    return model


# ---- the straight-line reference: convolutions, norms and losses spelled out, weights in order


def norm(x):
    mean = tf.reduce_mean(x, [1, 2], keepdims=True)
    return (x - mean) / tf.sqrt(tf.reduce_mean((x - mean) ** 2, [1, 2], keepdims=True) + 1e-5)


def pad(x, n, mode="CONSTANT"):
    return tf.pad(x, [[0, 0], [n, n], [n, n], [0, 0]], mode)


def generate(weights, x):
    """c7s1, two that halve, one residual block, two that double, c7s1."""
    first, down_0, down_1, block_a, block_b, up_0, up_1, last, bias = weights
    x = tf.nn.relu(norm(tf.nn.conv2d(pad(x, 3, "REFLECT"), first, 1, "VALID")))
    for kernel in (down_0, down_1):
        x = tf.nn.relu(norm(tf.nn.conv2d(pad(x, 1), kernel, 2, "VALID")))
    y = tf.nn.relu(norm(tf.nn.conv2d(pad(x, 1, "REFLECT"), block_a, 1, "VALID")))
    x = x + norm(tf.nn.conv2d(pad(y, 1, "REFLECT"), block_b, 1, "VALID"))
    for kernel in (up_0, up_1):
        side, width = 2 * x.shape[1] + 1, kernel.shape[2]
        y = tf.nn.conv2d_transpose(x, kernel, [x.shape[0], side, side, width], 2, "VALID")[:, 1:, 1:]
        x = tf.nn.relu(norm(y))
    return tf.tanh(tf.nn.conv2d(pad(x, 3, "REFLECT"), last, 1, "VALID") + bias)


def leaky(x):
    return tf.maximum(x, 0.2 * x)  # tf.nn.leaky_relu keeps its slope in float32


def judge(weights, x):
    """Patches of 16 × 16."""
    first, bias, second, last, last_bias = weights
    x = leaky(tf.nn.conv2d(pad(x, 1), first, 2, "VALID") + bias)
    x = leaky(norm(tf.nn.conv2d(pad(x, 1), second, 1, "VALID")))
    return tf.nn.conv2d(pad(x, 1), last, 1, "VALID") + last_bias


def generators_loss(to_target, to_source, judge_target, judge_source, s, t, cycle=10.0, identity=5.0):
    as_target, as_source = generate(to_target, s), generate(to_source, t)
    fool = tf.reduce_mean((judge(judge_target, as_target) - 1) ** 2)
    fool += tf.reduce_mean((judge(judge_source, as_source) - 1) ** 2)
    back = tf.reduce_mean(tf.abs(generate(to_source, as_target) - s))
    back += tf.reduce_mean(tf.abs(generate(to_target, as_source) - t))
    same = tf.reduce_mean(tf.abs(generate(to_target, t) - t)) + tf.reduce_mean(tf.abs(generate(to_source, s) - s))
    return fool + cycle * back + identity * same, (fool, back, same), as_target, as_source


def judges_loss(judge_target, judge_source, s, t, as_target, as_source):
    target = tf.reduce_mean((judge(judge_target, t) - 1) ** 2) + tf.reduce_mean(judge(judge_target, as_target) ** 2)
    source = tf.reduce_mean((judge(judge_source, s) - 1) ** 2) + tf.reduce_mean(judge(judge_source, as_source) ** 2)
    return 0.5 * target + 0.5 * source


class Adam:
    """Of a list of arrays, by the book: β₁ = .5, β₂ = .999, which Keras rounds to float32 in its bias correction."""

    def __init__(self, weights):
        self.m, self.v, self.t = [0.0 * w for w in weights], [0.0 * w for w in weights], 0

    def __call__(self, weights, gradients, rate):
        self.t += 1
        self.m = [0.5 * m + 0.5 * g for m, g in zip(self.m, gradients)]
        self.v = [0.999 * v + 0.001 * g**2 for v, g in zip(self.v, gradients)]
        scale = rate * np.sqrt(1 - float(np.float32(0.999)) ** self.t) / (1 - 0.5**self.t)
        return [w - scale * m / (np.sqrt(v) + 1e-8) for w, m, v in zip(weights, self.m, self.v)]


def arrays(variables) -> list[np.ndarray]:
    return [np.array(v) for v in variables]


def near(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())


def test_two_steps_are_those_of_a_straight_line(double):
    """Losses, gradients (which are twice Adam's first momenta), weights, and the rate, halved in the second step."""
    model = made(steps=4, pool=50)
    model.step.assign(2)
    step, data = model.train_step, streams(2)
    makers, judges = arrays(model.makers), arrays(model.judges)
    adam, judging = Adam(makers), Adam(judges)
    for i, rate in enumerate((2e-4, 1e-4)):
        batch = data.load(i)
        s, t = (tf.cast(batch[name]["image"], tf.float64) / 127.5 - 1 for name in ("source", "target"))
        with tf.GradientTape() as tape:
            tape.watch(g := [tf.constant(w) for w in makers])
            loss, terms, *made_images = generators_loss(g[:9], g[9:], judges[:5], judges[5:], s, t)
        gradients = [x.numpy() for x in tape.gradient(loss, g)]
        with tf.GradientTape() as tape:
            tape.watch(d := [tf.constant(w) for w in judges])
            judged = judges_loss(d[:5], d[5:], s, t, *map(tf.stop_gradient, made_images))
        of_judges = [x.numpy() for x in tape.gradient(judged, d)]
        makers, judges = adam(makers, gradients, rate), judging(judges, of_judges, rate)
        model.reset_metrics()
        shown = step(batch)
        near([shown[name] for name in cyclegan.METERS], [loss, *terms, judged])
        if i == 0:
            near([2 * m for m in momentums(model.optimizer)], gradients)
            near([2 * m for m in momentums(model.judging)], of_judges)
        near(arrays(model.makers), makers)
        near(arrays(model.judges), judges)
    assert int(model.step.numpy()) == 4


def test_the_reference_s_gradient_is_the_slope_of_its_loss(double):
    model, batch = made(), streams(2).load(0)
    s, t = (tf.cast(batch[name]["image"], tf.float64) / 127.5 - 1 for name in ("source", "target"))
    weights, judges = [tf.constant(w) for w in arrays(model.makers)], arrays(model.judges)
    along = [tf.random.stateless_normal(w.shape, [1, i], dtype=tf.float64) for i, w in enumerate(weights)]

    def loss(w):
        return generators_loss(w[:9], w[9:], judges[:5], judges[5:], s, t)[0]

    with tf.GradientTape() as tape:
        tape.watch(weights)
        value = loss(weights)
    slope = sum(tf.reduce_sum(g * a) for g, a in zip(tape.gradient(value, weights), along))
    ahead, behind = (loss([w + h * a for w, a in zip(weights, along)]) for h in (1e-8, -1e-8))
    np.testing.assert_allclose((ahead - behind) / 2e-8, slope, rtol=1e-4)


def test_losses_are_numpys():
    rng = np.random.default_rng(1)
    verdict, a, b = rng.normal(size=[3, 4, 4, 1]), rng.normal(size=[3, 8, 8, 3]), rng.normal(size=[3, 8, 8, 3])
    np.testing.assert_allclose(cyclegan.squares(verdict, 1.0), ((verdict - 1) ** 2).mean((1, 2, 3)))
    np.testing.assert_allclose(cyclegan.distance(a, b), np.abs(a - b).mean((1, 2, 3)))


def test_without_its_weight_identity_takes_no_pass(double):
    model, batch = made(identity=0.0), streams(2).load(0)
    terms, _ = model.making(*(cyclegan.to_unit(batch[name]["image"]) for name in ("source", "target")))
    assert float(terms["identity"]) == 0
    np.testing.assert_allclose(terms["loss"], terms["fool"] + 10 * terms["cycle"], rtol=1e-12)


def test_the_rate_falls_on_a_line_after_half_of_the_steps():
    rate = schedules.linear_decay(2e-4)
    found = [float(rate(tf.constant(p))) for p in (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)]
    np.testing.assert_allclose(found, [2e-4, 2e-4, 2e-4, 1e-4, 4e-5, 0.0], rtol=1e-5, atol=1e-12)


def test_bytes_survive_the_way_to_minus_one_and_one_and_back():
    values = np.arange(256, dtype=np.uint8)
    unit = cyclegan.to_unit(values)
    assert float(unit[0]) == -1 and float(unit[255]) == 1
    assert np.array_equal(cyclegan.to_bytes(unit), values)
    assert cyclegan.to_bytes(tf.constant([-1.2, 1.1, 0.0])).numpy().tolist() == [0, 255, 128]


# ---- what holds for every model that trains here


@pytest.mark.slow
def test_two_replicas_end_where_one_device_ends(two_replicas, double):
    alone = trained(steps=5)
    with two_replicas():
        both = trained(steps=5)
    assert int(both.step.numpy()) == 5 and int(both.pools[0].count.numpy()) == 3
    assert tiny.largest(alone, both) < 1e-9
    for pool in both.pools:
        a, b = (np.array(value) for value in both.distribute_strategy.experimental_local_results(pool.images.value))
        assert np.array_equal(a, b) and np.any(a)


@pytest.mark.slow
def test_a_resumed_run_ends_in_the_same_bits(tmp_path):
    """Stopped in mid-segment; the pools are full and exchange."""
    folder = Workdir(tmp_path)
    whole = trained()
    folder.checkpoints(trained(callbacks=[tiny.StopAt(3)])).save()
    rest = trained(checkpoint=folder.checkpoints)
    assert int(rest.step.numpy()) == 7
    assert tiny.differing(tiny.state(whole), tiny.state(rest)) == []


@pytest.mark.slow
def test_several_steps_in_one_call_are_the_same_bits():
    assert tiny.differing(tiny.state(trained()), tiny.state(trained(per=2))) == []


def test_the_state_holds_everything():
    model = made()
    names = [v.path for v in model.state()]
    assert len({id(v) for v in model.state()}) == len(names)
    for part in ("to_target/", "judge_source/", "pool_target_images", "pool_source_count", "step", "fool"):
        assert any(part in name for name in names), part
    assert len(momentums(model.optimizer)) == len(model.makers)
    assert {id(v) for v in model.judging.variables} <= {id(v) for v in model.state()}


@pytest.mark.slow
def test_half_precision_stays_finite_and_norms_in_float32():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = trained(steps=2)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert all(np.isfinite(np.asarray(v, "f8")).all() for v in model.state())
    for optimizer in (model.optimizer, model.judging):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    layers = {layer.name: layer.compute_dtype for layer in model.to_target.layers}
    assert (layers["convolution_first"], layers["norm_first"], layers["tanh"]) == ("float16", "float32", "float32")
    assert model.pools[0].images.dtype == "float32"


@pytest.mark.slow
def test_compiled_by_xla_it_is_the_same_to_rounding(double):
    assert tiny.largest(trained(steps=3), trained(steps=3, jit=True)) < 1e-9
