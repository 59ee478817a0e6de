"""Adapt to your own pictures: a source folder with class folders, and a target folder without labels.

    python run/train.py --config=configs/folders.py:toalign --config.source=photos/ --config.target=scans/ \\
        --workdir=runs/mine

This ends with an exported model and predictions.csv for the target in the workdir. The optional
--config.labels=scans_labelled/ (class folders again) is used in evaluation only. Class names are those of the
source's folders. A fifth of the source's pictures is held out of training, for evaluation.

The command trains a small network from scratch on crops of 64. For ImageNet weights change these flags:

    --config=configs/folders.py:toalign@resnet50 --config.weights=imagenet

The ResNet sees crops of 224 and has the papers' low rate; resnet18, 34 and 101 work likewise, and so does
efficientnet_lite0, whose weights are installed with the library.
"""

from tfuda.experiment import defaults, recipes

TASKS = {"all": ("source-target",)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on two folders; CELL@resnet50 takes a pretrained ResNet."""
    cell, at, network = cell.partition("@")
    config = defaults.default_config(cell)
    config.cell += at + network
    config.data, config.task = "folders", "source-target"
    config.source = config.target = config.labels = ""
    config.holdout = 0.2
    config.deliver = True
    config.steps, config.segment, config.batch = 1000, 100, 16
    if config.method == "daaa":
        config.batch = 60  # images of all four streams together
        config.pairs.update(steps=20_000, segment=1000)
    if network:
        pretrained(config, network)
    else:
        from_scratch(config)
    return config


def pretrained(config, network):
    """Set the papers' view and rates for a pretrained network."""
    config.view = {"resize": 256, "size": 224, "train": "crop", "flip": True, "test": "center"}
    config.network.name = network
    config.network_options = {"unbiased": False}
    config.optimizer.rate, config.optimizer.new_layers, config.optimizer.decay = 1e-3, 10.0, 5e-4
    if config.method == "daaa":
        recipes.put(config, {"copy": True, "wait": False})
    config.network.bottleneck = 1000 if config.method == "afn" else 0


def from_scratch(config):
    """Set a small network as in configs/digits.py; a slower reversal keeps ToAlign from collapsing from scratch."""
    config.view = {"resize": 72, "size": 64, "train": "crop", "flip": True, "test": "center"}
    config.network.name = "small"
    config.network_options = {"widths": (24, 48, 96, 96), "convolutions": 2, "stride": 2, "norm": True}
    config.optimizer.rate, config.optimizer.decay = 0.05, 1e-3
    config.pairs.update(width=24, blocks=4, batch=4, rate=5e-4, identity=0.0, seeing=True)  # as configs/digits.py
    recipes.put(config, {"ramp_steps": 5 * config.get_ref("steps")})
    recipes.from_scratch(config)
