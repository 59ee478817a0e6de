"""Draw whether the gradients of the levels are in step, after the analysis of the GSDA paper.

For GSDA:

S_m          Σ_n |dL_m / df_n| of discriminator m; of groups and of classes the sum over all m
synchrony    1/b Σ_q |S_q - Σ_{k in q} S_k| + |S_dom - Σ_q S_q|

For DAAA, L_AT by update of the posterior: tfuda/reports/plots/updates.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tfuda import figure_style
from tfuda.experiment.workdir import Workdir
from tfuda.reports.plots import history, networks
from tfuda.reports.plots.updates import updates

SYNCHRONY = {"synchrony": "synchrony"}


def silent(run: history.Run) -> set[str]:
    """Return the columns without meaning: switched-off terms, and norms of discriminators that nothing trains."""
    if any(row.get("synchrony") for row in run.rows):
        return set()
    levels = run.config.options.get("levels", "domain+groups+classes").split("+")
    return {*SYNCHRONY, *(column for column in history.NORMS if column.removesuffix("_norm") not in levels)}


def read_norms(path: str) -> history.Run:
    """Read a run of GSDA, with its meaningful columns."""
    run = history.read_history(path)
    method = run.config.get("method", "run/pair.py")
    for column in history.NORMS:
        if column not in run.rows[0]:
            raise ValueError(
                f"--workdir={path} is a run of {method} without the column {column!r} in its metrics: "
                "--what=sync is for runs of gsda and daaa"
            )
    left_out = silent(run)
    return run._replace(rows=[{k: v for k, v in row.items() if k not in left_out} for row in run.rows])


def present(groups: Sequence[history.Group], columns: dict[str, str]) -> dict[str, str]:
    """Return the columns that any of the groups has."""
    return {column: name for column, name in columns.items() if any(column in of.runs[0][0] for of in groups)}


def sync(paths: Sequence[str], out: str | os.PathLike) -> None:
    """Draw the runs in these workdirs, which are of GSDA or of DAAA."""
    kinds = {path: networks.of_daaa(Workdir(path).config()) for path in paths}
    if len({*kinds.values()}) > 1:
        ours, others = ([path for path, kind in kinds.items() if kind is of] for of in (True, False))
        raise ValueError(
            f"--workdir={ours[0]} is a run of daaa, and --workdir={others[0]} is not: --what=sync draws one method"
        )
    (updates if any(kinds.values()) else norms)(paths, out)


def norms(paths: Sequence[str], out: str | os.PathLike) -> None:
    """Draw the norms of all levels, and the synchrony where it is a term."""
    groups = history.gathered(paths, read_norms)
    panels = {
        "gradient norms of the levels": present(groups, history.NORMS),
        "difference between the levels": present(groups, SYNCHRONY),
    }
    panels = {title: columns for title, columns in panels.items() if columns}
    with figure_style.page(out, 7.0 if len(panels) > 1 else 4.6, 3.2 + history.heading(groups)) as figure:
        grid = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (title, columns) in zip(grid, panels.items(), strict=True):
            history.below(axes, history.panel(axes, groups, columns))
            axes.set(title=title, ylabel="mean over a segment")
            axes.set_ylim(bottom=0)
        history.head(figure, groups)
