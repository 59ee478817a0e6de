"""Two folders of small pictures that `tfuda adapt` takes a second for."""

import numpy as np
from PIL import Image

from tfuda.studies.adaptation.request import Request

CLASSES = ("blue", "green", "red")


def picture(place, colour, rng):
    shades = rng.integers(0, 60, (24, 24, 3))
    shades[..., CLASSES[::-1].index(colour)] += 150
    place.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(shades.astype("uint8")).save(place)


def make(home):
    """Write photos/ of three classes, scans/ of the same in any order, and scans_labelled/; return `home`."""
    rng = np.random.default_rng(0)
    for colour in CLASSES:
        for i in range(12):
            picture(home / "photos" / colour / f"{i}.png", colour, rng)
        for i in range(8):
            picture(home / "scans_labelled" / colour / f"{i}.png", colour, rng)
            picture(home / "scans" / f"{i}_{colour}.png", colour, rng)
    (home / "scans" / "broken.jpg").write_bytes(b"no picture")
    return home


def small(config):
    """A small network from random weights, and few steps."""
    config.network.update(name="small", bottleneck=0, neck="linear", frozen="0")
    config.network_options = {"widths": (4, 6, 8), "convolutions": 1, "stride": 2, "norm": True}
    config.view.update(resize=20, size=16)
    config.weights, config.views, config.steps, config.segment = "", 2, 30, 15
    config.optimizer.rate = 0.05


def brief(config):
    """The same for two steps."""
    small(config)
    config.steps = config.segment = 2


def request(folders, workdir, **more):
    asked = {"cells": ("dann",), "change": small, **more}
    return Request(str(folders / "photos"), str(folders / "scans"), str(workdir), **asked)
