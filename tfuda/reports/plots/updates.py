"""Draw the distance of the attentions and the target accuracy, after Figure 4 of the DAAA paper.

Both are by segment, at whose end the posterior is new: one row of metrics.csv. Runs without the penalty L_AT
(trade_offs.attention=0) log L_AT too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from tfuda import figure_style
from tfuda.reports.plots import history

PANELS = (  # title, label of the axis, column, factor
    ("distance between the attentions", "L_AT, mean over a segment", "attention", 1.0),
    ("test accuracy on the target", "accuracy (%)", "target_accuracy", 100.0),
)


def read_updates(path: str) -> history.Run:
    """Read a run, with updates in the place of steps."""
    run = history.read_history(path)
    return run._replace(rows=[{**row, "step": i} for i, row in enumerate(run.rows, 1)])


def updates(paths: Sequence[str], out: str | os.PathLike) -> None:
    """Draw the runs of DAAA in these workdirs."""
    groups = history.gathered(paths, read_updates)
    panels = [panel for panel in PANELS if any(panel[2] in group.runs[0][0] for group in groups)]
    with figure_style.page(out, 7.0 if len(panels) > 1 else 4.6, 2.9 + history.heading(groups)) as figure:
        for axes, (title, label, column, scale) in zip(
            figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
        ):
            history.panel(axes, groups, {column: title}, scale)
            axes.set(title=title, ylabel=label, xlabel="segment (then a new posterior)")
            axes.set_ylim(bottom=0 if scale == 1 else max(axes.get_ylim()[0], 0))
            axes.xaxis.get_major_locator().set_params(integer=True)
        history.head(figure, groups)
