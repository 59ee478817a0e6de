"""Lists and sets of the catalogue, read to be verified: what differs is named by line, class or folder."""

import pytest
from defects import clean, encoded, kinds, picture, write

from tfuda.data import catalogue
from tfuda.data.audit import scan, verify
from tfuda.data.catalogue import Entry, Set


def test_a_list_is_judged_by_line_and_by_what_it_names(tmp_path):
    clean(tmp_path / "data")
    write(tmp_path / "data" / "pen" / "empty.png", b"")
    path = tmp_path / "photos.txt"
    lines = [
        "their/own/folder/bike/two words ä.jpg 0",
        "",
        "their/own/folder/pen/two words ä.jpg",
        "their/own/folder/pen/two words ä.jpg 2",
        "their/own/folder/pen/two words ä.jpg -1",
        "their/own/folder/pen/Übung 3.png 1",
        "their/own/folder/pen/empty.png 1",
    ]
    path.write_text("\n".join(lines), "utf-8")
    found = []
    _, parts = scan.wanted("", [], [str(path)], [], str(tmp_path / "data"), 2, found)
    report = verify.verify(parts, found)
    pen = tmp_path / "data" / "pen"
    assert {(one.kind, one.file, one.detail) for one in report.findings} == {
        ("bad_line", f"{path}:3", "'their/own/folder/pen/two words ä.jpg'"),
        ("bad_label", f"{path}:4", "2 is not 0..1"),
        ("bad_label", f"{path}:5", "-1 is not 0..1"),
        ("missing", f"{pen / 'Übung 3.png'}", f"{path}:6"),
        ("empty_file", f"{pen / 'empty.png'}", f"{path}:7"),
    }


def test_without_classes_any_label_is_right(tmp_path):
    clean(tmp_path)
    (tmp_path / "photos.txt").write_text("pen/Übung 2.png 0\nbike/Übung 2.png 7\n", "utf-8")
    found = []
    (part,) = scan.of_lists([str(tmp_path / "photos.txt")], str(tmp_path), 0, found)
    assert found == [] and part.domain == "photos" and len(part.classes) == 8


def tiny(**entry):
    """A catalogue's set of two classes and one domain, and whatever else the entry says."""
    entry = {"short": "P", "title": "Photos", "folders": ("photos",), **entry}
    facts = {"title": "Tiny", "cite": "", "licence": "", "ask": "https://example.org", "layout": ""}
    domains = {"photos": Entry("photos", **entry), "scans": Entry("scans", "S", "Scans", ("scans",))}
    return Set("tiny", **facts, mean_class=False, classes=("bike", "pen"), partial={}, domains=domains)


def of_set(of, root, domains=("P",)):
    found = []
    return verify.verify(scan.of_set(of, str(root), domains, found), found)


def test_a_complete_set_of_the_catalogue_has_no_finding(tmp_path):
    clean(tmp_path / "photos")
    clean(tmp_path / "scans", 10)
    assert of_set(tiny(count=4, counts=(2, 2)), tmp_path, ()).findings == []


def test_counts_are_compared_by_class_with_the_catalogue(tmp_path):
    clean(tmp_path / "photos")
    report = of_set(tiny(count=5, counts=(2, 3)), tmp_path)
    (one,) = report.findings
    assert (one.kind, one.file) == ("count", str(tmp_path / "photos" / "pen"))
    assert one.detail == "2 pictures, not 3"
    assert verify.rows(report)[0]["difference"] == -1
    assert "5         -1 " in verify.text(report)


def test_counts_are_compared_in_all_where_no_more_is_known(tmp_path):
    clean(tmp_path / "photos")
    assert kinds(of_set(tiny(count=5), tmp_path)) == {("count", tmp_path / "photos")}
    assert kinds(of_set(tiny(count=4), tmp_path)) == set()


def test_an_empty_class_is_not_told_twice(tmp_path):
    clean(tmp_path / "photos", classes=("bike",))
    (tmp_path / "photos" / "pen").mkdir()
    assert kinds(of_set(tiny(counts=(2, 2)), tmp_path)) == {("empty_class", tmp_path / "photos" / "pen")}


def test_strange_folders_and_absent_domains_of_a_set_are_named(tmp_path):
    clean(tmp_path / "photos", classes=("bike", "pen", "unicorn"))
    assert kinds(of_set(tiny(count=4, counts=(2, 2)), tmp_path, ())) == {
        ("unknown_class", tmp_path / "photos" / "unicorn"),
        ("missing_domain", tmp_path / "scans"),
    }


def test_both_official_splits_are_verified_and_the_folders_decide_on_labels(tmp_path):
    clean(tmp_path / "photos")
    (tmp_path / "train.txt").write_text("photos/bike/Übung 2.png 0\nphotos/bike/two words ä.jpg 1\n", "utf-8")
    (tmp_path / "test.txt").write_text("photos/pen/Übung 2.png 1\n", "utf-8")
    counts = {"count_train": 2, "counts_train": (2, 0), "count_test": 2, "counts_test": (0, 2)}
    report = of_set(tiny(train_lists=("train.txt",), test_lists=("test.txt",), **counts), tmp_path)
    assert [part.name for part in report.parts] == ["photos_train", "photos_test"]
    assert report.parts[0].labels.tolist() == [0, 0]
    assert [(one.kind, one.file, one.detail) for one in report.findings] == [
        ("count", str(tmp_path / "test.txt"), "class pen: 1 pictures, not 2"),
        ("renumbered", str(tmp_path / "train.txt"), "1 of 2 labels"),
    ]


def test_a_set_of_two_versions_names_the_one_that_is_found_and_refuses_a_mixture(tmp_path):
    clean(tmp_path / "photos")
    lines = ["photos/bike/Übung 2.png 0\n", "photos/bike/two words ä.jpg 0\n", "photos/pen/Übung 2.png 1\n"]
    versions = {"cleaned": (1, 1), "original": (2, 2)}

    def read(train, test):
        (tmp_path / "train.txt").write_text("".join(lines[:train]), "utf-8")
        (tmp_path / "test.txt").write_text("".join(lines[-test:]), "utf-8")
        return of_set(tiny(train_lists=("train.txt",), test_lists=("test.txt",), versions=versions), tmp_path)

    whole = read(2, 2)
    assert not whole.findings and [row["version"] for row in verify.rows(whole)] == ["original", "original"]
    assert [(row["expected"], row["difference"]) for row in verify.rows(whole)] == [(2, 0), (2, 0)]
    assert "original version of the data set: photos_train, photos_test" in verify.text(whole)
    assert "cleaned version of the data set: photos_train, photos_test" in verify.text(read(1, 1))
    (mixed,) = read(2, 1).findings
    assert (mixed.kind, mixed.detail) == ("versions", "lists of the cleaned and the original data set")
    (wrong,) = read(3, 1).findings
    assert (wrong.kind, wrong.detail) == ("count", "3 pictures, not 1 (cleaned) or 2 (original)")


def test_a_list_of_a_set_finds_its_pictures_in_the_class_folders(tmp_path):
    clean(tmp_path / "archive" / "photos")
    (tmp_path / "photos.txt").write_text("their/bike/none.png 0\ntheir/pen/Übung 2.png 1\n", "utf-8")
    report = of_set(tiny(folders=("photos", "archive/photos"), lists=("photos.txt",)), tmp_path)
    assert kinds(report) == {("missing", tmp_path / "archive" / "photos" / "bike" / "none.png")}


def test_the_pictures_of_mnist_m_lie_beside_their_list(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / "mnist_m" / f"mnist_m_{split}" / "00000000.png", encoded(picture(len(split)), "PNG"))
        write(tmp_path / "mnist_m" / f"mnist_m_{split}_labels.txt", b"00000000.png 7\n")
    report = of_set(catalogue.set_of("mnist"), tmp_path, ())
    assert [part.name for part in report.parts] == ["mnistm_train", "mnistm_test"]
    assert [one.detail for one in report.findings] == ["1 pictures, not 9001", "1 pictures, not 59001"]


def test_wrong_usage_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="name either --data and --root"):
        scan.wanted("office31", [], [], ["photos"], "", 0, [])
    with pytest.raises(ValueError, match="'ofice31' is not in the catalogue, did you mean 'office31'"):
        scan.wanted("ofice31", [], [], [], "", 0, [])
    with pytest.raises(ValueError, match="--domains says nothing with folders"):
        scan.wanted("", ["A"], [], ["photos"], "", 0, [])
    with pytest.raises(ValueError, match="--root is missing"):
        scan.wanted("", [], ["photos.txt"], [], "", 0, [])
    with pytest.raises(FileNotFoundError, match="holds nothing of Office-31: Amazon: there is none of"):
        scan.wanted("office31", [], [], [], str(tmp_path), 0, [])
    with pytest.raises(ValueError, match="holds no picture"):
        scan.of_folders([str(tmp_path)], [])
