"""Pairs small enough for tests: of the digits H and M, and of two folders of JPEGs."""

import json

from configs import digits, folders
from tfuda.experiment.workdir import Workdir

TINY = {"steps": 6, "segment": 3, "width": 2, "blocks": 1, "pool": 3, "batch": 2}


def arrays(task="H-M", **changes):
    config = digits.get_config("source_only")
    config.task, config.steps_per_execution = task, 1
    config.pairs.update(TINY | changes)
    return config


def settings(root):
    config = folders.get_config("source_only")
    config.update(source=str(root / "photos"), target=str(root / "scans"), steps_per_execution=1)
    config.view.update(resize=20, size=16)
    config.pairs.update(TINY | {"flip": True})
    return config


def content(folder) -> dict[str, bytes]:
    """Every file that pairs consist of; metrics without the seconds."""
    kept = ("*.npy", "index.json", "samples/*.png", "*/*.csv", "*_as_*/*.png")
    found = {str(path.relative_to(folder)): path.read_bytes() for kind in kept for path in folder.glob(kind)}
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in Workdir(folder).rows()]
    return found | {"metrics": json.dumps(rows).encode()}
