"""`run/bench.py --what=bank` on tiny sizes."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfuda.profiling import banks, step_time
from tfuda.profiling.banks import Banked, Loop, Setting

TINY = {"all read one": Setting(3, 5, 7, 6, norms=True), "each its own": Setting(3, 5, 7, 6, norms=False)}
settings = pytest.mark.parametrize("setting", TINY.values(), ids=TINY)


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


def pair(setting):
    """A bank with biases too, and the loop that copied it."""
    banked, looped = Banked(setting), Loop(setting)
    for weight in banked.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    looped.copy(banked)
    return banked, looped


def steps(banked, looped, setting):
    data = banks.batch(setting)
    return [banks.compiled(version)(*data) for version in (banked, looped)]


@settings
def test_bank_and_loop_agree_in_loss_and_gradients(setting):
    ours, theirs = steps(*pair(setting), setting)
    assert ours[0].shape == () and ours[1].shape == banks.batch(setting)[0].shape
    for mine, members in zip(ours, theirs, strict=True):
        assert np.abs(mine).max() > 0
        np.testing.assert_allclose(mine, tf.convert_to_tensor(members), rtol=1e-4, atol=1e-6)
    assert banks.difference(ours, theirs) < 1e-5


@settings
def test_the_loss_is_the_docstrings(setting):
    banked, _ = pair(setting)
    x, d, w = banks.batch(setting)
    with tf.GradientTape() as tape:
        wide = tf.identity(tf.broadcast_to(x, [setting.members, setting.samples, setting.inputs]))
        tape.watch(wide)
        logits = banked.bank(wide)
        parts = w * (tf.math.softplus(logits) - d * logits) / setting.samples
    slopes = tape.gradient(parts, wide)
    expected = tf.reduce_sum(parts) + (tf.reduce_sum(tf.norm(slopes, axis=-1)) if setting.norms else 0.0)
    np.testing.assert_allclose(banked.loss(x, d, w), expected, rtol=1e-5)


@settings
def test_a_wrong_weight_of_one_member_is_noticed(setting):
    banked, looped = pair(setting)
    data, step = banks.batch(setting), banks.compiled(looped)
    expected = banks.compiled(banked)(*data)
    for weights in looped.weights:
        right = weights[1].numpy()
        weights[1].assign(right * 1.5)
        with pytest.raises(ValueError, match=r"^bank and loop differ: .+ of norm \S+ differ by \S+$"):
            banks.difference(expected, step(*data))
        weights[1].assign(right)
    assert banks.difference(expected, step(*data)) < 1e-5


def test_not_a_number_is_noticed():
    ours, theirs = steps(*pair(TINY["each its own"]), TINY["each its own"])
    with pytest.raises(ValueError, match="gradients by w3"):
        banks.difference([*ours[:6], ours[6] * np.nan, ours[7]], theirs)


def test_the_command_measures_nothing_where_they_differ(monkeypatch):
    monkeypatch.setattr(Loop, "copy", lambda looped, banked: None)
    monkeypatch.setattr(step_time, "measure", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(ValueError, match="bank and loop differ"):
        banks.measure(1, settings=TINY)


def test_table_has_a_row_for_each_setting_and_version(monkeypatch):
    monkeypatch.setattr(step_time, "apart", lambda work, *given: work(*given))
    rows = banks.measure(3, memory=True, settings=TINY)
    assert rows == json.loads(json.dumps(rows))
    _, _, head, line, *lines = step_time.table(rows, "tiny").splitlines()
    assert head == (
        "| setting | version | trace seconds | nodes | milliseconds | ratio (median) | quartiles | peak MB |"
    )
    assert line == "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    assert [tuple(each.split(" | ")[:2]) for each in lines] == [
        (f"| {name}", version) for name in TINY for version in ("loop", "bank")
    ]
    for loop, bank in zip(rows[::2], rows[1::2]):
        assert loop["ratio"] == 1 and bank["ratio"] > 0 and bank["low"] <= bank["ratio"] <= bank["high"]
        assert loop["nodes"] > bank["nodes"] and min(bank["trace_seconds"], bank["milliseconds"]) > 0


def test_only_the_loops_graph_grows_with_the_members():
    def nodes(kind, members):
        setting = Setting(members, 2, 3, 4, norms=True)
        return banks.trace(banks.compiled(kind(setting)), banks.batch(setting))["nodes"]

    assert nodes(Banked, 6) == nodes(Banked, 2) and nodes(Loop, 6) > 2 * nodes(Loop, 2)


def test_tables_of_the_other_benches_are_as_before():
    step = {"method": "dann", "milliseconds": 1.25, "ratio": 1.0, "low": 0.9, "high": 1.1, "peak_megabytes": 3.2}
    loader = {"loader": "ours", "images_per_second": 12.0, "ratio": 2.0, "low": 1.0, "high": 3.0}
    assert step_time.table([step], "a") == (
        "a\n\n| method | milliseconds | ratio (median) | quartiles | peak MB |\n"
        "| --- | ---: | ---: | ---: | ---: |\n| dann | 1.2 | 1.00 | 0.90 – 1.10 | 3 |"
    )
    assert step_time.table([loader], "b") == (
        "b\n\n| loader | images per second | ratio (median) | quartiles |\n"
        "| --- | ---: | ---: | ---: |\n| ours | 12.0 | 2.00 | 1.00 – 3.00 |"
    )


def test_full_sizes_are_those_of_the_papers():
    assert [tuple(setting) for setting in banks.SETTINGS.values()] == [
        (79, 256, 256, 72, True),
        (79, 256, 1024, 72, True),
        (49, 2048, 256, 72, False),
    ]
