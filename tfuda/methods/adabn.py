"""AdaBN: adaptive batch normalization (Li et al., 2016), https://arxiv.org/abs/1603.04779

    training    L = CE over labelled images; batch norm takes each batch's own mean and variance
    evaluation  y = γ (x - μ) / √(σ² + ε) + β,   μ, σ²  moving statistics of target images alone

No label of the target and no loss on it: its images pass through the network after the labelled ones, and move the
statistics. The paper computes them over all target images once training has ended; here they are an average over the
last batches, as batch norm's always are. The weights are those that source_only learns, to the bit.

With `mixed` both domains move the statistics in turns, as they do under methods that align, where each domain has a
pass of its own. Such a method beside `adabn[mixed=True]` differs by its losses alone, and beside source_only by both.
"""

from __future__ import annotations

from tfuda.core import nonfinite
from tfuda.core.method import Method
from tfuda.networks import layers


class AdaBN(Method):
    """Train on labelled images, and let target images move the statistics of batch norm."""

    mixed = False  # True: labelled images move the statistics of batch norm too

    def make(self, probe):
        if not layers.moving_statistics(self.network):
            raise ValueError(
                "adabn moves the statistics of batch norm, and this network has none that learns: choose a network "
                "with batch norm, or --config.network.bottleneck=256 --config.network.neck=norm"
            )

    def forward(self, batch):
        moving = layers.moving_statistics(self.network)
        labelled = {name: stream for name, stream in batch.items() if "label" in stream}
        kept = nonfinite.values_of(moving)
        seen, outputs = super().forward(labelled)
        if not self.mixed:
            for variable, value in zip(moving, kept, strict=True):
                variable.assign(value)
        others, more = super().forward({name: stream for name, stream in batch.items() if name not in labelled})
        return seen | others, outputs | more
