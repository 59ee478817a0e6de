"""The papers' recipes: what the files of configs/ share. METHODS of the released codes, not of ours.

    toalign   ToAlign's repository (source-only, DANN, DANNP, ToAlign): rate (1 + 10 p)^-0.75 over the run, decay
              5e-4, random crop, one centre crop in evaluation, no bottleneck
    cdan      CDAN's: rate (1 + 0.001 i)^-0.75 by steps, decay 1e-3, bottleneck 256, random resized crop, ten crops,
              the reversal's ramp over 10000 steps, one ahead

New layers learn ten times faster than the backbone, everywhere.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from tfuda import build

BY_METHOD = {"cdan": "cdan", "cdane": "cdan"}  # all others as ToAlign's


def paper(cell: str, data: str, depth: int = 50) -> ConfigDict:
    """A config on a catalogue set, with a ResNet on crops of 224, as the paper of the cell's method trains it."""
    config = build.base(cell)
    config.data = data
    config.view = {"resize": 256, "size": 224, "train": "crop", "flip": True, "test": "center"}
    config.network.name = f"resnet{depth}"
    config.network_options = {"frozen": 0, "unbiased": False}
    config.optimizer.rate = 1e-3
    config.optimizer.new_layers = 10.0
    config.steps_per_execution = 1
    config.batch = 36
    if BY_METHOD.get(config.method) == "cdan":
        cdan(config)
    else:
        toalign(config)
    return config


def toalign(config: ConfigDict) -> None:
    """METHODS A0.7 to A0.10, A2, A3, A7."""
    config.steps, config.segment = 8000, 500
    config.optimizer.decay = 5e-4
    if config.method == "dann":
        config.options.trade_offs.domain = 0.1  # UDA_OH_DANN.yaml


def cdan(config: ConfigDict) -> None:
    """METHODS A0.6 to A0.10, A4."""
    config.steps, config.segment = 100_000, 500
    config.view.train, config.view.test = "resized_crop", "ten"
    config.network.bottleneck, config.network.initial = 256, "xavier"
    config.optimizer.gamma, config.optimizer.per_step, config.optimizer.decay = 1e-3, True, 1e-3
    config.options.ramp_ahead, config.options.ramp_steps = 1, 10_000


def sweep(hp, config: ConfigDict) -> None:
    """keras-tuner's space; the defaults are the config's."""
    config.optimizer.rate = hp.Float("optimizer.rate", 1e-4, 1e-2, sampling="log", default=config.optimizer.rate)
    if "domain" in config.options.get("trade_offs", {}):
        default = config.options.trade_offs.domain
        name = "options.trade_offs.domain"
        config.options.trade_offs.domain = hp.Float(name, 0.1, 2.0, sampling="log", default=default)
