"""Two logical CPUs for replicas, and a quiet TensorFlow, before anything touches a device."""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["TFUDA_TRUST"] = "test_plots_biwaa,test_plots_daaa"  # whose runs name loaders of their own

import tfuda  # noqa: F401  before TensorFlow, which it imports quietly
import keras
import minis
import pytest
import tensorflow as tf
from commands import fresh, train_words

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
tf.get_logger().setLevel("ERROR")


@pytest.fixture(scope="session")
def two_replicas():
    """The scope of MirroredStrategy over two logical CPUs; one strategy per process."""
    reduce = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=reduce).scope


@pytest.fixture
def eager():
    """Without tracing, which is most of the time of a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


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
    return workdir, fresh("train", *train_words(workdir))


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    """One for all tests: what was looked at is remembered."""
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """(config's name, task) -> keys of the config for a miniature of its data, made when asked for."""
    made = {}

    def get(name: str, task: str) -> dict:
        if name not in made:
            made[name] = minis.of_config(name, task, tmp_path_factory.mktemp(name))
        return made[name]

    return get
