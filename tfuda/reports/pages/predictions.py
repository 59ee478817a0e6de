"""Write the parts of a run's page that show the network's predictions on the target."""

from __future__ import annotations

import numpy as np

from tfuda.evaluation import evaluate
from tfuda.reports.pages import charts, figures, words
from tfuda.reports.pages.html import details, element, escape, paragraph, table, whole_number
from tfuda.reports.pages.sections import tenth
from tfuda.reports.plots.matrix import shares

WRITTEN = 40  # classes up to which the whole matrix is a table
PAIRS = 20


def confusions(counts: np.ndarray) -> list[tuple[int, int, float]]:
    """Return every confusion in counts [K, K], most frequent first: (true, predicted, percent of the true class)."""
    off = np.where(np.eye(len(counts), dtype=bool), 0, np.nan_to_num(shares(counts)))
    order = np.argsort(-off, axis=None, kind="stable")
    rows, columns = np.unravel_index(order, off.shape)
    return [(int(i), int(j), float(off[i, j])) for i, j in zip(rows, columns, strict=True) if off[i, j] > 0]


def in_words(score: evaluate.Score, classes: tuple[str, ...]) -> str:
    pairs = confusions(score.confusion)
    often = ", ".join(f"{classes[i]} taken for {classes[j]} ({share:.0f} %)" for i, j, share in pairs[:3])
    return f"Confusion matrix: {tenth(score.accuracy)} on the diagonal; " + (
        f"most often {often}." if pairs else "nothing is taken for anything else."
    )


def matrix(of: figures.Look) -> str:
    """Return the whole matrix where there is room; else the most confused pairs, and a small picture."""
    score, classes = evaluate.score(of.target.known_labels, of.probabilities), of.task.classes
    said = in_words(score, classes)
    if len(classes) <= WRITTEN:
        lines = []
        for k, line in enumerate(shares(score.confusion)):
            lines.append(f"<tr>{element('th', escape(classes[k]), scope='row')}{''.join(map(cell, line))}</tr>")
        heads = "".join(element("th", escape(name), scope="col") for name in ("true \\ predicted", *classes))
        caption = f"{said} Rows are true classes, in percent of their {score.confusion.sum():,} images."
        shown = whole_number(caption, heads, "".join(lines), "heat tall" if max(map(len, classes)) > 3 else "heat")
    else:
        alt = f"{said} {len(classes)} classes; rows are true, columns predicted, dark is much."
        shown = paragraph(said) + figures.compact(score.confusion, alt)
    found = confusions(score.confusion)[:PAIRS]
    rows = [
        [escape(classes[i]), escape(classes[j]), f"{share:.0f} %", str(score.confusion[i, j])]
        for i, j, share in found
    ]
    pairs = table(
        "The most confused pairs.", ["true", "taken for", "share of the true class", "images"], rows, text=[1]
    )
    worst = details("The most confused pairs", pairs) if len(classes) <= WRITTEN else pairs
    return shown + (worst if found else "")


def cell(share: float) -> str:
    if np.isnan(share):
        return '<td class="none">–</td>'
    text = "" if share == 0 else f"{share:.0f}" if share >= 0.5 else "&lt;1"
    return f'<td class="h{round(share / 10)}">{text}</td>'


def histograms(of: figures.Look) -> str:
    """Draw how often each class is predicted and how confident the network is, with the truth where it is known."""
    classes, count = of.task.classes, len(of.predicted)
    taken = np.bincount(of.predicted, minlength=len(classes))
    order = np.argsort(-taken, kind="stable")
    top, most = int(order[0]), taken.max() / count
    alt = (
        f"Predicted classes of {count:,} target test images: most often {classes[top]} ({figures.percent(most)}), "
        f"{int((taken > 0).sum())} of {len(classes)} classes are predicted at all."
    )
    shown = charts.bars("Predicted classes, images", classes, taken.tolist(), alt)
    source = of.task.streams["source"].labels
    heads, columns = ["class", "predicted", "share"], [taken, 100 * taken / count]
    if source is not None:
        heads.append("share in the source's training images")
        columns.append(100 * np.bincount(source, minlength=len(classes)) / len(source))
    if of.target.labels is not None:
        heads.append("true share")
        columns.append(100 * np.bincount(of.target.labels, minlength=len(classes)) / count)
    rows = [
        [escape(classes[k]), str(columns[0][k]), *(f"{column[k]:.1f} %" for column in columns[1:])] for k in order
    ]
    listed = details("Classes as a table", table("Classes, the most predicted first.", heads, rows))
    return f'<div class="charts">{shown}{confidence(of)}</div>' + listed + bands(of)


def tenths(of: figures.Look) -> tuple[list[str], np.ndarray]:
    """Return names of ten bands of confidence, and the band of each image int [N]."""
    band = np.clip((10 * of.confidence).astype(int), 0, 9)
    return [f"{10 * i}–{10 * i + 10}" for i in range(10)], band


def confidence(of: figures.Look) -> str:
    names, band = [str(10 * i) for i in range(10)], tenths(of)[1]
    counts = np.bincount(band, minlength=10)
    alt = (
        f"Confidence on {len(band):,} target test images, in percent: mean {tenth(of.confidence.mean())}, "
        f"{tenth((of.confidence >= 0.9).mean())} of them 90 % or more."
    )
    return charts.bars("Confidence in tens from (%), images", names, counts.tolist(), alt)


def bands(of: figures.Look) -> str:
    """Return the bands of confidence as a table, with the accuracy in each."""
    names, band = tenths(of)
    rows = []
    for i, name in enumerate(names):
        inside = band == i
        if inside.any():
            right = [] if of.right is None else [tenth(of.right[inside].mean())]
            rows.append([f"{name} %", f"{inside.sum():,}", *right])
    heads = ["confidence", "images", *([] if of.right is None else ["of these right"])]
    return details("Confidence as a table", table(words.TEN, heads, rows))
