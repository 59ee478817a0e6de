"""One way to write a file whole."""

import os
import pathlib

import numpy as np
import pytest

from tfuda import atomic_files, startup
from tfuda.data import decodable
from tfuda.data.readers import digits
from tfuda.networks import resnet

WRITERS = {
    "text": lambda path: atomic_files.write_whole(path, "x"),
    "copies": lambda path: decodable.write_whole(path, b"x"),
    "digits": lambda path: digits.write_cache(path, {"a": np.zeros(2)}),
    "weights": lambda path: resnet.save_weights(resnet.resnet(18), f"{path}.weights.h5"),
}


@pytest.mark.parametrize("mask", [0o077, 0o002])
@pytest.mark.parametrize("name", WRITERS)
def test_files_have_the_permissions_that_the_umask_leaves(name, mask, tmp_path):
    before = os.umask(mask)
    try:
        WRITERS[name](tmp_path / "file")
    finally:
        os.umask(before)
    (made,) = tmp_path.iterdir()
    assert made.stat().st_mode & 0o777 == 0o666 & ~mask


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("old")
    with pytest.raises(RuntimeError), atomic_files.beside(tmp_path / "file") as temporary:
        pathlib.Path(temporary).write_text("new")
        raise RuntimeError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_elsewhere_than_on_posix_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(startup.os, "name", "nt")
    with pytest.raises(ImportError, match="needs Linux or macOS"):
        startup.check()


def test_a_name_that_is_no_unicode_is_written_as_the_disk_has_it(tmp_path):
    atomic_files.write_whole(tmp_path / "names.csv", os.fsdecode(b"caf\xe9.png\n"))
    assert (tmp_path / "names.csv").read_bytes() == b"caf\xe9.png\n"
