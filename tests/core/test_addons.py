"""What replaces tensorflow-addons equals tensorflow-addons.

addons.npz was computed by the real addons classes in their own environment (`make addons`, which runs
tests/addons/compute.py: its docstring names every array). Both sides compute in float64, so what is left
is the order of summation: everything is equal to TOLERANCE, far below the 1e-6 that float32 would allow.

Where the two differ on purpose, a test says by how much:

* MovingAverage starts its average at the initial weights, Keras at the weights after the first step. Keras's
  is addons' with start_step=1; addons' default is Keras's plus decay**t * (initial - first), which vanishes.
* Keras leaves a kernel of zeros alone in SpectralNormalization, addons divides by zero.
"""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.golden

HERE = Path(__file__).parents[1] / "golden"
LAYERS = {"first": (4, "tanh"), "second": (3, "tanh"), "third": (2, None)}
TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


class Golden:
    """The arrays of addons.npz below a prefix: Golden(arrays, "instance/image/")["x"]."""

    def __init__(self, arrays: dict, prefix: str = "") -> None:
        self.arrays, self.prefix = arrays, prefix

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[self.prefix + name]

    def below(self, prefix: str) -> "Golden":
        return Golden(self.arrays, f"{self.prefix}{prefix}/")

    def equal(self, name: str, ours, index=...) -> None:
        """Holds `ours` to the golden array (or to one entry of a stack)."""
        ours = ours.numpy() if hasattr(ours, "numpy") else ours
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, self[name][index], **TOLERANCE, err_msg=f"{self.prefix}{name}")


@pytest.fixture(scope="module")
def addons() -> Golden:
    """addons.npz from TFUDA_GOLDEN, or from the repository where that folder of golden files has none."""
    for folder in (Path(os.environ.get("TFUDA_GOLDEN") or HERE), HERE):
        if (folder / "addons.npz").is_file():
            with np.load(folder / "addons.npz", allow_pickle=False) as file:
                return Golden(dict(file))
    pytest.fail(f"{HERE / 'addons.npz'} is missing: `make addons` writes it.", pytrace=False)


def test_the_golden_file_was_computed_by_the_real_addons(addons):
    assert list(addons["versions"]) == ["tensorflow 2.15.1", "keras 2.15.0", "tensorflow-addons 0.23.0"]


@pytest.mark.parametrize("case", ["image", "channels_first", "sequence"])
def test_group_normalization_with_a_group_per_channel_is_instance_normalization(addons, case):
    golden = addons.below(f"instance/{case}")
    layer = keras.layers.GroupNormalization(groups=-1, axis=int(golden["axis"]), dtype="float64")
    assert layer.epsilon == golden["epsilon"] == 1e-3  # both defaults
    x = tf.constant(golden["x"])
    layer.build(x.shape)
    layer.gamma.assign(golden["gamma"])
    layer.beta.assign(golden["beta"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y * golden["upstream"])
    dx, dgamma, dbeta = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
    for name, ours in {"y": y, "dx": dx, "dgamma": dgamma, "dbeta": dbeta}.items():
        golden.equal(name, ours)


def spectral_layer(inner: keras.layers.Layer, shape, u0, iterations: int = 1):
    """A built SpectralNormalization; addons' `sn_u` is Keras's `vector_u`, both of shape (1, channels)."""
    layer = keras.layers.SpectralNormalization(inner, power_iterations=iterations, dtype="float64")
    layer.build(shape)
    layer.vector_u.assign(u0)
    return layer


@pytest.mark.parametrize("case", ["dense", "dense_2", "conv", "conv_2"])
def test_spectral_normalization_follows_addons_from_the_same_u(addons, case):
    """u, the kernel (overwritten in place), the output and the gradient at every training call."""
    golden = addons.below(f"spectral/{case}")
    kernel, x = golden["kernel0"], tf.constant(golden["x"])
    if kernel.ndim == 2:
        inner = keras.layers.Dense(kernel.shape[-1], dtype="float64")
    else:
        inner = keras.layers.Conv2D(kernel.shape[-1], kernel.shape[:2], dtype="float64")
    layer = spectral_layer(inner, x.shape, golden["u0"], int(golden["iterations"]))
    inner.kernel.assign(kernel)
    inner.bias.assign(golden["bias"])
    for step in range(len(golden["y"])):
        with tf.GradientTape() as tape:
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * golden["upstream"])
        gradient = tape.gradient(loss, inner.kernel.value)
        ours = {"u": layer.vector_u, "kernel": inner.kernel, "y": y, "gradient": gradient}
        for name, value in ours.items():
            golden.equal(name, value, step)
        inner.kernel.assign_sub(golden["rate"] * gradient)


def test_spectral_normalization_leaves_a_kernel_of_zeros_where_addons_divides_by_zero(addons):
    golden = addons.below("spectral/zero")
    inner = keras.layers.Dense(3, kernel_initializer="zeros", dtype="float64")
    layer = spectral_layer(inner, (2, 4), golden["u0"])
    layer(tf.ones((2, 4), "float64"), training=True)
    assert np.isnan(golden["kernel"]).all()
    assert (inner.kernel.numpy() == 0).all()


def network(raw: Golden) -> keras.Model:
    """The network of compute.py at its initial weights; paths are "first/kernel" and so on."""
    x = inputs = keras.Input((5,), dtype="float64")
    for name, (units, activation) in LAYERS.items():
        x = keras.layers.Dense(units, activation, name=name, dtype="float64")(x)
    model = keras.Model(inputs, x)
    for variable in model.trainable_variables:
        variable.assign(raw[variable.path][0])
    return model


def train(model: keras.Model, optimizer: keras.optimizers.Optimizer, data: Golden, steps: int):
    """Steps of mean squared error; yields (step, gradients) after each."""
    variables = model.trainable_variables
    for step in range(1, steps + 1):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(data["x"]) - data["y"]))
        gradients = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply(gradients, variables)
        yield step, gradients


@pytest.mark.parametrize("case", ["nesterov", "mixed"])
def test_our_sgd_with_groups_is_multi_optimizer_with_an_sgd_per_layer(addons, case):
    """At a constant rate. "mixed" gives every layer its own momentum too (0.9, 0.5, 0), without Nesterov.

    PyTorch's rule (ours) and Keras's (addons') differ only while the rate moves.
    """
    from tfuda.core.optimizers import SGD

    golden = addons.below(f"multi/{case}")
    base = golden["rates"].max()
    scales = dict(zip(LAYERS, golden["rates"] / base))
    momenta = dict(zip(LAYERS, golden["momenta"]))

    def groups(path: str) -> tuple[float, float]:
        layer = path.split("/")[0]
        return float(scales[layer]), float(momenta[layer])

    model = network(golden.below("raw"))
    optimizer = SGD(float(base), groups=groups, nesterov=bool(golden["nesterov"]))
    steps = len(golden["gradient/first/kernel"])
    for step, gradients in train(model, optimizer, addons.below("network"), steps):
        for variable, gradient in zip(model.trainable_variables, gradients):
            golden.equal(f"gradient/{variable.path}", gradient, step - 1)
            golden.equal(f"raw/{variable.path}", variable, step)


def averaging_sgd(golden: Golden) -> keras.optimizers.SGD:
    """Keras's SGD with its own moving average, for addons' MovingAverage around SGD."""
    options = {"use_ema": True, "ema_momentum": float(golden["decay"])}
    return keras.optimizers.SGD(float(golden["rate"]), float(golden["momentum"]), nesterov=True, **options)


def averages(optimizer: keras.optimizers.Optimizer) -> list:
    """Keras's averages, in the order of the trainable variables (it has no public name for them)."""
    return optimizer._model_variables_moving_average


def test_ema_of_keras_is_moving_average_with_start_step_1(addons):
    """Raw weights and averages at every step, and the model after the averages are put into it."""
    golden = addons.below("average/start_1")
    model, optimizer = network(golden.below("raw")), averaging_sgd(golden)
    variables = model.trainable_variables
    for step, _ in train(model, optimizer, addons.below("network"), len(golden["average/first/kernel"])):
        for variable, average in zip(variables, averages(optimizer)):
            golden.equal(f"raw/{variable.path}", variable, step)
            golden.equal(f"average/{variable.path}", average, step - 1)
    optimizer.finalize_variable_values(variables)  # addons: assign_average_vars
    for variable in variables:
        golden.equal(f"final/{variable.path}", variable)


def test_moving_average_by_default_differs_by_a_share_of_the_first_step_that_decays(addons):
    """addons' average after t steps = Keras's + decay**t * (initial weights - weights after step 1)."""
    golden = addons.below("average/default")
    model, optimizer = network(golden.below("raw")), averaging_sgd(golden)
    for step, _ in train(model, optimizer, addons.below("network"), len(golden["average/first/kernel"])):
        for variable, average in zip(model.trainable_variables, averages(optimizer)):
            raw = golden[f"raw/{variable.path}"]
            start = golden["decay"] ** step * (raw[0] - raw[1])
            golden.equal(f"average/{variable.path}", average.numpy() + start, step - 1)
