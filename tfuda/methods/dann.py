"""DANN: Domain-Adversarial Training of Neural Networks (Ganin et al., JMLR 2016), https://arxiv.org/abs/1505.07818

    view        v = f                                            what the discriminator sees
    verdict     D(GRL_c(v)),  c = 2 / (1 + exp(-10 step / steps)) - 1
    L_domain    1/2 Σ_domains Σ_i w_i BCE(sigmoid(D), domain),   source 1, target 0;  Σ_i w_i = 1 per domain
    L           L_task + trade_off L_domain

GRL_c is the identity forwards and multiplies the gradient by -c backwards, so one optimizer trains discriminator and
features.

Departures, and the option that selects the other:
- The paper writes the sum of both expectations; the released codes take half of it: `scale`
  (docs/methods/index.md#adversarial-loss).
- Weights are 1 in the paper; `entropic=True` weighs by e = exp(-H), whose own gradient is reversed, as the
  released DANN of ToAlign's repository can (docs/methods/index.md#entropy-weights).
- -log(d + 1e-8) on probabilities, as ToAlign's, HDA's and GVB's code: `epsilon=0` for the exact logarithm.
- The ramp's horizon is the run's length in ToAlign's code and 10000 in CDAN's and HDA's, whose discriminator also
  counts one step ahead: `ramp_steps`, `ramp_ahead`.
- c acts on the way to the features alone, so the discriminator learns at full strength. BIWAA's Algorithm 1 (not its
  code) writes c L_domain for the discriminator too: `ramp_loss=True`, with a plain reversal.
Labelled target images (semi-supervised) join the task, not the adversarial loss. Several sources are one domain.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.core.method import Method
from tfuda.networks import discriminators


class DANN(Method):
    """Train features against a domain discriminator that reads the features."""

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of the labelled images
        "domain": 1.0,  # factor on the adversarial loss
        "discriminator": 0.0,  # 0: the discriminator's accuracy is reported, and is no part of the loss
    }
    domains = {  # what the discriminator is to answer for each stream
        "source": 1,  # domain label of source images
        "target": 0,  # domain label of target images
    }
    width = 1  # outputs of the discriminator: 1 for a sigmoid, n for a softmax over n domains
    scale = 0.5  # factor on the sum of the domains' losses: 0.5 for their mean, 1 for the sum
    entropic = False  # True: images that the network is sure of count more in the adversarial loss
    epsilon = 1e-8  # added to probabilities inside the logarithm; 0 for the exact logarithm
    hidden = 1024  # units of the discriminator's hidden layers
    dropout = 0.5  # of the discriminator's hidden layers
    initial = "kaiming"  # initial weights of the discriminator: kaiming or xavier
    ramp_ahead = 0  # steps by which the discriminator's ramp is ahead; 1 in CDAN's, HDA's and GVB's code
    ramp_loss = False  # True: the ramp multiplies the adversarial loss for the discriminator too

    reads: tuple[str, ...] = ("features",)

    # ---- the blanks that DANNP, CDAN and others fill in

    def view(self, stream):
        """Return the discriminator's input [B, v] from Outputs."""
        return stream.features

    def confidence(self, stream):
        """Return the weight of each sample before normalisation, [B]."""
        if not self.entropic:
            return tf.ones_like(stream.logits[:, 0])
        return tf.exp(-ops.reverse_gradient(losses.entropy(stream.logits), self.reversal()))

    def label(self, batch, name):
        """Return the domain of every image of stream `name`, int32 [B]."""
        return tf.fill(tf.shape(batch[name]["image"])[:1], self.domains[name])

    # ---- the adversarial loss

    def make(self, probe):
        self.discriminator = discriminators.mlp(self.hidden, self.width, self.dropout, initial=self.initial)
        self.discriminator(self.view(probe))

    def reversed(self, stream):
        """Return the view [B, v] with its gradient reversed."""
        return ops.reverse_gradient(self.view(stream), 1.0 if self.ramp_loss else self.reversal(self.ramp_ahead))

    def judge(self, stream):
        """Return the discriminator's logits [B, width] on the reversed view."""
        return self.discriminator(self.reversed(stream), training=True)

    def wrong(self, label, verdict):
        """Return the cross-entropy [B] of verdicts [B, width] with domains [B]."""
        if self.width == 1:
            return losses.binary_cross_entropy(label, verdict[:, 0], self.epsilon)
        return losses.cross_entropy(label, verdict)

    def compare(self, batch, seen, verdicts):
        """Return the sum of the domain losses of verdicts {stream: [B, width]}."""
        loss = tf.zeros([], ops.real())
        for name, verdict in verdicts.items():
            wrong = self.wrong(self.label(batch, name), verdict) * self.importance(batch, name)  # [B]
            loss += self.scale * ops.mean(wrong, self.confidence(seen[name]))
        return self.adversarial(batch, verdicts, loss)

    def adversarial(self, batch, verdicts, loss):
        """Return the terms of the adversarial loss, with the discriminator's accuracy."""
        loss = loss * self.reversal(self.ramp_ahead) if self.ramp_loss else loss
        return {"domain": loss, **self.seen_through(batch, verdicts)}

    def seen_through(self, batch, verdicts):
        """Return the share of images whose domain the verdicts {stream: [B, width]} predict."""
        right = []
        for name, verdict in verdicts.items():
            said = tf.argmax(verdict, -1, tf.int32) if self.width > 1 else tf.cast(verdict[:, 0] > 0, tf.int32)
            right.append(tf.cast(said == self.label(batch, name), ops.real()))
        return {"discriminator": ops.mean(tf.concat(right, 0))}

    def align(self, batch, outputs):
        seen = self.weigh(self.network, batch, outputs)
        return self.compare(batch, seen, {name: self.judge(seen[name]) for name in self.domains})
