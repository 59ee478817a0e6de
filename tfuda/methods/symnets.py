"""SymNets: Domain-Symmetric Networks for Adversarial Domain Adaptation (Zhang et al., CVPR 2019),
https://arxiv.org/abs/1904.04663

One linear layer of 2K logits: the source's classifier C_s first, the target's C_t after it. p is the softmax over all
2K, λ = 2 / (1 + exp(-10 step / steps)) - 1.

    head       CE(C_s, y) + CE(C_t, y)                                                    what the head minimises
    sides      -mean log Σ_{k<K} p_s - mean log Σ_{k>=K} p_t
    task       1/2 CE(p_s, y) + 1/2 CE(p_s, y + K)                                        and the backbone
    domain     λ (-1/2 mean log Σ_{k<K} p_t - 1/2 mean log Σ_{k>=K} p_t)
    entropy    λ mean H(q_t),   q_k = p_k + p_{k+K}
    L          head(sg(f)) + sides(sg(f)) + task(f; sg(C)) + domain(f; sg(C)) + entropy(f; sg(C))

Head and backbone share one forward pass: the head's terms see features that are constants, the backbone's see a head
that is. So the gradient of the sum is for each that of its own loss, and the step is the ordinary one. There is no
discriminator: the classifiers themselves tell the domains apart.

Readings:
- The answer is C_t's; the authors' code reports the better of both, by the target's labels.
- Logarithms are exact: sums of exponentials of 2K logits, where the code adds 1e-6 to a probability that is 0.
- Labelled target images join what has labels. PADA's weights multiply the source's parts.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.core.method import Method
from tfuda.networks.heads import SymmetricHead


def share_of(logits: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    """Return -log of the probability of a side's K logits among all 2K: [B, 2K] and [B, K] -> [B]."""
    return tf.reduce_logsumexp(logits, -1) - tf.reduce_logsumexp(side, -1)


class SymNets(Method):
    """Train two classifiers, and a backbone from whose features they cannot tell the domains apart."""

    trade_offs = {
        "head": 1.0,  # factor on the heads' cross-entropy on the labelled images
        "sides": 1.0,  # factor on the heads' loss of telling the domains apart
        "task": 1.0,  # factor on the backbone's cross-entropy on the labelled images
        "domain": 1.0,  # factor on the backbone's loss of making the domains alike
        "entropy": 1.0,  # factor on the entropy of predictions on the target
    }

    @classmethod
    def head(cls, classes, options=None):
        return SymmetricHead(classes)

    def labelled(self, batch, outputs, values):
        """Return the mean over the labelled images of values(labels [B], features [B, d]) [B]."""
        names = [name for name in outputs if "label" in batch[name]]
        found = [values(batch[n]["label"], outputs[n].features) * self.importance(batch, n) for n in names]
        return ops.mean(tf.concat(found, 0))

    def task(self, batch, outputs):
        head, classes = self.network.head, self.network.classes

        def both(labels, features):
            logits = head.both(features, frozen=True)  # [B, 2K]
            halves = (losses.cross_entropy(y, logits) for y in (labels, labels + classes))
            return 0.5 * tf.add_n([*halves])

        def each(labels, features):
            return tf.add_n([losses.cross_entropy(labels, z) for z in tf.split(head.both(features), 2, -1)])

        fixed = {name: out._replace(features=tf.stop_gradient(out.features)) for name, out in outputs.items()}
        return {"task": self.labelled(batch, outputs, both), "head": self.labelled(batch, fixed, each)}

    def sides(self, batch, outputs):
        """Return the head's part of the adversarial loss."""
        loss = tf.zeros([], ops.real())
        for place, name in enumerate(("source", "target")):
            logits = self.network.head.both(tf.stop_gradient(outputs[name].features))
            own = tf.split(logits, 2, -1)[place]
            loss += ops.mean(share_of(logits, own) * self.importance(batch, name))
        return loss

    def align(self, batch, outputs):
        logits = self.network.head.both(outputs["target"].features, frozen=True)
        sides = tf.split(logits, 2, -1)  # [B, K] twice
        confused = 0.5 * tf.add_n([share_of(logits, side) for side in sides])
        classes = tf.reduce_logsumexp(tf.stack(sides), 0)  # log q, up to a constant of each image
        ramp = self.reversal()
        entropy = ops.mean(losses.entropy(classes, epsilon=0.0))
        return {"sides": self.sides(batch, outputs), "domain": ramp * ops.mean(confused), "entropy": ramp * entropy}
