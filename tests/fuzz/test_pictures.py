"""Bytes that should be pictures: damaged, foreign, mislabelled, and bombs."""

import os

import bombs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import little_memory, must_end, profile

from tfuda.data import decodable, image_headers
from tfuda.data.audit import inspect_file
from tfuda.data.views import View, decode
from tfuda.networks.base import Network
from tfuda.networks.small import small
from tfuda.serving import export

EVERY = {**bombs.GOOD, **bombs.FOREIGN}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A model of a small untrained network."""
    network = Network(small((4, 4)), 3, (16, 16), view=View(20, 16, "center"))
    folder = tmp_path_factory.mktemp("served") / "model"
    export.export_network(network, ("a", "b", "c"), folder, np.zeros([1, 16, 16, 3], np.uint8))
    return export.Model(folder)


def mutated(data, cuts, flips):
    """Cut at a share of the bytes, some of them replaced."""
    found = bytearray(data[: round(len(data) * cuts)])
    for place, value in flips:
        if found:
            found[round(place * (len(found) - 1))] = value
    return bytes(found)


MUTATED = st.builds(
    mutated,
    st.sampled_from(sorted(EVERY)).map(EVERY.get),
    st.one_of(st.just(1.0), st.floats(0, 1)),
    st.lists(st.tuples(st.one_of(st.floats(0, 1), st.floats(0, 0.05)), st.integers(0, 255)), max_size=4),
)
ENCODED = st.one_of(MUTATED, st.binary(max_size=60))


@profile(120)
def test_any_bytes_are_a_picture_or_a_reason(amount, tmp_path):
    path = tmp_path / "a.jpg"

    @amount
    @given(ENCODED)
    def look(data):
        path.write_bytes(data)
        with decodable.hushed():
            reason, copy = decodable.readable(str(path))
            seen = inspect_file.inspect_picture(str(path))
        if reason:
            assert "\n" not in reason and {"error"} == {one.severity for one in seen.findings}
        else:
            pixels = decode(copy or data)
            assert pixels.shape[2] == 3 and 0 < pixels.shape[0] * pixels.shape[1] <= image_headers.LARGEST

    look()


@profile(60)
def test_a_model_answers_any_bytes_or_refuses_the_request_and_lives(amount, served):
    good = bombs.GOOD["png"]
    before = served.files([good])

    @amount
    @given(st.lists(st.one_of(ENCODED, st.just(good)), min_size=1, max_size=3))
    def ask(encoded):
        try:
            with decodable.hushed():
                answer = served.files(encoded)
        except ValueError as error:
            assert "is refused: " in str(error)
        else:
            assert answer.shape == (len(encoded), 3) and np.isfinite(answer).all()

    ask()
    np.testing.assert_array_equal(served.files([good]), before)


@pytest.mark.parametrize("name", EVERY)
def test_good_pictures_of_every_kind_pass(name, tmp_path, served):
    (tmp_path / "a").write_bytes(EVERY[name])
    reason, copy = decodable.readable(str(tmp_path / "a"))
    assert not reason
    assert np.isfinite(served.files([copy or EVERY[name]])).all()


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_bombs_are_refused_by_their_header_everywhere(name, tmp_path, served):
    data, path = bombs.BOMBS[name], tmp_path / "bomb.jpg"
    path.write_bytes(data)
    with must_end(), little_memory(), decodable.hushed():
        reason, _ = decodable.readable(str(path))
        assert reason and inspect_file.inspect_picture(str(path)).findings[0].severity == "error"
        with pytest.raises(ValueError, match=r"is refused: .*header says"):
            served.files([bombs.GOOD["png"], data])
        with pytest.raises(ValueError, match="cannot be read"):
            decodable.picture(str(path))


def test_a_bomb_that_only_pillow_reads_is_refused_by_its_header(tmp_path):
    from PIL import Image

    Image.new("1", (20_000, 20_000)).save(tmp_path / "a.tif", compression="group4")
    with decodable.hushed():
        assert "too large" in decodable.readable(str(tmp_path / "a.tif"))[0]


def test_a_file_that_would_start_a_program_is_no_picture(tmp_path):
    text = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.png").write_bytes(text)
    assert decodable.readable(str(tmp_path / "a.png"))[0] == "no picture"


def test_what_can_be_read_for_ever_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    os.symlink("/dev/zero", tmp_path / "zero.jpg")
    with (tmp_path / "hole.jpg").open("wb") as file:
        file.truncate(2**40)
    assert decodable.readable(str(tmp_path / "pipe.jpg"))[0] == "not a regular file"
    assert decodable.readable(str(tmp_path / "zero.jpg"))[0] == "not a regular file"
    assert "too large" in decodable.readable(str(tmp_path / "hole.jpg"))[0]


def test_pixels_that_are_no_numbers_are_refused(tmp_path):
    from PIL import Image

    Image.fromarray(np.full([4, 4], np.nan, np.float32)).save(tmp_path / "a.tif")
    assert "NaN or not finite" in decodable.readable(str(tmp_path / "a.tif"))[0]


BAD_ARRAYS = {
    "floats": np.zeros([1, 16, 16, 3], np.float32),
    "one picture without a batch": np.zeros([16, 16, 3], np.uint8),
    "one channel": np.zeros([1, 16, 16, 1], np.uint8),
    "no rows": np.zeros([1, 0, 16, 3], np.uint8),
    "no columns": np.zeros([2, 16, 0, 3], np.uint8),
    "text": np.array(["a"]),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_arrays_that_are_no_images_are_one_sentence(name, served):
    with pytest.raises(ValueError, match="images are"):
        served(BAD_ARRAYS[name])


def test_no_images_are_no_answers(served):
    assert served(np.zeros([0, 16, 16, 3], np.uint8)).shape == (0, 3)
    assert served(np.zeros([0, 40, 30, 3], np.uint8)).shape == (0, 3)
    assert served.files([]).shape == (0, 3)


def test_other_sizes_are_served(served):
    for size in ((1, 1), (1, 20_000), (3000, 2)):
        assert np.isfinite(served(np.zeros([1, *size, 3], np.uint8))).all()
