"""Build the backbones of keras.applications, with their own weights and their own preprocessing.

keras.applications' ResNet50 is another network than torchvision's, which the papers use: `tfuda.networks.resnet`.
An EfficientNetB0 to B7 always standardises as its published weights want it: Keras does so only where it loads them
itself, and makes constants of the numbers, which a checkpoint does not bring back.
Dropout, where a family has it, is Keras's own: every replica draws the same mask.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable

import h5py
import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.names import near
from tfuda.networks.resnet import DEVIATION, MEAN
from tfuda.networks.weights import h5_file, pretrained


def applications(model: str = "ResNet50", weights: str = "") -> list[keras.layers.Layer]:
    """Return one stage for `Network`, a backbone of keras.applications.

    Args:
        model: a name of keras.applications.
        weights: a file of weights without the classifier; "imagenet" for Keras's published ones; "" for random ones.

    Returns:
        [stage]: images uint8 or float in 0..255 [B, H, W, 3] -> the last map [B, h, w, C].

    Raises:
        ValueError: Keras has no such model, or the file holds other weights.
        FileNotFoundError: there is no such file of weights.
    """
    known = {name: value for name, value in vars(keras.applications).items() if inspect.isfunction(value)}
    if model not in known:
        raise ValueError(f"keras.applications has no {model!r}{near(model, known)}")
    if weights == pretrained.IMAGENET:
        weights = pretrained.imagenet(model)
    if weights and not os.path.isfile(weights):
        raise FileNotFoundError(f"weights={weights}: there is no such file")
    with keras.name_scope("backbone_0"):  # paths of variables begin where they are made
        backbone = known[model](include_top=False, weights=None)
    if weights:
        load_weights(backbone, weights, model)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            standardise(layer)
    preprocess = sys.modules[known[model].__module__].preprocess_input
    stage = keras.Sequential([Preprocess(preprocess, name="preprocess"), backbone], name="backbone_0")
    stage.build((None, None, None, 3))
    return [stage]


def load_weights(backbone: keras.Model, path: str, model: str) -> None:
    """Load the weights of an HDF5 file into a backbone.

    Args:
        backbone: the model to fill.
        path: the file.
        model: its name in keras.applications, for the error's sentence.

    Raises:
        ValueError: the file is damaged, or has more or fewer tensors than the backbone.
    """
    try:
        with h5py.File(path) as file:
            found = h5_file.read_tensors(file)
        if len(found) != len(backbone.weights):  # Keras would take from ResNet152 what ResNet50 has, and say nothing
            raise ValueError(f"it holds {len(found)} tensors, not {len(backbone.weights)}")
        backbone.load_weights(path)
    except Exception as error:  # damaged bytes can raise about anything inside h5py and Keras
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} does not hold the weights of {model} without classifier: {reason}") from None


def standardise(layer: keras.layers.Normalization) -> None:
    """Set a layer to (x - mean) / deviation / sqrt(deviation) of images in 0..1, as the original does.

    Args:
        layer: the Normalization of an EfficientNet, [B, H, W, 3] -> the same shape.
    """
    layer.adapt_mean.assign(MEAN)
    layer.adapt_variance.assign([deviation**3 for deviation in DEVIATION])
    layer.finalize_state()


class Preprocess(keras.layers.Layer):
    """Preprocess images in 0..255 as a family of networks expects: [B, H, W, 3] -> the same shape.

    Args:
        function: `preprocess_input` of the family.
    """

    def __init__(self, function: Callable[[tf.Tensor], tf.Tensor], **options):
        super().__init__(dtype=ops.real(), **options)
        self.function = function

    def call(self, images):
        return self.function(keras.ops.cast(images, self.compute_dtype))
