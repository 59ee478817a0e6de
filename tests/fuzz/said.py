"""What bad input may end in: one sentence, of a kind that a command turns into exit code 2."""

import contextlib
import faulthandler
import resource
import sys
import traceback
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, settings

from tfuda.cli.launch import sentence

MISTAKES = (ValueError, OSError, ImportError, tf.errors.OpError)


def foreseen(error: BaseException) -> None:
    """Hold an error to have been raised by a check, not inside Keras or TensorFlow by what they could not do."""
    last = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    assert not {"keras", "tensorflow"} & {*last.parts}, f"{last}: {error}"


def names_setting(error: Exception, key: str, *others: str) -> None:
    """Hold an error's sentence to name the setting by its path, by the path's last part, or by one of `others`."""
    said = sentence(error)
    assert any(word in said for word in (key, key.rpartition(".")[2], *others)), f"{key}: {said}"


@contextlib.contextmanager
def one_sentence():
    """The result is right, or a mistake of these kinds; UnicodeError and JSON's are ValueErrors that say nothing."""
    try:
        yield
    except MISTAKES as error:
        said = sentence(error)
        assert not isinstance(error, UnicodeError), said
        assert said and "\n" not in str(error) and not said.startswith("Expecting value"), str(error)


@contextlib.contextmanager
def must_end():
    """End the tests, with a traceback, where what stands inside has no end; code in C hears no signal."""
    faulthandler.dump_traceback_later(300, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


@contextlib.contextmanager
def little_memory(more=2**29):
    """Refuse what stands inside more bytes than these."""
    before, pages = resource.getrlimit(resource.RLIMIT_AS), int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


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
