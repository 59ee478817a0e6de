"""What config.seed varies, and what config.data_seed."""

import numpy as np
import pytest
import tiny

from tfuda.experiment import build


def images(**changes):
    task = build.task(tiny.config("source_only", **changes))
    streams = {**task.streams, **{f"{name}'s test": domain for name, domain in task.tests.items()}}
    return {name: np.asarray(domain.images) for name, domain in streams.items()}


def test_the_benchmark_s_data_are_those_of_any_seed():
    one, two = images(source_test=0), images(seed=1, source_test=0)
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.slow
def test_a_data_seed_draws_another_benchmark():
    one, two = images(), images(data_seed=1)
    assert not any(np.array_equal(one[name], two[name]) for name in one)


def test_shots_and_tails_are_drawn_by_the_seed():
    for changes, stream in ({"shots": 1}, "target_labelled"), ({"imbalance": "source"}, "source"):
        assert not np.array_equal(images(**changes)[stream], images(seed=1, **changes)[stream])
