"""What bad input may end in: one sentence, of a kind that a command turns into exit code 2."""

import contextlib

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, settings

from tfuda.cli.launch import sentence

MISTAKES = (ValueError, OSError, ImportError, tf.errors.OpError)


@contextlib.contextmanager
def one_sentence():
    """The result is right, or a mistake of these kinds; UnicodeError and JSON's are ValueErrors that say nothing."""
    try:
        yield
    except MISTAKES as error:
        said = sentence(error)
        assert not isinstance(error, UnicodeError), said
        assert said and "\n" not in said and not said.startswith("Expecting value"), said


def profile(quick, slow=20):
    """Seeded: a quick number of examples, and a slow test of so many times more of them."""

    def twice(examples):
        checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
        return settings(
            max_examples=examples, derandomize=True, deadline=None, suppress_health_check=checks, database=None
        )

    return pytest.mark.parametrize(
        "amount", [twice(quick), pytest.param(twice(quick * slow), marks=pytest.mark.slow)], ids=["quick", "slow"]
    )
