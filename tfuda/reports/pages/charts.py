"""Draw curves and bars as SVG that fits any width, with their numbers for the script that reads them out.

A chart is three nested pictures. The frame holds the plot, whose places are percents, so that type and dots keep
their size. The plot holds the lines, in a square of 1000 × 1000 that is stretched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfuda.reports.pages.html import data, element, escape

MOST = 300  # points of a line at most
COLOURS = 8  # of style.css


class Line(NamedTuple):
    """A name and a value for each step, not always finite."""

    name: str
    values: Sequence[float]


class Chart(NamedTuple):
    """Lines over the same steps; `percent` for shares, `marked` for the index of the step with a sign, if any."""

    title: str
    lines: Sequence[Line]
    percent: bool = False
    marked: int | None = None
    sign: str = "selected"
    says: str = ""  # the sentence under the chart
    small: bool = False


class Scale(NamedTuple):
    """The map from a value to its height, 0 to 1; `bent`: linear up to 1 and logarithmic beyond."""

    low: float
    high: float
    bent: bool = False

    def bend(self, value: float) -> float:
        return math.copysign(math.log10(1 + abs(value)), value) if self.bent else value

    def __call__(self, value: float) -> float:
        low, high = self.bend(self.low), self.bend(self.high)
        return (self.bend(value) - low) / (high - low)


def written(value: float, percent: bool) -> str:
    if not math.isfinite(value):
        return "not finite"
    return f"{100 * value:.1f} %" if percent else f"{value:.3g}"


def finite(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def nice(low: float, high: float, count: int = 4) -> list[float]:
    """Return about `count` round numbers that cover low to high."""
    span = (high - low) or abs(high) or 1.0
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    if power < 1e-9:  # a line that is constant but for rounding
        return [low - 1, low, low + 1] if low else [-1.0, 0.0, 1.0]
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def scale(lines: Sequence[Line]) -> tuple[Scale, list[float]]:
    """Return the scale of all lines, and its ticks; bent where one line would flatten the others."""
    values = [value for line in lines for value in finite(line.values)] or [0.0]
    peaks = sorted(max(map(abs, finite(line.values)), default=0.0) for line in lines)
    if len(peaks) > 1 and peaks[-1] > 50 * max(peaks[len(peaks) // 2], 1.0):
        powers = [10.0**i for i in range(math.ceil(math.log10(peaks[-1])) + 1)]
        ticks = [0.0, *powers] if min(values) >= 0 else [min(values), 0.0, *powers]
        return Scale(ticks[0], ticks[-1], True), ticks
    ticks = nice(min(values), max(values))
    return Scale(ticks[0], ticks[-1]), ticks


def thinned(count: int, *kept: int, most: int = MOST) -> np.ndarray:
    """Return indices of at most `most` rows of `count`, evenly spaced, with the last one and `kept` among them."""
    return np.unique([*np.linspace(0, count - 1, min(count, most)).round().astype(int), *kept])


def summary(chart: Chart, steps: Sequence[float]) -> str:
    """Describe the chart in words, with numbers."""
    parts = []
    for line in chart.lines:
        known = [(value, step) for value, step in zip(line.values, steps, strict=True) if math.isfinite(value)]
        if not known:
            parts.append(f"{line.name} is never finite")
            continue
        (high, at), (low, there) = max(known), min(known)
        first, last, top, least = (written(v, chart.percent) for v in (known[0][0], known[-1][0], high, low))
        parts.append(
            f"{line.name} from {first} to {last}, highest {top} at step {at:.0f}, lowest {least} at step {there:.0f}"
        )
    mark = f"; {chart.sign} is step {steps[chart.marked]:.0f}" if chart.marked is not None else ""
    return f"{chart.title}, step {steps[0]:.0f} to {steps[-1]:.0f}: {'; '.join(parts)}{mark}."


def path(values: Sequence[float], places: Sequence[float], of: Scale) -> str:
    """Return the SVG attribute d of a line in the square of 1000.

    Args:
        values: the line's values; one that is not finite interrupts the line.
        places: the horizontal place of each value.
        of: the scale of the values.
    """
    found, pen = [], "M"
    for x, value in zip(places, values, strict=True):
        if math.isfinite(value):
            found.append(f"{pen}{1000 * x:.0f} {1000 - 1000 * of(value):.0f}")
            pen = "L"
        else:
            pen = "M"
    lone = len(found) == 1
    return "".join(found) + ("h0" if lone else "")


def percents(share: float) -> str:
    return f"{100 * share:.2f}%"


def drawn(chart: Chart, steps: Sequence[float], at: int) -> tuple[str, dict]:
    """Return the figure, with values at index `at`, and its numbers for the script."""
    of, ticks = scale(chart.lines)
    across = Scale(steps[0], steps[-1] if steps[-1] > steps[0] else steps[0] + 1)
    places = [across(step) for step in steps]
    parts = []
    for tick in ticks:
        y = percents(1 - of(tick))
        text = f"{100 * tick:g}" if chart.percent else f"{tick:g}"
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="y" x="-8" y="{y}" dy="0.32em">{text}</text>')
    for tick in nice(steps[0], steps[-1], 3 if chart.small else 4):
        if steps[0] <= tick <= steps[-1]:
            parts.append(f'<text class="x" x="{percents(across(tick))}" y="100%" dy="18">{tick:,.0f}</text>')
    if chart.marked is not None:
        x = percents(places[chart.marked])
        side = "start" if places[chart.marked] < 0.15 else "end" if places[chart.marked] > 0.85 else "middle"
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="0" y2="100%"/>')
        parts.append(f'<text class="mark {side}" x="{x}" y="-6">{escape(chart.sign)}</text>')
    lines = [
        f'<path class="line c{i % COLOURS} d{i // COLOURS % 3}" data-line="{i}" d="{path(line.values, places, of)}"/>'
        for i, line in enumerate(chart.lines)
    ]
    parts.append(f'<svg viewBox="0 0 1000 1000" preserveAspectRatio="none">{"".join(lines)}</svg>')
    parts.append('<line class="cursor" y1="0" y2="100%" visibility="hidden"/>')
    parts += [
        f'<circle class="dot c{i % COLOURS}" data-line="{i}" r="4" visibility="hidden"/>'
        for i in range(len(chart.lines))
    ]
    plot = f'<svg class="plot">{"".join(parts)}</svg>'
    frame = element("svg", plot, class_="frame", role="img", aria_label=summary(chart, steps))
    keys = "".join(key(i, line, at, chart) for i, line in enumerate(chart.lines))
    unit = " (%)" if chart.percent else ", bent above 1" if of.bent else ""
    inside = [
        element("figcaption", f"{escape(chart.title)}<span>{unit}</span>"),
        frame,
        f'<div class="keys">{keys}</div>',
    ]
    if chart.says:
        inside.append(element("p", escape(chart.says), class_="says"))
    numbers = {
        "low": of.low,
        "high": of.high,
        "bent": of.bent,
        "percent": chart.percent,
        "lines": [[float(f"{v:.5g}") if math.isfinite(v) else None for v in line.values] for line in chart.lines],
    }
    return element("figure", "".join(inside), class_="chart small" if chart.small else "chart"), numbers


def key(i: int, line: Line, at: int, chart: Chart) -> str:
    """Return a line of the legend, with its value; a switch where there are several."""
    swatch = (
        f'<svg class="swatch" aria-hidden="true"><line class="line c{i % COLOURS} d{i // COLOURS % 3}" '
        'x1="1" x2="21" y1="6" y2="6"/></svg>'
    )
    inside = f"{swatch}<span>{escape(line.name)}</span> <output>{written(line.values[at], chart.percent)}</output>"
    if len(chart.lines) == 1:
        return f'<span class="key">{inside}</span>'
    return f'<label class="key"><input type="checkbox" checked data-line="{i}">{inside}</label>'


def group(name: str, steps: Sequence[float], charts: Sequence[Chart], at: int) -> str:
    """Return charts over the same steps that one slider reads out, at first at index `at`."""
    kept = thinned(len(steps), at, *(chart.marked for chart in charts if chart.marked is not None))
    place = {int(k): i for i, k in enumerate(kept)}
    shown = [steps[k] for k in kept]
    figures, numbers = [], []
    for chart in charts:
        lines = [Line(line.name, [line.values[k] for k in kept]) for line in chart.lines]
        marked = None if chart.marked is None else place[chart.marked]
        figure, found = drawn(chart._replace(lines=lines, marked=marked), shown, place[at])
        figures.append(figure)
        numbers.append(found)
    slider = (
        f'<label class="slider">Values at step <output>{shown[place[at]]:.0f}</output>'
        f'<input type="range" min="0" max="{len(shown) - 1}" value="{place[at]}" '
        f'aria-valuetext="step {shown[place[at]]:.0f}"></label>'
    )
    held = data(f"{name}-data", {"steps": shown, "charts": numbers})
    inside = f'{slider}<div class="charts">{"".join(figures)}</div>{held}'
    return element("div", inside, class_="group", data_group=name)


def bars(title: str, names: Sequence[str], counts: Sequence[float], alt: str) -> str:
    """Draw a histogram.

    Args:
        title: the heading.
        names: a name for each bar; names stand below where they are few and short.
        counts: a value for each bar.
        alt: the histogram in words.
    """
    ticks = nice(0, max([*counts, 1]))
    parts = []
    for tick in ticks:
        y = percents(1 - tick / ticks[-1])
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="y" x="-8" y="{y}" dy="0.32em">{tick:g}</text>')
    each, few = 1 / len(names), len(names) <= 12 and max(map(len, names)) <= 7
    for i, (name, count) in enumerate(zip(names, counts, strict=True)):
        x, share = percents((i + 0.12) * each), count / ticks[-1]
        parts.append(
            f'<rect class="bar" x="{x}" width="{percents(0.76 * each)}" y="{percents(1 - share)}" '
            f'height="{percents(share)}"/>'
        )
        if few:
            middle = percents((i + 0.5) * each)
            parts.append(f'<text class="x" x="{middle}" y="100%" dy="18">{escape(name)}</text>')
    frame = element("svg", f'<svg class="plot">{"".join(parts)}</svg>', class_="frame", role="img", aria_label=alt)
    return element("figure", element("figcaption", escape(title)) + frame, class_="chart")
