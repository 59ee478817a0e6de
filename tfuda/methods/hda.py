"""HDA: Heuristic Domain Adaptation (Cui et al., NeurIPS 2020), https://arxiv.org/abs/2011.14540

    heuristic   z = Σ_j H_j(f)                         what is particular to a domain; linear H_j, three of them
    logits      y = F(f) - z                           for the task, the discriminator and the answer
    view        v = softmax(y)                         as DANNP, gradients flow through
    confidence  e = exp(-GRL_c(H(p))),  w = e / sum e per side, the sum detached
    L_domain    scale Σ_i w_i CE(D(GRL_c(v_i)), domain_i)
    L_heuristic strength · mean |z|                    over classes, images and streams
    L           L_task + trade_off L_domain + trade_off L_heuristic

The domain labels follow from `streams`, which `build.method` reads off the task (n is the number of sources):

    streams                            domains                                  D           scale  strength
    source, target                     source 1, target 0                       sigmoid     1/2    1
    n sources, target                  source j: j + 1, target 0                n + 1 ways  1      1
    source, labelled target, target    source 2, labelled target 1, target 0    3 ways      2/3    1/2

n sources and a labelled target follow the last row with source j: j + 2. Entropy weights are normalised per stream:
all sources together are one side. L_task is over all labelled images.

Departures, and the option that selects the other:
- The paper's conditions on H are that it is similar to F at first, independent, and ends small. In the released code
  they are the initial values of the head (networks/heads.py) and mean |z|. The gaussianity that it logs is no part of
  its loss, nor of ours.
- `two_way=True` takes all sources for one domain, as ToAlign's baseline for several sources: 2 ways, scale 1. With a
  labelled target it has 3 ways, as for one source. One source stays as it is.
- Without entropy weights that baseline's code takes one mean over all images instead of the scaled sum of one for
  each side: `entropic=False` and `pooled=True`.
- The ramp's horizon is the run's length, as in ToAlign's code; in HDA's it is 10000 and the discriminator counts one
  step ahead: `ramp_steps=10000`, `ramp_ahead=1`.
- `width`, `scale`, `strength` and `domains` are the table's where they are 0, -1, -1 and {}.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfuda.core import ops
from tfuda.methods.dannp import DANNP
from tfuda.networks.heads import HeuristicHead


class Setting(NamedTuple):
    """Hold a row of the table; `width` is the number of the discriminator's outputs, 1 for a sigmoid."""

    domains: dict[str, int]
    width: int
    scale: float
    strength: float


def setting(sources: int, labelled: bool) -> Setting:
    """Return the row for so many source domains, with or without labelled target images."""
    if labelled:
        return Setting({"source": 2, "target_labelled": 1, "target": 0}, sources + 2, 2 / 3, 1 / 2)
    if sources > 1:
        return Setting({"source": 1, "target": 0}, sources + 1, 1.0, 1.0)
    return Setting({"source": 1, "target": 0}, 1, 1 / 2, 1.0)


def two_way_setting(labelled: bool) -> Setting:
    """Return the row for several sources that are one domain to the discriminator."""
    return setting(1, labelled) if labelled else Setting({"source": 1, "target": 0}, 2, 1.0, 1.0)


class HDA(DANNP):
    """Train DANNP with a head whose logits are a difference, and shrink the heuristic."""

    trade_offs = {
        **DANNP.trade_offs,
        "heuristic": 1.0,  # factor on the loss of the heuristic
    }
    two_way = False  # True: several sources are one domain
    pooled = False  # True: one mean over the images of all streams, in place of the scaled sum over streams
    domains: dict[str, int] = {}  # domain label of each stream; {} for the table's in tfuda/methods/hda.py
    width = 0  # outputs of the discriminator; 0 for the table's
    scale = -1.0  # factor on the sum of the domains' losses; -1 for the table's
    strength = -1.0  # factor on mean |z| of heuristic or bridge; -1 for the table's

    @classmethod
    def head(cls, classes, options=None):
        return HeuristicHead(classes)

    def make(self, probe):
        if not hasattr(self.network.head, "heuristic"):
            kind = type(self).__name__
            raise ValueError(f"{kind} needs a network whose head has a heuristic: give it head={kind}.head(classes)")
        sources, labelled = self.streams["source"], "target_labelled" in self.streams
        self.apart = sources > 1 and not self.two_way  # is every source a domain of its own?
        found = two_way_setting(labelled) if sources > 1 and self.two_way else setting(sources, labelled)
        self.domains, self.width = self.domains or found.domains, self.width or found.width
        self.scale = found.scale if self.scale < 0 else self.scale
        self.strength = found.strength if self.strength < 0 else self.strength
        super().make(probe)

    def label(self, batch, name):
        label = super().label(batch, name)
        return label + batch[name]["domain"] if self.apart and name == "source" else label

    def compare(self, batch, seen, verdicts):
        return self.compare_pooled(batch, seen, verdicts) if self.pooled else super().compare(batch, seen, verdicts)

    def compare_pooled(self, batch, seen, verdicts):
        """Return one weighted mean over the images of all sides, without `scale`."""
        wrong = [
            self.wrong(self.label(batch, name), verdict) * self.importance(batch, name)
            for name, verdict in verdicts.items()
        ]
        weights = [self.confidence(seen[name]) for name in verdicts]
        return self.adversarial(batch, verdicts, ops.mean(tf.concat(wrong, 0), tf.concat(weights, 0)))

    def regularise(self, batch, outputs):
        z = tf.concat([self.network.head.heuristic(stream.features) for stream in outputs.values()], 0)  # [ΣB, K]
        return {"heuristic": self.strength * ops.mean(tf.reduce_mean(tf.abs(z), -1))}
