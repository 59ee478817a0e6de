"""Verifying a data folder: every defect is found, by kind and file, and nothing else."""

import json
import os

import pytest
from commands import command
from defects import FILES, clean, encoded, kinds, picture, write

from tfuda.data.audit import inspect_file, scan, verify
from tfuda.data.files import image_list


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Two domains with one of each defect, and what is to be found in them."""
    photos, scans = tmp_path / "photos", tmp_path / "scans"
    clean(photos)
    clean(scans, 10)
    for (_, name), data in FILES.items():
        write(photos / "bike" / name, data())
    write(photos / "bike" / ".DS_Store", b"hidden")
    write(photos / "loose.png", encoded(picture(30), "PNG"))
    both, twice, again = (encoded(picture(seed), "PNG") for seed in (31, 32, 33))
    write(photos / "pen" / "both.png", both)
    write(scans / "pen" / "copy.png", both)
    write(photos / "bike" / "twice.png", twice)
    write(photos / "pen" / "other name.png", twice)
    write(photos / "pen" / "again.png", again)
    write(photos / "pen" / "deep" / "again 2.png", again)
    (photos / "mug").mkdir()
    (photos / "pen" / "round").symlink_to("..")
    (photos / "pen" / "deep" / "here").symlink_to(".")
    (photos / "pen" / "self").symlink_to("self")
    (photos / "pen" / "gone.jpg").symlink_to("nowhere.jpg")
    locked(photos / "secret", monkeypatch)
    expected = {(kind, photos / "bike" / name) for kind, name in FILES} | {
        ("loose", photos / "loose.png"),
        ("duplicate", photos / "pen" / "both.png"),
        ("duplicate", scans / "pen" / "copy.png"),
        ("contradiction", photos / "bike" / "twice.png"),
        ("contradiction", photos / "pen" / "other name.png"),
        ("empty_class", photos / "mug"),
        ("loop", photos / "pen" / "round"),
        ("loop", photos / "pen" / "deep" / "here"),
        ("loop", photos / "pen" / "self"),
        ("missing", photos / "pen" / "gone.jpg"),
        ("unreadable_folder", photos / "secret"),
    }
    return [photos, scans], expected


def locked(folder, monkeypatch):
    """A folder that may not be read; root may read all, so the system's answer is put in its place."""
    folder.mkdir()
    scandir = os.scandir

    def refuse(path="."):
        if str(path) == str(folder):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)


def verified(folders):
    found = []
    return verify.verify(scan.of_folders(list(map(str, folders)), found), found)


def test_every_defect_is_found_and_nothing_else(broken, monkeypatch):
    folders, expected = broken
    monkeypatch.setattr(inspect_file, "CHUNK", 7)
    report = verified(folders)
    assert kinds(report) == expected
    assert len(report.findings) == len(expected)
    assert report.repeats == {"photos": 1}
    assert report.bad()


def test_the_defects_are_of_every_kind_that_folders_can_have(broken):
    lists = {"missing_domain", "unknown_class", "count", "versions", "bad_line", "bad_label", "renumbered"}
    assert {kind for kind, _ in broken[1]} == set(inspect_file.KINDS) - lists


def test_the_report_names_ten_files_of_a_kind_or_all(tmp_path):
    clean(tmp_path / "photos")
    for i in range(12):
        write(tmp_path / "photos" / "pen" / f"empty {i:02d}.jpg", b"")
    report = verified([tmp_path / "photos"])
    short, full = verify.text(report), verify.text(report, everything=True)
    assert "error: empty_file, 12: a file of no bytes, training stops there" in short
    assert "empty 09.jpg" in short and "empty 10.jpg" not in short and "and 2 more: --all" in short
    assert "empty 11.jpg" in full and "more: --all" not in full
    assert short.splitlines()[-1] == "12 errors in 16 pictures"


def test_the_table_counts_classes_and_gives_the_middle_size(tmp_path):
    clean(tmp_path / "photos")
    write(tmp_path / "photos" / "pen" / "third.png", encoded(picture(40), "PNG"))
    head, line, _, last = verify.text(verified([tmp_path / "photos"])).splitlines()
    assert head.split("  ")[0] == "domain"
    assert line.split() == ["photos", "5", "-", "-", "2", "of", "2", "bike", "2", "pen", "3", "24", "x", "16"]
    assert last == "nothing wrong in 5 pictures"


def test_a_flat_folder_is_a_domain_without_classes(tmp_path):
    clean(tmp_path / "photos")
    write(tmp_path / "scans" / "1.png", encoded(picture(41), "PNG"))
    report = verified([tmp_path / "photos", tmp_path / "scans"])
    assert report.findings == [] and not report.bad()
    assert [part.classes for part in report.parts] == [("bike", "pen"), ()]
    assert report.parts[1].labels.tolist() == [-1]


def test_a_foreign_format_alone_is_no_fault(tmp_path):
    clean(tmp_path / "photos")
    write(tmp_path / "photos" / "pen" / "scan.tif", encoded(picture(42), "TIFF"))
    report = verified([tmp_path / "photos"])
    assert kinds(report) == {("foreign", tmp_path / "photos" / "pen" / "scan.tif")}
    assert not report.bad()


def test_classes_of_several_folders_are_numbered_together(tmp_path):
    clean(tmp_path / "photos", classes=("bike", "pen"))
    clean(tmp_path / "scans", 10, classes=("mug", "pen"))
    one, two = verified([tmp_path / "photos", tmp_path / "scans"]).parts
    assert one.classes == two.classes == ("bike", "mug", "pen")
    assert one.labels.tolist() == [0, 0, 2, 2] and two.labels.tolist() == [1, 1, 2, 2]


def test_a_name_that_a_list_cannot_hold_stays_out_of_it(tmp_path):
    clean(tmp_path / "photos")
    write(tmp_path / "photos" / "pen" / "two\nlines.png", encoded(picture(43), "PNG"))
    report = verified([tmp_path / "photos"])
    assert report.findings == []
    (told,) = verify.write_lists(report, str(tmp_path / "clean.txt"), str(tmp_path / "photos"))
    assert (told["pictures"], told["of"]) == (4, 5)


def test_progress_is_ten_lines_for_many_files_off_a_terminal(capfd):
    for count in (1999, 2000):
        progress = inspect_file.Progress(count)
        for _ in range(count):
            progress.step()
        progress.close()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("200 of 2000 pictures, ") and lines[0].endswith(" per second")


def test_the_command_writes_a_list_that_is_clean(tmp_path):
    photos, scans = tmp_path / "mine" / "photos", tmp_path / "mine" / "scans"
    clean(photos)
    clean(scans, 10)
    write(photos / "pen" / "leer ü.jpg", b"")
    write(scans / "pen" / "half of it.jpg", encoded(picture(50), "JPEG")[:-300])
    done = command("verify", photos, scans, f"--fix_list={tmp_path / 'clean.txt'}")
    assert (done.returncode, done.stderr) == (1, "")
    for word in (str(photos / "pen" / "leer ü.jpg"), str(scans / "pen" / "half of it.jpg"), "2 errors in 10"):
        assert word in done.stdout
    lists = [tmp_path / f"clean_{name}.txt" for name in ("photos", "scans")]
    assert f"{lists[0]}: 4 of 5 pictures; --config.data=lists --config.root={tmp_path / 'mine'} " in done.stdout
    files, labels = image_list(lists[0], tmp_path / "mine", ("bike", "pen"))
    assert list(files) == [str(photos / c / n) for c in ("bike", "pen") for n in ("two words ä.jpg", "Übung 2.png")]
    assert labels.tolist() == [0, 0, 1, 1]
    words = [f"--list={path}" for path in lists]
    again = command("verify", *words, f"--root={tmp_path / 'mine'}", "--classes=2", "--json")
    assert (again.returncode, again.stderr) == (0, "")
    found = json.loads(again.stdout)
    assert found["findings"] == []
    assert [(row["domain"], row["pictures"], row["classes"]) for row in found["domains"]] == [
        ("clean_photos", 4, {"0": 2, "1": 2}),
        ("clean_scans", 4, {"0": 2, "1": 2}),
    ]


def test_the_command_refuses_a_folder_that_is_not_there(tmp_path):
    done = command("verify", tmp_path / "photos")
    assert done.returncode == 2
    assert done.stderr == f"verify.py: {tmp_path / 'photos'}: there is no such folder\n"
