"""ADDA: Adversarial Discriminative Domain Adaptation (Tzeng et al., CVPR 2017), https://arxiv.org/abs/1702.05464

    M_s   a source network that does not learn any more: the teacher of tfuda/experiment/prerequisites.py
    M_t   starts as M_s; its head stays what it is
    L     trade_off L_domain, the adversarial loss of DANN between f_s = M_s(x_s) and f_t = M_t(x_t)

So no source image passes through the network in training, and only the adversarial loss updates the network.

Departures:
- The paper uses inverted labels and two optimizers; here, as in tllib, one reversal, whose coefficient goes to
  2 in tllib: `ramp_height=2`, `ramp_steps=10000`.
- The discriminator has dropout as everywhere here, where tllib's has batch norm.
- The source network is trained by a run of its own, by the same recipe, as long as this one (config.teacher); tllib
  takes three epochs.
"""

from __future__ import annotations

from tfuda.core.method import Method
from tfuda.methods.dann import DANN
from tfuda.methods.shared.frozen_teacher import Taught
from tfuda.networks.base import Network


class ADDA(Taught, DANN):
    """Move the target's features towards the teacher's features of the source."""

    trade_offs = {name: value for name, value in DANN.trade_offs.items() if name != "task"}
    copy = True  # True: the network starts as the source network, M_s

    stages = ("teacher",)
    refuses = ("shots",)

    def __init__(self, network: Network, *seams, **options):
        super().__init__(network, *seams, **options)
        network.head.trainable = False

    def forward(self, batch):
        mine = {name: stream for name, stream in batch.items() if name != "source"}
        found, outputs = Method.forward(self, mine)
        return {**batch, **found}, {"source": self.guide(batch["source"]["image"]), **outputs}

    def task(self, batch, outputs):
        return {}
