"""MNIST from the disk, MNIST-M read and made, and TensorFlow Datasets."""

import pathlib

import minis
import numpy as np
import pytest
from PIL import Image

from tfuda.data import catalogue
from tfuda.data.readers import mnist, tfds


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "cache"))
    mnist.digits.cache_clear()


@pytest.fixture
def digits(tmp_path):
    return str(minis.mnist(tmp_path))


def test_mnist_is_framed_and_grey(digits):
    domain = mnist.load_domain("mnist", "train", digits)
    assert domain.images.shape == (80, 32, 32, 3) and list(domain.labels[:11]) == [*range(10), 0]
    assert not domain.images[:, :2].any() and (domain.images[..., 0] == domain.images[..., 2]).all()


def test_keras_own_file_is_read_too(digits, tmp_path):
    images, labels = mnist.digits(digits, "test")
    folder = tmp_path / "keras"
    folder.mkdir()
    np.savez(folder / "mnist.npz", x_test=images, y_test=labels, x_train=images, y_train=labels)
    again = mnist.load_domain("mnist", "test", str(folder))
    np.testing.assert_array_equal(again.images, mnist.load_domain("mnist", "test", digits).images)


def test_mnistm_is_read_from_its_archive(digits):
    domain = mnist.load_domain("mnistm", "test", digits)
    with Image.open(f"{digits}/mnist_m/mnist_m_test/00000007.png") as picture:
        np.testing.assert_array_equal(domain.images[7], np.asarray(picture.resize((32, 32), Image.BILINEAR)))
    assert domain.labels[7] == 7


def test_mnistm_is_made_by_its_rule(digits, tmp_path):
    (tmp_path / "photos").mkdir()
    photo = np.random.default_rng(0).integers(0, 255, [40, 50, 3], np.uint8)
    Image.fromarray(photo).save(tmp_path / "photos" / "only.png")
    made = mnist.load_domain("mnistm", "train", digits, str(tmp_path / "photos"))
    ink = mnist.load_domain("mnist", "train", digits).images.astype(int)
    places = [(y, x) for y in range(9) for x in range(19)]
    patches = np.stack([photo[y : y + 32, x : x + 32] for y, x in places]).astype(int)
    for image, digit in list(zip(made.images, ink))[:10]:
        assert (np.abs(patches - digit) == image).all((1, 2, 3)).any()
    again = mnist.load_domain("mnistm", "train", digits, str(tmp_path / "photos"))
    np.testing.assert_array_equal(made.images, again.images)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no MNIST: put Keras's mnist.npz there"):
        mnist.load_domain("mnist", "train", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="holds no mnist_m/mnist_m_train: unpack MNIST-M there, or make it"):
        mnist.load_domain("mnistm", "train", str(tmp_path))
    with pytest.raises(ValueError, match="there are mnist and mnistm"):
        mnist.load_domain("svhn", "train", str(tmp_path))


def test_a_builder_of_ours_prepares_from_the_archive_and_is_unpacked_once(tmp_path):
    archive = tmp_path / "downloads" / "manual" / "office31"
    minis.archive("office31", archive, ["D"])
    domain = tfds.load_domain("office31/dslr", "train", str(tmp_path))
    plain = catalogue.load_domain("office31", "D", "train", str(archive))
    assert domain.classes == plain.classes and len(domain) == 62

    def contents(of):
        return sorted((int(label), pathlib.Path(path).read_bytes()) for path, label in zip(of.images, of.labels))

    assert contents(domain) == contents(plain)
    written = {path: pathlib.Path(path).stat().st_mtime_ns for path in domain.images}
    again = tfds.load_domain("office31/dslr", "train", str(tmp_path))
    assert written == {path: pathlib.Path(path).stat().st_mtime_ns for path in again.images}


def test_small_images_of_a_prepared_builder_are_arrays(tmp_path):
    import tensorflow_datasets

    class GreyDots(tensorflow_datasets.core.GeneratorBasedBuilder):
        VERSION = tensorflow_datasets.core.Version("1.0.0")
        pkg_dir_path = tensorflow_datasets.core.Path(tmp_path)

        def _info(self):
            image = tensorflow_datasets.features.Image(shape=(8, 8, 1))
            label = tensorflow_datasets.features.ClassLabel(names=["no", "yes"])
            features = tensorflow_datasets.features.FeaturesDict({"image": image, "label": label})
            return self.dataset_info_from_configs(features=features)

        def _split_generators(self, manager):
            return {"train": self._generate_examples(5), "test": self._generate_examples(3)}

        def _generate_examples(self, count):
            for i in range(count):
                yield i, {"image": np.full([8, 8, 1], 40 * i, np.uint8), "label": i % 2}

    with pytest.raises(FileNotFoundError, match="TFDS grey_dots is not prepared"):
        tfds.load_domain("grey_dots", "train", str(tmp_path))
    tensorflow_datasets.disable_progress_bar()
    GreyDots(data_dir=str(tmp_path), file_format="tfrecord").download_and_prepare()
    train, test = (tfds.load_domain("grey_dots", split, str(tmp_path)) for split in ("train", "test"))
    assert (train.images.shape, len(test), train.classes) == ((5, 8, 8, 3), 3, ("no", "yes"))
    assert all(label == (image.max() // 40) % 2 for image, label in zip(train.images, train.labels))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mnist", r"TFDS mnist is not prepared in .*: run `tfds build mnist --data_dir="),
        ("nonsuch", "'nonsuch', which is no TFDS builder"),
        ("office31/nonsuch", "'office31/nonsuch', which is no TFDS builder"),
    ],
)
def test_a_builder_that_is_not_ready_is_named(tmp_path, name, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        tfds.load_domain(name, "train", str(tmp_path))
