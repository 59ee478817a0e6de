"""Runs with names that would break a page, and a look at the HTML that is made of them."""

import json
import pathlib
import re
import shutil
from html.parser import HTMLParser

import numpy as np

from tfuda.data.tasks import Domain
from tfuda.experiment import defaults, training
from tfuda.experiment.workdir import Workdir

CLASSES = (
    '<b>&"x',
    "</script><script>document.title='run'</script>",
    "'><img src=x onerror=\"document.title='run'\">",
)
HOSTILE = "<img src=x onerror=alert(1)>&'javascript:alert(2)"  # as the name of a folder
VOID = {"meta", "link", "img", "input", "br", "line", "circle", "rect", "path"}


def load(name, split, classes=CLASSES):
    """Domains A and B, and U, whose labels nobody knows: a class is a brightness, and B is darker."""
    rng = np.random.default_rng([ord(name), split == "test"])
    labels = (np.arange(60 if len(classes) < 60 else 2 * len(classes)) % len(classes)).astype(np.int32)
    shade = 60 + 90 * (labels % 3) - (0 if name == "A" else 30)
    images = (shade[:, None, None, None] + rng.normal(0, 25, [len(labels), 12, 12, 3])).clip(0, 255).astype(np.uint8)
    return Domain(name, classes, images, None if name == "U" else labels)


def many(name, split):
    """The same with as many classes as DomainNet has."""
    return load(name, split, tuple(f"<i>{k}" for k in range(345)))


def config(cell="source_only", **changes):
    made = defaults.default_config(cell)
    made.data, made.task = "pages:load", "A-B"
    made.steps, made.segment, made.batch, made.steps_per_execution = 4, 1, 8, 1
    made.network_options = {"widths": (4, 4, 4), "convolutions": 1}
    made.update(changes)
    return made


def trained(folder: pathlib.Path, **changes) -> pathlib.Path:
    training.train_run(config(**changes), Workdir(folder))
    return folder


def altered(run: pathlib.Path, folder: pathlib.Path, rows: int | None = None, target: bool = True, **changes):
    """A copy of a run with another config: with its first rows alone, of one that has not ended; or unlabelled."""
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("report.html"))
    about = json.loads((folder / "config.json").read_text())
    about["config"].update(changes)
    (folder / "config.json").write_text(json.dumps(about))
    workdir = Workdir(folder)
    kept = [{k: v for k, v in row.items() if target or not k.startswith("target_a")} for row in workdir.rows()]
    workdir.keep_rows(kept[:rows])
    if rows is not None:
        workdir.result.unlink()
        for name in ("checkpoints", "selected"):
            shutil.rmtree(folder / name)
    elif not target:
        result = json.loads(workdir.result.read_text())
        workdir.result.write_text(
            json.dumps({k: v for k, v in result.items() if k not in ("last", "selected", "oracle")})
        )
    return folder


class Page(HTMLParser):
    """What a file holds: tags with their attributes and the tags around them, and its text."""

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self.html = path.read_text("utf-8")
        self.tags, self.around, self.text = [], [], ""
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), tuple(self.around)))
        if tag not in VOID:
            self.around.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), tuple(self.around)))

    def handle_endtag(self, tag):
        assert self.around and self.around[-1] == tag, f"</{tag}> in {self.around}"
        self.around.pop()

    def handle_data(self, data):
        if not {"script", "style"} & {*self.around}:
            self.text += data

    def all(self, *tags) -> list[dict]:
        return [attributes for tag, attributes, _ in self.tags if tag in tags]

    @property
    def outside(self) -> list[str]:
        """All that would be asked of somebody, or run."""
        asked = [
            f"{name}={value}"
            for _, attributes, _ in self.tags
            for name, value in attributes.items()
            if name.startswith("on") or name == "style" or (name in ("src", "href") and not inside(value))
        ]
        return asked + [
            url for url in re.findall(r"https?:[^\s\"']*", self.html) if url != "http://www.w3.org/2000/svg"
        ]

    @property
    def unnamed(self) -> list[tuple]:
        """Pictures without words."""
        found = []
        for tag, attributes, around in self.tags:
            drawn = tag == "svg" and "svg" not in around and attributes.get("aria-hidden") != "true"
            if (tag == "img" and not attributes.get("alt")) or (drawn and not attributes.get("aria-label")):
                found.append((tag, attributes))
        return found


def inside(value: str) -> bool:
    return value.startswith(("data:", "#", "./"))
