"""MSTN and BIWAA's loss between classes against the authors' code: values, gradients and centroids."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import (
    TOLERANCE,
    FeatureNetwork,
    at_coefficient,
    golden_fixture,  # noqa: F401
    relative_error,
)

from tfuda.core import schedules
from tfuda.experiment import build
from tfuda.methods import mstn
from tfuda.methods.dann import DANN
from tfuda.methods.mstn import MSTN
from tfuda.networks.base import Outputs
from tfuda.weighers.biwaa import BIWAA

RECORDED = 2e-5  # the authors' loop ran in float32
OURS = {"reduction": "class", "absent": "keep", "between": True}  # what BIWAA's code changes


def released(centroids, **options) -> MSTN:
    """With its ramp at 1, remembering two sides' centroids [K, d]."""
    classes, inputs = centroids[0].shape
    network = FeatureNetwork(keras.layers.Dense(classes), inputs)
    method = at_coefficient(MSTN, 1.0)(network, hidden=4, dropout=0.0, **options)
    method.centroids.assign(np.stack(centroids))
    return method


def game(method, source, labels, target, pseudo) -> tuple[dict, dict]:
    """batch and outputs of features [B, d] that are known, and of their classes."""
    batch = {
        "source": {"image": source, "label": tf.constant(labels)},
        "target": {"image": target, "pseudo": tf.constant(pseudo)},
    }
    return batch, {
        name: Outputs((), x, method.network.head(x)) for name, x in (("source", source), ("target", target))
    }


def played(file, **options):
    """(method, tape, terms, inputs, batch, outputs) of a file with one step."""
    method = released((file["Cs_in"], file["Ct_in"]), **options)
    inputs = {key: tf.constant(file[key]) for key in ("Xs", "Xt")}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        batch, outputs = game(method, inputs["Xs"], file["Ys"], inputs["Xt"], file["Yt"])
        terms = method.align(batch, outputs)
    return method, tape, terms, inputs, batch, outputs


# ---- against the authors' code


@pytest.mark.golden
def test_pulling_together_and_pushing_apart_with_gradients_and_centroids(golden):
    file = golden("lms_official")
    method, tape, terms, inputs, batch, outputs = played(file, **OURS, keep=1 - float(file["decay"]))
    file.equal("inter_plus_st_plus_tt", terms["semantic"])
    file.equal("ss", terms["apart"])
    file.equal_gradients("g_a_", tape, terms["semantic"], inputs, {})
    file.equal("g_ss_Xs", tape.gradient(terms["apart"], inputs["Xs"]))
    assert (
        relative_error(tape.gradient(terms["apart"], inputs["Xt"], unconnected_gradients="zero"), 0 * file["Xt"]) == 0
    )
    method.remember(batch, outputs)
    file.equal("Cs_out", method.centroids[0])
    file.equal("Ct_out", method.centroids[1])


@pytest.mark.golden
def test_every_iteration_of_biwaa_s_loop(golden):
    """The centroids go on from one iteration to the next."""
    file = golden("biwaa_official_run1")
    method = released((file["Cs_in"][0], file["Ct_in"][0]), **OURS)
    for i in range(len(file["L_sm_a"])):
        features = [tf.constant(file[key][i]) for key in ("feat_s", "feat_t")]
        batch, outputs = game(method, features[0], file["Ys"][i], features[1], file["Yt"][i])
        terms = method.align(batch, outputs)
        method.remember(batch, outputs)
        found = (terms["semantic"], terms["apart"], *tf.unstack(method.centroids.value))
        for key, ours in zip(("L_sm_a", "L_sm_ss", "Cs_out", "Ct_out"), found, strict=True):
            error = relative_error(ours, file[key][i])
            assert error <= RECORDED, f"iteration {i}: {key} is off by {error:.1e}"


@pytest.mark.golden
def test_mstn_s_released_loss(golden):
    """A mean over classes and dimensions of centroids that decay where a batch lacks their class."""
    file = golden("mstn_from_code")
    method, tape, terms, inputs, batch, outputs = played(file)
    file.equal("L_mean", terms["semantic"])
    file.equal_gradients("g_", tape, terms["semantic"], inputs, {})
    assert float(terms["apart"]) == 0
    method.remember(batch, outputs)
    file.equal("Cs_out", method.centroids[0])
    file.equal("Ct_out", method.centroids[1])


@pytest.mark.golden
def test_mstn_s_paper_sums_and_biwaa_takes_the_mean_over_classes(golden):
    file = golden("mstn_from_code")
    file.equal("L_paper_sum_keepmissing", played(file, reduction="sum", absent="keep")[2]["semantic"])
    file.equal("phi", played(file, reduction="class", absent="keep")[2]["semantic"])


@pytest.mark.golden
def test_the_parts_between_classes(golden):
    file = golden("mstn_from_code")
    method, _, terms, _, batch, outputs = played(file, **OURS)
    s, t = method.moved(batch, outputs)
    for key, pair in {"theta_st": (s, t), "theta_ss": (s, s), "theta_tt": (t, t)}.items():
        file.equal(key, mstn.apart(*pair))
        file.equal(key, mstn.apart(*pair[::-1]))
    file.equal("theta_ss", terms["apart"])
    parts = sum(file.arrays[key] for key in ("phi", "theta_st", "theta_tt"))
    assert relative_error(terms["semantic"], parts) <= TOLERANCE[file.precision]


@pytest.mark.golden
def test_the_papers_sums_between_classes(golden):
    file = golden("mstn_from_code")
    pairs, terms = (len(file["Cs_in"]) - 1) ** 2, played(file, **{**OURS, "reduction": "sum"})[2]
    semantic = file.arrays["L_paper_sum_keepmissing"] + pairs * (file.arrays["theta_st"] + file.arrays["theta_tt"])
    assert relative_error(terms["semantic"], semantic) <= TOLERANCE[file.precision]
    assert relative_error(terms["apart"], pairs * file.arrays["theta_ss"]) <= TOLERANCE[file.precision]


@pytest.mark.golden
def test_mstn_s_released_adversarial_loss_is_a_tenth_of_the_sum_of_both_means(golden):
    """Its ramp multiplies the encoder's part, 0.1 c, and not the discriminator's, 0.1."""
    method, _, terms, _, batch, outputs = played(golden("mstn_from_code"))
    dann = DANN.align(method, batch, outputs)["domain"]
    mine = [method.wrong(method.label(batch, name), method.judge(outputs[name])) for name in ("source", "target")]
    assert float(dann) == float(terms["domain"]) == pytest.approx(sum(float(tf.reduce_mean(m)) for m in mine))
    assert method.trade_offs["domain"] == 0.1


# ---- without files


def small(kind=MSTN, **options) -> MSTN:
    """BIWAA's of 3 classes and 5 features, with centroids of its own."""
    keras.utils.set_random_seed(0)
    method = kind(FeatureNetwork(keras.layers.Dense(3), 5), hidden=4, dropout=0.0, **{**OURS, **options})
    method.centroids.assign(tf.random.stateless_normal([2, 3, 5], [0, 9]))
    return method


def some(method, labels=(0, 1, 0, 2), pseudo=(2, 2, 1, 1)) -> tuple[dict, dict]:
    source, target = (tf.random.stateless_normal([4, 5], [0, i]) for i in (1, 2))
    return game(method, source, labels, target, pseudo)


def values(method) -> dict[str, float]:
    return {name: float(value) for name, value in method.align(*some(method)).items()}


def test_the_ramp_multiplies_what_reads_pseudo_labels_and_on_request_the_rest():
    whole = values(small(at_coefficient(MSTN, 1.0)))
    ramped = values(small(at_coefficient(MSTN, 0.25)))
    assert ramped["semantic"] == pytest.approx(0.25 * whole["semantic"]) and whole["semantic"] > 0.1
    assert ramped["apart"] == whole["apart"] and abs(whole["apart"]) > 0.01
    both = values(small(at_coefficient(MSTN, 0.25), ramp_apart=True))
    assert both["semantic"] == ramped["semantic"]
    assert both["apart"] == pytest.approx(0.25 * whole["apart"])


def test_the_ramp_is_the_reversal_s():
    whole = values(small(at_coefficient(MSTN, 1.0)))
    for options, horizon in (({"steps": 80}, 80), ({"steps": 80, "ramp_steps": 500}, 500)):
        method = small(**options)
        method.step.assign(20)
        expected = float(schedules.ramp(20 / horizon)) * whole["semantic"]
        assert values(method)["semantic"] == pytest.approx(expected, rel=1e-5)


def test_semantics_read_unweighted_features_and_the_domain_loss_weighted_ones():
    weigh = BIWAA(3.0)
    plain, weighed = small(), small(weigh=weigh)
    batch, outputs = some(plain)
    before, after = plain.align(batch, outputs), weighed.align(batch, outputs)
    assert float(before["semantic"]) == float(after["semantic"])
    assert float(before["apart"]) == float(after["apart"])
    expected = float(DANN.align(plain, batch, weigh(plain.network, batch, outputs))["domain"])
    assert float(after["domain"]) == pytest.approx(expected, rel=1e-6) != pytest.approx(float(before["domain"]))
    for method in (plain, weighed):
        method.remember(batch, outputs)
    np.testing.assert_array_equal(plain.centroids, weighed.centroids)


def test_labelled_target_images_join_the_target_s_centroids():
    method = small(keep=0.5)
    batch, outputs = some(method)
    features = tf.random.stateless_normal([2, 5], [0, 3])
    batch["target_labelled"] = {"image": features, "label": tf.constant([0, 1]), "pseudo": tf.constant([2, 2])}
    outputs["target_labelled"] = Outputs((), features, method.network.head(features))
    old, (source, target) = method.centroids.numpy(), method.moved(batch, outputs)
    np.testing.assert_array_equal(source, method.moved(*some(method))[0])
    x = outputs["target"].features.numpy()
    means = [features[0], (x[2] + x[3] + features[1]) / 3, (x[0] + x[1]) / 2]
    np.testing.assert_allclose(target, 0.5 * old[1] + 0.5 * np.stack(means), rtol=1e-5, atol=1e-6)


def test_memories_are_constants_and_move_only_when_the_step_is_over():
    method = small()
    batch, outputs = some(method)
    before = method.centroids.numpy()
    expected = np.stack(method.moved(batch, outputs))
    method.align(batch, outputs)
    np.testing.assert_array_equal(method.centroids, before)
    method.remember(batch, outputs)
    np.testing.assert_array_equal(method.centroids, expected)
    assert any(variable is method.centroids for variable in method.non_trainable_variables)


@pytest.mark.parametrize(("reduction", "xla"), [*((name, False) for name in mstn.REDUCTIONS), ("class", True)])
def test_a_centroid_of_zeros_has_cosine_zero_and_finite_gradients(reduction, xla):
    method = small(at_coefficient(MSTN, 1.0), reduction=reduction)
    method.centroids.assign(tf.zeros_like(method.centroids))

    @tf.function(jit_compile=xla)
    def value_and_gradients(source, target):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([source, target])
            terms = method.align(*game(method, source, [0, 1, 0, 1], target, [2, 2, 2, 2]))
            loss = terms["semantic"] + terms["apart"]
        return terms["apart"], tape.gradient(loss, [source, target])

    source = tf.random.stateless_normal([4, 5], [0, 1])
    for target in (tf.random.stateless_normal([4, 5], [0, 2]), tf.zeros([4, 5])):
        apart, gradients = value_and_gradients(source, target)
        assert all(np.isfinite(gradient).all() for gradient in gradients)
    a, b = ((source[i] + source[i + 2]) / 2 for i in (0, 1))
    cosine = float(tf.tensordot(a, b, 1) / (tf.norm(a) * tf.norm(b)))
    assert float(apart) == pytest.approx(2 * cosine / (1 if reduction == "sum" else 4), rel=1e-4)


def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match=r"^mstn has no reduction='max': choose mean, class, sum$"):
        values(small(reduction="max"))
    with pytest.raises(ValueError, match=r"^mstn has no absent='drop': choose keep or decay$"):
        values(small(absent="drop"))
    with pytest.raises(ValueError, match=r"^mstn keep=1: a share of the old centroid from 0 to below 1$"):
        values(small(keep=1))


def test_a_ramp_on_the_domain_loss_leaves_a_plain_reversal():
    """Algorithm 1's reading of BIWAA: c L_domain for both players."""
    gradients = {}
    for ramp_loss in (False, True):
        made = tiny.config("dann")
        made.options.ramp_loss = ramp_loss
        made.options.dropout = 0.0
        task = build.task(made)
        method = build.method(made, task)
        method.step.assign(2)
        batch, outputs = method.forward(build.streams(made, task).load(0))
        features, first = outputs["source"].features, method.discriminator.layers[0].kernel.value
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = method.align(batch, outputs)["domain"]
        gradients[ramp_loss] = [loss, *tape.gradient(loss, [features, first])]
    c = float(method.reversal())
    (value, f, d), (ramped, f_ramped, d_ramped) = gradients[False], gradients[True]
    np.testing.assert_allclose(ramped, c * value, rtol=1e-5)
    np.testing.assert_allclose(f_ramped, f, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(d_ramped, c * d, rtol=1e-4, atol=1e-9)
