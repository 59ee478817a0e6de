"""The image backbones of keras-hub, with their own preprocessing: convolutional ones and vision transformers.

A preset is a folder of config.json, model.weights.h5 and image_converter.json, as `save_to_preset` writes it, or with
--config.weights=imagenet the name of one of keras-hub's own, which is downloaded once into presets/ of Keras's cache:

    --config.network.name=hub --config.network_options.preset=dinov2_small --config.weights=imagenet

keras-hub is an extra: pip install tfuda[hub].

A transformer (ViT, DeiT, DINOv2, DINOv3, the image encoder of CLIP or SigLIP) gives tokens for the whole image, the
class token first, and then one for each patch: these are the map [B, h, w, C].
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import tempfile

import keras

from tfuda.core import ops
from tfuda.names import near
from tfuda.networks.weights import pretrained

POOLED = ("mean", "token")
OURS = {"keras", "keras_hub", "keras_nlp", "builtins"}  # whose code a preset may name


def hub(preset: str = "", weights: str = "", pooled: str = "mean") -> list[keras.layers.Layer]:
    """Return one stage for `Network`, a backbone of keras-hub.

    Args:
        preset: a folder, or the name of one that lies in Keras's cache.
        weights: "imagenet" to download the preset of that name where it is not there.
        pooled: what the pooled features are: the "mean" of the last map, or a transformer's class "token". The token
            then comes as a second map [B, 1, 1, C].

    Returns:
        [stage]: images uint8 or float in 0..255 [B, H, W, 3] -> the last map [B, h, w, C].

    Raises:
        ImportError: keras-hub is not installed.
        ValueError: the preset does not load, or names code of others.
        FileNotFoundError: there is no such preset.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(f"network.name=hub needs keras-hub: pip install 'tfuda[hub]' ({error})") from None
    if pooled not in POOLED:
        raise ValueError(f"pooled={pooled!r}: one of {', '.join(POOLED)}")
    if weights not in ("", pretrained.IMAGENET):
        raise ValueError(f"weights={weights}: a preset of keras-hub has its own, so leave it out or say imagenet")
    folder = place(preset, weights, keras_hub)
    check_preset(folder)
    try:
        with keras.name_scope("backbone_0"):  # paths of variables begin where they are made
            backbone = keras_hub.models.Backbone.from_preset(folder)
        converter = keras_hub.layers.ImageConverter.from_preset(folder)
    except Exception as error:  # a damaged file can raise about anything inside keras-hub
        raise ValueError(f"preset={preset!r} does not load: {' '.join(str(error).split())}") from None
    backbone = getattr(backbone, "vision_encoder", backbone)  # of CLIP and SigLIP, which know texts too
    stage = Preset(converter, backbone, grid(preset, backbone), pooled == "token", name="backbone_0")
    return [stage]


def place(preset: str, weights: str, keras_hub) -> str:
    """Return the folder of a preset, after its download where the word for that was given.

    Args:
        preset: a folder, or a name.
        weights: "imagenet" to download it, or "".
        keras_hub: the package.
    """
    folder = os.path.abspath(preset)  # a bare name would be taken for one of keras-hub's own
    if preset and not os.path.isdir(folder):
        folder = str(pretrained.cache() / "presets" / os.path.basename(folder))
        if weights and not os.path.isdir(folder):
            download(preset, folder, keras_hub)
    for name in ("config.json", "image_converter.json"):
        if not (preset and os.path.isfile(os.path.join(folder, name))):
            raise FileNotFoundError(
                f"preset={preset!r}: there is no folder {folder} with {name}; --config.weights=imagenet downloads "
                "the presets that keras-hub has names for"
            )
    return folder


def download(preset: str, folder: str, keras_hub) -> None:
    """Bring one of keras-hub's own presets into a folder, whole or not at all.

    Args:
        preset: its name.
        folder: where it goes.
        keras_hub: the package.
    """
    known = keras_hub.models.Backbone.presets
    if preset not in known:
        raise ValueError(f"preset={preset!r} is no folder, and keras-hub has none of this name{near(preset, known)}")
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder), prefix=".") as made:
        part = os.path.join(made, preset)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                for kind in (keras_hub.models.Backbone, keras_hub.layers.ImageConverter):
                    kind.from_preset(preset).save_to_preset(part)
        except Exception as error:  # of Kaggle, of the network, of the disk
            reason = " ".join(str(error).split())[:300]
            raise FileNotFoundError(
                f"weights=imagenet: cannot fetch the preset {preset} from {known[preset].get('kaggle_handle')} "
                f"({reason}): put its folder at {folder}, or name one by network_options.preset=FOLDER"
            ) from None
        with contextlib.suppress(OSError):  # another process was first; what it made is the same
            os.rename(part, folder)


def grid(preset: str, backbone: keras.Model) -> tuple[int, int] | None:
    """Return the number of patches of a transformer's image, (rows, columns); None for a backbone that ends in a map.

    Args:
        preset: its name, for the error's sentence.
        backbone: the model.
    """
    shape = getattr(getattr(backbone, "output", None), "shape", ())
    if len(shape) == 4:
        return None
    height, width = (getattr(backbone, "image_shape", None) or (0, 0))[:2]
    patch = getattr(backbone, "patch_size", 0)
    if len(shape) != 3 or not (height and width and patch):
        kind = type(backbone).__name__
        raise ValueError(f"preset={preset!r}: {kind} ends neither in one map [B, h, w, C] nor in tokens of patches")
    rows, columns = (patch, patch) if isinstance(patch, int) else patch
    return height // rows, width // columns


def check_preset(preset: str) -> None:
    """Refuse a preset whose JSON files name code of others than Keras and keras-hub, or bring code of their own."""
    for name in sorted(name for name in os.listdir(preset) if name.endswith(".json")):
        try:
            with open(os.path.join(preset, name), encoding="utf-8") as file:
                nodes = [json.load(file)]
        except (ValueError, RecursionError) as error:
            raise ValueError(f"preset={preset!r}: {name} is no JSON file ({error})") from None
        for node in nodes:  # which grows
            if isinstance(node, dict):
                package = str(node.get("module") or "keras").partition(".")[0]
                registered = str(node.get("registered_name") or "keras").partition(">")
                owner = registered[0] if registered[1] else "keras"
                if {package, owner} - OURS or "Lambda" in str(node.get("class_name")):
                    raise ValueError(f"preset={preset!r}: {name} names code of others, {package} or {registered[0]}")
            if isinstance(node, dict | list):
                nodes += node.values() if isinstance(node, dict) else node


class Preset(keras.layers.Layer):
    """Compute the last map at the size that the preset asks for: images in 0..255 [B, H, W, 3] -> [B, h, w, C].

    Args:
        converter: the preset's own preprocessing.
        backbone: the preset's model.
        grid: (h, w) of a transformer's patches; None for a backbone that ends in a map.
        token: True if the class token comes after the map, as a map [B, 1, 1, C].
    """

    several = True  # maps, where there is a token

    def __init__(
        self,
        converter: keras.layers.Layer,
        backbone: keras.Model,
        grid: tuple[int, int] | None = None,
        token: bool = False,
        **options,
    ):
        super().__init__(autocast=False, **options)  # half precision would round the images
        self.converter, self.backbone, self.grid, self.token = converter, backbone, grid, token
        others = backbone.output.shape[1] - math.prod(grid) if grid else 0
        if others < 0 or (token and not others):
            raise ValueError(f"pooled=token: {type(backbone).__name__} has no class token: take pooled=mean")
        self.others = others  # tokens that are of no patch
        self.built = True

    def walk(self, images) -> list:
        """Return the map, and the token where it is asked for: [B, h, w, C] and [B, 1, 1, C].

        Args:
            images: in 0..255 [B, H, W, 3].
        """
        x = self.converter(keras.ops.cast(images, ops.real()))
        found = self.backbone({"images": x} if isinstance(self.backbone.input, dict) else x)
        if self.grid is None:
            return [found]
        map_ = keras.ops.reshape(found[:, self.others :], (-1, *self.grid, found.shape[-1]))
        return [map_, found[:, None, None, 0]] if self.token else [map_]

    def call(self, images):
        return self.walk(images)[-1]
