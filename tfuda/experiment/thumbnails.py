"""Draw small pictures of predictions by NumPy and Pillow; importing matplotlib would take longer than drawing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from tfuda.data import pipeline
from tfuda.data.tasks import Domain
from tfuda.evaluation import evaluate
from tfuda.networks.base import Network

COUNT = 16  # pictures of the target
SIDE, LINE = 96, 16  # side of a picture and height of a line of text, in pixels
WRITTEN = 20  # a confusion matrix of more classes has no names
LARGE = 400  # approximate side of a confusion matrix, in pixels
INK, RIGHT, WRONG = (20, 20, 20), (0, 104, 77), (160, 40, 0)
DARK = np.array([8, 64, 107])


def written(pixels: np.ndarray, x: float, y: float, text: str, colour=INK) -> np.ndarray:
    """Return pixels, uint8 [H, W, 3], with text centred at x, y; characters outside ASCII become "?"."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    plain = text.encode("ascii", "replace").decode()
    left, top, right, bottom = draw.textbbox((0, 0), plain)
    draw.text((x - (left + right) / 2, y - (top + bottom) / 2), plain, fill=colour)
    return np.asarray(image)


def blank(height: int, width: int) -> np.ndarray:
    """Return white pixels, uint8 [height, width, 3]."""
    return np.full([height, width, 3], 255, np.uint8)


def confusion(counts: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Draw a confusion matrix.

    Args:
        counts: int [K, K], rows are true classes, columns predicted ones; darker is a larger share of the row.
        classes: names of the K classes.

    Returns:
        Pixels, uint8 [H, W, 3].
    """
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    each = max(1, round(LARGE / len(counts)))
    colours = (255 + share[..., None] * (DARK - 255)).round().astype(np.uint8)  # [K, K, 3]
    large = np.kron(colours, np.ones([each, each, 1], np.uint8))
    if len(classes) > WRITTEN:
        return large
    names = [name[:8] for name in classes]
    left = 12 + 7 * max(map(len, names))
    sheet = blank(len(large) + LINE, len(large) + left)
    sheet[LINE:, left:] = large
    for k, name in enumerate(names):
        middle = (k + 0.5) * each
        sheet = written(sheet, left / 2, LINE + middle, name)
        sheet = written(sheet, left + middle, LINE / 2, name[: max(1, each // 7)])
    return sheet


def predictions(network: Network, domain: Domain, seen: evaluate.Seen | None = None) -> np.ndarray:
    """Draw some evenly spread images of a domain, each with its predicted class.

    Args:
        network: images -> Outputs.
        domain: the images, and their labels where known.
        seen: the network's outputs for all images of the domain, where known.

    Returns:
        Pixels, uint8 [H, W, 3].
    """
    rows = np.linspace(0, len(domain) - 1, min(COUNT, len(domain))).round().astype(int)
    images = pipeline.read_pictures(domain.images[rows], network.view)  # [n, H, W, 3]
    logits = np.asarray(network(images, training=False).logits) if seen is None else seen.logits[rows]
    cells = []
    for row, image, guess in zip(rows, images, logits.argmax(1), strict=True):
        cell = blank(SIDE + LINE, SIDE)
        cell[:SIDE] = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.NEAREST))
        colour = INK if domain.labels is None else RIGHT if domain.labels[row] == guess else WRONG
        cells.append(written(cell, SIDE / 2, SIDE + LINE / 2, domain.classes[guess][:14], colour))
    cells += [blank(SIDE + LINE, SIDE)] * (-len(cells) % 8)
    lines = [np.concatenate(cells[i : i + 8], 1) for i in range(0, len(cells), 8)]
    return np.concatenate(lines)
