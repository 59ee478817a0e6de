"""Views: Pillow's pixels, the papers' boxes."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_images

from tfuda.data import views
from tfuda.data.views import View

PAPER = View(resize=256, size=224, train="crop", flip=True)


@pytest.fixture(scope="module")
def photos():
    """Twenty parts of photographs, of many sizes and aspects, smaller and larger than the square."""
    rng, found = np.random.default_rng(0), []
    both = [Image.fromarray(photo) for photo in load_sample_images().images]
    for i in range(20):
        width, height = (int(n) for n in rng.integers(120, 420, 2))
        found.append(both[i % 2].crop((i, i, i + width, i + height)))
    return found


def pillow(photo, box, resize=256, size=224):
    top, left, height, width, flip = (int(n) for n in box)
    square = photo.resize((resize, resize), Image.Resampling.BILINEAR)
    seen = square.crop((left, top, left + width, top + height))
    if (height, width) != (size, size):
        seen = seen.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else seen).astype(float)


def test_the_test_time_transform_is_pillows(photos):
    errors = []
    for photo in photos:
        seen = views.example_views(tf.constant(np.asarray(photo)), PAPER).numpy()[0]
        errors.append(np.abs(seen - pillow(photo, views.center(PAPER)[0])).mean())
    assert max(errors) < 0.5  # of 255


@pytest.mark.parametrize("train", ["crop", "resized_crop"])
def test_training_views_are_pillows(photos, train):
    view = View(256, 224, train=train, flip=True)
    boxes = views.draw(view, len(photos), tf.constant([3, 4], tf.int64)).numpy()
    assert set(boxes[:, 4]) == {0, 1}
    for photo, box in zip(photos, boxes):
        seen = views.shown_views(tf.constant(np.asarray(photo)), tf.constant(box), view).numpy()
        assert np.abs(seen - pillow(photo, box)).mean() < 0.6


def test_the_ten_crops_lie_at_0_31_and_pillows_round_of_15_5():
    boxes = views.ten(View(256, 224, test="ten"))
    corners = [(0, 0), (0, 31), (31, 0), (31, 31), (16, 16)]
    np.testing.assert_array_equal(boxes, [(*c, 224, 224, flip) for flip in (0, 1) for c in corners])
    image = Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(256, 0))
    assert np.asarray(image.crop((15.5, 15.5, 15.5 + 224, 15.5 + 224)))[0, 0] == 16


def test_ten_crops_are_cut_from_the_one_square(photos):
    view = View(256, 224, test="ten")
    seen = views.example_views(tf.constant(np.asarray(photos[0])), view).numpy()
    assert seen.shape == (10, 224, 224, 3)
    square = np.asarray(photos[0].resize((256, 256), Image.Resampling.BILINEAR)).astype(float)
    assert np.abs(seen[3] - square[31:255, 31:255]).mean() < 0.5
    np.testing.assert_array_equal(seen[8], seen[3][:, ::-1])


def test_random_crops_reach_every_place_and_half_are_mirrored():
    boxes = views.draw(PAPER, 20_000, tf.constant([0, 1], tf.int64)).numpy()
    for column in (0, 1):
        counts = np.bincount(boxes[:, column])
        assert len(counts) == 33 and counts.min() > 20_000 / 33 * 0.75
    assert abs(boxes[:, 4].mean() - 0.5) < 0.02 and (boxes[:, 2:4] == 224).all()


def torchvision_part(rng, side=256):
    """RandomResizedCrop's height and width, as its documentation says."""
    for _ in range(10):
        area, aspect = side**2 * rng.uniform(0.08, 1), np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
        width, height = round(np.sqrt(area * aspect)), round(np.sqrt(area / aspect))
        if 0 < width <= side and 0 < height <= side:
            return height, width
    return side, side


def test_random_parts_have_torchvisions_area_and_aspect():
    view = View(256, 224, train="resized_crop")
    top, left, height, width, flip = views.draw(view, 5000, tf.constant([0, 1], tf.int64)).numpy().T
    area, aspect = height * width / 256**2, width / height
    assert (top >= 0).all() and (top + height <= 256).all() and (left + width <= 256).all() and not flip.any()
    assert 0.07 < area.min() < 0.1 and 0.98 < area.max() <= 1
    assert 0.7 < aspect.min() < 0.78 and 1.28 < aspect.max() < 1.38
    rng = np.random.default_rng(0)
    other = np.array([torchvision_part(rng) for _ in range(5000)])
    for ours, theirs in ((height, other[:, 0]), (width, other[:, 1]), (area, other.prod(1) / 256**2)):
        np.testing.assert_allclose(
            np.quantile(ours, [0.1, 0.5, 0.9]), np.quantile(theirs, [0.1, 0.5, 0.9]), rtol=0.05
        )
    assert (left[width < 200] + width[width < 200] == 256).any()


def test_a_box_depends_on_seed_and_step_alone():
    boxes = [views.draw(PAPER, 4, tf.constant(key, tf.int64)).numpy() for key in ([0, 1], [0, 1], [0, 2], [1, 1])]
    np.testing.assert_array_equal(boxes[0], boxes[1])
    assert (boxes[0] != boxes[2]).any() and (boxes[0] != boxes[3]).any()


def test_a_square_that_fits_is_cut_and_not_resampled():
    image = np.random.default_rng(0).integers(0, 256, [256, 256, 3], np.uint8)
    seen = views.shown_views(tf.constant(image), tf.constant([5, 7, 224, 224, 0]), PAPER).numpy()
    np.testing.assert_array_equal(seen, image[5:229, 7:231])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"train": "corp"}, "view.train='corp': choose one of crop, resized_crop, center"),
        ({"test": "five"}, "view.test='five': choose one of center, ten"),
        ({"resize": 224, "size": 224, "test": "ten"}, "view.test=ten needs view.resize above view.size=224"),
        ({"resize": 200, "size": 224}, "view.resize=200 is smaller than view.size=224"),
    ],
)
def test_a_view_that_cannot_be_is_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        View(**options)


KINDS = [("JPEG", m) for m in ("RGB", "L", "CMYK")] + [("PNG", m) for m in ("RGB", "L", "P", "RGBA", "1")]
KINDS += [("BMP", "RGB"), ("GIF", "P")]


@pytest.mark.parametrize(("kind", "mode"), KINDS)
def test_files_decode_as_pillow_reads_them(photos, kind, mode, tmp_path):
    photos[0].convert(mode).save(tmp_path / "x", kind)
    with Image.open(tmp_path / "x") as picture:
        expected = np.asarray(picture.convert("RGB")).astype(float)
    seen = views.decode(tf.io.read_file(str(tmp_path / "x"))).numpy()
    assert np.abs(seen - expected).mean() < 0.5
