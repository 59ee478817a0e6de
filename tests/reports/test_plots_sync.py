"""GSDA's gradient norms over training, of made-up metrics; those of a trained run are in test_plots_tada.py."""

import numpy as np
import pytest
from pictures import assert_picture, config, drawn, recorded, said, texts

from tfuda import figure_style
from tfuda.reports import plots
from tfuda.reports.plots import history
from tfuda.reports.plots.sync import silent

NORMS = ("domain_norm", "groups_norm", "classes_norm")
UNSYNCHRONISED = "gsda[synchronised=False]"


def journal(seed: int, synchrony: float = 1.0, count: int = 4) -> list[dict]:
    rng = np.random.default_rng(seed)
    names = ("loss", "task", "synchrony", *NORMS, "target_accuracy", "val_corrc")
    rows = [{"step": 10 * (i + 1), **{name: rng.random() + 0.1 for name in names}} for i in range(count)]
    return [{**row, "synchrony": synchrony * row["synchrony"]} for row in rows]


def made(folder, rows, cell: str = "gsda", seed: int = 0) -> str:
    return recorded(folder, config(cell, seed=seed), rows)


figures = pytest.fixture(drawn)


def column(rows: list[dict], name: str) -> list[float]:
    return [row[name] for row in rows]


def dashes(axes) -> list[str]:
    return [str(line._dash_pattern) for line in axes.lines]


def labels(axes) -> list[str]:
    return texts(axes.get_legend())


def test_the_norms_of_the_levels_and_the_synchrony_are_drawn_as_they_were_kept(tmp_path, figures):
    rows = journal(0)
    plots.sync([made(tmp_path / "run", rows)], tmp_path / "x.png")
    norms, synchrony = figures[0].axes
    for line, name in zip(norms.lines, NORMS, strict=True):
        np.testing.assert_allclose(line.get_xydata().T, [column(rows, "step"), column(rows, name)])
    np.testing.assert_allclose(synchrony.lines[0].get_ydata(), column(rows, "synchrony"))
    assert labels(norms) == ["domain", "groups, summed", "classes, summed"] and labels(synchrony) == ["synchrony"]
    assert len({line.get_color() for line in norms.lines}) == len({*dashes(norms)}) == 3
    assert figures[0].get_suptitle() == "gsda, A → B" and norms.get_ylim()[0] == synchrony.get_ylim()[0] == 0
    assert_picture(tmp_path / "x.png")


def test_seeds_are_one_line_with_a_band(tmp_path, figures):
    seeds = [journal(seed) for seed in (0, 1)]
    plots.sync([made(tmp_path / str(s), rows, seed=s) for s, rows in enumerate(seeds)], tmp_path / "x.png")
    norms, synchrony = figures[0].axes
    values = np.array([column(rows, "classes_norm") for rows in seeds])
    np.testing.assert_allclose(norms.lines[2].get_ydata(), values.mean(0))
    band = norms.collections[2].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose(band.max(), (values.mean(0) + values.std(0, ddof=1)).max())
    assert len(norms.lines) == 3 and len(synchrony.lines) == len(synchrony.collections) == 1
    assert figures[0].get_suptitle() == "gsda, A → B (mean ± std of 2 seeds)"


def test_colours_tell_runs_dashes_levels_and_what_is_no_term_has_no_line(tmp_path, figures):
    with_it, without = journal(0), journal(1, synchrony=0.0)
    paths = [made(tmp_path / "with", with_it), made(tmp_path / "without", without, UNSYNCHRONISED)]
    plots.sync(paths, tmp_path / "x.png")
    norms, synchrony = figures[0].axes
    assert [line.get_color() for line in norms.lines] == 3 * [*figure_style.PALETTE[:2]]
    found = dashes(norms)
    assert found[::2] == found[1::2] and len({*found}) == 3
    np.testing.assert_allclose(norms.lines[3].get_ydata(), column(without, "groups_norm"))
    assert [line.get_color() for line in synchrony.lines] == [figure_style.PALETTE[0]]
    named = ["gsda, A → B, synchronised=True", "gsda, A → B, synchronised=False"]
    assert texts(figures[0].legends[0]) == named
    assert_picture(tmp_path / "x.png")


def test_without_synchronisation_there_is_one_panel_of_the_levels_that_are_trained(tmp_path, figures):
    cell = "gsda[levels=domain+classes;synchronised=False]"
    plots.sync([made(tmp_path / "run", journal(0, 0.0), cell)], tmp_path / "x.png")
    (norms,) = figures[0].axes
    assert labels(norms) == ["domain", "classes, summed"] and len(norms.lines) == 2
    plots.sync([made(tmp_path / "synchronised", journal(0), "gsda[levels=domain]")], tmp_path / "y.png")
    assert len(figures[1].axes[0].lines) == 3  # the synchrony trains them
    assert_picture(tmp_path / "x.png")


def test_a_run_without_norms_is_refused(tmp_path):
    rows = [{key: value for key, value in row.items() if key not in NORMS} for row in journal(0)]
    dann = made(tmp_path / "dann", rows, "dann")
    sentence = said(plots.sync, [made(tmp_path / "gsda", journal(0)), dann], "x")
    assert sentence.startswith(f"--workdir={dann} is a run of dann without the column 'domain_norm'")
    assert sentence.endswith("--what=sync is for runs of gsda and daaa")
    many = [made(tmp_path / f"m{i}", journal(i), f"gsda[dropout={i / 10}]") for i in range(1, 10)]
    assert "9 different runs are too many" in said(plots.sync, many, "x")
    assert "no metrics yet" in said(plots.sync, [made(tmp_path / "early", [])], "x")


def test_norms_are_no_loss_terms():
    assert history.terms([history.Group("", [journal(0)])]) == ["task", "synchrony"]


def test_one_config_in_other_words_is_one_run(tmp_path):
    paths = [made(tmp_path / "a", journal(0)), made(tmp_path / "b", journal(1), "gsda[synchronised=True]", 1)]
    (group,) = history.gathered(paths)
    assert group.label == "gsda, A → B (mean ± std of 2 seeds)" and len(group.runs) == 2
    assert len(history.gathered([paths[0], paths[0] + "/"])[0].runs) == 1


@pytest.mark.parametrize("levels", ["domain", "groups+classes"])
def test_what_says_nothing_is_left_out(levels):
    of = config("gsda")
    of.options.levels = levels
    left_out = {"synchrony"} | {f"{level}_norm" for level in {"domain", "groups", "classes"} - {*levels.split("+")}}
    assert silent(history.Run(of, journal(0, 0.0))) == left_out


@pytest.mark.parametrize("value, scale", [(2.0, "linear"), (500.0, "symlog")])
def test_a_term_far_above_the_others_does_not_press_them_flat(value, scale, tmp_path):
    with figure_style.page(tmp_path / "x.png", 3, 3) as figure:
        axes = figure.subplots()
        for height in (0.7, 2.3, value):
            axes.plot([1, 2], [height, 0.9 * height])
        history.compress(axes)
        assert axes.get_yscale() == scale
        figure.draw_without_rendering()
        assert not any("$" in label.get_text() for label in axes.get_yticklabels())
