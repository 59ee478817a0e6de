"""Networks beside each other on the same pictures, and bars by task: what is drawn, and what decides on it."""

import csv

import numpy as np
import pytest
from matplotlib.axes import Axes
from test_plots import assert_picture, tiny

from tfuda.experiment import training
from tfuda.experiment.workdir import Workdir
from tfuda.reports import plots
from tfuda.reports.plots import attention, compared
from tfuda.reports.plots.bars import shares

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with runs of one task, and one of another task."""
    folder = tmp_path_factory.mktemp("runs")
    for cell, changes in {"dann": {}, "dann+biwaa": {}, "dannp+toalign": {}, "mstn": {"task": "H-R"}}.items():
        training.train_run(tiny(cell, **changes), Workdir(folder / cell))
    return folder


@pytest.mark.slow
def test_rows_are_the_first_pictures_of_evenly_spread_classes_whatever_a_network_says(runs):
    _, task, _ = training.load_run(runs / "dann")
    domain = task.tests["target"]
    rows = compared.shared_rows(domain, 4)
    assert [int(domain.labels[k]) for k in rows] == [0, 3, 6, 9]
    assert all(k == np.flatnonzero(domain.labels == domain.labels[k])[0] for k in rows)
    bare = compared.shared_rows(domain.unlabelled(), 4)
    assert bare[0] == 0 and bare[-1] == len(domain) - 1 and len({*np.diff(bare)}) <= 2
    assert len(compared.shared_rows(domain, 99)) == 10


@pytest.mark.slow
def test_each_network_shows_what_it_aligns_of_the_same_pictures(runs, tmp_path, monkeypatch):
    drawn, show = [], attention.show
    monkeypatch.setattr(attention, "show", lambda axes, pictures: (drawn.append(pictures), show(axes, pictures)))
    names = ("dann", "dann+biwaa", "dannp+toalign")
    plots.cam([str(runs / name) for name in names], tmp_path / "x.png")
    assert_picture(tmp_path / "x.png", 1.9 + 1.15 * 7, 0.9 + 1.3 * 6)
    assert [len(row) for row in drawn] == [7] * 6
    wanted = {"source": ("response", "weighted", "positive"), "target": ("response", "weighted", "response")}
    for at, side in ((0, "source"), (2, "target")):
        for n, name in enumerate(names):
            _, task, method = training.load_run(runs / name)
            domain = task.tests[side]
            k = compared.shared_rows(domain, compared.ROWS[side])[[0]]
            views = attention.look_at_maps(
                method.network, domain.images[k], domain.labels[k] if side == "source" else None
            )
            for place, view in ((1 + 2 * n, getattr(views, wanted[side][n])[0]), (2 + 2 * n, views.grad_cam[0])):
                expected = attention.overlay(domain.images[k][0], view, view.max())
                np.testing.assert_allclose(drawn[at][place], expected, atol=0.02)
    plots.cam([str(runs / name) for name in names], tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "x.png").read_bytes()


@pytest.mark.slow
def test_runs_that_do_not_share_their_pictures_are_refused(runs, tmp_path):
    with pytest.raises(ValueError, match=r"has task='H-M', .*mstn has 'H-R'"):
        plots.cam([str(runs / "dann"), str(runs / "mstn")], tmp_path / "x.png")
    with pytest.raises(ValueError, match="6 runs are too many beside each other: at most 5"):
        plots.cam([str(tmp_path / f"{i}") for i in range(6)], tmp_path / "x.png")


# ---- bars


def results(folder, values):
    """results.csv of {(cell, task): shares by seed}."""
    with open(folder / "results.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["cell", "task", "seed", "last"])
        writer.writeheader()
        for (cell, task), several in values.items():
            writer.writerows({"cell": cell, "task": task, "seed": i, "last": v} for i, v in enumerate(several))
    return str(folder)


def test_bars_are_means_with_deviations_by_task_and_on_average(tmp_path, monkeypatch):
    heights, errors = [], []
    bar, errorbar = Axes.bar, Axes.errorbar
    monkeypatch.setattr(Axes, "bar", lambda a, x, h, *o, **k: (heights.append([*h]), bar(a, x, h, *o, **k))[1])
    monkeypatch.setattr(Axes, "errorbar", lambda a, x, y, e, **k: (errors.append(e), errorbar(a, x, y, e, **k))[1])
    folder = results(
        tmp_path,
        {
            ("hda", "A-C"): (0.5, 0.6),
            ("hda", "A-P"): (0.7, 0.8),
            ("hda+toalign", "A-C"): (0.6,),
            ("hda+toalign", "A-P"): (0.9,),
        },
    )
    plots.bars(folder, tmp_path / "bars.png")
    np.testing.assert_allclose(heights, [[55, 75, 65], [60, 90, 75]])
    np.testing.assert_allclose(errors[0], [50**0.5] * 3)  # of the average: of each seed's mean over the tasks
    assert errors[1] is None
    assert_picture(tmp_path / "bars.png", 4.2, 3.6)


def test_bars_of_a_single_task_have_no_average_and_what_is_missing_is_said(tmp_path):
    rows = [{"cell": "dann", "task": "R-S", "seed": "0", "last": 0.5}]
    assert shares(rows, "dann", ["R-S"]) == {"R-S": [0.5]}
    with pytest.raises(FileNotFoundError, match=r"is no folder of run/benchmark.py"):
        plots.bars(str(tmp_path), tmp_path / "x.png")
    many = results(tmp_path, {(f"c{i}", "R-S"): (0.5,) for i in range(9)})
    with pytest.raises(ValueError, match="has 9 cells, and a picture of bars holds at most 8"):
        plots.bars(many, tmp_path / "x.png")
