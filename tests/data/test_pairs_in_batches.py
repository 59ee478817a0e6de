"""The streams of pairs: both of a pair go through the same crop, mirror and shift."""

import dataclasses

import minis
import numpy as np
import pytest
import tiny
from PIL import Image

from configs import folders
from tfuda.data.files import Files
from tfuda.experiment import build, prerequisites, translated_pairs

STREAMS = ("source", "source_as_target", "target", "target_as_source")
PAIRED = STREAMS[1:]


def recoloured(images):
    """The other style of the tests here: blue for red, and so its own inverse."""
    return images[..., ::-1]


def translated(domain, folder):
    """Every picture in other colours."""
    if not isinstance(domain.images, Files):
        return dataclasses.replace(domain, images=recoloured(domain.images))
    folder.mkdir()
    paths = [folder / f"{row}.png" for row in range(len(domain))]
    for path, original in zip(paths, domain.images):
        Image.fromarray(recoloured(np.asarray(Image.open(original)))).save(path)
    return dataclasses.replace(domain, images=Files(paths))


def photographs(tmp_path):
    """A config on pictures of all sizes in files."""
    minis.folders(tmp_path / "photos", ("a", "b"), 10, ending="png")
    minis.folders(tmp_path / "scans", ("x", "y"), 6, seed=1, ending="png")
    made = folders.get_config("daaa")
    made.update(source=str(tmp_path / "photos"), target=str(tmp_path / "scans"), batch=20)
    return made


def tied(config, tmp_path):
    """(streams, task) of recoloured pairs."""
    task = build.task(config)
    there, back = (translated(task.streams[name], tmp_path / name) for name in ("source", "target"))
    made = prerequisites.paired(config, task, dict(zip(translated_pairs.DIRECTIONS, (there, back))))
    return build.streams(config, made), task


@pytest.mark.slow
@pytest.mark.parametrize("train", ["crop", "resized_crop"])
def test_both_of_a_pair_in_files_have_the_same_crop_mirror_and_shift(train, tmp_path, monkeypatch):
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "cache"))
    config = photographs(tmp_path)
    config.view = {"resize": 24, "size": 16, "train": train, "flip": True, "test": "center"}
    config.augment = {"name": "shift"}
    streams, _ = tied(config, tmp_path)
    plain = tied_plain(config)
    shown = {name: [] for name in STREAMS}
    for batch in streams.dataset(0, 4):
        assert "pair" not in batch["source"]
        for name in STREAMS:
            image = batch[name]["image"].numpy()
            assert image.shape[1:] == (16, 16, 3) and len(np.unique(image)) > 20
            if name in PAIRED:
                assert np.array_equal(batch[name]["pair"], recoloured(image))
                assert np.any(batch[name]["pair"] != image)
            side = "source" if name.startswith("source") else "target"
            middle = plain[side][batch[name]["index"].numpy()]
            style = recoloured if "_as_" in name else np.asarray
            shown[name] += [np.array_equal(a, b) for a, b in zip(style(image), middle)]
    assert all(np.mean(same) < 0.3 for same in shown.values())  # so something was drawn


def tied_plain(config):
    """Every picture as a test sees it."""
    streams = build.streams(made_without(config), None)
    return {name: np.concatenate(list(streams.clean(name))) for name in ("source", "target")}


def made_without(config):
    """The config of a method that needs no pairs."""
    other = folders.get_config("source_only")
    other.update(source=config.source, target=config.target, batch=4)
    other.view = config.view
    return other


def test_both_of_a_pair_in_arrays_have_the_same_shift(tmp_path):
    config = tiny.config("daaa", task="M-S", batch=20)  # both in colours
    config.augment = {"name": "shift"}
    streams, task = tied(config, tmp_path)
    batch = streams.load(3)
    for name in PAIRED:
        image = batch[name]["image"].numpy()
        assert np.array_equal(batch[name]["pair"], recoloured(image)) and np.any(batch[name]["pair"] != image)
    image, index = batch["target"]["image"].numpy(), batch["target"]["index"].numpy()
    assert np.any(image != task.streams["target"].images[index])


def test_labels_go_with_what_was_the_source_alone(tmp_path):
    config = tiny.config("daaa", batch=20)
    streams, task = tied(config, tmp_path)
    batch = streams.load(0)
    for name in STREAMS:
        assert ("label" in batch[name]) == name.startswith("source")
    for name in STREAMS[:2]:
        assert np.array_equal(batch[name]["label"], task.streams["source"].labels[batch[name]["index"].numpy()])
    assert np.any(batch["source"]["index"].numpy()[:3] != batch["source_as_target"]["index"].numpy())
