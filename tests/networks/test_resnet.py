"""torchvision's ResNets: sizes, arithmetic, batch norm and freezing; their weights are in test_weights.py."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfuda.networks import resnet
from tfuda.networks.base import Network
from tfuda.networks.layers import freeze


def images(count=2, side=64):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype("uint8")


def variables(stages):
    return [variable for stage in stages for variable in stage.variables]


@functools.cache
def built(depth):
    """A ResNet that no test changes."""
    return resnet.resnet(depth)


def shuffled(depth=18, seed=1):
    """A ResNet with other moving statistics, scales and shifts than those of the start."""
    keras.utils.set_random_seed(seed)
    stages, rng = resnet.resnet(depth), np.random.default_rng(seed)
    for variable in variables(stages):
        if len(variable.shape) == 1:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return stages


@pytest.fixture(scope="module")
def origin():
    return shuffled()


# ---- what it is

DEEP = {34: 21_284_672, 101: 42_500_160}


@pytest.mark.parametrize(
    "depth, count",
    [(18, 11_176_512), (50, 23_508_032), *(pytest.param(*deep, marks=pytest.mark.slow) for deep in DEEP.items())],
)
def test_as_many_parameters_as_torchvision_without_its_classifier(depth, count):
    stages = built(depth)
    assert sum(int(np.prod(v.shape)) for stage in stages for v in stage.trainable_variables) == count
    assert all("backbone" in variable.path for variable in variables(stages))
    assert len({variable.path for variable in variables(stages)}) == len(variables(stages))


@pytest.mark.parametrize("side, sides", [(224, (56, 56, 28, 14, 7)), (97, (25, 25, 13, 7, 4))])
@pytest.mark.parametrize("depth, widths", [(18, (64, 64, 128, 256, 512)), (50, (64, 256, 512, 1024, 2048))])
def test_maps_have_the_sizes_of_torchvision(depth, widths, side, sides):
    maps = Network(built(depth), 3, (side, side))(images(1, side)).maps
    assert [tuple(map_.shape) for map_ in maps] == [(1, s, s, c) for s, c in zip(sides, widths)]


def test_a_second_network_of_a_process_has_the_same_names():
    assert [v.path for v in variables(resnet.resnet(18))] == [v.path for v in variables(resnet.resnet(18))]


def test_kernels_start_as_in_pytorch_and_each_one_by_itself():
    keras.utils.set_random_seed(0)
    stages = resnet.resnet(18)
    kernels = {resnet.own_name(v): v.numpy() for v in variables(stages) if "kernel" in v.path}
    for name, kernel in kernels.items():
        fan_out = np.prod(kernel.shape[:2]) * kernel.shape[3]
        assert kernel.std() / np.sqrt(2 / fan_out) == pytest.approx(1, abs=0.03), name
    wide = kernels["backbone_4/block_1/body/conv2/kernel"]
    assert np.abs(wide).max() > 4 * wide.std()  # a truncated normal ends at 2.3 of its deviations
    assert not np.array_equal(wide, kernels["backbone_4/block_1/body/conv1/kernel"])


@pytest.mark.parametrize("depth", [18, *(pytest.param(d, marks=pytest.mark.slow) for d in resnet.BLOCKS if d > 18)])
def test_the_depth_is_seen_from_the_keys_of_either_file(depth):
    for key in (resnet.torch_name, resnet.own_name):
        assert resnet.depth_of([key(variable) for variable in variables(built(depth))]) == depth
    assert resnet.depth_of(["layer1.0.conv1.weight", "features.0.weight"]) == 0


# ---- what it computes


def torch_convolution(x, kernel, stride):
    """The sum that PyTorch's Conv2d of padding size // 2 is, one position of the kernel after the other."""
    size = kernel.shape[0]
    x = np.pad(x, [(0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)])
    height, width = ((side - size) // stride + 1 for side in x.shape[1:3])
    out = np.zeros((len(x), height, width, kernel.shape[3]))
    for i in range(size):
        for j in range(size):
            out += (
                x[:, i : i + stride * height : stride, j : j + stride * width : stride][:, :height, :width]
                @ kernel[i, j]
            )
    return out


def unit(x, block, layer, stride=1):
    """Convolution and batch norm of a block in inference, in float64."""
    value = {v.path.split("/", 1)[1]: v.numpy().astype("f8") for v in block.variables}
    numbers = layer[-1] if layer[-1].isdigit() else ""
    of = {name: value[f"{layer.removesuffix(numbers)}bn{numbers}/{name}"] for name in ("gamma", "beta")}
    mean, variance = (
        value[f"{layer.removesuffix(numbers)}bn{numbers}/moving_{name}"] for name in ("mean", "variance")
    )
    x = torch_convolution(x, value[f"{layer.removesuffix(numbers)}conv{numbers}/kernel"], stride)
    return (x - mean) / np.sqrt(variance + 1e-5) * of["gamma"] + of["beta"]


def relu(x):
    return np.maximum(x, 0)


def block_of(expansion, stride, channels=6):
    keras.utils.set_random_seed(2)
    block, rng = resnet.Residual(channels, 4, stride, expansion, name="block"), np.random.default_rng(2)
    block.build((None, None, None, channels))
    for variable in block.variables:
        if len(variable.shape) == 1:
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return block, rng.normal(size=(2, 9, 8, channels)).astype("f4")


@pytest.mark.parametrize("stride", [1, 2])
def test_a_basic_block_is_two_convolutions_and_a_shortcut(stride):
    block, x = block_of(1, stride)
    y = relu(unit(x, block, "body/1", stride))
    wanted = relu(unit(x, block, "downsample/", stride) + unit(y, block, "body/2"))
    np.testing.assert_allclose(block(x), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_bottleneck_has_its_stride_in_the_middle(stride):
    block, x = block_of(4, stride)
    y = relu(unit(relu(unit(x, block, "body/1")), block, "body/2", stride))
    wanted = relu(unit(x, block, "downsample/", stride) + unit(y, block, "body/3"))
    np.testing.assert_allclose(block(x), wanted, rtol=1e-4, atol=1e-5)


def test_a_block_that_changes_no_shape_adds_its_input():
    block, x = block_of(1, 1, channels=4)
    assert block.shortcut is None
    wanted = relu(x + unit(relu(unit(x, block, "body/1")), block, "body/2"))
    np.testing.assert_allclose(block(x), wanted, rtol=1e-4, atol=1e-5)


def test_the_stem_standardises_as_for_imagenet_and_pools_as_pytorch(origin):
    x, seen = images(2, 33), []
    standard = (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(origin[0].get_layer("standardise")(x), standard, rtol=1e-4, atol=1e-5)
    value = {v.path.split("/", 1)[1]: v.numpy().astype("f8") for v in origin[0].variables}
    y = torch_convolution(standard, value["conv1/kernel"], 2)  # [2, 17, 17, 64]
    y = (y - value["bn1/moving_mean"]) / np.sqrt(value["bn1/moving_variance"] + 1e-5)
    y = relu(y * value["bn1/gamma"] + value["bn1/beta"])
    y = np.pad(y, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
    for i in range(9):
        seen.append(y[:, i // 3 : i // 3 + 17 : 2, i % 3 : i % 3 + 17 : 2])
    np.testing.assert_allclose(origin[0](x), np.max(seen, 0), rtol=1e-4, atol=1e-4)


def test_float_images_give_what_uint8_images_give(origin):
    np.testing.assert_array_equal(origin[0](images().astype("f4")), origin[0](images()))


# ---- frozen stages


@pytest.mark.parametrize("unbiased", [pytest.param(False, marks=pytest.mark.slow), True])
def test_frozen_stages_keep_their_statistics_and_learn_nothing(unbiased):
    network = Network(freeze(resnet.resnet(18, unbiased=unbiased), 2), 3, (64, 64))
    before = {v.path: v.numpy() for v in network.variables}
    run = tf.function(lambda x: network(x, training=True).maps)
    one, two = (run(tf.constant(images(count))) for count in (1, 3))
    np.testing.assert_allclose(one[1][0], two[1][0], rtol=1e-4, atol=1e-4)  # no statistics of the batch
    assert np.abs(one[2][0] - two[2][0]).max() > 0.1
    moved = {path for path, value in before.items() if not np.array_equal(value, dict_of(network)[path])}
    assert moved and all("moving" in path and "backbone_0" not in path for path in moved)
    assert not any("backbone_1" in path for path in moved)
    assert {path for path in before if "moving" in path and "backbone_2" in path} <= moved
    learns = [v.path for v in network.trainable_variables]
    assert not any("backbone_0" in path or "backbone_1" in path for path in learns) and any(
        "backbone_2" in p for p in learns
    )


def dict_of(network):
    return {v.path: v.numpy() for v in network.variables}


def test_frozen_5_is_the_whole_backbone():
    network = Network(freeze(resnet.resnet(18), 5), 3, (64, 64))
    assert {v.path.rpartition("/")[2] for v in network.trainable_variables} == {"kernel", "bias"}
    assert len(network.trainable_variables) == 2
    np.testing.assert_array_equal(network(images(), training=True).logits, network(images()).logits)


def test_half_precision_standardises_in_float32():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        stages = resnet.resnet(18, unbiased=True)
        assert stages[0](images(), training=True).dtype == tf.float16
    finally:
        keras.config.set_dtype_policy("float32")
    one = np.full((1, 64, 64, 3), 200, "f4")
    two = one + np.float32(0.06)  # float16 has steps of 0.125 here, and of 0.0005 when standardised
    assert np.abs(stages[0](one) - stages[0](two)).max() > 0
    assert stages[0].get_layer("standardise")(two).dtype == tf.float32
    assert {v.dtype for v in variables(stages)} == {"float32"}


def test_wrong_options_are_one_sentence():
    with pytest.raises(ValueError, match="depth=20: there are ResNets of depth 18, 34, 50, 101"):
        resnet.resnet(20)
    for frozen in (-1, 6):
        with pytest.raises(ValueError, match=f"network.frozen={frozen}: a ResNet has 5 stages, so 0 to 5"):
            freeze(resnet.resnet(18), frozen, "a ResNet")
