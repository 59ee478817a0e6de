"""Write a domain's images as PNG files, in class folders where labels are known, to look at or to predict.

python run/images.py --config=configs/digits.py --domain=S --split=test --count=50 --out=/tmp/street
"""

import pathlib

from absl import flags
from PIL import Image

from tfuda.cli import launch
from tfuda.data import pipeline
from tfuda.experiment import build

CONFIG = launch.config_flag()
DOMAIN = flags.DEFINE_string("domain", None, "name of the domain")
SPLIT = flags.DEFINE_enum("split", "test", ["train", "test"], "which images of the domain")
COUNT = flags.DEFINE_integer("count", 0, "how many images to write; 0 for all", lower_bound=0)
OUT = flags.DEFINE_string("out", None, "folder to write to")


def main(words):
    domain = build.loader(CONFIG.value)(DOMAIN.value, SPLIT.value)
    count = min(COUNT.value or len(domain), len(domain))
    labels = domain.labels
    images = pipeline.each_picture(domain.images[:count], build.view(CONFIG.value))
    for i, image in enumerate(images):
        folder = pathlib.Path(OUT.value, "" if labels is None else domain.classes[labels[i]])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{domain.name}_{SPLIT.value}_{i:05d}.png")
    said = "without labels" if labels is None else f"in {len(domain.classes)} classes"
    print(f"{OUT.value}: {count} images {said}")


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["config", "domain", "out"])
