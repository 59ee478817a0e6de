"""Arrays, pairs and lists of strangers: read, or one sentence."""

import gzip
import io
import json
import os
import pathlib
import zipfile

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from said import one_sentence, profile

from tfuda import names
from tfuda.core import pseudo_labels
from tfuda.data import files, npz_file
from tfuda.data.audit import scan
from tfuda.data.readers import lists, mnist, tfds
from tfuda.experiment import build
from tfuda.translation import pair_store

# ---- arrays


class Evil:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("caught"),)


def npy(array=None, header=None, body=b""):
    out = io.BytesIO()
    if header is None:
        np.save(out, array, allow_pickle=True)
    else:
        out.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body)
    return out.getvalue()


def archive(path, data, compression=zipfile.ZIP_STORED, name="beliefs.npy"):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(name, data)


BAD_ARRAYS = {
    "pickle": npy(np.array([Evil()], object)),
    "huge": npy(header=b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}\n"),
    "negative": npy(header=b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}\n"),
    "words": npy(header=b"{'descr': '<f4', 'shape': '" + b"(" * 5000 + b"'}\n"),
    "short": npy(np.zeros([5, 5]))[:-9],
    "nan": npy(np.full([2, 2], np.nan)),
    "one row": npy(np.zeros([4])),
    "empty": b"",
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_a_bad_file_of_beliefs_is_one_sentence_and_runs_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "a.npz", BAD_ARRAYS[name])
    with pytest.raises(ValueError, match=r"prior=.*a\.npz"):
        pseudo_labels.load_beliefs(str(tmp_path / "a.npz"))
    if name not in ("nan", "one row"):
        (tmp_path / "a.npy").write_bytes(BAD_ARRAYS[name])
        with pytest.raises(ValueError, match=r"a\.npy"):
            npz_file.read_array(tmp_path / "a.npy")
    assert not (tmp_path / "caught").exists()


def test_an_array_that_would_swell_is_refused_before(tmp_path):
    archive(tmp_path / "a.npz", npy(np.zeros([2000, 2000])), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="says that it has"):
        npz_file.read_arrays(tmp_path / "a.npz", ["beliefs"], 10**6)


def test_an_idx_file_that_would_swell_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MOST", 10**5)
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (tmp_path / name).write_bytes(gzip.compress(bytes(10**6)))
    with pytest.raises(ValueError, match="more than"):
        mnist.digits(str(tmp_path), "train")


@profile(25)
def test_any_idx_or_npz_file_is_one_sentence(amount, tmp_path):
    @amount
    @given(st.binary(max_size=40), st.booleans())
    def look(data, zipped):
        mnist.digits.cache_clear()
        if zipped:
            archive(tmp_path / "mnist.npz", data, name="x_train.npy")
        else:
            (tmp_path / "mnist.npz").unlink(missing_ok=True)
            for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
                (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError):
            mnist.digits(str(tmp_path), "train")

    look()


# ---- pairs


def test_pairs_of_another_shape_are_refused(tmp_path):
    task = build.task(tiny.config("source_only"))
    domain = task.streams["source"]
    entries = {d: pair_store.entry(d, task.streams[d[:6]], 32) for d in pair_store.DIRECTIONS}
    pair_store.finish(tmp_path, "R-S", entries)
    for wrong in (np.zeros([3, 32, 32, 3], np.uint8), np.zeros([len(domain), 32, 32], np.uint8)):
        np.save(tmp_path / "source_as_target.npy", wrong)
        with pytest.raises(ValueError, match="does not hold a picture for each"):
            pair_store.load_pairs(tmp_path, "source_as_target", domain)
    for text in (
        "{}",
        "[]",
        "x",
        json.dumps({d: {} for d in pair_store.DIRECTIONS}),
        json.dumps(dict.fromkeys(entries, 3)),
    ):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(ValueError, match=r"index\.json"):
            pair_store.load_pairs(tmp_path, "source_as_target", domain)


# ---- lists


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "a" / "x y.jpg").write_bytes(b"")
    (tmp_path / "secret.jpg").write_bytes(b"")
    return tmp_path / "root"


def test_a_list_names_no_file_outside_its_root(pictures):
    text = pictures / "l.txt"
    for name in ("../secret.jpg", "a/../../secret.jpg", str(pictures.parent / "secret.jpg")):
        text.write_text(f"{name} 0\n")
        with pytest.raises((ValueError, FileNotFoundError)):
            files.image_list(text, pictures, ("0",))
        part = scan.list_part("l", str(text), str(pictures), [])
        assert not any("secret" in path and os.path.isfile(path) for path in part.files)
    text.write_text(f"{pictures / 'a' / 'x y.jpg'} 0\n")
    assert list(files.image_list(text, pictures, ("0",))[0]) == [str(pictures / "a" / "x y.jpg")]


LINE = st.one_of(
    st.sampled_from(
        ["a/x y.jpg 0", "a/x y.jpg 0\r", "a/x y.jpg  1", "", " ", "a", "a/x y.jpg", "a/x y.jpg -1", "\0 0"]
    ),
    st.sampled_from(
        ["a/x y.jpg ²", "a/x y.jpg 99999999999999999999", "/ 0", ". 0", "../secret.jpg 0", "a/x y.jpg 1.5"]
    ),
    st.text(max_size=10),
)


@profile(80)
def test_any_list_is_read_or_one_sentence(amount, pictures):
    @amount
    @given(st.lists(LINE, max_size=4), st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    def look(lines, crlf, code):
        text = ("\r\n" if crlf else "\n").join(lines)
        (pictures / "l.txt").write_bytes(text.encode(code, "surrogatepass"))
        with one_sentence():
            found, labels = files.image_list(pictures / "l.txt", pictures, ("0", "1"))
            assert len(found) == len(labels) and set(labels.tolist()) <= {0, 1}
        with one_sentence():
            domain = lists.load_domain("l", "train", str(pictures))
            assert domain.labels.min() >= 0 and domain.labels.max() < len(domain.classes)
        with one_sentence():
            scan.list_part("l", str(pictures / "l.txt"), str(pictures), [])

    look()


def test_data_sets_that_would_be_downloaded_code_are_refused():
    with pytest.raises(ValueError, match="code to download"):
        tfds.load_domain("huggingface:evil", "train")


def test_nothing_unpickles_outside_the_reader_of_weights():
    """Nor does anything load a whole Keras model, which may name code."""
    home = pathlib.Path(names.__file__).parent
    text = {path.name: path.read_text() for path in home.rglob("*.py") if path.name != "torch_file.py"}
    for word in ("pickle.load", "allow_pickle=True", "load_model", "extractall", "unsafe", "torch.load"):
        assert not [name for name, body in text.items() if word in body]
