"""Our ResNets answer as torchvision's own (`make torch`, which runs tests/pytorch/compute.py: see its docstring)."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfuda.networks import resnet
from tfuda.networks.base import Network
from tfuda.networks.weights import torch_file

pytestmark = pytest.mark.torch

OUT = Path(__file__).parent.parent.parent / ".venv-torch" / "out"


@pytest.fixture(scope="module")
def torchvision():
    """The arrays of compute.py."""
    if not (OUT / "torchvision.npz").is_file():
        pytest.fail(f"{OUT / 'torchvision.npz'} is missing: run make torch first.", pytrace=False)
    with np.load(OUT / "torchvision.npz", allow_pickle=False) as file:
        return dict(file)


def difference(ours, theirs):
    """The largest, in units of the largest number."""
    return np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()


def network(depth):
    return Network(resnet.resnet(depth, weights=str(OUT / f"resnet{depth}.pth"), unbiased=True), 1000, (96, 96))


@pytest.mark.parametrize("depth", resnet.BLOCKS)
def test_features_and_logits_are_those_of_torchvision(depth, torchvision):
    ours, weights = network(depth), torch_file.read_tensors(str(OUT / f"resnet{depth}.pth"))
    ours.head.set_weights([weights["fc.weight"].T, weights["fc.bias"]])
    out = ours(tf.constant(torchvision["images"]))
    assert torchvision[f"{depth}/features"].std() > 0.05
    found = {name: difference(getattr(out, name), torchvision[f"{depth}/{name}"]) for name in ("features", "logits")}
    print(f"ResNet-{depth}", {name: f"{value:.1e}" for name, value in found.items()})
    assert max(found.values()) < 1e-4


@pytest.mark.parametrize("depth", resnet.BLOCKS)
def test_a_pass_in_training_moves_the_statistics_as_in_pytorch(depth, torchvision):
    ours = network(depth)
    features = ours(tf.constant(torchvision["images"]), training=True).features
    moved = {
        f"{depth}/{resnet.torch_name(v)}": v for stage in ours.stages for v in stage.variables if "moving" in v.path
    }
    assert moved.keys() == {name for name in torchvision if name.startswith(f"{depth}/") and "running" in name}
    worst = max(difference(variable, torchvision[name]) for name, variable in moved.items())
    print(
        f"ResNet-{depth} trained {difference(features, torchvision[f'{depth}/trained']):.1e}, statistics {worst:.1e}"
    )
    assert worst < 1e-4
