"""Draw what a trained network shows: predictions, the plane of its features, and where it looks."""

from __future__ import annotations

import os
import pathlib
import tempfile
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from tfuda.core.method import Method
from tfuda.data import pipeline
from tfuda.data.files import Files
from tfuda.data.tasks import Domain, Task
from tfuda.evaluation import evaluate, posteriors
from tfuda.experiment import training
from tfuda.reports.pages.html import element, embedded, escape, picture, scroll, table
from tfuda.reports.plots import attention, embedding
from tfuda.reports.plots.regions import weights

HALF = 4  # right images, and as many wrong ones, whose maps are shown
MISTAKES = 24
NEAR = 10  # neighbours in the plane


class Look(NamedTuple):
    """A run's last network, and its predictions on the target's test images."""

    config: ConfigDict
    task: Task
    method: Method
    probabilities: np.ndarray  # [N, K]

    @property
    def target(self) -> Domain:
        return self.task.tests["target"]

    @property
    def predicted(self) -> np.ndarray:
        """Return the predicted classes, int [N]."""
        return self.probabilities.argmax(1)

    @property
    def confidence(self) -> np.ndarray:
        """Return the largest probability of each image, [N]."""
        return self.probabilities.max(1)

    @property
    def right(self) -> np.ndarray | None:
        """Return whether each prediction is right, bool [N], where there are labels."""
        return None if self.target.labels is None else self.target.labels == self.predicted

    def name(self, row: int) -> str:
        """Return the name of an image: its file, or its index."""
        images = self.target.images
        if isinstance(images, Files):
            return os.path.basename(os.fsdecode(images.paths[row]))
        return f"image {row}"


def look_at_run(path: str | os.PathLike) -> Look:
    config, task, method = training.load_run(path)
    seen = evaluate.Observer(method.network)(task.tests["target"].images)
    return Look(config, task, method, posteriors.softmax(seen.logits))


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def words(of: Look, row: int) -> str:
    """Describe a picture: its label and its prediction."""
    classes, guess = of.task.classes, of.predicted[row]
    said = f"predicted {classes[guess]} ({percent(of.confidence[row])})"
    if of.target.labels is None:
        return said
    return f"true {classes[of.target.labels[row]]}, {said}"


# ---- the plane


def mixed(points: dict[str, np.ndarray]) -> float:
    """Return the mean share of the other domain among the NEAR nearest points of each: source and target [n, 2]."""
    every = np.concatenate([points["source"], points["target"]])  # [N, 2]
    side = np.repeat([0, 1], [len(points["source"]), len(points["target"])])
    distance = ((every[:, None] - every[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, 1, kind="stable")[:, : min(NEAR, len(every) - 1)]
    return float((side[near] != side[:, None]).mean())


def plane(of: Look, before: str = "") -> str:
    """Draw t-SNE before and after as one picture, with numbers."""
    parts = {side: embedding.part_of_domain(of.task.tests[side]) for side in embedding.MARKS}
    title, initial = embedding.earlier(of.config, of.task, before)
    some = parts["target"]
    clouds = [
        embedding.cloud(title, initial, some, parts),
        embedding.cloud(embedding.after(of.config, of.method), of.method, some, parts),
    ]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "tsne.png")
        embedding.draw(clouds, of.task, False, out)
        content = out.read_bytes()
    shares = [mixed(cloud.points) for cloud in clouds]
    counts = f"{len(parts['source'])} source and {len(some)} target test images"
    titles = [", ".join(cloud.title.splitlines()) for cloud in clouds]
    alt = (
        f"t-SNE of the features of {counts}. Left: {titles[0]}; of the {NEAR} nearest points of each, "
        f"{percent(shares[0])} are of the other domain. Right: {titles[1]}; there {percent(shares[1])} are. "
        "Half would be a full mixture."
    )
    text = element("p", escape(alt))
    return element(
        "figure", element("div", scroll(embedded(content, alt, class_="wide"), "t-SNE"), class_="card") + text
    )


# ---- single pictures


def chosen(of: Look) -> np.ndarray:
    """Choose rows of right and wrong images; without labels the most and the least confident."""
    if of.target.labels is not None:
        return attention.choose(of.target.labels, of.predicted, HALF, HALF)
    order = np.argsort(-of.confidence, kind="stable")
    return order if len(order) <= 2 * HALF else np.concatenate([order[:HALF], order[-HALF:]])


def verdict(of: Look, row: int) -> str:
    if of.right is None:
        return ""
    return element("span", "hit: " if of.right[row] else "miss: ", class_="hit" if of.right[row] else "miss")


def maps(of: Look) -> str:
    """Return a table: images, and the maps of the network and the weigher."""
    network, index = of.method.network, chosen(of)
    images = pipeline.read_pictures(of.target.images[index], network.view)  # [n, H, W, 3]
    views = attention.look_at_maps(network, images)
    columns = (*attention.COMMON, *attention.ALIGNED.get(of.config.weigher, attention.TASK))
    heads = [" ".join(column.title.split()) for column in columns]
    attended = "attention" in network(network.blank()).extras
    extra = weights(network, images) if attended else None  # [n, h, w]
    rows = []
    for i, (row, image) in enumerate(zip(index, images, strict=True)):
        said = words(of, row)
        cells = [verdict(of, row) + escape(f"{said}; {of.name(row)}"), picture(image, f"{of.name(row)}: {said}")]
        for column, head in zip(columns, heads, strict=True):
            top = max(getattr(views, name)[i].max() for name in column.scale)
            view = getattr(views, column.view)[i]
            cells.append(
                picture(pixels(attention.overlay(image, view, top)), f"{head} on {of.name(row)}, {peak(view)}")
            )
        if extra is not None:
            low, view = extra[i].min(), extra[i]
            heat = attention.overlay(image, view - low, np.ptp(view))
            cells.append(picture(pixels(heat), f"attention w on {of.name(row)}, {peak(view)}"))
        rows.append(cells)
    caption = "Bright is much, as a share of the image's own maximum; the two signs of the task share one."
    return table(caption, ["image", "as seen", *heads, *(["attention w"] if attended else [])], rows, "looks")


def pixels(shares: np.ndarray) -> np.ndarray:
    """Convert shares in 0..1 to uint8."""
    return (255 * np.clip(shares, 0, 1)).round().astype(np.uint8)


def peak(view: np.ndarray) -> str:
    """Describe where a map [h, w] is highest."""
    if not view.max() > 0:
        return "nowhere above zero"
    y, x = np.unravel_index(view.argmax(), view.shape)
    high = ("top", "middle", "bottom")[min(2, 3 * y // view.shape[0])]
    wide = ("left", "centre", "right")[min(2, 3 * x // view.shape[1])]
    return f"highest at the {high} {wide}"


def mistakes(of: Look) -> str:
    """Return the wrong images of highest confidence, as a list of thumbnails."""
    assert of.right is not None
    wrong = np.flatnonzero(~of.right)
    index = wrong[np.argsort(-of.confidence[wrong], kind="stable")][:MISTAKES]
    if not len(index):
        return element("p", "No test image of the target is wrong.")
    items = []
    for row, image in zip(
        index, pipeline.read_pictures(of.target.images[index], of.method.network.view), strict=True
    ):
        said = words(of, row)
        text = element("figcaption", f"{escape(said)}<br>{element('span', escape(of.name(row)), class_='note')}")
        items.append(element("li", element("figure", picture(image, f"{of.name(row)}: {said}") + text)))
    intro = f"The {len(index)} of {len(wrong)} mistakes of which the network is surest."
    return element("p", escape(intro)) + element("ul", "".join(items), class_="thumbs")


def compact(counts: np.ndarray, alt: str) -> str:
    """Draw a confusion matrix [K, K] with a pixel or more for each cell: a dark cell is a large share of its row."""
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    low, high = np.array([255, 255, 255]), np.array([8, 64, 107])
    colours = low + np.sqrt(share)[..., None] * (high - low)  # the root shows what is rare
    factor = max(1, -(-400 // len(counts)))
    large = np.kron(colours.round().astype(np.uint8), np.ones([factor, factor, 1], np.uint8))
    return element("div", picture(large, alt, len(large), exact=True, class_="compact"), class_="card")
