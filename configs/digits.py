"""The embedded benchmark: four domains of the ten digits, nothing to download.

python run/train.py --config=configs/digits.py:dannp+toalign --config.task=R-M --workdir=/tmp/digits
"""

from tfuda import build


def get_config(cell="toalign"):
    config = build.base(cell)
    config.data = "digits"
    config.task = "R-S"
    config.steps = 800
    config.batch = 32
    config.augment = {"name": "shift", "pixels": 2}
    config.network.name = "small"
    config.network_options = {
        "widths": (16, 32, 64),
        "convolutions": 2,
        "stride": 1,
        "norm": True,
        "smooth": False,
    }
    config.optimizer.name = "adam"
    config.optimizer.rate = 2e-3
    if "hidden" in config.options:
        config.options.hidden = 256
    return config
