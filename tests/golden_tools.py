"""What the golden tests share: the files, the comparison, and networks small enough to copy into them.

A golden file holds inputs, outputs and gradients that the authors' released PyTorch code computed in float64. A
test that asks for the fixture `golden` runs in float64; the first of each test file also runs in float32:

    def test_something(golden):
        file = golden("uda_dann_loss")                # of TFUDA_GOLDEN, or of tests/golden
        ...                                           # file["features"] is in the precision of this run
        file.equal("noent_loss", loss)

Sizes, coefficients and rates come from the file, so other files of the same kind can stand in for it.
"""

import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfuda.core import ops
from tfuda.experiment import build, defaults
from tfuda.networks.base import Outputs

TOLERANCE = {"float64": 1e-9, "float32": 2e-5}
OF_GRADIENTS = {"float64": 1e-9, "float32": 1e-4}  # of the largest entry: in float32 a bias sums much that cancels
HERE = Path(__file__).parent / "golden"

# What ToAlign's repository does and the files do not say (docs/methods/index.md#optimizer)
DECAY, NEW_LAYERS = 5e-4, 10.0


def relative_error(ours, reference) -> float:
    """max |ours - reference| / max |reference|; against zeros, max |ours|."""
    ours, reference = np.asarray(ours, "float64"), np.asarray(reference, "float64")
    assert ours.shape == reference.shape, f"shape {ours.shape}, expected {reference.shape}"
    return float(np.abs(ours - reference).max() / (np.abs(reference).max() or 1.0))


class Golden:
    """One file; arrays come out in the precision of this run, integers as int32."""

    def __init__(self, path: Path, precision: str):
        self.name, self.precision = path.stem, precision
        with np.load(path, allow_pickle=False) as file:
            self.arrays = dict(file)

    def __getitem__(self, key: str) -> np.ndarray:
        array = self.arrays[key]
        return array.astype({"f": self.precision, "i": "int32"}.get(array.dtype.kind, array.dtype))

    def matches(self, pattern: str) -> list[re.Match]:
        """Of the keys that match the pattern as a whole; there must be some."""
        found = [match for match in map(re.compile(pattern).fullmatch, self.arrays) if match]
        assert found, f"{self.name} has no array {pattern}"
        return found

    def equal(self, key: str, ours, index=..., tolerance=TOLERANCE) -> None:
        """Hold `ours` to the array, or to one entry of a stack."""
        error = relative_error(ours, self.arrays[key][index])
        assert error <= tolerance[self.precision], f"{self.name}: {key} is off by {error:.1e}"

    def equal_gradient(self, key: str, ours) -> None:
        """Hold a gradient to the array."""
        self.equal(key, ours, tolerance=OF_GRADIENTS)

    def differs(self, key: str, ours) -> None:
        """By far more than rounding: for readings of a paper that are not ours."""
        error = relative_error(ours, self.arrays[key])
        assert error > 1e-3, f"{self.name}: {key} is off by only {error:.1e}"

    def equal_gradients(self, prefix: str, tape, loss, inputs: dict, layers: dict, without: tuple = ()) -> None:
        """d loss / d each of `inputs` {key: tensor} and each weight of `layers` {key: Dense}.

        without: beginnings of keys to leave out
        """
        sources = {**inputs, **weights(layers)}
        sources = {key: source for key, source in sources.items() if not key.startswith(without)}
        zero = tf.UnconnectedGradients.ZERO
        found = tape.gradient(loss, [*sources.values()], unconnected_gradients=zero)
        for key, gradient in zip(sources, found, strict=True):
            self.equal_gradient(prefix + key, torch_layout(key, gradient))

    def assign(self, prefix: str, layers: dict) -> None:
        """Give every layer of {key: Dense} the weights under its key."""
        for key, variable in weights(layers).items():
            variable.assign(torch_layout(key, self[prefix + key]))


def weights(layers: dict) -> dict:
    """{"fc": Dense} -> {"fc__weight": kernel, "fc__bias": bias}, for tapes and for assignment."""
    found = {}
    for key, layer in layers.items():
        found[f"{key}__weight"], found[f"{key}__bias"] = layer.kernel.value, layer.bias.value
    return found


def torch_layout(key: str, array):
    """[in, out] to PyTorch's [out, in], and back; biases and inputs stay."""
    return np.transpose(array) if key.endswith("__weight") else array


@pytest.fixture(name="golden", params=TOLERANCE)
def golden_fixture(request):
    """name -> Golden; everything that the test makes is float64, then float32, and float32 again afterwards."""
    folder, precision = Path(os.environ.get("TFUDA_GOLDEN") or HERE), request.param
    known = {path.name for path in HERE.glob("*.npz")}
    assert known & {path.name for path in folder.glob("*.npz")}, (
        f"TFUDA_GOLDEN={folder} holds none of the golden files"
    )

    def load(name: str) -> Golden:
        given = folder / f"{name}.npz"
        return Golden(given if given.is_file() else HERE / given.name, precision)

    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(precision)
    keras.config.set_dtype_policy(precision)
    yield load
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


class FeatureNetwork(keras.Model):
    """A network whose images [B, d] are the features already, or with `hidden` the inputs of one ReLU layer."""

    def __init__(self, head: keras.layers.Layer, inputs: int, hidden: int = 0):
        super().__init__(name="network")
        self.size, self.head = (inputs,), head
        self.body = keras.layers.Dense(hidden, "relu", name="backbone_0") if hidden else None
        self(self.blank())

    def backbone_paths(self) -> frozenset[str]:
        return frozenset(variable.path for variable in self.body.variables) if self.body else frozenset()

    def blank(self) -> tf.Tensor:
        return tf.zeros([1, *self.size], ops.real())

    def call(self, images, training=False, reversal=1.0):
        features = self.body(images) if self.body else images
        return Outputs((), features, self.head(features))


def discriminator_layers(method) -> dict:
    """{"ad_layer1": Dense, ...}: the linear layers of a method's discriminator by their PyTorch names."""
    linear = [layer for layer in method.discriminator.layers if isinstance(layer, keras.layers.Dense)]
    return {f"ad_layer{i}": layer for i, layer in enumerate(linear, 1)}


def equal_steps(file: Golden, method, layers: dict) -> None:
    """Hold whole steps of training to ToAlign's repository: rate, reversal, gradients, and every weight afterwards.

    layers: {key: Dense} of the network; those of the discriminator are found
    """
    layers = layers | {f"D_{key}": layer for key, layer in discriminator_layers(method).items()}
    file.assign("init_", layers)
    method.step.assign(int(file["start"]))
    config = defaults.default_config("dann")
    config.optimizer.update({"rate": float(file["lr0"]), "decay": DECAY, "new_layers": NEW_LAYERS})
    method.compile(build.optimizer(config, method))
    step = tf.function(method.train_step)
    combine = tf.function(lambda batch: method.combine(method, batch)[0])
    for i in range(len(file.matches(r"step\d+_lr"))):
        at = f"step{i}_"
        batch = {
            "source": {"image": file[f"{at}xs"], "label": file[f"{at}ys"]},
            "target": {"image": file[f"{at}xt"]},
        }
        batch = tf.nest.map_structure(tf.constant, batch)
        file.equal(f"{at}lr", method.optimizer.learning_rate)
        file.equal(f"{at}coeff", method.reversal())
        gradients = dict(zip(map(id, method.trainable_variables), combine(batch), strict=True))
        for key, layer in layers.items():
            file.equal_gradient(f"{at}grad_{key}__weight", tf.transpose(gradients[id(layer.kernel)]))
            file.equal_gradient(f"{at}grad_{key}__bias", gradients[id(layer.bias)])
        step(batch)
        for key, value in weights(layers).items():
            file.equal(f"{at}after_{key}", torch_layout(key, value))


def heuristic_layers(head, fundament: str, parts: list[str]) -> dict:
    """{PyTorch's name: Dense} of a HeuristicHead."""
    return {fundament: head.fundament, **dict(zip(parts, head.parts, strict=True))}


def at_coefficient(kind: type, coefficient) -> type:
    """The method with its gradient reversal at a coefficient that no step of its ramp has."""

    class Fixed(kind):
        def reversal(self, ahead=0):
            return tf.constant(coefficient, ops.real())

    return Fixed


def halves(images, *parts) -> tuple[dict, dict]:
    """batch and outputs of arrays whose first half is source and second half target.

    images [2B, ...] only says how many there are; parts: features [2B, d] and logits [2B, K].
    """
    half, batch, outputs = len(images) // 2, {}, {}
    for name, rows in {"source": slice(None, half), "target": slice(half, None)}.items():
        batch[name] = {"image": images[rows]}
        outputs[name] = Outputs((), *(part[rows] for part in parts))
    return batch, outputs
