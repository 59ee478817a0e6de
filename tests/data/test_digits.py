"""The embedded benchmark: what `tfuda.data.readers.digits` promises."""

import hashlib
import itertools
import shutil
import time

import numpy as np
import pytest
from commands import zygote
from PIL import ImageFont

from tfuda.data.readers import digits

SETS = list(itertools.product(digits.DOMAINS, ("train", "test")))
FONT_SETS = [pair for pair in SETS if pair[0] in "RS"]
SCAN_SETS = [pair for pair in SETS if pair[0] in "HM"]


@pytest.fixture(scope="session")
def made():
    """Everything drawn once with seed 0, and the processor seconds that took."""
    start = time.process_time()
    arrays = digits.make(0)
    return arrays, time.process_time() - start


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, of which no process knows anything."""
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def elsewhere(cache, monkeypatch):
    """A copy of the cache folder, which is to this process what the folder itself is to a new one."""
    monkeypatch.setenv("TFUDA_CACHE", str(cache.with_name("copy")))
    return shutil.copytree(cache, cache.with_name("copy"))


@pytest.fixture
def fast_make(made, monkeypatch):
    """`make` with the drawing already done: returns the list of the seeds that it was called with."""
    calls = []

    def make(seed):
        calls.append(seed)
        return {key: array.copy() for key, array in made[0].items()}

    monkeypatch.setattr(digits, "make", make)
    return calls


def fingerprint(arrays):
    return hashlib.sha256(b"".join(arrays[key].tobytes() for key in sorted(arrays))).hexdigest()


def pictures(path):
    """The digits 0..9 and a character that no font has, as their pixels."""
    font = ImageFont.truetype(str(path), 30)
    masks = [font.getmask(character) for character in "0123456789\uffff"]
    return [(mask.size, bytes(mask)) for mask in masks]


# What is drawn


@pytest.mark.parametrize(("domain", "split"), SETS)
def test_images_are_uint8_and_labels_int32(made, domain, split):
    images, labels = made[0][f"{domain}_{split}_images"], made[0][f"{domain}_{split}_labels"]
    assert images.shape == (len(labels), 32, 32, 3)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int32


@pytest.mark.parametrize(("domain", "split"), SETS)
def test_every_split_has_as_many_of_each_digit(made, domain, split):
    each = {"H": {"train": 60, "test": 27}, "R": {"train": 140, "test": 60}}
    each |= {"M": each["H"], "S": each["R"]}
    counts = np.bincount(made[0][f"{domain}_{split}_labels"])
    assert counts.tolist() == [each[domain][split]] * 10


@pytest.mark.parametrize(("domain", "split"), SETS)
def test_labels_are_not_in_order_of_class(made, domain, split):
    labels = made[0][f"{domain}_{split}_labels"]
    assert len(set(labels[:50].tolist())) == 10
    assert not np.array_equal(labels[:100], np.arange(100) % 10)


@pytest.mark.parametrize(("domain", "split"), SETS)
def test_no_image_is_blank_or_drawn_twice(made, domain, split):
    images = made[0][f"{domain}_{split}_images"]
    assert len({image.tobytes() for image in images}) == len(images)
    assert np.ptp(images.reshape(len(images), -1), axis=1).min() >= 40


def test_handwritten_and_rendered_are_grey_and_the_other_two_coloured(made):
    grey = {d: bool((np.ptp(made[0][f"{d}_train_images"], axis=-1) == 0).all()) for d in digits.DOMAINS}
    assert grey == {"H": True, "M": False, "R": True, "S": False}


def test_ink_of_rendered_digits_is_lighter_or_darker_than_the_paper(made):
    images = made[0]["R_train_images"][..., 0].astype(int)
    lighter = images.max((1, 2)) - images[:, 0, 0] > images[:, 0, 0] - images.min((1, 2))
    assert 0.3 < lighter.mean() < 0.7


def test_drawing_everything_takes_less_than_15_seconds(made):
    assert made[1] < 15


# Seeds


@pytest.mark.slow
def test_same_seed_gives_same_bits_in_another_process(made, tmp_path):
    code = (
        "import hashlib; from tfuda.data.readers import digits\n"
        "parts = [part.tobytes() for name in digits.DOMAINS for part in digits.draw_split(name, 'test', 0)]\n"
        "print(hashlib.sha256(b''.join(parts)).hexdigest())"
    )
    (tmp_path / "draw.py").write_text(code)
    run = zygote().run(tmp_path / "draw.py")  # of another Python than this, with another seed of its hashes
    assert run.returncode == 0, run.stderr
    tested = {key: array for key, array in made[0].items() if "_test_" in key}
    assert run.stdout.split()[-1] == fingerprint(tested)


@pytest.mark.parametrize("domain", digits.DOMAINS)
def test_other_seed_gives_other_bits(made, domain):
    images, labels = digits.draw_split(domain, "test", seed=1)
    assert not np.array_equal(images, made[0][f"{domain}_test_images"])
    assert not np.array_equal(labels, made[0][f"{domain}_test_labels"])


# Loading and the cache


def test_load_gives_a_domain_with_its_name_classes_and_labels(cache, fast_make, made):
    domain = digits.load_domain("S", "test")
    assert (domain.name, domain.classes) == ("S", tuple("0123456789"))
    assert np.array_equal(domain.images, made[0]["S_test_images"])
    assert np.array_equal(domain.labels, made[0]["S_test_labels"])


@pytest.mark.parametrize("split", digits.SPLITS)
def test_loaded_arrays_cannot_be_written_to(cache, fast_make, split):
    domain = digits.load_domain("H", split)
    with pytest.raises(ValueError, match="read-only"):
        domain.images[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        domain.labels[0] = 0


def test_several_loads_draw_once(cache, fast_make):
    for name in digits.DOMAINS:
        digits.load_domain(name)
    assert fast_make == [0]


def test_cached_equals_generated(cache, fast_make, made, monkeypatch):
    digits.load_domain("H")
    elsewhere(cache, monkeypatch)
    loaded = {f"{d}_{s}_images": digits.load_domain(d, s).images for d, s in SETS}
    loaded |= {f"{d}_{s}_labels": digits.load_domain(d, s).labels for d, s in SETS}
    assert fast_make == [0]
    assert fingerprint(loaded) == fingerprint(made[0])


def test_every_seed_has_a_cache_file_of_its_own(cache, fast_make):
    digits.load_domain("H", data_seed=3)
    digits.load_domain("H", data_seed=4)
    assert sorted(cache.iterdir()) == [digits.cache_file(3), digits.cache_file(4)]


def test_other_library_version_has_another_cache_file(cache, monkeypatch):
    before = digits.cache_file(0)
    monkeypatch.setattr(digits.PIL, "__version__", "0.0.0")
    assert digits.cache_file(0) != before


@pytest.mark.parametrize("damage", ["empty", "junk", "half", "one byte changed", "not ours"])
def test_corrupt_cache_file_is_made_anew(cache, fast_make, made, damage, monkeypatch):
    digits.load_domain("H")
    path = digits.cache_file(0)
    whole = path.read_bytes()
    middle = len(whole) // 2
    if damage == "not ours":
        np.savez(path, other=np.zeros(3))
    else:
        flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
        broken = {"empty": b"", "junk": b"junk" * 9, "half": whole[:middle], "one byte changed": flipped}
        path.write_bytes(broken[damage])
    path = elsewhere(cache, monkeypatch) / path.name
    assert np.array_equal(digits.load_domain("S").images, made[0]["S_train_images"])
    assert fast_make == [0, 0]
    assert fingerprint(digits.read_cache(path)) == fingerprint(made[0])


def test_failed_write_leaves_nothing_behind(cache, fast_make, monkeypatch):
    def full_disk(file, **arrays):
        file.write(b"the beginning")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    assert len(digits.load_domain("H")) == 600
    assert list(cache.iterdir()) == []


def test_cache_folder_that_cannot_be_made_costs_only_the_cache(cache, fast_make, monkeypatch):
    cache.mkdir(exist_ok=True)
    (cache / "file").write_text("not a folder")
    monkeypatch.setenv("TFUDA_CACHE", str(cache / "file" / "below"))
    assert len(digits.load_domain("R")) == 1400


def test_cache_folder_is_the_one_named_or_the_users(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("TFUDA_CACHE", "/named")
    folders = [str(digits.cache_file(0).parent)]
    for variable in ("TFUDA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable)
        folders.append(str(digits.cache_file(0).parent))
    assert folders == ["/named", "/xdg/tfuda", "/home/someone/.cache/tfuda"]


# Nothing is shared between splits and domains


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(SCAN_SETS, 2)))
def test_scans_are_disjoint(one, other):
    assert not set(digits.scans(*one).ravel().tolist()) & set(digits.scans(*other).ravel().tolist())


@pytest.mark.parametrize(("domain", "split"), SCAN_SETS)
def test_scans_show_the_digit_of_their_row(domain, split):
    target = digits.load_digits().target
    assert (target[digits.scans(domain, split)] == np.arange(10)[:, None]).all()


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(FONT_SETS, 2)))
def test_faces_are_disjoint_and_so_are_their_glyphs(one, other):
    assert not set(digits.faces(*one)) & set(digits.faces(*other))
    glyphs = [{glyph for face in digits.faces(*pair) for glyph in pictures(face)[:10]} for pair in (one, other)]
    assert not glyphs[0] & glyphs[1]


@pytest.mark.parametrize("face", [face for pair in FONT_SETS for face in digits.faces(*pair)], ids=lambda p: p.stem)
def test_every_face_draws_ten_distinct_digits(face):
    *ten, unknown = pictures(face)
    assert len(set(ten)) == 10
    assert unknown not in ten  # what a font draws for a character that it lacks, often a box


# Mistakes


def test_unknown_domain_is_named_with_the_known_ones(cache):
    with pytest.raises(ValueError, match=r"^Unknown domain 'X': the known ones are H, M, R, S\.$"):
        digits.load_domain("X")


def test_nearly_right_domain_gets_a_hint(cache):
    with pytest.raises(ValueError, match=r"Unknown domain 'm' \(did you mean 'M'\?\)"):
        digits.load_domain("m")


def test_unknown_split_is_named_with_the_known_ones(cache):
    message = r"^Unknown split 'trian' \(did you mean 'train'\?\): the known ones are train, test\.$"
    with pytest.raises(ValueError, match=message):
        digits.load_domain("H", "trian")
