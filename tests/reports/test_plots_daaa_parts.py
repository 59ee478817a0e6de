"""Of DAAA's pictures what needs no trained run: L_AT of made-up metrics, rows and layers that are shown."""

import numpy as np
import pytest
from pictures import assert_picture, config, drawn, load, said
from test_plots_sync import journal, made

from tfuda import figure_style
from tfuda.experiment import translated_pairs as translation
from tfuda.experiment.workdir import Workdir
from tfuda.reports import plots
from tfuda.reports.plots import networks
from tfuda.reports.plots.pairs import chosen, lots
from tfuda.translation import sample_sheets

NONE = "daaa[trade_offs.attention=0]"
figures = pytest.fixture(drawn)


def course(seed: int, count: int = 4) -> list[dict]:
    rng = np.random.default_rng(seed)
    names = ("attention", "expectation", "loss", "task", "target_accuracy", "val_corrc")
    return [{"step": 2 * (i + 1), **{name: rng.random() for name in names}} for i in range(count)]


def values(axes) -> list:
    return [line.get_xydata().T for line in axes.lines]


def test_seeds_are_a_band_and_a_run_without_the_penalty_has_its_own_colour(tmp_path, figures):
    seeds, without = [course(0), course(1)], course(2)
    paths = [made(tmp_path / str(seed), rows, "daaa", seed) for seed, rows in enumerate(seeds)]
    plots.sync([*paths, made(tmp_path / "none", without, NONE)], tmp_path / "x.png")
    both = np.array([[row["attention"] for row in rows] for rows in seeds])
    distance, accuracy = figures[0].axes
    np.testing.assert_allclose(values(distance)[0], [[1, 2, 3, 4], both.mean(0)])
    np.testing.assert_allclose(values(distance)[1], [[1, 2, 3, 4], [row["attention"] for row in without]])
    for axes in (distance, accuracy):
        assert [line.get_color() for line in axes.lines] == [*figure_style.PALETTE[:2]] and len(axes.collections) == 1
    edge = distance.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose(edge.max(), (both.mean(0) + both.std(0, ddof=1)).max())
    named = [text.get_text() for text in figures[0].legends[0].get_texts()]
    assert named == [
        "daaa, A → B, trade_offs.attention=0.1 (mean ± std of 2 seeds)",
        "daaa, A → B, trade_offs.attention=0.0",
    ]
    assert_picture(tmp_path / "x.png")


def test_without_target_labels_there_is_one_panel(tmp_path, figures):
    rows = [{key: value for key, value in row.items() if key != "target_accuracy"} for row in course(0)]
    plots.sync([made(tmp_path / "run", rows, "daaa")], tmp_path / "x.png")
    assert len(figures[0].axes) == 1
    assert_picture(tmp_path / "x.png")


def test_sync_is_of_gsda_or_of_daaa(tmp_path, figures):
    gsda, daaa = made(tmp_path / "gsda", journal(0)), made(tmp_path / "daaa", course(0), "daaa")
    plots.sync([gsda], tmp_path / "x.png")
    assert len(figures[0].axes[0].lines) == 3
    sentence = said(plots.sync, [gsda, daaa], "x")
    assert sentence == f"--workdir={daaa} is a run of daaa, and --workdir={gsda} is not: --what=sync draws one method"
    dann = made(tmp_path / "dann", course(0), "dann")
    assert said(plots.sync, [dann], "x").startswith(f"--workdir={dann} is a run of dann without the column")
    assert "no metrics yet" in said(plots.sync, [made(tmp_path / "early", [], "daaa")], "x")


# ---- rows, layers, and runs of other methods


def test_without_labels_rows_are_from_all_over_and_few_are_all():
    labelled = load("B", "train", "")
    assert chosen(labelled.unlabelled())[[0, -1]].tolist() == [0, 14]
    few = labelled.rows(np.arange(7))
    assert sorted(chosen(few)) == [*range(7)]
    assert [len(row) for row in lots(labelled.rows(np.arange(13)), labelled, 16)] == [10, 10, 3, 3]
    assert sample_sheets.grid([few.images, few.images[:3]]).shape == (33, 7 * 17 - 1, 3)


@pytest.mark.parametrize(("sides", "expected"), [([32, 16, 8, 4], 2), ([14, 7, 7, 7], 3), ([6, 4, 2], 2)])
def test_the_layer_is_the_last_that_is_not_too_small(sides, expected):
    assert networks.layer(tuple(np.zeros([1, side, side, 2]) for side in sides)) == expected
    assert networks.layer((np.zeros([1, 8, 8, 2]), np.zeros([1, 8, 6, 2]))) == 0


def test_other_methods_keep_their_picture_and_have_no_oracle(tmp_path, monkeypatch):
    run, seen = made(tmp_path / "run", journal(0), "tada"), []
    monkeypatch.setattr(networks, "regions", lambda *where: seen.append(where))
    plots.attention_of_run(run, "x")
    assert seen == [(run, "x")]
    sentence = said(plots.attention_of_run, run, "x", "judge")
    assert sentence == f"--oracle=judge is for --what=attention of runs of daaa: --workdir={run} is a run of tada"
    pairs = tmp_path / "pairs"
    Workdir(pairs).path.mkdir()
    Workdir(pairs).record(translation.relevant(config("daaa")))
    sentence = said(plots.attention_of_run, str(pairs), "x")
    assert sentence == f"--workdir={pairs} is a folder of run/pair.py: --what=attention needs a run of tada or daaa"
