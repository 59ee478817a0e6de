"""Miniatures of the papers' data sets: the right layout, every class, a few small pictures of each."""

import gzip
import pathlib
import runpy

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from tfuda.data import catalogue

CONFIGS = sorted((pathlib.Path(__file__).parent.parent / "configs").glob("[a-z]*.py"))
PLACES = {"source": "photos", "target": "scans", "labels": "labels"}


def picture(rng, k: int, side: tuple[int, int] = (18, 30)) -> Image.Image:
    """Noise in a colour that tells the class, of any size and aspect."""
    height, width = rng.integers(*side, 2)
    pixels = rng.integers(0, 90, [height, width, 3]) + 150 * np.array([k & 1, k & 2, k & 4], bool)
    return Image.fromarray(pixels.astype(np.uint8))


def folders(root: pathlib.Path, classes, each: int, seed: int = 0, ending: str = "jpg") -> list[str]:
    """Class folders with `each` pictures; their paths relative to the root, class by class."""
    rng, found = np.random.default_rng(seed), []
    for k, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            picture(rng, k).save(root / name / f"{name}_{i}.{ending}")
            found.append(f"{name}/{name}_{i}.{ending}")
    return found


def archive(name: str, root: pathlib.Path, domains=(), each: int = 2) -> pathlib.Path:
    """A catalogue's set as its archive unpacks, and the official lists where the set has such."""
    of = catalogue.set_of(name)
    for number, short in enumerate(domains or of.domains):
        entry = catalogue.domain(of, short)
        home = entry.folders[0]
        paths = folders(root / home, of.classes, each, seed=number)
        lines = [f"{home}/{path} {i // each}\n" for i, path in enumerate(paths)]
        lists(entry, root, lines, each)
    return root


def lists(entry, root: pathlib.Path, lines: list[str], each: int) -> None:
    """The first picture of every class is a shot, the others are test; all are training."""
    shots, others = lines[::each], [line for i, line in enumerate(lines) if i % each]
    wanted = [(entry.train_lists, lines), (entry.test_lists, others)]
    wanted += [(entry.labelled_lists, shots), (entry.unlabelled_lists, others)]
    for names, content in wanted:
        for count in "13" if names else "":
            path = root / names[0].replace("{shots}", count)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(content), "utf-8")


def idx(path: pathlib.Path, array: np.ndarray) -> None:
    """One of MNIST's original files."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(head + array.tobytes()))


def mnist(root: pathlib.Path, each: int = 8) -> pathlib.Path:
    """MNIST as its four files, and MNIST-M as its archive."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(10, dtype=np.uint8), each)
    for split, short in (("train", "train"), ("test", "t10k")):
        images = rng.integers(0, 255, [len(labels), 28, 28], np.uint8)
        idx(root / f"{short}-images-idx3-ubyte.gz", images)
        idx(root / f"{short}-labels-idx1-ubyte.gz", labels)
        home = root / "mnist_m" / f"mnist_m_{split}"
        home.mkdir(parents=True)
        for i, label in enumerate(labels):
            picture(rng, int(label), (32, 33)).save(home / f"{i:08d}.png")
        text = "".join(f"{i:08d}.png {label}\n" for i, label in enumerate(labels))
        home.with_name(f"mnist_m_{split}_labels.txt").write_text(text)
    return root


def of_config(name: str, task: str, root: pathlib.Path) -> dict:
    """The keys of a config for a miniature of its data, which is made below the root."""
    if name in catalogue.names() and name != "mnist":
        source, _, target = task.rpartition("-")
        return {"root": str(archive(name, root, [*source.split("+"), target]))}
    if name == "mnist":
        return {"root": str(mnist(root))}
    if name == "folders":
        folders(root / "photos", ("a b", "ö"), 4)
        folders(root / "scans", ("here", "and there"), 4, ending="png")
        folders(root / "labels", ("a b", "ö"), 4, seed=1)
        return {name: str(root / place) for name, place in PLACES.items()}
    return {}


def small(file: pathlib.Path, miniature, cell: str = "") -> ConfigDict:
    """The config, with a small network and small images, for one step."""
    get_config = runpy.run_path(str(file))["get_config"]
    config = get_config(cell) if cell else get_config()
    *sources, target = config.task.replace("-", "+").split("+")
    config.task = f"{'+'.join(sources[:2])}-{target}"
    config.update(miniature(file.stem, config.task))
    config.steps = config.segment = 1
    if config.view.size:
        config.view.update(resize=20, size=16)
        config.weights, config.views = "", min(config.views, 2)
        config.network.name, config.network_options = "small", {"widths": (4, 8), "stride": 2}
        config.network.bottleneck = min(config.network.bottleneck, 8)
        config.batch = 4
        config.batches.update({name: 6 for name, size in config.batches.items() if size})
    if "hidden" in config.options:
        config.options.hidden = 8
    return config
