"""Bad pictures are found before training, named once, and left out or refused."""

import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfuda.data import decodable, pipeline
from tfuda.data.files import Files
from tfuda.data.pipeline import Streams
from tfuda.data.tasks import Domain
from tfuda.data.views import View, decode

VIEW = View(resize=20, size=16, train="crop", flip=True)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(8):
        picture = Image.fromarray(rng.integers(0, 255, [24, 30, 3], np.uint8))
        picture.save(tmp_path / f"{i}.{'jpg' if i % 2 else 'png'}")
    return tmp_path


def spoil(path):
    path.write_bytes(path.read_bytes()[:200])


def all_of(folder):
    return Files(sorted(path for path in folder.iterdir() if path.is_file()))


def test_good_files_pass_untouched(folder):
    files = all_of(folder)
    found, keep = decodable.readable_pictures(files)
    assert found is files and list(keep) == list(range(8))


def test_a_bad_file_is_an_error_that_names_it(folder, capfd):
    spoil(folder / "1.jpg")
    (folder / "4.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"2 of 8 pictures cannot be read \(.*1\.jpg: damaged .*4\.png: the file is"):
        decodable.readable_pictures(all_of(folder))
    assert capfd.readouterr().err == ""  # the decoders' own complaints


def test_a_bad_file_is_left_out_and_named_once(folder):
    spoil(folder / "3.jpg")
    said = []
    found, keep = decodable.readable_pictures(all_of(folder), "skip", said.append)
    assert list(keep) == [0, 1, 2, 4, 5, 6, 7] and len(found) == 7
    assert len(said) == 1 and "leaving out 1 of 8" in said[0] and "3.jpg" in said[0]


def test_what_was_found_is_remembered_until_a_file_changes(folder, monkeypatch):
    files = all_of(folder)
    decodable.readable_pictures(files)
    monkeypatch.setattr(decodable, "readable", lambda path: pytest.fail("looked again"))
    decodable.readable_pictures(files)
    monkeypatch.undo()
    spoil(folder / "0.png")
    with pytest.raises(ValueError, match=r"0\.png"):
        decodable.readable_pictures(files)


def test_a_bad_file_that_was_mended_is_taken_again(folder):
    good = (folder / "2.png").read_bytes()
    spoil(folder / "2.png")
    when = (folder / "2.png").stat()
    with pytest.raises(ValueError, match=r"2\.png"):
        decodable.readable_pictures(all_of(folder))
    (folder / "2.png").write_bytes(good)
    os.utime(folder / "2.png", ns=(when.st_atime_ns, when.st_mtime_ns))
    assert len(decodable.readable_pictures(all_of(folder))[1]) == 8


@pytest.mark.parametrize("colours", [8, 200])
def test_a_bmp_with_a_palette_has_its_colours(folder, colours):
    """TensorFlow would take the numbers of colours for greys."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 255, [24, 30, 3], np.uint8))
    rgb.quantize(colours).save(folder / "a.bmp")
    rgb.convert("L").save(folder / "b.bmp")  # whose palette is greys, so that TensorFlow reads it
    found, _ = decodable.readable_pictures(Files([str(folder / "a.bmp"), str(folder / "b.bmp")]))
    for path, name in zip(found, "ab"):
        with Image.open(folder / f"{name}.bmp") as picture:
            np.testing.assert_array_equal(decode(tf.io.read_file(path)), picture.convert("RGB"))
    assert [path.endswith(".bmp") for path in found] == [False, True]


def test_copies_of_two_projects_are_two(folder, tmp_path, monkeypatch):
    for name, value in (("one", 10), ("two", 200)):
        (tmp_path / name / "photos").mkdir(parents=True)
        Image.new("RGB", (8, 8), (value,) * 3).save(tmp_path / name / "photos" / "a.tif")
    for name, value in (("one", 10), ("two", 200), ("one", 10)):
        monkeypatch.chdir(tmp_path / name)
        found, _ = decodable.readable_pictures(Files(["photos/a.tif"]))
        with Image.open(next(iter(found))) as copy:
            assert copy.getpixel((0, 0)) == (value,) * 3


def test_a_picture_that_only_pillow_reads_becomes_a_copy_of_the_same_pixels(folder):
    with Image.open(folder / "0.png") as picture:
        picture.save(folder / "8.tif")
        pixels = np.asarray(picture)
    found, keep = decodable.readable_pictures(all_of(folder))
    assert len(keep) == 9 and list(found)[8].endswith(".png")
    with Image.open(list(found)[8]) as copy:
        np.testing.assert_array_equal(np.asarray(copy), pixels)


@pytest.mark.parametrize(("kind", "deep"), [("uint16", 257), ("float32", 1 / 255)])
def test_deep_greys_keep_their_range(folder, kind, deep):
    grey = np.arange(256, dtype="uint8").reshape(16, 16)
    Image.fromarray((grey.astype(float) * deep).astype(kind)).save(folder / "9.tif")
    found, _ = decodable.readable_pictures(all_of(folder))
    with Image.open(list(found)[8]) as copy:
        assert np.abs(np.asarray(copy)[..., 0].astype(int) - grey).max() <= 1


def test_webp_is_read(folder):
    with Image.open(folder / "0.png") as picture:
        picture.save(folder / "9.webp", lossless=True)
        pixels = np.asarray(picture)
    found, _ = decodable.readable_pictures(all_of(folder))
    seen = pipeline.read_pictures(found[8:], View(resize=24, size=24))
    expected = np.asarray(Image.fromarray(pixels).resize((24, 24), Image.Resampling.BILINEAR))
    assert np.abs(seen[0].astype(int) - expected).mean() < 1


def streams(files, seed=0):
    labels = np.arange(len(files), dtype=np.int32) % 2
    return Streams({"source": Domain("D", ("a", "b"), files, labels)}, {"source": 3}, seed, view=VIEW)


def test_shrunk_copies_give_the_same_pictures_and_are_made_once(folder, tmp_path):
    files = all_of(folder)
    copies = decodable.shrunk(files, 20, tmp_path / "copies", lambda line: None)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "copies").iterdir()}
    assert len(before) == 8
    decodable.shrunk(files, 20, tmp_path / "copies", lambda line: None)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "copies").iterdir()}
    for step in range(3):
        plain, cached = streams(files).load(step)["source"], streams(copies).load(step)["source"]
        off = np.abs(plain["image"].numpy().astype(int) - cached["image"].numpy())
        assert off.max() <= 1 and off.mean() < 0.01


def test_batches_of_files_are_a_function_of_seed_and_step(folder):
    files = all_of(folder)
    whole = [batch["source"] for batch in streams(files).dataset(0, 6)]
    rest = [batch["source"] for batch in streams(files).dataset(4, 6)]
    for one, other in zip(whole[4:], rest):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
    assert (whole[0]["image"].numpy() != streams(files, 1).load(0)["source"]["image"].numpy()).any()
    for batch in whole:
        assert batch["image"].shape == (3, 16, 16, 3) and set(batch) == {"image", "label", "index"}
        np.testing.assert_array_equal(batch["label"], batch["index"].numpy() % 2)


def test_test_pictures_come_in_order(folder):
    files = all_of(folder)
    clean = np.concatenate(list(streams(files).clean("source").as_numpy_iterator()))
    assert clean.shape == (8, 16, 16, 3)
    np.testing.assert_array_equal(clean[5:], pipeline.read_pictures(files[5:], VIEW))
    ten = next(iter(pipeline.pictures(files, View(20, 16, test="ten")))).numpy()
    assert ten.shape == (8, 10, 16, 16, 3)
