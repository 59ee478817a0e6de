"""Golden values from tensorflow-addons itself: ``python compute.py OUT.npz``.

Runs in the old environment only (TensorFlow 2.15, Keras 2.15, tensorflow-addons 0.23: see
``requirements.txt`` beside this file and ``make addons``). It computes, with the real addons classes,
everything this library now takes from Keras 3 or has of its own; ``tests/core/test_addons.py`` holds the
counterparts to the file. Every run writes the same arrays (under one Python version, the same bytes).

All arrays are float64, so that the comparison shows the rule and not the rounding. Hyperparameters are
the exception: addons keeps them in float32. Rates are therefore exact in binary, and momenta and decays
are stored as the optimizers hold them (0.9 as float32(0.9)).

Keys of the file (``<case>`` names a configuration; stacks have one entry per call or step):

    versions                                      what computed it
    instance/<case>/{x,gamma,beta,upstream}       inputs; the loss is sum(y * upstream)
    instance/<case>/{y,dx,dgamma,dbeta}           forward and gradients
    instance/<case>/{axis,epsilon}                as the layer holds them (epsilon: its own default)
    spectral/<case>/{x,upstream,rate,iterations}  inputs; the loss is sum(y * upstream)
    spectral/<case>/{kernel0,bias,u0}             state before the first call
    spectral/<case>/{u,kernel,y,gradient}         stacks after each training call; between two calls
                                                  the kernel takes one plain step, -rate * gradient
    spectral/zero/{kernel,u0}                     the kernel after one training call on a kernel of zeros
    network/{x,y}                                 the data of the two sections below
    multi/<case>/{rates,momenta,nesterov}         per layer, in the order first, second, third
    multi/<case>/{raw,gradient}/<layer>/<name>    stacks; raw[0] is the initial weight
    average/<case>/{rate,momentum,decay}
    average/<case>/{raw,average}/<layer>/<name>   stacks; average[0] is after the first step
    average/<case>/final/<layer>/<name>           the model after assign_average_vars
"""

from __future__ import annotations

import os
import sys
import warnings

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # one summation order everywhere
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import tensorflow as tf

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # addons announces its own end at import
    import tensorflow_addons as tfa

SEED = 20240501
STEPS = 6
LAYERS = ("first", "second", "third")
Arrays = dict  # key -> numpy array


def instance_case(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> Arrays:
    """Forward and gradients of addons' InstanceNormalization with its default epsilon."""
    layer = tfa.layers.InstanceNormalization(axis=axis, dtype="float64")
    layer.build(shape)
    channels = shape[axis]
    out = {
        "x": rng.normal(0.5, 2.0, shape),
        "gamma": rng.normal(1.0, 0.3, channels),
        "beta": rng.normal(0.0, 0.3, channels),
        "upstream": rng.normal(size=shape),
        "axis": axis,
        "epsilon": layer.epsilon,
    }
    layer.gamma.assign(out["gamma"])
    layer.beta.assign(out["beta"])
    x = tf.constant(out["x"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y * out["upstream"])
    out["y"] = y
    out["dx"], out["dgamma"], out["dbeta"] = tape.gradient(loss, [x, layer.gamma, layer.beta])
    return out


def spectral_case(rng: np.random.Generator, inner: tf.keras.layers.Layer, shape, iterations: int) -> Arrays:
    """Several training calls of addons' SpectralNormalization, with a plain step between two calls."""
    layer = tfa.layers.SpectralNormalization(inner, power_iterations=iterations, dtype="float64")
    layer.build(shape)
    out = {"x": rng.normal(size=shape), "iterations": iterations, "rate": 0.0625}
    out["kernel0"] = rng.normal(0.0, 0.5, inner.kernel.shape)
    out["bias"] = rng.normal(0.0, 0.5, inner.bias.shape)
    out["u0"] = rng.normal(0.0, 0.02, layer.u.shape)
    inner.kernel.assign(out["kernel0"])
    inner.bias.assign(out["bias"])
    layer.u.assign(out["u0"])
    out["upstream"] = rng.normal(size=layer(out["x"], training=False).shape)
    stacks = {"u": [], "kernel": [], "y": [], "gradient": []}
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            y = layer(tf.constant(out["x"]), training=True)
            loss = tf.reduce_sum(y * out["upstream"])
        gradient = tape.gradient(loss, inner.kernel)
        for name, value in (("u", layer.u), ("kernel", inner.kernel), ("y", y), ("gradient", gradient)):
            stacks[name].append(value.numpy())
        inner.kernel.assign_sub(out["rate"] * gradient)
    return {**out, **stacks}


def spectral_zero(rng: np.random.Generator) -> Arrays:
    """What addons makes of a kernel of zeros in one training call (it divides by zero)."""
    inner = tf.keras.layers.Dense(3, kernel_initializer="zeros", dtype="float64")
    layer = tfa.layers.SpectralNormalization(inner, dtype="float64")
    layer.build((2, 4))
    u0 = rng.normal(0.0, 0.02, (1, 3))
    layer.u.assign(u0)
    layer(tf.ones((2, 4), "float64"), training=True)
    return {"kernel": inner.kernel, "u0": u0}


def network(initial: Arrays) -> tf.keras.Model:
    """The small network of the optimizer sections, at its initial weights."""
    x = inputs = tf.keras.Input((5,), dtype="float64")
    for name, units, activation in zip(LAYERS, (4, 3, 2), ("tanh", "tanh", None)):
        x = tf.keras.layers.Dense(units, activation, name=name, dtype="float64")(x)
    model = tf.keras.Model(inputs, x)
    for variable in model.trainable_variables:
        variable.assign(initial[key(variable)])
    return model


def key(variable: tf.Variable) -> str:
    """``first/kernel:0`` as Keras 3 calls it: ``first/kernel``."""
    return variable.name.split(":")[0]


def train(model: tf.keras.Model, optimizer, data: Arrays, after_step=None) -> Arrays:
    """STEPS steps of mean squared error; the stacks of weights and gradients."""
    variables = model.trainable_variables
    out = {f"raw/{key(v)}": [v.numpy()] for v in variables}
    out.update({f"gradient/{key(v)}": [] for v in variables})
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(data["x"]) - data["y"]))
        gradients = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(gradients, variables))
        for variable, gradient in zip(variables, gradients):
            out[f"raw/{key(variable)}"].append(variable.numpy())
            out[f"gradient/{key(variable)}"].append(gradient.numpy())
        if after_step:
            after_step(out, variables)
    return out


def multi_case(initial: Arrays, data: Arrays, rates, momenta, nesterov: bool) -> Arrays:
    """addons' MultiOptimizer: one SGD with its own rate and momentum for each layer."""
    model = network(initial)
    # addons' optimizers know only the optimizers that Keras 2.11 renamed to "legacy".
    each = [tf.keras.optimizers.legacy.SGD(r, m, nesterov=nesterov) for r, m in zip(rates, momenta)]
    pairs = [(optimizer, model.get_layer(name)) for optimizer, name in zip(each, LAYERS)]
    out = train(model, tfa.optimizers.MultiOptimizer(pairs), data)
    out["rates"] = [float(optimizer.learning_rate) for optimizer in each]
    out["momenta"] = [float(optimizer.momentum) for optimizer in each]
    return {**out, "nesterov": nesterov}


def average_case(initial: Arrays, data: Arrays, start_step: int) -> Arrays:
    """addons' MovingAverage around SGD, with a constant decay (dynamic_decay=False, num_updates=None)."""
    model = network(initial)
    inner = tf.keras.optimizers.legacy.SGD(0.25, 0.9, nesterov=True)
    optimizer = tfa.optimizers.MovingAverage(inner, average_decay=0.9, start_step=start_step)

    def averages(out: Arrays, variables) -> None:
        for variable in variables:
            slot = optimizer.get_slot(variable, "average")
            out.setdefault(f"average/{key(variable)}", []).append(slot.numpy())

    out = train(model, optimizer, data, averages)
    out = {name: value for name, value in out.items() if not name.startswith("gradient/")}
    optimizer.assign_average_vars(model.trainable_variables)
    out.update({f"final/{key(v)}": v.numpy() for v in model.trainable_variables})
    out["rate"], out["momentum"] = float(inner.learning_rate), float(inner.momentum)
    return {**out, "decay": float(np.float32(0.9))}  # the wrapper reads its decay as float32


def sections() -> Arrays:
    """Everything, by the section's name."""
    rng = np.random.default_rng(SEED)
    dense, conv = tf.keras.layers.Dense, tf.keras.layers.Conv2D
    out = {
        "instance/image": instance_case(rng, (2, 4, 3, 3), -1),
        "instance/channels_first": instance_case(rng, (2, 3, 4, 3), 1),
        "instance/sequence": instance_case(rng, (2, 7, 3), -1),
        "spectral/dense": spectral_case(rng, dense(4, dtype="float64"), (3, 5), 1),
        "spectral/dense_2": spectral_case(rng, dense(4, dtype="float64"), (3, 5), 2),
        "spectral/conv": spectral_case(rng, conv(3, 3, dtype="float64"), (2, 5, 4, 2), 1),
        "spectral/conv_2": spectral_case(rng, conv(3, 3, dtype="float64"), (2, 5, 4, 2), 2),
        "spectral/zero": spectral_zero(rng),
    }
    data = out["network"] = {"x": rng.normal(size=(8, 5)), "y": rng.normal(size=(8, 2))}
    sizes = {"first": (5, 4), "second": (4, 3), "third": (3, 2)}
    initial = {f"{name}/kernel": rng.normal(0.0, 0.6, size) for name, size in sizes.items()}
    initial.update({f"{name}/bias": rng.normal(0.0, 0.1, size[1]) for name, size in sizes.items()})
    rates = (0.03125, 0.125, 0.25)
    out["multi/nesterov"] = multi_case(initial, data, rates, (0.9, 0.9, 0.9), nesterov=True)
    out["multi/mixed"] = multi_case(initial, data, rates, (0.9, 0.5, 0.0), nesterov=False)
    out["average/default"] = average_case(initial, data, start_step=0)
    out["average/start_1"] = average_case(initial, data, start_step=1)
    return out


def main(path: str) -> None:
    """Write the file."""
    arrays = {
        f"{section}/{name}": np.asarray(value)
        for section, values in sections().items()
        for name, value in values.items()
    }
    # Plain text, not objects: the file loads with allow_pickle=False.
    arrays["versions"] = np.array(
        [
            f"tensorflow {tf.__version__}",
            f"keras {keras.__version__}",
            f"tensorflow-addons {tfa.__version__}",
        ]
    )
    np.savez_compressed(path, **arrays)
    print(f"{path}: {len(arrays)} arrays from {', '.join(arrays['versions'])}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python compute.py OUT.npz")
    main(sys.argv[1])
