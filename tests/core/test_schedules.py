"""Schedules against the released codes of ToAlign, CDAN, GVB, HDA and MetaAlign."""

import types

import numpy as np
import pytest
import tensorflow as tf
from golden_tools import golden_fixture  # noqa: F401

from tfuda.core import ops, schedules
from tfuda.experiment import build, defaults


def number(text: str) -> float:
    """ "1e3" in the name of an array means 1e-3."""
    return float(text.replace("e", "e-"))


# ---- against the authors' code


@pytest.mark.golden
def test_ramp_over_a_horizon_of_its_own_or_over_the_run(golden):
    """10000 steps in CDAN, GVB and MetaAlign; the length of the run in ToAlign."""
    file = golden("grl_coeff")
    horizons = {match[0]: float(match[1]) for match in file.matches(r"(?:max|toalign_ttl)(\d+)")}
    horizons |= {match[0]: 10000.0 for match in file.matches(r"cdan|gvb|metaalign")}
    iterations = tf.constant(file["iters"].astype(ops.real()))
    for key, horizon in horizons.items():
        file.equal(key, schedules.ramp(iterations / horizon))


@pytest.mark.golden
def test_inverse_decay_counted_in_steps(golden):
    """CDAN, HDA, GVB and MetaAlign: gamma 0.001, no matter how long the run is."""
    file = golden("lr_schedule")
    iterations = tf.constant(file["iters"].astype(ops.real()))
    for match in file.matches(r"(?:hda|cdan|gvb|metaalign)_lr(\d+e\d+)"):
        rates = schedules.inverse_decay(number(match[1]), gamma=0.001)(iterations)
        file.equal(match[0], table(rates, decay=1e-3))


def table(rates, decay) -> np.ndarray:
    """[iteration, group, (rate, weight decay)] of a backbone and of new layers at ten times its rate."""
    columns = [np.stack([scale * np.asarray(rates), np.full(len(rates), decay)], 1) for scale in (1.0, 10.0)]
    return np.stack(columns, 1)


@pytest.mark.golden
def test_inverse_decay_counted_from_0_to_1(golden):
    """ToAlign: gamma 10, or LRMULT times that."""
    file = golden("lr_schedule")
    progress = tf.constant(file["progress"])
    for match in file.matches(r"toalign_lr(\d+e\d+)(?:_LRMULT(\d+))?"):
        rates = schedules.inverse_decay(number(match[1]), gamma=10.0 * float(match[2] or 1))(progress)
        file.equal(match[0], np.stack([rates, 10.0 * rates], 1))


@pytest.mark.golden
def test_a_config_counts_the_rate_either_way(golden):
    file = golden("lr_schedule")
    steps = 7000
    for match in file.matches(r"(hda|toalign)_lr(\d+e\d+)"):
        per_step = match[1] == "hda"
        config = defaults.default_config("dann")
        config.optimizer.update({"rate": number(match[2]), "new_layers": 10.0, "per_step": per_step})
        config.optimizer.gamma = 0.001 if per_step else 10.0
        network = types.SimpleNamespace(backbone_paths=lambda: frozenset({"network/backbone_0/kernel"}))
        method = types.SimpleNamespace(rate_steps=steps, network=network)
        optimizer = build.optimizer(config, method)
        scales = [optimizer.groups(path)[0] for path in ("network/backbone_0/kernel", "network/head/kernel")]
        rates = []
        for method.rate_progress in tf.constant(file["iters"] / steps if per_step else file["progress"], ops.real()):
            rates.append([scale * float(optimizer.learning_rate) for scale in scales])
        file.equal(match[0], rates, (..., 0) if per_step else ...)


# ---- without files


def test_ramp_goes_from_0_towards_1():
    assert float(schedules.ramp(0.0)) == 0.0
    assert 0.9999 < float(schedules.ramp(1.0)) < 1.0


def test_a_trade_off_is_a_number_a_name_or_a_callable():
    assert schedules.value(0.1, 0.5) == 0.1
    assert float(schedules.value("ramp", 0.5)) == float(schedules.ramp(0.5))
    assert schedules.value(lambda progress: 2 * progress, 0.5) == 1.0
    with pytest.raises(ValueError, match="unknown schedule 'rmap'"):
        schedules.value("rmap", 0.5)
