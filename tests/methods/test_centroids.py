"""Centroids of the classes: against the authors' numbers, and against loops."""

import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    golden_fixture,  # noqa: F401
    relative_error,
)

from tfuda.methods.mstn import MSTN
from tfuda.methods.shared import centroids

RECORDED = 2e-5  # the authors' loop ran in float32
HORIZON = 20000  # of BIWAA's ramp; its file of schedules does not say so
SIDES = ("s", "t")

# ---- centroids against the authors' code


@pytest.mark.golden
def test_centroids_of_every_iteration_of_biwaa_s_loop(golden):
    file = golden("biwaa_official_run1")
    for side in SIDES:
        for i, before in enumerate(file[f"C{side}_in"]):
            batch = tf.constant(file[f"feat_{side}"][i]), tf.constant(file[f"Y{side}"][i])
            after = centroids.centroids(tf.constant(before), *batch, keep=MSTN.keep)
            assert relative_error(after, file[f"C{side}_out"][i]) <= RECORDED, f"iteration {i}, side {side}"


@pytest.mark.golden
def test_absent_classes_keep_their_centroid_as_in_biwaa_s_loss(golden):
    file = golden("lms_official")
    for side in SIDES:
        old, features = tf.constant(file[f"C{side}_in"]), tf.constant(file[f"X{side}"])
        file.equal(
            f"C{side}_out", centroids.centroids(old, features, file[f"Y{side}"], keep=1 - float(file["decay"]))
        )
        absent = [k for k in range(len(old)) if k not in file[f"Y{side}"]]
        assert absent
        found = centroids.centroids(old, features, file[f"Y{side}"], keep=0.4)
        np.testing.assert_array_equal(found.numpy()[absent], old.numpy()[absent])


@pytest.mark.golden
def test_absent_classes_decay_as_in_mstn_s_code_and_gradients_reach_the_batch_s_means_alone(golden):
    file = golden("mstn_from_code")
    inputs = {side: tf.constant(file[f"X{side}"]) for side in SIDES}
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        s, t = (
            centroids.centroids(tf.constant(file[f"C{x}_in"]), inputs[x], file[f"Y{x}"], MSTN.keep, "decay")
            for x in SIDES
        )
        loss = tf.reduce_mean((s - t) ** 2)
    file.equal("Cs_out", s)
    file.equal("Ct_out", t)
    file.equal("L_mean", loss)
    for side, gradient in tape.gradient(loss, inputs).items():
        file.equal_gradient(f"g_X{side}", gradient)


# ---- centroids without files


def straight_centroids(old, features, labels, keep, absent) -> np.ndarray:
    """One class and one number after the other."""
    new = old.copy()
    for k in range(len(old)):
        mine = [feature for feature, label in zip(features, labels) if label == k]
        for d in range(old.shape[1]):
            if mine:
                new[k, d] = keep * old[k, d] + (1 - keep) * sum(f[d] for f in mine) / len(mine)
            elif absent == "decay":
                new[k, d] = keep * old[k, d]
    return new


@pytest.mark.parametrize("absent", centroids.ABSENT)
@pytest.mark.parametrize("labels", [(1, 1, 3), (0, 0, 0), (4, 2, 0)])
def test_centroids_are_what_loops_give(labels, absent):
    random = np.random.default_rng(0)
    old, features = random.normal(size=(5, 4)), random.normal(size=(3, 4))
    found = centroids.centroids(tf.constant(old), tf.constant(features), tf.constant(labels), 0.6, absent)
    np.testing.assert_allclose(found, straight_centroids(old, features, labels, 0.6, absent), rtol=1e-12)
