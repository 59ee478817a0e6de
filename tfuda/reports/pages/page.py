"""Write one run as a page: WORKDIR/report.html."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfuda.atomic_files import write_whole
from tfuda.errors import sentence
from tfuda.reports.pages import figures, html, predictions, runs, sections
from tfuda.reports.pages.html import element, escape, paragraph

Say = Callable[[str], None]
Part = tuple[str, str, str]  # anchor, title, HTML

UNKNOWN = 10  # classes assumed where the data cannot be read: health has one threshold for more than 3


def page(folders: Sequence[str], out: str, say: Say, before: str = "", first: Sequence[Part] = ()) -> pathlib.Path:
    """Write the page of the run in the one folder.

    Args:
        folders: one workdir.
        out: the file; report.html in the workdir where it is "".
        say: receives each message.
        before: the workdir of a source_only run, for the plane of the features.
        first: further parts, before all others.

    Returns:
        The path of the page.
    """
    if len(folders) != 1:
        raise ValueError(f"--what=page shows one run, not {len(folders)}: --what=index lists several")
    run = runs.read_run(folders[0])
    where = pathlib.Path(out or run.folder / "report.html")
    parts = [*first]
    if run.rows:
        say(f"{len(run.rows)} rows of metrics, {run.state}")
        parts.append(("curves", "Over training", sections.curves(run)))
        of, trouble = opened(run, say)
        if of is None:
            said = f"The network of this run cannot be looked at: {trouble}"
            parts.append(("pictures", "Pictures", paragraph(said, "warn")))
        else:
            parts += pictures(of, before, say)
        classes = UNKNOWN if of is None else len(of.task.classes)
        parts.append(("health", "Health", sections.vitals(run, classes)))
        parts.append(("validators", "Validators", sections.validators(run)))
    parts.append(("config", "Config and origin", sections.config(run)))
    write_whole(where, document(run, parts))
    return where


def opened(run: runs.Run, say: Say) -> tuple[figures.Look | None, str]:
    """Return the run's network on its target, or None and a sentence why: a page of numbers is still of use."""
    say("the network's predictions")
    try:
        return figures.look_at_run(run.folder), ""
    except (ValueError, OSError, ImportError, tf.errors.OpError) as error:
        trouble = sentence(error)
        say(f"no pictures of the network: {trouble}")
        return None, trouble


def pictures(of: figures.Look, before: str, say: Say) -> list[Part]:
    """Return all parts that need a network, or labels where there are any."""
    step = int(of.method.step.numpy())
    parts: list[Part] = []
    if of.right is not None:
        parts.append(("confusion", "What is taken for what", predictions.matrix(of)))
    parts.append(("predictions", "What it predicts", predictions.histograms(of)))
    say("t-SNE before and after")
    parts.append(("plane", "Source and target features", figures.plane(of, before)))
    say("where the network looks")
    parts.append(("maps", "Where the network looks", paragraph(looking(of)) + figures.maps(of)))
    if of.right is not None:
        parts.append(("mistakes", "Surest mistakes", figures.mistakes(of)))
    name, title, first = parts[0]
    parts[0] = (
        name,
        title,
        paragraph(f"All pictures are of the network at step {step}, on test images.", "note") + first,
    )
    return parts


def looking(of: figures.Look) -> str:
    """Return a sentence that explains the columns of the maps."""
    kinds = "Hits and misses" if of.right is not None else "The surest images, and the least sure ones"
    weighs = {
        "toalign": "ToAlign aligns what is relevant for the task, of the source, and leaves the rest",
        "biwaa": "BIWAA weighs features by the gradient of the loss: a sure and right image has none",
    }.get(of.config.weigher, "the task's two signs are what ToAlign would align, and what it would leave")
    return (
        f"{kinds} on the target: the response of the last map, Grad-CAM of the predicted class, and what is "
        f"weighed: {weighs}."
    )


def document(run: runs.Run, parts: Sequence[Part]) -> str:
    """Return the text of the file."""
    parts = [part for part in parts if part[2]]
    links = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title, _ in parts)
    title = f"{run.name}, {run.task}, seed {run.config.seed}"
    head = (
        '<div class="over"><p>tfuda: report of a run</p><button id="theme" type="button" hidden></button></div>'
        f'{element("h1", escape(title))}<nav aria-label="Contents"><ul>{links}</ul></nav>'
    )
    inside = [sections.headline(run), *(html.section(*part) for part in parts)]
    body = element("header", head) + element("main", "\n".join(inside), id="main")
    foot = "This file is all there is to the page: it asks no server for anything."
    return html.document(title, body + element("footer", paragraph(foot)), ["common.js", "page.js"])
