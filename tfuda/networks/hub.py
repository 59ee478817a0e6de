"""Build the backbones of keras-hub, from a folder on disk, with their own preprocessing.

A preset is a folder of config.json, model.weights.h5 and image_converter.json, as `save_to_preset` writes it:

    model = keras_hub.models.ImageClassifier.from_preset("resnet_50_imagenet")     downloads, once
    model.backbone.save_to_preset("resnet50")
    model.preprocessor.image_converter.save_to_preset("resnet50")

keras-hub is no dependency of this library.
"""

from __future__ import annotations

import json
import os

import keras

from tfuda.core import ops

OURS = {"keras", "keras_hub", "keras_nlp", "builtins"}  # whose code a preset may name


def hub(preset: str = "", frozen: bool = False) -> list[keras.layers.Layer]:
    """Return one stage for `Network`: images uint8 or float in 0..255 [B, H, W, 3] -> the last map [B, h, w, C].

    preset: a folder; a name of keras-hub, which would be a download, is refused
    frozen: the backbone does not learn, its batch norm neither
    """
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError(
            f"network.name=hub needs the package keras-hub: pip install 'tfuda[hub]' ({error})"
        ) from None
    for name in ("config.json", "image_converter.json"):
        if not os.path.isfile(os.path.join(preset, name)):
            raise FileNotFoundError(f"preset={preset!r}: a folder with {name} is needed, for nothing is downloaded")
    check_preset(preset)
    folder = os.path.abspath(preset)  # a bare name would be taken for one of keras-hub's own
    try:
        with keras.name_scope("backbone_0"):  # paths of variables begin where they are made
            backbone = keras_hub.models.Backbone.from_preset(folder)
        converter = keras_hub.layers.ImageConverter.from_preset(folder)
    except Exception as error:  # a damaged file can raise about anything inside keras-hub
        raise ValueError(f"preset={preset!r} does not load: {' '.join(str(error).split())}") from None
    if not hasattr(backbone, "output") or len(getattr(backbone.output, "shape", ())) != 4:
        raise ValueError(f"preset={preset!r}: {type(backbone).__name__} does not end in one map [B, h, w, C]")
    stage = Preset(converter, backbone, name="backbone_0")
    stage.trainable = not frozen
    return [stage]


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
    """images in 0..255 [B, H, W, 3] -> the last map [B, h, w, C], by way of the size that the preset asks for."""

    def __init__(self, converter: keras.layers.Layer, backbone: keras.Model, **options):
        super().__init__(autocast=False, **options)  # half precision would round the images
        self.converter = converter
        self.backbone = backbone
        self.built = True

    def call(self, images, training=False):
        return self.backbone(self.converter(keras.ops.cast(images, ops.real())), training=training)
