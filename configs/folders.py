"""Adapt to your own pictures: a source folder with class folders, and a target folder without labels.

    python run/train.py --config=configs/folders.py:dann --config.source=photos/ --config.target=scans/ \\
        --workdir=runs/mine

This ends with an exported model and predictions.csv for the target in the workdir. The optional
--config.labels=scans_labelled/ (class folders again) is used in evaluation only, and --config.labelled=FOLDER with
--config.shots=1 has labelled target pictures that train. Class names are those of the source's folders. A fifth of
the source's pictures is held out of training, for evaluation.

The network is EfficientNet-Lite0 with ImageNet weights, which are installed with the library. Its backbone does not
learn: 4 views of each picture pass through it once, at 192, and a bottleneck learns on what it made of them. Other
networks stand behind an @:

    dann@tuned        the last three stages learn too, at 128
    dann@small        a small network from random weights, at 64
    dann@resnet50     a ResNet at 224 with the papers' low rate; --config.weights=imagenet or a file
    dann@hub:PRESET   a backbone of keras-hub, from a folder or by name

A method that needs translated pictures, such as daaa, trains the small network unless another is named.
"""

from tfuda.experiment import defaults, recipes, recipes_pretrained
from tfuda.experiment.validation import NETWORKS
from tfuda.names import backbone, near, resolve

TASKS = {"all": ("source-target",)}

sweep = recipes.sweep


def get_config(cell="dann"):
    """Return the config of a cell on two folders; CELL@NETWORK chooses another network."""
    cell, at, network = cell.partition("@")
    config = defaults.default_config(cell)
    config.cell += at + network
    config.data, config.task = "folders", "source-target"
    config.source = config.target = config.labels = config.labelled = ""
    config.holdout = 0.2
    config.deliver = True
    config.steps, config.segment, config.batch = 1000, 100, 16
    config.pairs.update(steps=20_000, segment=1000)
    moving = "pairs" in resolve(config.method, "methods").stages
    if network == "small" or (moving and not network):
        from_scratch(config)
    elif network in ("", *recipes_pretrained.REGIMES):
        recipes_pretrained.pretrained(config, network or "frozen")
        config.select = "last"  # on the emoji, no validator keeps a better checkpoint
    else:
        low_rate(config, network)
    defaults.put_settings(config)
    return config


def low_rate(config, network):
    """Set the papers' view and rates for a pretrained network that learns as a whole."""
    if ":" not in network and backbone(network)[0] not in NETWORKS:
        raise ValueError(
            f"unknown network {network!r} behind the @{near(network, {*NETWORKS, *recipes_pretrained.REGIMES})}"
        )
    config.view = {"resize": 256, "size": 224, "train": "crop", "flip": True, "test": "center"}
    config.network.name = network
    config.network_options = {"unbiased": False}
    config.optimizer.rate, config.optimizer.new_layers, config.optimizer.decay = 1e-3, 10.0, 5e-4
    recipes.put(config, {"copy": True, "wait": False})  # of a method with a teacher: it starts as that
    config.network.bottleneck = 1000 if config.method == "afn" else 0


def from_scratch(config):
    """Set a small network as in configs/digits.py; a slower reversal keeps ToAlign from collapsing from scratch."""
    config.view = {"resize": 72, "size": 64, "train": "crop", "flip": True, "test": "center"}
    config.network.name = "small"
    config.network_options = {"widths": (24, 48, 96, 96), "convolutions": 2, "stride": 2, "norm": True}
    config.optimizer.rate, config.optimizer.decay = 0.05, 1e-3
    config.pairs.update(width=24, blocks=4, batch=4, rate=5e-4, seeing=True)  # as configs/digits.py
    recipes.put(config, {"ramp_steps": 5 * config.get_ref("steps")})
    recipes.from_scratch(config)
