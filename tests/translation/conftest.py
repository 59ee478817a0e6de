"""What the tests of translation share."""

import minis
import pytest
import tiny_pairs

from tfuda.experiment import translated_pairs
from tfuda.experiment.workdir import Workdir
from tfuda.translation import pair_store


def prepare(patch, root):
    patch.setattr(pair_store, "PIXELS", 3 * 20**2)  # batches of three
    patch.setenv("TFUDA_CACHE", str(root / "cache"))


@pytest.fixture(scope="session")
def album(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    minis.folders(root / "photos", ("a", "b"), 5)
    minis.folders(root / "scans", ("x", "y"), 4, seed=1)
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch, root)
        translated_pairs.make_pairs(tiny_pairs.settings(root), Workdir(root / "pairs"))
    return root


@pytest.fixture
def photos(album, monkeypatch):
    """A folder with two of JPEGs, 18 to 30 pixels large, and undisturbed pairs of them."""
    prepare(monkeypatch, album)
    return album


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Undisturbed pairs of H and M: their folder, and what was said."""
    said, folder = [], tmp_path_factory.mktemp("pairs")
    translated_pairs.make_pairs(tiny_pairs.arrays(), Workdir(folder), say=said.append)
    return folder, said
