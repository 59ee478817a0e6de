"""Two logical CPUs for replicas, and a quiet TensorFlow, before anything touches a device."""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import tfuda  # noqa: F401  before TensorFlow, which it imports quietly
import keras
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
