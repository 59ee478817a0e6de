"""Set the recipe for pretrained EfficientNet-Lite0 on two cores, which configs/emoji.py and configs/folders.py share.

frozen  the backbone does not learn; 4 views of each picture pass through it once, and a bottleneck with batch
        norm and ReLU learns
tuned   the last three of nine stages learn too, on stored maps of crops of 128
"""

from __future__ import annotations

from ml_collections import ConfigDict

REGIMES = ("frozen", "tuned")


def pretrained(config: ConfigDict, regime: str) -> None:
    """Set EfficientNet-Lite0 with ImageNet weights, "frozen" or "tuned"; configs/emoji.py describes both."""
    config.network.name, config.weights = "efficientnet_lite0", "imagenet"
    config.network.bottleneck, config.network.neck = 256, "norm"
    config.steps, config.segment, config.batch = 600, 100, 32
    config.views = 4
    config.view = {"resize": 208, "size": 192, "train": "crop", "flip": True, "test": "center"}
    config.network.frozen = "all"
    config.optimizer.rate, config.optimizer.new_layers, config.optimizer.decay = 3e-2, 1.0, 5e-4
    if regime == "tuned":
        config.network.frozen = "6"
        config.view.update(resize=144, size=128)
        config.optimizer.rate, config.optimizer.new_layers = 3e-3, 10.0
