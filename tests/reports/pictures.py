"""What the tests of pictures share: a loader, folders as commands leave them, and a look at what is drawn."""

import contextlib
import json
import os
import pathlib

import numpy as np
import pytest
import tiny
from commands import ROOT, command
from PIL import Image

from tfuda import figure_style
from tfuda.data.tasks import Domain
from tfuda.experiment.workdir import Workdir

HEAD = "loader,round,seed,last,selected,oracle,labels"
PATHS = os.pathsep.join(str(ROOT / place) for place in ("tests", "tests/reports", "tests/methods", "."))


def load(domain: str, split: str, root: str) -> Domain:
    """A loader for config.data: 3 classes, or as many as `root` says; domain B has ever more of the later ones."""
    count = int(root or 3)
    each = [4 + (k if domain == "B" else 0) for k in range(count)]
    labels = np.repeat(np.arange(count, dtype="int32"), each)
    images = np.random.default_rng(0).integers(0, 256, [len(labels), 16, 16, 3], "uint8")
    return Domain(domain, tuple(f"class {k}" for k in range(count)), images, None if domain == "blind" else labels)


def config(cell: str = "dann", **changes):
    made = tiny.config(cell, data=f"{__name__}:load", task="A-B", steps=2, segment=2)
    made.update(changes)
    return made


def recorded(folder: pathlib.Path, made, rows: list[dict]) -> str:
    """A folder with a config and metrics as training would leave it."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"config": made.to_dict()}))
    Workdir(folder).keep_rows(rows)
    return str(folder)


def of_rounds(folder, table: list[str], rounds=("round0",), **changes) -> str:
    """A folder as run/rounds.py leaves it; the table without its header."""
    folder.mkdir()
    (folder / "rounds.csv").write_text("\n".join([HEAD, *table]) + "\n")
    for name in rounds:
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps({"config": config("biwaa", **changes).to_dict()}))
    return str(folder)


def drawn(monkeypatch) -> list:
    """Every figure that will be drawn, for a look at its artists."""
    found, page = [], figure_style.page

    @contextlib.contextmanager
    def kept(*where):
        with page(*where) as figure:
            found.append(figure)
            yield figure

    monkeypatch.setattr(figure_style, "page", kept)
    return found


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def assert_picture(path, *inches: float) -> None:
    """Something is on it, and its edge is white: nothing is cut off; of so many inches in width and height."""
    image = pixels(path)
    assert image.std() > 10
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert (edge == 255).all()
    if inches:
        assert image.shape[1::-1] == tuple(round(length * figure_style.DPI) for length in inches)


def texts(legend) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


def said(draw, *words) -> str:
    """The sentence of a refusal."""
    with pytest.raises((ValueError, OSError)) as caught:
        draw(*words)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def plot(*words, code=0, cwd=ROOT) -> str:
    """What run/plot.py prints: of code 2, the sentence of a refusal."""
    done = command("plot", *words, cwd=cwd, env=os.environ | {"PYTHONPATH": PATHS})
    assert (done.returncode, done.stdout if code else done.stderr) == (code, ""), done
    return (done.stderr if code else done.stdout).removesuffix("\n")
