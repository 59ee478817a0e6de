"""Set the recipe for pretrained EfficientNet-Lite0 on two cores, which configs/emoji.py and configs/folders.py share.

    frozen  the backbone does not learn; 4 views of each picture pass through it once, and a bottleneck with batch
            norm and ReLU learns
    tuned   the last three of nine stages learn too, on stored maps of crops of 128

The frozen recipe was found on the emoji's tasks T-O and O-G with source_only, dann and dannp, seeds 0 and 1. These
are target accuracies of seed 0 at rates of 0.01 and of 0.03, in %:

    T-O  source_only 52.9, 52.5    dann 56.0, 57.1    dannp 53.3, 57.1
    O-G  source_only 39.4, 41.6    dann 44.2, 48.2    dannp 45.6, 46.8

A reversal that rises over 3000 steps instead of 600 changed nothing that two seeds can tell.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from tfuda.experiment import recipes
from tfuda.names import resolve

REGIMES = ("frozen", "tuned")


def pretrained(config: ConfigDict, regime: str) -> None:
    """Set EfficientNet-Lite0 with ImageNet weights, in one of REGIMES."""
    config.network.name, config.weights = "efficientnet_lite0", "imagenet"
    config.network.bottleneck, config.network.neck = 256, "norm"
    if config.method == "afn":  # has a bottleneck of its own
        config.network.bottleneck, config.network.neck = 1000, "linear"
    config.steps, config.segment, config.batch = 600, 100, 32
    config.views = 4
    config.view = {"resize": 208, "size": 192, "train": "crop", "flip": True, "test": "center"}
    config.network.frozen = "all"
    config.optimizer.rate, config.optimizer.new_layers, config.optimizer.decay = 3e-2, 1.0, 5e-4
    if "pairs" in resolve(config.method, "methods").stages:  # it compares maps of all stages of pairs of pictures
        config.views, config.network.frozen = -1, "0"
        config.optimizer.rate, config.optimizer.new_layers = 1e-3, 10.0
        config.network.bottleneck, config.network.neck = 0, "linear"
    elif regime == "tuned":
        config.network.frozen = "6"
        config.view.update(resize=144, size=128)
        config.optimizer.rate, config.optimizer.new_layers = 3e-3, 10.0
    if config.combiner == "metaalign":  # an inner rate of 0.1 where training starts, as in the released code
        recipes.put(config, {"rate": round(0.1 / config.optimizer.rate, 1)}, "combiner_options")
