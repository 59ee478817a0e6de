"""The generated pages of docs/ are up to date, and say what the code says."""

import importlib.util
import pathlib
import sys
import types
import xml.etree.ElementTree

import pytest
import test_rooms

from tfuda.methods.dann import DANN
from tfuda.methods.mstn import MSTN
from tfuda.regularisers.mcc import MCC
from tfuda.studies.adaptation import outcome

DOCS = pathlib.Path(__file__).parent.parent / "docs"
sys.path.insert(0, str(DOCS / "generate"))  # one script reads another


def script(name: str) -> types.ModuleType:
    """A script of docs/generate as a module."""
    place = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "generate" / f"{name}.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


settings, architecture, emoji = script("settings"), script("architecture"), script("emoji_findings")
toalign, variants = script("toalign_findings"), script("variant_findings")


def test_the_page_of_settings_is_up_to_date():
    assert settings.PAGE.read_text("utf-8") == settings.page(), "run python docs/generate/settings.py"


def test_every_key_has_a_meaning():
    rows = [row for row in "".join(settings.keys()).splitlines() if row.startswith("| `")]
    empty = [row for row in rows if not row.rsplit("|", 2)[1].strip()]
    assert len(rows) > 80 and empty == [], "write a comment beside the key in tfuda/experiment/defaults.py"


def test_every_option_has_a_meaning():
    rows = [row for row in "".join(settings.options()).splitlines() if row.startswith("| `")]
    empty = [row for row in rows if not row.rsplit("|", 2)[1].strip()]
    assert len(rows) > 380 and empty == [], "write a comment beside the option, or a line of Args in the class"


def test_an_option_has_the_meaning_of_the_nearest_class_that_says_one():
    assert settings.meaning(MSTN, "keep") == "share of the old centroid in a step"
    assert settings.meaning(MSTN, "scale") == settings.meaning(DANN, "scale") != ""
    assert settings.meaning(MSTN, "trade_offs.task") == settings.meaning(DANN, "trade_offs.task") != ""
    assert settings.meaning(MSTN, "unknown") == ""
    assert settings.meaning(MCC, "temperature") == "T, which divides the logits"


@pytest.mark.parametrize("path", emoji.PAGES, ids=lambda path: path.name)
def test_the_numbers_on_emoji_are_those_of_the_results(path):
    text = path.read_text("utf-8")
    assert emoji.START in text and emoji.PAGES[path](text) == text, "run python docs/generate/emoji_findings.py"


def test_the_gain_of_toalign_is_that_of_the_results():
    text = emoji.PAGE.read_text("utf-8")
    assert toalign.START in text and toalign.page(text) == text, "run python docs/generate/toalign_findings.py"
    assert toalign.PICTURE.stat().st_size > 10_000


@pytest.mark.parametrize("path", variants.SECTIONS, ids=lambda path: path.name)
def test_the_numbers_of_variants_are_those_of_the_results(path):
    text = path.read_text("utf-8")
    assert variants.written(path, text) == text, "run python docs/generate/variant_findings.py"


def gain(one: str, other: str, spread: bool = False) -> str:
    """By how many points a cell is above another over the untuned tasks, as prose says it: 1.6, or 1.6 ± 0.4."""
    mean, error = emoji.mean_and_error(emoji.differences(VALUES, one, other))
    return f"{mean:.1f} ± {error:.1f}" if spread else f"{mean:.1f}"


VALUES = emoji.accuracies_in("single") | emoji.accuracies_in("") | emoji.accuracies_in("tuned")
PLAIN, PASSED = "source_only", variants.PASSED
PLAIN_TUNED, PASSED_TUNED = PLAIN + variants.TUNED, PASSED + variants.TUNED
PROSE = {
    emoji.PAGE: (
        f"harms (by {float(gain('dannp', 'dannp+toalign[scale=1]')):.0f} points)",
        f"does not use (by {float(gain('dannp', 'dannp+toalign[sign=-1]')):.0f})",
        f"is {gain('dannp+metaalign', 'dannp+toalign')} points above it on DANNP",
        f"So {gain(PASSED, PLAIN)} points of each gain over `source_only` are no alignment",
        f"gains {gain('adabn', PLAIN)} points at `source_only`'s price: {gain('dann', 'adabn')} less than DANN",
        f"`{PASSED_TUNED}` is {gain(PASSED_TUNED, PLAIN_TUNED)} points above `{PLAIN_TUNED}`",
        f"So of the {gain('dannp@tuned', PLAIN_TUNED)} points by which `dannp@tuned` is above it "
        f"{gain('dannp@tuned', PASSED_TUNED)} are of DANNP's losses, of the {gain('hda@tuned', PLAIN_TUNED)} of "
        f"`hda@tuned` {gain('hda@tuned', PASSED_TUNED)}, and of the {gain('dann@tuned', PLAIN_TUNED)} of "
        f"`dann@tuned` {gain('dann@tuned', PASSED_TUNED)}.",
    ),
    emoji.README: (
        f"`gsda` is {gain('gsda', 'dannp')} points above `dannp`",
        f"`dann+biwaa` is {gain('dann+biwaa', 'dannp')} above",
        f"`dannp@tuned`, whose last stages learn too, is {gain('dannp@tuned', 'dannp')} points above `dannp`",
    ),
    emoji.CHOOSING: (
        f"`gsda` was {gain('gsda', 'dannp', True)} points above `dannp`",
        f"`dann+biwaa` was {gain('dann+biwaa', 'dannp', True)} above",
        f"`dannp@tuned` is {gain('dannp@tuned', 'dannp', True)} points above `dannp` there, `hda@tuned` "
        f"{gain('hda@tuned', 'hda', True)} above `hda`",
    ),
}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param(path, said, id=f"{path.name}-{at}")
        for path, some in PROSE.items()
        for at, said in enumerate(some)
    ],
)
def test_numbers_in_sentences_are_those_of_the_results(path, said):
    assert said in " ".join(path.read_text("utf-8").split())


def test_the_calibration_table_is_what_was_estimated():
    assert outcome.TABLE.read_text("utf-8") == (emoji.RESULTS / "estimates.csv").read_text("utf-8")


def test_the_picture_of_the_rooms_is_up_to_date():
    drawn = architecture.picture(architecture.graph())
    assert architecture.PICTURE.read_text("utf-8") == drawn, "run python docs/generate/architecture.py"
    assert xml.etree.ElementTree.fromstring(drawn).tag.endswith("svg")


def test_the_picture_has_the_imports_that_the_rooms_have():
    edges = architecture.graph()
    assert {*edges} == {*test_rooms.FLOOR}
    for room, others in edges.items():
        files = [path for path in test_rooms.MODULES if path.relative_to(test_rooms.HOME).parts[0] == room]
        if files:  # of a link to a folder outside there are none
            assert others == set.union(*map(test_rooms.imported, files)) - {room}


SOURCE = """
def config():
    config.rate = 0.1  # of the optimizer
    config.steps = 5
    # above the key
    config.plain = 1
    config.view = ConfigDict({"size": 0, "flip": False})  # of a picture
    config.many = ConfigDict(
        {
            "one": 1,  # the first
            "two": 2,
        }
    )  # of several
    config.select = (
        "corrc"  # in brackets
    )
"""


def test_comments_belong_to_the_key_or_the_group_beside_them():
    assert settings.comments(SOURCE) == {
        "rate": "of the optimizer",
        "steps": "",
        "plain": "above the key",
        "view.size": "",
        "view.flip": "",
        "view": "of a picture",
        "many.one": "the first",
        "many.two": "",
        "many": "of several",
        "select": "in brackets",
    }


@pytest.mark.parametrize(
    ("edges", "floors"),
    [
        ({"a": set(), "b": {"a"}, "c": {"a", "b"}}, [["a"], ["b"], ["c"]]),
        ({"a": set(), "b": {"a", "c"}, "c": {"a", "b"}, "d": {"b"}}, [["a"], ["b", "c"], ["d"]]),
    ],
)
def test_a_room_stands_above_those_that_it_imports_from(edges, floors):
    assert architecture.rows(edges) == floors


def test_an_import_that_others_imply_is_light():
    edges = {"a": set(), "b": {"a"}, "c": {"a", "b"}}
    assert architecture.direct(edges, "c", "b") and not architecture.direct(edges, "c", "a")


def test_rooms_that_import_from_each_other_do_not_make_all_arrows_to_them_light():
    edges = {"a": {"b"}, "b": {"a"}, "c": {"a", "b"}}
    assert architecture.direct(edges, "c", "a") and architecture.direct(edges, "c", "b")
