"""Two logical CPUs for replicas, and a quiet TensorFlow, before anything touches a device."""

import argparse
import functools
import gc
import os

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TF_NUM_INTRAOP_THREADS"] = "1"  # small networks: threads of one op cost more than they bring
os.environ["TFUDA_TRUST"] = "pictures,test_plots_daaa"  # whose runs name loaders of their own

import tfuda  # noqa: F401  before TensorFlow, which it imports quietly
import keras
import minis
import numpy as np
import pytest
import tensorflow as tf
import tiny
from commands import command, train_words

from tfuda.core import tensorflow_private

from tfuda.data.readers import digits, emoji

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
tf.get_logger().setLevel("ERROR")


DEAREST = (  # files that begin first, so that the workers end together
    "test_every_method",
    "test_frozen_stages",
    "test_multi_host",
    "test_configs",
    "test_folders_config",
    "test_commands",
    "test_adapt",
    "test_readme_commands",
    "test_saved_model",
    "test_tune",
    "test_plots",
    "test_serving_formats",
    "test_validators",
    "test_wheel",
)


def pytest_configure(config):
    """In quick tests leave graphs as they are: they are small, and optimizing them takes longer than running them."""
    quick = "not slow" in config.option.markexpr
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": quick})


def pytest_addoption(parser):
    """Add --shard=I/N, which runs every N-th of the selected tests, from the I-th."""
    parser.addoption("--shard", type=shard, default="1/1", metavar="I/N", help="run part I of N of the tests")


def shard(text: str) -> tuple[int, int]:
    """Return (I, N) of "I/N"."""
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"--shard={text}: I/N with I from 1 to N is needed, as 1/6")
    return int(index), int(count)


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config, items):
    """Keep one float32 case of the golden tests of each file, then the shard's tests, the dearest files first.

    Neighbours cost about the same, so dealing tests out in turn balances the shards.
    """
    single, seen = [], set()
    for item in items:
        case = getattr(item, "callspec", None)
        if case and case.params.get("golden") == "float32":
            if item.path in seen:
                continue
            seen.add(item.path)
        single.append(item)
    index, count = config.getoption("shard")
    kept = single[index - 1 :: count]
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    ranks = {name: rank for rank, name in enumerate(DEAREST)}
    items[:] = sorted(kept, key=lambda item: ranks.get(item.path.stem, len(ranks)))


def pytest_collection_finish():
    """Leave what was imported out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def tidy():
    """Forget what a module traced: TensorFlow keeps the gradient of every tf.custom_gradient, and so the graph."""
    yield
    keras.backend.clear_session()
    tensorflow_private.forget(tensorflow_private.kept_gradients())


@pytest.fixture(scope="session")
def two_replicas():
    """The scope of MirroredStrategy over two logical CPUs; one strategy per process."""
    reduce = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=reduce).scope


@pytest.fixture(scope="module")
def untraced():
    """The same for a whole module, and for what its own fixtures train."""
    with tiny.eagerly():
        yield


@pytest.fixture
def eager():
    with tiny.eagerly():
        yield


@pytest.fixture
def double():
    """All that is made is float64: rounding cannot hide a mistake, nor batch norm of small features magnify it."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run, and what its command printed."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    return workdir, command("train", *train_words(workdir))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """One cache folder for both workers of the session, and not the user's: nothing is drawn or looked at twice."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFUDA_CACHE", str(home))
        yield home


@pytest.fixture(scope="module")
def few_digits():
    """The digits with 200 pictures of each domain and split: evaluating 1400 takes as long as two steps."""
    load = digits.load_domain

    @functools.wraps(load)
    def few(*words, **options):
        return load(*words, **options).rows(np.arange(200))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "load_domain", few)
        yield


@pytest.fixture(scope="module")
def few_emoji():
    """The emoji benchmark with two things of each class: 58 in place of 702 pictures of a domain are drawn."""
    listed = emoji.listed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emoji, "listed", lambda: {label: texts[:2] for label, texts in listed.items()})
        yield


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """(config's name, task) -> keys of the config for a miniature of its data, made when asked for."""
    made = {}

    def get(name: str, task: str) -> dict:
        if name not in made:
            made[name] = minis.of_config(name, task, tmp_path_factory.mktemp(name))
        return made[name]

    return get
