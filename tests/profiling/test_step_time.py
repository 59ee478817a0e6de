"""A step's time beside that of its variants, and beside a program in another framework."""

import shlex
import sys

import pytest
import tiny

from tfuda.networks.layers import BatchNormalization
from tfuda.profiling import beside, step_time

ANSWERS = "import sys; print(sys.argv[1:], flush=True)\nfor line in sys.stdin: print(line, flush=True)"


def configured(cell, network="", size=0):
    made = tiny.config(cell)
    made.network_options = {**made.network_options.to_dict(), "norm": True}
    return made


@pytest.mark.slow
def test_versions_are_measured_beside_the_cell_as_it_is(monkeypatch):
    kernels, plain = [], BatchNormalization._in_one
    monkeypatch.setattr(BatchNormalization, "_in_one", lambda layer, x: kernels.append(x.dtype) or plain(layer, x))
    rows = step_time.versions(configured, "dann", 2, 2, ("unfused", "bfloat16", "bfloat16~unfused"))
    assert [row["method"] for row in rows] == ["dann", "dann~unfused", "dann~bfloat16", "dann~bfloat16~unfused"]
    assert rows[0]["ratio"] == 1.0 and all(row["milliseconds"] > 0 < row["low"] <= row["high"] for row in rows)
    assert {kind.name for kind in kernels} == {"float32", "bfloat16"}
    kernels.clear()
    step_time.versions(configured, "dann~unfused", 2, 1, ("bfloat16",))
    assert kernels == []  # no fused kernel where all are unfused


def test_a_variant_has_to_be_known():
    with pytest.raises(ValueError, match="'unfuse' is no variant, did you mean 'unfused'"):
        step_time.variant(configured, "dann~jit~unfuse")


@pytest.mark.slow
def test_our_steps_take_turns_with_those_of_another_program():
    command = f"{sys.executable} -c {shlex.quote(ANSWERS)}"
    rows = beside.measure(configured, "dann", command, [("small", 8, 2)], 2)
    assert [row["beside"] for row in rows] == ["default", "channels_last"] * 2
    assert [row["step"] for row in rows[::2]] == ["small at 8, 2 + 2, float32", "small at 8, 2 + 2, bfloat16"]
    assert all(row["ratio"] > 1 for row in rows)  # the other program does nothing


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "needs --beside"),
        ("/no/such/program", "cannot be started"),
        (f"{sys.executable} -c 'exit(3)'", "ended, exit code 3"),
        (f"{sys.executable} -c 'print(1, flush=True)'", "ended, exit code 0"),
    ],
)
def test_a_program_that_is_not_there_or_ends_is_said(command, said):
    with pytest.raises(ValueError, match=said):
        beside.measure(configured, "dann", command, [("small", 8, 2)], 1)
