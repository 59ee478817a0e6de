"""Pages of runs: all is said, nothing is asked of anybody, and no name breaks them."""

import itertools
import json
import re

import numpy as np
import pages
import pytest
from commands import command

from tfuda.data.tasks import Domain, Task
from tfuda.reports.pages import charts, figures, html, index, page, predictions
from tfuda.reports.plots import embedding

pytestmark = pytest.mark.usefixtures("untraced")

MB = 2**20


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of toalign whose classes and folder have hostile names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFUDA_TRUST", "pages")
        yield pages.trained(tmp_path_factory.mktemp("runs") / pages.HOSTILE, cell="toalign")


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    monkeypatch.setenv("TFUDA_TRUST", "pages")
    monkeypatch.setattr(embedding, "POINTS", 30)


def made(folder, said=None) -> pages.Page:
    return pages.Page(page.page([folder], "", (said if said is not None else []).append))


def sound(found: pages.Page):
    """What holds for every page."""
    assert found.outside == [] and found.unnamed == [] and found.around == []
    assert len(found.html) < 5 * MB
    levels = [int(tag[1]) for tag, *_ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert len(found.all("script")) == 1 + len(
        [a for a in found.all("script") if a.get("type") == "application/json"]
    )
    assert all(attributes.get("scope") for attributes in found.all("th"))
    assert len(found.all("caption")) == len(found.all("table"))
    ids = [attributes["id"] for _, attributes, _ in found.tags if "id" in attributes]
    assert len(ids) == len({*ids})


def test_a_run_becomes_a_page_with_all_that_is_known_of_it(run):
    said = []
    found = made(run, said)
    sound(found)
    numbers = json.loads((run / "result.json").read_text())
    for name in ("last", "selected", "oracle", "source"):
        assert f"{100 * numbers[name]:.1f}\u00a0%" in found.text
    for part in ("curves", "confusion", "predictions", "plane", "maps", "mistakes", "health", "validators", "config"):
        assert {"href": f"#{part}"} in found.all("a") and any(a.get("id") == part for a in found.all("section"))
    assert all(name in found.text for name in pages.CLASSES) and pages.HOSTILE in found.text
    labels = [attributes["aria-label"] for attributes in found.all("svg") if "aria-label" in attributes]
    assert any(
        re.match(r"Test accuracy, step 1 to 4: target from .* % at step \d; source .*; selected is step \d", text)
        for text in labels
    )
    assert any("t-SNE" in text for text in said)
    alt = [attributes["alt"] for attributes in found.all("img")]
    assert any("nearest points of each" in text for text in alt)
    assert any(re.match(r"Grad-CAM, predicted class on image \d+, (highest at the|nowhere)", text) for text in alt)
    assert any("task-relevant (ToAlign, +)" in text for text in alt)
    assert len(re.findall("(hit|miss): ", found.text)) == 8


def test_without_target_labels_nothing_is_said_of_right_and_wrong(run, tmp_path):
    found = made(pages.altered(run, tmp_path / "run", target=False, task="A-U"))
    sound(found)
    names = {attributes.get("id") for attributes in found.all("section")}
    assert {"predictions", "plane", "maps"} <= names and not {"confusion", "mistakes"} & names
    assert "This run has no labels of the target" in found.text and "Confidence" in found.text
    for word in ("oracle", "miss:", "true share", "of these right", "target accuracy"):
        assert word not in found.text


def test_a_run_that_has_not_ended_is_shown_as_far_as_it_is(run, tmp_path):
    said, folder = [], pages.altered(run, tmp_path / "run", rows=2)
    found = made(folder, said)
    sound(found)
    assert "The run has not ended (step 2 of 4)" in found.text
    assert f"no pictures of the network: --workdir={folder} has no checkpoint yet" in said
    assert "has no checkpoint yet" in found.text
    (folder / "diverged.txt").write_text("training diverged in step 5\n")
    assert "diverged after step 2" in made(folder).text


def test_a_run_without_a_measurement_has_a_page_with_its_config(run, tmp_path):
    found = made(pages.altered(run, tmp_path / "run", rows=0))
    sound(found)
    assert "There is no measurement yet" in found.text


def test_settings_that_were_asked_for_are_told_from_defaults(run, tmp_path):
    folder = pages.altered(run, tmp_path / "run", rows=1, seed=7)
    about = json.loads((folder / "config.json").read_text())
    about["command"] = ["run/train.py", "--config=configs/digits.py:toalign", "--config.seed=7", "--x=<b>"]
    (folder / "config.json").write_text(json.dumps(about))
    text = made(folder).text
    assert "Settings that differ from configs/digits.py" in text and "seed (asked for in the command)" in text
    assert "--config.seed=7 '--x=<b>'" in text


def test_the_index_lists_every_run_with_its_state(run, tmp_path):
    top = tmp_path / "all"
    done = pages.altered(run, top / "a" / pages.HOSTILE)
    (done / "report.html").write_text("")
    pages.altered(run, top / "b", rows=2, seed=5)
    pages.altered(run, top / "c" / "deep", target=False, task="A-U", cell=f"dannp+toalign@{pages.CLASSES[1]}")
    (pages.altered(run, top / "d", rows=1) / "diverged.txt").write_text("")
    (top / "pairs").mkdir()
    (top / "pairs" / "config.json").write_text('{"config": {"task": "A-B"}}')
    (top / "pairs" / "metrics.csv").write_text("step\n1\n")
    found = pages.Page(index.index([top], "", [].append))
    sound(found)
    assert "4 runs" in found.text and "2 of them finished" in found.text
    for state in ("step 2 of 4", "diverged after step 1"):
        assert state in found.text
    assert "pairs holds no run of run/train.py, or one of another version: its config has no method" in found.text
    links = [attributes["href"] for attributes in found.all("a") if attributes["href"].startswith(".")]
    assert links == ["./a/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26%27javascript%3Aalert%282%29/report.html"]
    held = json.loads(re.search(r'id="runs-data">(.*?)</script>', found.html).group(1))
    assert [len(one["curve"]) for one in held] == [4, 1, 2, 0] and held[3]["cell"].endswith(pages.CLASSES[1])


def test_a_folder_without_a_run_is_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no run: .*config.json is missing"):
        page.page([tmp_path], "", print)
    with pytest.raises(FileNotFoundError, match=r"holds no run of run/train.py, at any depth"):
        index.index([tmp_path], "", print)
    done = command("report", "--what=index", tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "holds no run" in done.stderr


def test_many_classes_are_a_picture_and_the_most_confused_pairs():
    labels = np.arange(1000) % 345
    domain = Domain("x", tuple(f"<i>{k}" for k in range(345)), np.zeros([1000, 2, 2, 3], "u1"), labels.astype("i4"))
    task = Task("x-x", domain.classes, {"source": domain}, {"source": domain, "target": domain}, {})
    chance = np.random.default_rng(0).random([1000, 345])
    chance[:, 7] += 2 * (labels == 3)
    look = figures.Look(None, task, None, chance / chance.sum(1, keepdims=True))
    shown = predictions.matrix(look)
    assert (
        "most often &lt;i&gt;3 taken for &lt;i&gt;7 (100\u00a0%)" in shown and "<img" in shown and "heat" not in shown
    )
    assert len(shown) + len(predictions.histograms(look)) < MB


def test_a_line_that_is_not_finite_is_interrupted_and_said_to_be():
    chart = charts.Chart("x", [charts.Line("a", [1.0, np.nan, 3.0, np.inf]), charts.Line("b", [np.nan] * 4)])
    drawn = charts.group("g", [1, 2, 3, 4], [chart], 1)
    assert 'd="M0 1000M667 0"' in drawn and "b is never finite" in drawn and "<output>not finite</output>" in drawn


def test_long_runs_are_thinned_to_what_a_line_can_show():
    chart = charts.Chart("x", [charts.Line("a", np.arange(5000.0))], marked=1234)
    drawn = charts.group("g", [*range(5000)], [chart], 4999)
    steps = json.loads(re.search(r'"steps":(\[.*?\])', drawn).group(1))
    assert len(steps) <= charts.MOST + 2 and {0, 1234, 4999} <= {*steps}


def test_text_is_inert_and_nothing_in_it_is_invisible():
    assert html.escape('<a b="c">\u202e\x00') == "&lt;a b=&quot;c&quot;&gt;\ufffd\ufffd"
    assert "</script" not in html.data("x", "</script><!--").removesuffix("</script>")
    assert json.loads(html.data("x", "</é>").split(">")[1].partition("<")[0]) == "</é>"
