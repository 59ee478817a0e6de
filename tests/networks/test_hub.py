"""keras-hub's backbones, with the package itself and random presets on disk; and without the package."""

import json
import pathlib
import sys

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda.experiment import build, training
from tfuda.experiment.workdir import Workdir
from tfuda.networks.base import SHOWN, Network
from tfuda.networks.hub import grid, hub
from tfuda.networks.layers import freeze

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")


def test_hub_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ImportError, match=r"needs keras-hub: pip install 'tfuda\[hub\]'"):
        hub("somewhere")


SIDE, PATCH, WIDTH = 16, 4, 8
VISION = {"num_layers": 2, "num_heads": 2, "hidden_dim": WIDTH, "patch_size": PATCH, "image_shape": (SIDE, SIDE, 3)}


def images(count=3, side=32):
    return tf.constant(np.random.default_rng(0).integers(0, 256, (count, side, side, 3)), "uint8")


def convolutional():
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64, 16],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )


def vit(**options):
    return keras_hub.models.ViTBackbone(**VISION, mlp_dim=16, **options)


def dino(registers=0):
    return keras_hub.models.DINOV2Backbone(
        **VISION, intermediate_dim=16, position_embedding_shape=(SIDE, SIDE, 3), num_register_tokens=registers
    )


def clip():
    text = keras_hub.models.CLIPTextEncoder(
        vocabulary_size=10,
        embedding_dim=WIDTH,
        hidden_dim=WIDTH,
        num_layers=1,
        num_heads=2,
        intermediate_dim=16,
        max_sequence_length=5,
    )
    vision = keras_hub.models.CLIPVisionEncoder(**VISION, intermediate_dim=16)
    return keras_hub.models.CLIPBackbone(vision, text, projection_dim=4)


MADE = {"convolutional": convolutional, "vit": vit, "dino": dino, "registers": lambda: dino(2), "clip": clip}
TRANSFORMERS = [name for name in MADE if name != "convolutional"]


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """name -> (folder of a random preset, its converter, its image backbone), made when asked for."""
    made = {}

    def get(name):
        if name not in made:
            keras.utils.set_random_seed(0)
            backbone, folder = MADE[name](), tmp_path_factory.mktemp("presets") / name
            converter = keras_hub.layers.ImageConverter(image_size=(SIDE, SIDE), scale=1 / 127.5, offset=-1.0)
            backbone.save_to_preset(str(folder))
            converter.save_to_preset(str(folder))
            made[name] = str(folder), converter, getattr(backbone, "vision_encoder", backbone)
        return made[name]

    return get


def expected(presets, name):
    """What keras-hub itself makes of the images: a map, or tokens [B, T, C]."""
    _, converter, backbone = presets(name)
    x = converter(tf.cast(images(), tf.float32))
    return backbone({"images": x} if isinstance(backbone.input, dict) else x, training=False).numpy()


def close(one, other):
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_convolutional_preset_gives_its_map(presets):
    out = Network(hub(presets("convolutional")[0]), 3, (32, 32))(images())
    close(out.maps[0], expected(presets, "convolutional"))
    close(out.features, np.mean(out.maps[0], (1, 2)))
    assert out.maps[0].shape == (3, 2, 2, 16) and len(out.maps) == 1


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_patches_of_a_transformer_are_the_map_and_their_mean_the_features(name, presets):
    out, tokens = Network(hub(presets(name)[0]), 3, (32, 32))(images()), expected(presets, name)
    side = SIDE // PATCH
    assert [tuple(map_.shape) for map_ in out.maps] == [(3, side, side, WIDTH)]
    for i in range(side):  # rows first
        close(out.maps[0][:, i], tokens[:, -(side**2) :][:, i * side : (i + 1) * side])
    close(out.features, tokens[:, -(side**2) :].mean(1))


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("shown", SHOWN)
def test_the_class_token_is_pooled_where_it_is_asked_for(name, shown, presets):
    network, tokens = (
        Network(hub(presets(name)[0], pooled="token"), 3, (32, 32), shown=shown),
        expected(presets, name),
    )
    out = network(images())
    close(out.features, tokens[:, 0])
    assert [tuple(map_.shape) for map_ in out.maps] == [(3, 4, 4, WIDTH), (3, 1, 1, WIDTH)]


def test_what_has_no_class_token_refuses_to_pool_it(presets, tmp_path):
    keras.utils.set_random_seed(0)
    vit(use_class_token=False).save_to_preset(str(tmp_path))
    keras_hub.layers.ImageConverter(image_size=(SIDE, SIDE)).save_to_preset(str(tmp_path))
    assert Network(hub(str(tmp_path)), 3, (32, 32))(images()).maps[0].shape == (3, 4, 4, WIDTH)
    for folder in (str(tmp_path), presets("convolutional")[0]):
        with pytest.raises(ValueError, match=r"pooled=token: \w+Backbone has no class token: take pooled=mean"):
            hub(folder, pooled="token")
    with pytest.raises(ValueError, match="pooled='max': one of mean, token"):
        hub(folder, pooled="max")


@pytest.mark.parametrize("name", ["convolutional", "vit"])
def test_a_preset_learns_unless_it_is_frozen(name, presets):
    for frozen in (False, True):
        network = Network(freeze(hub(presets(name)[0]), "all" if frozen else 0), 3, (32, 32))
        own = [v for v in network.trainable_variables if v.path.partition("backbone_0/")[1]]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(network(images(), training=True).logits))
        grads = tape.gradient(loss, [v.value for v in network.trainable_variables])
        assert bool(own) != frozen and len(network.trainable_variables) == len(own) + 2
        assert all(g is not None for g in grads)
    assert np.array_equal(network(images(), training=True).logits, network(images()).logits)


def config(folder, cell="dann", **options):
    made = tiny.config(cell, steps=2, segment=2)
    made.network.name, made.network_options = "hub", {"preset": folder, **options}
    return made


@pytest.mark.slow
@pytest.mark.parametrize("pooled", ["mean", "token"])
def test_a_run_with_a_vit_trains_and_is_read_again(pooled, presets, tmp_path):
    made = config(presets("vit")[0], "dannp+toalign", pooled=pooled)
    said = []
    training.train_run(made, Workdir(tmp_path), say=said.append)
    assert not any("from scratch" in line for line in said)
    fresh = build.method(made)
    method = training.load_run(tmp_path)[2]
    patches = [next(v for v in m.network.variables if v.path.endswith("/kernel")) for m in (fresh, method)]
    assert np.any(patches[0] != patches[1])  # it learnt
    assert method.network(images()).logits.shape == (3, 10)


# ---- what is refused


def test_hub_takes_folders_of_image_backbones_only(presets, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"preset='': there is no folder .* with config\.json"):
        hub()
    with pytest.raises(ValueError, match=r"weights=a\.h5: a preset of keras-hub has its own, so leave it out"):
        hub(presets("vit")[0], weights="a.h5")
    text = presets("clip")[0]
    keras_hub.models.Backbone.from_preset(text).text_encoder.save_to_preset(str(tmp_path))
    (tmp_path / "image_converter.json").write_bytes(pathlib.Path(text, "image_converter.json").read_bytes())
    with pytest.raises(ValueError, match=r"does not load: .* compatible with CLIPTextEncoder"):
        hub(str(tmp_path))
    (tmp_path / "image_converter.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"there is no folder .* with image_converter\.json"):
        hub(str(tmp_path))


def test_a_backbone_that_ends_in_features_is_refused():
    entry = keras.Input((SIDE, SIDE, 3))
    flat = keras.Model(entry, keras.layers.GlobalAveragePooling2D()(entry))
    with pytest.raises(ValueError, match=r"'a': Functional ends neither in one map \[B, h, w, C\] nor in tokens of"):
        grid("a", flat)


def test_a_preset_with_code_of_others_is_refused(presets, tmp_path):
    for file in pathlib.Path(presets("vit")[0]).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    made = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**made, "module": "stranger.code"}))
    with pytest.raises(ValueError, match=r"config\.json names code of others, stranger"):
        hub(str(tmp_path))


# ---- by name


@pytest.fixture
def named(presets, tmp_path, monkeypatch):
    """A preset that keras-hub knows by the name tiny_vit; the cache is empty."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    from keras_hub.src.utils import preset_utils

    entry = {"kaggle_handle": presets("vit")[0], "metadata": {}}
    monkeypatch.setitem(preset_utils.BUILTIN_PRESETS, "tiny_vit", entry)
    monkeypatch.setitem(preset_utils.BUILTIN_PRESETS_FOR_BACKBONE[keras_hub.models.ViTBackbone], "tiny_vit", entry)
    return tmp_path / "keras" / "presets" / "tiny_vit"


def test_only_the_word_downloads_a_preset_and_once(named, presets):
    with pytest.raises(
        FileNotFoundError, match=rf"there is no folder {named} with config\.json; --config\.weights=im"
    ):
        hub("tiny_vit")
    close(
        Network(hub("tiny_vit", weights="imagenet"), 3, (32, 32))(images()).maps[0][:, 0],
        expected(presets, "vit")[:, 1:5],
    )
    assert sorted(path.name for path in named.parent.iterdir()) == ["tiny_vit"]
    written = (named / "config.json").stat().st_mtime_ns
    for weights in ("imagenet", ""):  # a run that is read again has no word
        hub("tiny_vit", weights=weights)
    assert (named / "config.json").stat().st_mtime_ns == written


def test_a_preset_that_cannot_be_fetched_is_a_sentence(named, monkeypatch):
    with pytest.raises(ValueError, match="keras-hub has none of this name, did you mean 'tiny_vit'"):
        hub("tiny_vitt", weights="imagenet")
    from keras_hub.src.utils import preset_utils

    monkeypatch.setitem(preset_utils.BUILTIN_PRESETS["tiny_vit"], "kaggle_handle", "kaggle://keras/tiny/keras/vit")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(FileNotFoundError) as error:
        hub("tiny_vit", weights="imagenet")
    said = str(error.value)
    assert said.startswith("weights=imagenet: cannot fetch the preset tiny_vit from kaggle://keras/tiny/keras/vit (")
    assert said.endswith(f"put its folder at {named}, or name one by network_options.preset=FOLDER")
    assert "\n" not in said and list(named.parent.iterdir()) == []
