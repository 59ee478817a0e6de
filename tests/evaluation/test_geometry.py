"""The parts of the Transfer Score against their definitions, and at their ends."""

import math

import keras
import numpy as np
import pytest

from tfuda.evaluation.geometry import hopkins, linear_map, uniformity

RNG = np.random.default_rng(0)


def test_uniformity_equals_its_definition():
    w, found = RNG.normal(size=[4, 6]), []
    for i in range(4):
        for j in range(4):
            if i != j:
                cosine = w[i] @ w[j] / math.sqrt(w[i] @ w[i]) / math.sqrt(w[j] @ w[j])
                found.append((math.acos(cosine) - math.acos(-1 / 3)) ** 2)
    assert uniformity(w) == pytest.approx(sum(found) / 12, rel=1e-9)


def test_uniformity_of_a_simplex_is_0_of_any_length_and_of_equal_weights_the_largest():
    simplex = np.eye(5) - 1 / 5
    assert uniformity(simplex * RNG.uniform(1, 9, [5, 1])) == pytest.approx(0, abs=1e-12)
    assert uniformity(np.ones([5, 3])) == pytest.approx(math.acos(-1 / 4) ** 2, rel=1e-6)
    assert uniformity(np.array([[1.0, 0], [-1, 0]])) == pytest.approx(0, abs=1e-12)


def test_the_weights_of_a_linear_head_are_its_kernel():
    head = keras.layers.Dense(3, bias_initializer="ones")
    head.build([None, 5])
    np.testing.assert_allclose(linear_map(head, 5), head.kernel.numpy().T, rtol=1e-6, atol=1e-6)


def test_hopkins_equals_its_definition():
    x = RNG.normal(size=[60, 3])
    draws = np.random.default_rng(4)
    points = draws.uniform(x.min(0), x.max(0), [3, 3])  # 5 % of 60
    sample = draws.choice(60, 3, replace=False)
    u = sum(min(math.dist(p, one) for one in x) for p in points)
    w = sum(min(math.dist(x[i], one) for j, one in enumerate(x) if j != i) for i in sample)
    assert hopkins(x, seed=4) == pytest.approx(u / (u + w), rel=1e-9)


def test_hopkins_tells_clusters_from_uniform_features():
    centres = RNG.uniform(0, 10, [4, 2])
    clusters = centres[np.arange(1000) % 4] + 0.05 * RNG.normal(size=[1000, 2])
    assert hopkins(clusters) > 0.9
    assert hopkins(RNG.uniform(size=[1000, 2])) == pytest.approx(0.5, abs=0.1)
    assert hopkins(clusters) == hopkins(clusters.copy())


def test_hopkins_of_nothing_to_compare_is_a_half():
    assert hopkins(np.ones([1, 3])) == 0.5 and hopkins(np.ones([9, 3])) == 0.5
