"""Turn a picture of any size into the network's input by the papers' resizing and cropping.

Every kind first shrinks the picture to resize × resize, whatever its aspect, and takes from that square

    crop          a random place of size × size (ToAlign, HDA, GVB, MetaAlign)
    resized_crop  a random part, .08 to 1 of the area, 3/4 to 4/3 in aspect, resized to size × size (CDAN, BIWAA)
    center        the middle
    ten           the corners and the middle, each with its mirror image (CDAN, BIWAA; evaluation only)

`flip` mirrors half of the training pictures. Resizing is Pillow's antialiased bilinear one, rounded to uint8 as
Pillow does, so `resized_crop` makes both of its resizings. Only what a box needs is computed.
The ten crops lie at 0, the middle and resize - size - 1 (31 of 32, as in CDAN's code, not 32). CDAN's code gives
15.5 for the middle, which Pillow's crop rounds to 16.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import tensorflow as tf

from tfuda.data import image_headers

TRAIN = ("crop", "resized_crop", "center")
TEST = ("center", "ten")


@dataclasses.dataclass(frozen=True)
class View:
    """Hold the sizes and kinds of a view; size 0 leaves images unchanged, which must then be arrays of one size."""

    resize: int = 0
    size: int = 0
    train: str = "crop"
    flip: bool = False
    test: str = "center"

    def __post_init__(self):
        for kind, value, known in (("train", self.train, TRAIN), ("test", self.test, TEST)):
            if value not in known:
                raise ValueError(f"view.{kind}={value!r}: choose one of {', '.join(known)}")
        if self.size and self.resize < self.size:
            raise ValueError(f"view.resize={self.resize} is smaller than view.size={self.size}")
        if self.size and self.test == "ten" and self.resize == self.size:
            raise ValueError(
                f"view.test=ten needs view.resize above view.size={self.size}, or all ten crops are the same"
            )


def draw(view: View, count: int, seed: tf.Tensor) -> tf.Tensor:
    """Draw the boxes of a training batch: int32 [count, 5], each (top, left, height, width, flip) in the square.

    Args:
        view: the view.
        count: images in the batch.
        seed: int64 [2].
    """
    if view.train == "resized_crop":
        box = _parts(view.resize, count, seed)
    elif view.train == "crop":
        corner = tf.random.stateless_uniform([count, 2], seed, 0, view.resize - view.size + 1, tf.int32)
        box = tf.concat([corner, tf.fill([count, 2], view.size)], 1)  # [count, 4]
    else:
        box = tf.tile(tf.constant(center(view))[:, :4], [count, 1])
    high = 2 if view.flip else 1
    mirror = tf.random.stateless_uniform([count, 1], seed + 1, 0, high, tf.int32)  # [count, 1]
    return tf.concat([box, mirror], 1)


def _parts(side: int, count: int, seed: tf.Tensor, tries: int = 10) -> tf.Tensor:
    """Draw boxes as torchvision's RandomResizedCrop: the first of ten tries that fits, else all; int32 [count, 4]."""
    shape = [count, tries]
    area = side**2 * tf.random.stateless_uniform(shape, seed + 2, 0.08, 1.0)
    aspect = tf.exp(tf.random.stateless_uniform(shape, seed + 3, math.log(3 / 4), math.log(4 / 3)))
    width = tf.cast(tf.round(tf.sqrt(area * aspect)), tf.int32)  # [count, tries]
    height = tf.cast(tf.round(tf.sqrt(area / aspect)), tf.int32)
    fits = (width > 0) & (width <= side) & (height > 0) & (height <= side)
    first = tf.argmax(tf.cast(fits, tf.int32), 1)  # 0 if none fits
    size = tf.stack([tf.gather(height, first, batch_dims=1), tf.gather(width, first, batch_dims=1)], 1)  # [count, 2]
    size = tf.where(tf.reduce_any(fits, 1, keepdims=True), size, side)
    place = tf.random.stateless_uniform([count, 2], seed + 4)  # in [0, 1)
    corner = tf.cast(place * tf.cast(side - size + 1, tf.float32), tf.int32)
    return tf.concat([tf.minimum(corner, side - size), size], 1)


def center(view: View) -> np.ndarray:
    """Return the box of the middle: int32 [1, 5]."""
    at = round((view.resize - view.size) / 2)
    return np.array([[at, at, view.size, view.size, 0]], np.int32)


def ten(view: View) -> np.ndarray:
    """Return the boxes of corners and middle, then the same mirrored: int32 [10, 5]."""
    last = view.resize - view.size - 1
    middle = round(last / 2)  # rounds half to even, as Pillow does
    corners = [(0, 0), (0, last), (last, 0), (last, last), (middle, middle)]
    return np.array([(y, x, view.size, view.size, flip) for flip in (0, 1) for y, x in corners], np.int32)


def tests(view: View) -> np.ndarray:
    """Return the boxes that show a test picture: int32 [V, 5]."""
    return ten(view) if view.test == "ten" else center(view)


def decode(data: tf.Tensor) -> tf.Tensor:
    """Decode a JPEG, PNG, BMP, GIF or WebP file (string scalar) to uint8 [h, w, 3], an animation's first frame.

    Any other file, a WebP with alpha or a BMP with a palette, and a picture that is too large
    (tfuda/data/image_headers.py), raises InvalidArgumentError.
    """
    data = tf.convert_to_tensor(data)

    def jpeg():  # Pillow's inverse cosine transform, which decode_image does not offer
        return tf.io.decode_jpeg(image_headers.jpeg(data), channels=3, dct_method="INTEGER_ACCURATE")

    def other():
        return tf.io.decode_image(image_headers.other(data), channels=3, expand_animations=False)

    return tf.ensure_shape(tf.cond(tf.image.is_jpeg(data), jpeg, other), [None, None, 3])


def rows(lines: tf.Tensor, count: tf.Tensor, scale: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """Compute `count` rows of an antialiased resize by `scale`, from row `first` on: [h, n] -> float32 [count, n].

    The op resizes whole rows if the rows are passed as the channels of an image one pixel wide. Resizing pixel by
    pixel took three times as long.
    """
    return tf.raw_ops.ScaleAndTranslate(
        images=lines[None, :, None, :],
        size=tf.stack([count, 1]),
        scale=tf.stack([scale, 1.0]),
        translation=tf.stack([-tf.cast(first, tf.float32), 0.0]),
        kernel_type="triangle",
        antialias=True,
    )[0, :, 0]


def part(picture: tf.Tensor, scale: tf.Tensor, corner: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Resize uint8 [h, w, 3] by `scale` as Pillow does (antialiased); return uint8 [*size, 3] from `corner` on."""
    height, width = tf.unstack(tf.shape(picture)[:2])
    low = rows(tf.reshape(picture, [height, width * 3]), size[0], scale[0], corner[0])  # [size[0], w * 3]
    turned = tf.transpose(tf.reshape(low, [size[0], width, 3]), [1, 0, 2])  # [w, size[0], 3]
    both = rows(tf.reshape(turned, [width, size[0] * 3]), size[1], scale[1], corner[1])
    found = tf.transpose(tf.reshape(both, [size[1], size[0], 3]), [1, 0, 2])  # before the cast: oneDNN lacks uint8
    return tf.cast(tf.clip_by_value(tf.round(found), 0.0, 255.0), tf.uint8)


def square_part(picture: tf.Tensor, side: int, corner: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Return a part of the picture's side × side square: uint8 [h, w, 3] -> uint8 [*size, 3].

    A picture of that size is only cropped.
    """
    shape = tf.shape(picture)[:2]

    def cut():
        return tf.slice(picture, tf.concat([corner, [0]], 0), tf.concat([size, [3]], 0))

    return tf.cond(
        tf.reduce_all(shape == side),
        cut,
        lambda: part(picture, side / tf.cast(shape, tf.float32), corner, size),
    )


def shown_views(picture: tf.Tensor, box: tf.Tensor, view: View) -> tf.Tensor:
    """Return what a box (int32 [5]) shows of a picture: uint8 [h, w, 3] -> uint8 [size, size, 3]."""
    size = [view.size, view.size]
    seen = square_part(picture, view.resize, box[:2], box[2:4])
    if view.train == "resized_crop":
        scale = view.size / tf.cast(box[2:4], tf.float32)
        same = tf.reduce_all(box[2:4] == size)
        seen = tf.cond(same, lambda: seen, lambda: part(seen, scale, tf.zeros([2], tf.int32), tf.constant(size)))
    seen = tf.cond(box[4] > 0, lambda: tf.reverse(seen, [1]), lambda: seen)
    return tf.ensure_shape(seen, [*size, 3])


def example_views(picture: tf.Tensor, view: View) -> tf.Tensor:
    """Return all views of a test picture: uint8 [h, w, 3] -> uint8 [V, size, size, 3]."""
    boxes = tests(view)
    if len(boxes) == 1:
        return shown_views(picture, tf.constant(boxes[0]), view)[None]
    square = square_part(picture, view.resize, tf.zeros([2], tf.int32), tf.fill([2], view.resize))
    seen = [square[y : y + h, x : x + w] for y, x, h, w, _ in boxes]
    return tf.stack([tf.reverse(one, [1]) if box[4] else one for one, box in zip(seen, boxes, strict=True)])
