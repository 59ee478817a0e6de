"""Folders and lists as users have them, and what is said of those that are wrong."""

import os

import minis
import numpy as np
import pytest

from tfuda.data import catalogue, files, tasks
from tfuda.data.files import Files
from tfuda.data.readers import folders, lists


def test_class_folders_give_names_pictures_and_labels(tmp_path):
    minis.folders(tmp_path, ("b ä", "a"), 3)
    (tmp_path / "a" / ".hidden.jpg").write_bytes(b"")
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    (tmp_path / "a" / "deeper").mkdir()
    (tmp_path / "a" / "a_2.jpg").rename(tmp_path / "a" / "deeper" / "X.JPG")
    names, found, labels = files.class_folders(tmp_path)
    assert names == ("a", "b ä") and list(labels) == [0, 0, 0, 1, 1, 1]
    assert [os.path.relpath(path, tmp_path / "a") for path in found[:3]] == ["a_0.jpg", "a_1.jpg", "deeper/X.JPG"]


def test_an_empty_class_folder_is_named(tmp_path):
    minis.folders(tmp_path, ("a", "b"), 1)
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match=r"class folder .*/c holds no picture"):
        files.class_folders(tmp_path)


def test_a_folder_without_class_folders_is_named(tmp_path):
    with pytest.raises(ValueError, match="has no class folders: it must hold one folder of pictures for each class"):
        files.class_folders(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        files.class_folders(tmp_path / "nowhere")


def test_a_symbolic_link_loop_is_named(tmp_path):
    minis.folders(tmp_path, ("a",), 1)
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    with pytest.raises(ValueError, match=r"again is a symbolic link back to .*, a folder that it lies in: remove it"):
        files.class_folders(tmp_path)
    (tmp_path / "a" / "again").unlink()
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    with pytest.raises(ValueError, match=r"/self is a symbolic-link loop"):
        files.pictures_below(tmp_path)


def test_a_link_to_another_folder_is_followed(tmp_path):
    minis.folders(tmp_path / "else", ("a",), 2)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a").symlink_to(tmp_path / "else" / "a")
    assert len(files.pictures_below(tmp_path / "here")) == 2


def test_an_unreadable_folder_is_named(tmp_path, monkeypatch):
    minis.folders(tmp_path, ("a",), 1)
    real = os.scandir

    def refuse(path):  # chmod stops nobody who is root
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match=r"/a cannot be read: permission denied"):
        files.class_folders(tmp_path)


def write(path, text):
    path.write_text(text, "utf-8")
    return path


def test_a_list_has_a_path_and_a_label_in_each_line(tmp_path):
    minis.folders(tmp_path, ("a b", "ü"), 2)
    listed = write(tmp_path / "l.txt", "a b/a b_0.jpg 0\n\nü/ü_1.jpg 1\n")
    found, labels = files.image_list(listed, tmp_path, ("x", "y"))
    assert list(found) == [f"{tmp_path}/a b/a b_0.jpg", f"{tmp_path}/ü/ü_1.jpg"] and list(labels) == [0, 1]


def test_folders_of_the_authors_are_dropped(tmp_path):
    minis.folders(tmp_path / "amazon" / "images", ("mug",), 2)
    text = "".join(f"/home/someone/data/amazon/images/mug/mug_{i}.jpg 0\n" for i in range(2))
    found, _ = files.image_list(write(tmp_path / "l.txt", text), tmp_path, ("mug",))
    assert all(map(os.path.isfile, found)) and len(found) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a/a_0.jpg 0\na/a_0.jpg\n", "line 2: 'a/a_0.jpg' must be a path, a blank and a label"),
        ("a/a_0.jpg zero\n", "line 1: 'a/a_0.jpg zero' must be"),
        ("a/a_0.jpg 7\n", "line 1: label 7 is not in 0..1"),
        ("a/a_0.jpg -1\n", "line 1: label -1 is not in 0..1"),
        ("a/nothing.jpg 0\n", "line 1: a/nothing.jpg is not under"),
        ("\n", "lists no picture"),
    ],
)
def test_a_wrong_list_is_named_by_line(tmp_path, text, sentence):
    minis.folders(tmp_path, ("a", "b"), 1)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        files.image_list(write(tmp_path / "l.txt", text), tmp_path, ("a", "b"))


def test_lists_of_your_own_are_a_data_set(tmp_path):
    minis.folders(tmp_path, ("a", "b"), 2)
    write(tmp_path / "photo_train.txt", "a/a_0.jpg 0\nb/b_0.jpg 1\n")
    write(tmp_path / "photo_test.txt", "a/a_1.jpg 0\n")
    write(tmp_path / "sketch.txt", "b/b_1.jpg 1\n")
    assert lists.load_domain("photo", "train", str(tmp_path)).classes == ("0", "1")
    write(tmp_path / "classes.txt", "cat\ndog\n")
    test = lists.load_domain("photo", "test", str(tmp_path))
    assert (len(test), test.classes) == (1, ("cat", "dog"))
    assert list(lists.load_domain("sketch", "train", str(tmp_path)).labels) == [1]
    with pytest.raises(FileNotFoundError, match=r"holds neither photos_test.txt nor photos.txt"):
        lists.load_domain("photos", "test", str(tmp_path))


@pytest.mark.parametrize("count, held_out", [(10, 2), (3, 1)])
def test_the_source_keeps_a_share_of_each_class_out_of_training(tmp_path, count, held_out):
    for name in ("source", "target"):
        minis.folders(tmp_path / name, ("a", "b"), count)

    def load(name, split):
        return folders.load_domain(name, split, str(tmp_path / "source"), str(tmp_path / "target"))

    made = tasks.protocol(load, "source-target", holdout=0.2)
    train, test = made.streams["source"], made.tests["source"]
    assert list(np.bincount(test.labels)) == [held_out] * 2
    assert list(np.bincount(train.labels)) == [count - held_out] * 2
    assert not set(train.images.paths) & set(test.images.paths)


def test_the_target_is_any_folder_and_has_no_labels(tmp_path):
    minis.folders(tmp_path, ("x", "y"), 2)
    minis.picture(np.random.default_rng(0), 1).save(tmp_path / "loose.png")
    target = folders.load_domain("target", "train", str(tmp_path.parent / "elsewhere"), str(tmp_path))
    assert len(target) == 5 and target.labels is None


def test_paths_are_compact():
    """152,397 paths of VisDA stay under 200 MB, here and as a tensor: a long way under."""
    import tracemalloc

    import tensorflow as tf

    tracemalloc.start()
    made = Files([f"/data/visda-2017/train/aeroplane/src_1_{i:06d}__60_{i}.jpg" for i in range(152_397)])
    now = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert now < 20e6 and made.paths.nbytes < 15e6
    rows = np.arange(0, 152_397, 7)
    assert len(made[rows]) == len(rows) and tf.constant(made.paths[:3]).dtype == tf.string


def test_the_catalogue_counts_what_the_papers_count():
    totals = {name: [entry.count for entry in catalogue.set_of(name).domains.values()] for name in catalogue.names()}
    assert totals["office31"] == [2817, 498, 795]
    assert totals["office_home"] == [2427, 4365, 4439, 4357]
    assert totals["visda"] == [152397, 55388]
    domainnet = catalogue.set_of("domainnet").domains
    assert domainnet["clipart"].versions == {"cleaned": (33525, 14604), "original": (34019, 14814)}
    for name, total in (("cleaned", 586_575), ("original", 596_006)):
        counts = [e.versions.get(name, (e.count_train, e.count_test)) for e in domainnet.values()]
        assert sum(map(sum, counts)) == total
    classes = {name: len(catalogue.set_of(name).classes) for name in catalogue.names()}
    assert classes == {
        "office31": 31,
        "office_home": 65,
        "visda": 12,
        "domainnet": 345,
        "domainnet126": 126,
        "domainnet40": 40,
        "mnist": 10,
    }
    assert {k: len(v) for k, v in catalogue.set_of("office31").partial.items()} == {"caltech": 10}
    assert (
        len(catalogue.set_of("office_home").partial["first"]) == 25
        and len(catalogue.set_of("visda").partial["first"]) == 6
    )


@pytest.mark.parametrize("name", catalogue.names())
def test_every_entry_of_the_catalogue_is_whole(name):
    of = catalogue.set_of(name)
    assert len(set(of.classes)) == len(of.classes) and of.cite and of.licence and of.ask.startswith("https://")
    assert all(set(kept) <= set(of.classes) for kept in of.partial.values())
    assert len({entry.short for entry in of.domains.values()}) == len(of.domains)
    for entry in of.domains.values():
        assert entry.folders or entry.lists or entry.train_lists
        for split in ("train", "test"):
            total, by_class = entry.expected(split)
            assert not by_class or (len(by_class) == len(of.classes) and sum(by_class) == total)


def test_a_list_that_numbers_classes_otherwise_is_read_by_its_folders(tmp_path):
    """Released lists of Office-Home disagree in their numbers, not in their folders."""
    minis.folders(tmp_path / "Real World", ("Drill", "Bed"), 1)
    (tmp_path / "Real_World.txt").write_text("Real_World/Drill/Drill_0.jpg 7\nReal_World/Bed/Bed_0.jpg 1\n")
    domain = catalogue.load_domain("office_home", "R", "train", str(tmp_path))
    assert [domain.classes[k] for k in domain.labels] == ["Drill", "Bed"]


def test_a_set_that_is_not_there_says_where_to_ask(tmp_path, monkeypatch):
    monkeypatch.delenv("TFUDA_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match=r"--config.root or \$TFUDA_DATA: Office-31 is not there; .*https://"):
        catalogue.load_domain("office31", "A", "train")
    with pytest.raises(FileNotFoundError, match=r"Office-31, Amazon: none of .*amazon/images.* is in"):
        catalogue.load_domain("office31", "A", "train", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"Office-31 has no domain 'X': it has amazon \(A\), dslr \(D\), webcam \(W\)"
    ):
        catalogue.load_domain("office31", "X", "train", str(tmp_path))
