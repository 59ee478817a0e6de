"""Two folders of one's own: verified as training reads them, and refused where training could not mean them."""

import shutil

import pytest
from defects import clean, encoded, picture, write

from configs import folders
from tfuda.experiment import build

BROKEN = encoded(picture(70), "JPEG")[:-300]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """photos/ of two classes, and scans/ with a picture at the top, an empty folder and folders like classes."""
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "cache"))
    clean(tmp_path / "photos")
    clean(tmp_path / "scans", 10, classes=("pen", "unicorn"))
    write(tmp_path / "scans" / "top.png", encoded(picture(60), "PNG"))
    shutil.copy(tmp_path / "scans" / "top.png", tmp_path / "scans" / "pen" / "again.png")
    shutil.copy(tmp_path / "scans" / "top.png", tmp_path / "scans" / "unicorn" / "again.png")
    (tmp_path / "scans" / "later").mkdir()
    return tmp_path


def config(home, **changes):
    made = folders.get_config("source_only@small")
    made.update({"source": str(home / "photos"), "target": str(home / "scans"), **changes})
    return made


@pytest.mark.parametrize(
    "source, target, sentence",
    [
        ("photos", "photos", "--config.source and --config.target are the same folder"),
        ("photos", "link", "--config.source and --config.target are the same folder"),
        ("photos", "photos/pen", "--config.target=.*pen lies inside of .*photos"),
        ("scans/pen", "scans", "--config.source=.*pen lies inside of .*scans"),
    ],
)
def test_folders_that_share_pictures_are_refused(home, source, target, sentence):
    (home / "link").symlink_to(home / "photos")
    made = config(home, source=str(home / source), target=str(home / target))
    with pytest.raises(ValueError, match=sentence):
        build.task(made)
