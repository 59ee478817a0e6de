"""Measure accuracy; this module is the only one in the library that compares predictions with target labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfuda.data import pipeline
from tfuda.data.stored_views import StoredViews
from tfuda.data.tasks import Domain
from tfuda.networks.base import Network


class Seen(NamedTuple):
    """Hold a network's outputs on a whole domain, in evaluation mode."""

    features: np.ndarray  # [N, d]
    logits: np.ndarray  # [N, K]


class Score(NamedTuple):
    """Hold the accuracy of logits against labels."""

    accuracy: float  # share of images
    per_class: np.ndarray  # share of each class's images [K], NaN where the domain has none
    confusion: np.ndarray  # int64 [K, K]: row true, column predicted

    @property
    def mean_class(self) -> float:
        """Return the mean accuracy over the classes that occur in the domain."""
        return float(np.nanmean(self.per_class))


class Observer:
    """Run a network over domains through its view, compiled once so that repeated evaluation is cheap.

    With several crops of an image, its logits are the logarithm of the mean softmax, and its features are the mean.

    Args:
        network: the network to run in evaluation mode.
        batch: images in a pass.
    """

    def __init__(self, network: Network, batch: int = 256):
        self.network, self.batch, self.view = network, batch, network.view
        self.runs: dict[tuple, Callable] = {}  # by the shape of one image, or map of frozen stages

        def run(images):
            views = images.shape[1] or tf.shape(images)[1]
            outputs = network(tf.reshape(images, [-1, *images.shape[2:]]), training=False)
            features = tf.reshape(outputs.features, [-1, views, outputs.features.shape[-1]])  # [B, V, d]
            logits = tf.reshape(outputs.logits, [-1, views, outputs.logits.shape[-1]])
            if self.view.test == "ten":
                logits = tf.math.log(tf.reduce_mean(tf.nn.softmax(logits), 1, keepdims=True))
            return tf.reduce_mean(features, 1), logits[:, 0]

        self.work = run

    def run(self, images) -> tuple[tf.Tensor, tf.Tensor]:
        """Return features [B, d] and logits [B, K] of images [B, V, H, W, 3], compiled for images of one size."""
        kind = (*images.shape[2:], images.dtype)
        if kind not in self.runs:
            signature = tf.TensorSpec([None, None, *images.shape[2:]], images.dtype)
            self.runs[kind] = tf.function(self.work, input_signature=[signature], autograph=False)
        return self.runs[kind](images)

    def batches(self, images: pipeline.Pictures) -> Iterator:
        """Yield images as the network sees them, V views each: [<= batch, V, H, W, 3]. Args: as `__call__`."""
        if self.view.size or isinstance(images, StoredViews):
            return iter(pipeline.pictures(images, self.view, self.batch))
        return (images[i : i + self.batch, None] for i in range(0, len(images), self.batch))

    def __call__(self, images: pipeline.Pictures) -> Seen:
        """Return features [N, d] and logits [N, K].

        Args:
            images: uint8 [N, H, W, 3], or the paths of N pictures, or what frozen stages made of them.
        """
        features, logits = zip(*map(self.run, self.batches(images)), strict=True)
        return Seen(np.concatenate(features), np.concatenate(logits))


def score(labels: np.ndarray, logits: np.ndarray) -> Score:
    """Compute accuracy, accuracy per class and the confusion matrix.

    Args:
        labels: int [N].
        logits: float [N, K].
    """
    from sklearn.metrics import confusion_matrix

    confusion = confusion_matrix(labels, logits.argmax(1), labels=np.arange(logits.shape[1]))
    count = confusion.sum(1)
    per_class = np.where(count > 0, np.diag(confusion) / np.maximum(count, 1), np.nan)
    return Score(float(np.trace(confusion) / max(len(labels), 1)), per_class, confusion)


def evaluate_domain(network: Network, of: Domain) -> Score:
    """Return the score of a network on a labelled domain."""
    return score(of.known_labels, Observer(network)(of.images).logits)


def table(found: Score, classes: tuple[str, ...]) -> str:
    """Format a score as lines of text."""
    width = max(len(name) for name in classes)
    lines = [
        f"accuracy            {100 * found.accuracy:5.1f} %",
        f"mean over classes   {100 * found.mean_class:5.1f} %",
        "",
        f"{'class':<{width}}  images  accuracy  most often taken for",
    ]
    for k, name in enumerate(classes):
        row = found.confusion[k]
        if not row.sum():
            lines.append(f"{name:<{width}}  {0:6d}")
            continue
        wrong = np.where(np.arange(len(row)) == k, -1, row)
        other = f"{classes[wrong.argmax()]} ({wrong.max()})" if wrong.max() > 0 else ""
        lines.append(f"{name:<{width}}  {row.sum():6d}  {100 * found.per_class[k]:6.1f} %  {other}".rstrip())
    return "\n".join(lines)
