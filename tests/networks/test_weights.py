"""Weights of a ResNet from PyTorch's files and from those of run/convert.py."""

import keras
import numpy as np
import pytest
from commands import command
from torch_writer import WRITERS, Tensor, state_dict

from tfuda.networks import resnet
from tfuda.networks.base import Network
from tfuda.networks.layers import freeze


def variables(stages):
    return [variable for stage in stages for variable in stage.variables]


def as_torch(stages):
    """The state dict that torchvision would save, with the entries that have no place here."""
    arrays = {}
    for variable in variables(stages):
        value = variable.numpy()
        arrays[resnet.torch_name(variable)] = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
    counts = {name.replace("running_mean", "num_batches_tracked"): np.array(5) for name in arrays if "mean" in name}
    return {**arrays, **counts, "fc.weight": np.ones((1000, 512), "f4"), "fc.bias": np.ones(1000, "f4")}


@pytest.fixture(scope="module")
def origin():
    """A ResNet-18 with other moving statistics, scales and shifts than those of the start."""
    keras.utils.set_random_seed(1)
    stages, rng = resnet.resnet(18), np.random.default_rng(1)
    for variable in variables(stages):
        if len(variable.shape) == 1:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return stages


@pytest.fixture
def pth(origin, tmp_path, monkeypatch):
    """Writes the weights of `origin` as PyTorch does, without `drop`, with `more`."""

    def write(age="zip", drop=(), **more):
        arrays = {**as_torch(origin), **more}
        path = tmp_path / f"{age}.pth"
        tree = state_dict({name: Tensor(value) for name, value in arrays.items() if name not in drop})
        WRITERS[age](path, tree, monkeypatch)
        return str(path)

    return write


@pytest.mark.parametrize("age", ["zip", "pickles"])
def test_weights_come_back_from_a_file_of_pytorch(age, origin, pth):
    found = freeze(resnet.resnet(18, weights=pth(age), unbiased=True), 1)
    for ours, theirs in zip(variables(found), variables(origin)):
        np.testing.assert_array_equal(ours, theirs)


def test_the_command_writes_a_file_that_gives_the_same_logits_to_the_bit(origin, pth, tmp_path):
    out = tmp_path / "resnet18.weights.h5"
    done = command("convert", f"--weights={pth()}", f"--out={out}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{out}: ResNet-18, 100 tensors, 11,186,112 parameters\n"
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    logits = []
    for stages in (origin, resnet.resnet(18, weights=str(out))):
        keras.utils.set_random_seed(0)
        logits.append(Network(stages, 5, (64, 64))(images).logits.numpy())
    np.testing.assert_array_equal(*logits)
    assert [path.name for path in tmp_path.glob("*.h5*")] == [out.name]


def test_a_mistake_on_the_command_line_is_one_sentence(pth, tmp_path):
    done = command("convert", f"--weights={pth()}", f"--out={tmp_path / 'a.weights.h5'}", "--depth=50")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "these are the weights of a ResNet-18, not of a ResNet-50" in done.stderr


def refused(kind, path, *words, depth=18):
    with pytest.raises(kind) as error:
        resnet.resnet(depth, weights=str(path))
    for word in (str(path), *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_weights_of_another_depth_are_called_so(pth, tmp_path):
    refused(ValueError, pth(), "these are the weights of a ResNet-18, not of a ResNet-34", depth=34)
    resnet.save_weights(resnet.resnet(34), str(tmp_path / "a.weights.h5"))
    refused(ValueError, tmp_path / "a.weights.h5", "these are the weights of a ResNet-34, not of a ResNet-18")


def test_a_wrong_file_is_named_with_its_key(pth, tmp_path):
    refused(ValueError, pth(drop=["layer3.1.bn2.running_var"]), "lacks the key 'layer3.1.bn2.running_var'")
    refused(ValueError, pth(**{"layer1.0.se.weight": np.ones(3, "f4")}), "has a strange key 'layer1.0.se.weight'")
    wide = np.ones((64, 3, 3, 3), "f4")
    refused(ValueError, pth(**{"conv1.weight": wide}), "has shape (3, 3, 3, 64) for 'conv1.weight', and not (7, 7, 3")
    refused(FileNotFoundError, tmp_path / "none.pth", "there is no such file")
    (tmp_path / "a.h5").write_bytes(b"")
    refused(ValueError, tmp_path / "a.h5", "a .pth of torchvision or a .weights.h5 of run/convert.py")


def test_a_damaged_hdf5_file_is_named(origin, tmp_path):
    path = tmp_path / "a.weights.h5"
    resnet.save_weights(origin, str(path))
    path.write_bytes(path.read_bytes()[:100_000])
    refused(ValueError, path, "it is damaged or no HDF5 file")
    with pytest.raises(ValueError, match=r"a\.h5: the name of a file of weights ends in \.weights\.h5"):
        resnet.save_weights(origin, "a.h5")
