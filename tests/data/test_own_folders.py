"""Two folders of one's own: verified as training reads them, and refused where training could not mean them."""

import re
import shutil

import pytest
from commands import command
from defects import clean, encoded, kinds, picture, write
from PIL import Image

from configs import folders
from tfuda.data.audit import own_folders, verify
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


def verified(home, **changes):
    found = []
    _, parts = own_folders.wanted(config(home, **changes), found)
    return verify.verify(parts, found)


def test_folders_inside_of_the_target_are_no_classes(home):
    report = verified(home)
    assert report.findings == [] and report.repeats == {"target": 2}
    assert [(row["domain"], row["pictures"], row["classes"]) for row in verify.rows(report)] == [
        ("source", 4, {"bike": 2, "pen": 2}),
        ("target", 7, {}),
    ]


def test_what_stops_or_escapes_training_is_found_in_the_target(home):
    write(home / "scans" / "half.jpg", BROKEN)
    write(home / "scans" / "phone.heic", b"ftypheic")
    shutil.copy(home / "photos" / "pen" / "Übung 2.png", home / "scans" / "same.png")
    assert kinds(verified(home)) == {
        ("truncated", home / "scans" / "half.jpg"),
        ("not_a_picture", home / "scans" / "phone.heic"),
        ("duplicate", home / "scans" / "same.png"),
        ("duplicate", home / "photos" / "pen" / "Übung 2.png"),
    }


def test_labelled_pictures_of_the_target_are_verified_by_the_classes_of_the_source(home):
    for name in ("labels", "labelled"):
        clean(home / name, 20 if name == "labels" else 30, classes=("pen",))
        shutil.copy(home / "scans" / "top.png", home / name / "pen" / "top.png")  # no contradiction, no duplicate
    report = verified(home, labels=str(home / "labels"), labelled=str(home / "labelled"))
    assert report.findings == [] and [part.name for part in report.parts][2:] == ["target_labels", "target_labelled"]
    assert [part.labels.tolist() for part in report.parts[2:]] == [[1, 1, 1]] * 2
    clean(home / "labels", 40, classes=("unicorn",))
    write(home / "labelled" / "pen" / "half.jpg", BROKEN)
    assert kinds(verified(home, labels=str(home / "labels"), labelled=str(home / "labelled"))) == {
        ("unknown_class", home / "labels" / "unicorn"),
        ("truncated", home / "labelled" / "pen" / "half.jpg"),
    }


def test_the_command_lists_every_good_picture_of_the_target(home):
    write(home / "scans" / "half.jpg", BROKEN)
    words = [f"--config.{flag}={home / place}" for flag, place in (("source", "photos"), ("target", "scans"))]
    done = command(
        "verify", "--config=configs/folders.py:source_only@small", *words, f"--fix_list={home / 'clean.txt'}"
    )
    assert (done.returncode, done.stderr) == (1, "") and "1 error in 12 pictures" in done.stdout
    assert len((home / "clean_target.txt").read_text("utf-8").splitlines()) == 7


def test_flags_of_other_data_are_refused_beside_a_config_of_folders():
    other = command("verify", "--config=configs/folders.py", "--domains=A")
    assert other.returncode == 2 and "leave out --domains" in other.stderr


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
    with pytest.raises(ValueError, match=sentence):
        own_folders.wanted(made, [])


@pytest.mark.parametrize("place", ["photos", "labelled", "labels"])
def test_a_class_is_not_left_out_as_a_whole(home, place):
    clean(home / "labels", 20)
    clean(home / "labelled", 30)
    made = config(
        home, labels=str(home / "labels"), labelled=str(home / "labelled"), shots=1, on_bad_image="skip", batch=2
    )
    folder, said = home / place / "pen", []
    write(folder / "Übung 2.png", BROKEN)
    assert len(build.task(made, said.append).classes) == 2 and "leaving out 1 of 4" in said[0]
    write(folder / "two words ä.jpg", BROKEN)
    with pytest.raises(ValueError, match=re.escape(f"no picture can be read of class 'pen' ({folder}): put")):
        build.task(made, said.append)


def test_a_target_is_not_left_out_as_a_whole(home):
    write(home / "bad" / "deep" / "a.jpg", BROKEN)
    with pytest.raises(ValueError, match=r"no picture can be read of domain target \(.*bad/deep\)"):
        build.task(config(home, target=str(home / "bad"), on_bad_image="skip"), lambda line: None)


def test_a_batch_that_is_too_large_names_the_one_that_fits(home):
    write(home / "single" / "a.png", encoded(picture(80), "PNG"))
    made = config(home, target=str(home / "single"), batch=2)
    task = build.task(made)
    with pytest.raises(ValueError, match=r"domain target has 1 image: --config\.batch=1$"):
        build.streams(made, task)
    made.batch, made.batches.target = 1, 4
    with pytest.raises(ValueError, match=r"domain target has 1 image: --config\.batches\.target=1$"):
        build.streams(made, task)
    made.batches.target = 0
    assert build.streams(made, task).batch == {"source": 1, "target": 1}


def test_an_unknown_network_is_answered_with_all_that_there_are():
    with pytest.raises(ValueError, match=r"unknown network 'nosuch' behind the @; .*, frozen, .*small, tuned"):
        folders.get_config("dann@nosuch")


def test_images_of_a_target_without_labels_are_written_side_by_side(home):
    words = ["--config=configs/folders.py:dann@small", "--domain=target", f"--out={home / 'out'}"]
    words += [f"--config.source={home / 'photos'}", f"--config.target={home / 'scans'}"]
    done = command("images", *words, "--count=3")
    assert (done.returncode, done.stdout) == (0, f"{home / 'out'}: 3 images without labels\n")
    assert [Image.open(path).size for path in (home / "out").glob("*.png")] == [(64, 64)] * 3


def test_fewer_than_no_images_are_refused(tmp_path):
    wrong = command("images", "--config=configs/digits.py", "--domain=H", f"--out={tmp_path}", "--count=-1")
    assert wrong.returncode == 2 and "--count=-1" in wrong.stderr
