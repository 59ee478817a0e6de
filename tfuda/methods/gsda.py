"""GSDA: Unsupervised Domain Adaptation with Hierarchical Gradient Synchronization (Hu et al., CVPR 2020),
https://openaccess.thecvf.com/content_CVPR_2020/html/Hu_Unsupervised_Domain_Adaptation_With_Hierarchical_Gradient_Synchronization_CVPR_2020_paper.html

One discriminator D_m for both domains, one for each of b groups of classes, one for each of r classes; all read f.

    w_mn       domain 1;  class k: 1[y_n = k] on the source, p_n^k on the target;  group: the sum over its classes
    L_m        1/N Σ_n w_mn BCE(D_m(f_n), d_n)                      eqs. 6 to 8; source 1, target 0
    G_mn       dL_m / df_n = 1/N w_mn (σ(l_mn) - d_n) J_mn           J = dl/df, of networks/bank.py
    S_m        Σ_n |G_mn|
    L_syn      1/b Σ_q |S_q - Σ_{k in q} S_k| + |S_dom - Σ_q S_q|    eqs. 10 to 12
    entropy    mean_n H(p_n) on the target                           eq. 4, α = trade_offs.entropy
    L          L_task + α entropy + L_dom + Σ_q L_q + Σ_k L_k (all reversed) + β L_syn (not reversed)

Discriminators and features both minimise L_syn, so its way to the features has no reversal. One pass serves both. The
logits in the losses are l + (GRL(f) - f) · J. They equal l, with its gradient for D and the reversed one for f. The
paper's Table 1 is in configs/office31.py.

What the paper leaves open (no code, no supplement), and the option that selects otherwise
(docs/methods/gsda.md#gsda-choices):
- Its updates alternate; here both sides are updated in one step through the reversal, as is customary.
- The losses are written as sums over the data; read as means over the batch with one N, so that levels share a scale.
- p is a constant in w: eq. 17 gives the classifier no adversarial gradient. `detached=False` is the other reading.
- Groups are one random division, drawn by the seed and kept in the checkpoint. `groups` is their number, 0 for one
  for every five classes; the paper has 6 for Office-31, 13 for Office-Home, 4 for VisDA. `overlap` adds so many
  classes to each.
- Re-sampling: `samplers.source=balanced`, `samplers.target=balanced`; a target image below the confidence `sure` has
  no class for the sampler, which takes all images before its first look.
- The discriminators' width and dropout are not stated: `hidden`, `dropout`, `activation`.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.core.method import Method
from tfuda.methods.shared import class_hierarchy
from tfuda.networks import layers
from tfuda.networks.bank import Bank


class GSDA(Method):
    """Synchronise the gradients of a bank of discriminators."""

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of the labelled images
        "domain": 1.0,  # factor on the loss of the discriminator of both domains
        "groups": 1.0,  # factor on the losses of the groups' discriminators
        "classes": 1.0,  # factor on the losses of the classes' discriminators
        "synchrony": 1.0,  # factor on L_syn, the differences of the levels' gradients
        "entropy": 0.02,  # factor on the entropy of predictions on the target
        "discriminator": 0.0,  # 0: the accuracy of the domains' discriminator is reported, and is no part of the loss
        "domain_norm": 0.0,  # 0: the norm of the domain's gradients is reported
        "groups_norm": 0.0,  # 0: the norm of the groups' gradients is reported
        "classes_norm": 0.0,  # 0: the norm of the classes' gradients is reported
    }
    domains = {  # what a discriminator is to answer for each stream
        "source": 1,  # domain label of source images
        "target": 0,  # domain label of target images
    }
    levels = "domain+classes+groups"  # levels whose losses count
    synchronised = True  # False: no L_syn
    groups = 0  # groups of classes; 0 for one for every five classes
    overlap = 0  # classes that each group has beside its own
    hidden = 256  # units of each discriminator's hidden layers
    dropout = 0.0  # of each discriminator's hidden layers
    activation = "relu"  # of each discriminator's hidden layers
    initial = "kaiming"  # initial weights of the discriminators: kaiming or xavier
    detached = True  # True: predictions on the target are constants in the weights; False: gradients flow
    sure = 0.9

    reads = ("features",)

    def make(self, probe):
        class_hierarchy.check_levels(self.levels)
        drawn = class_hierarchy.drawn(probe.logits.shape[-1], self.groups, self.overlap)  # [b, r]
        self.membership = self.memory("membership", drawn.shape, initializer=keras.initializers.Constant(drawn))
        count, width = 1 + sum(drawn.shape), probe.features.shape[-1]
        self.bank = Bank(count, width, self.hidden, self.dropout, self.activation, self.initial, "discriminators")

    def masses(self, batch, f: tf.Tensor, p: tf.Tensor) -> tf.Tensor:
        """Return the weights w [M, N] from the source's labels and the target's class probabilities p [n, r]."""
        hot = tf.one_hot(batch["source"]["label"], p.shape[-1], dtype=p.dtype)
        weights = class_hierarchy.spread(self.membership.value, tf.concat([hot, p], 0), 1.0)  # [N, M]
        return tf.transpose(weights) * self.counted(batch)

    def counted(self, batch) -> tf.Tensor:
        """Return by how much each image counts, [N]: 1, or PADA's weight of its class."""
        return tf.concat([self.importance(batch, name) for name in self.domains], 0)

    def align(self, batch, outputs):
        seen = self.weigh(self.network, batch, outputs)
        f = tf.concat([seen[name].features for name in self.domains], 0)  # [N, d]
        sides = [tf.fill(tf.shape(seen[n].features)[:1], tf.cast(y, f.dtype)) for n, y in self.domains.items()]
        with layers.parts([tf.shape(seen[name].features)[0] for name in self.domains]):
            logits, jacobian = self.bank.judge(f[None], training=True)  # [M, N], [M, N, d]
        aside = ops.reverse_gradient(f, self.reversal()) - f  # 0, but for its gradient
        facing = logits + tf.einsum("nd,mnd->mn", aside, tf.stop_gradient(jacobian))
        d = tf.broadcast_to(tf.concat(sides, 0), tf.shape(logits))  # [M, N]
        error = tf.sigmoid(logits) - d
        if self.detached:
            w = self.masses(batch, f, tf.stop_gradient(tf.nn.softmax(outputs["target"].logits)))
            norms = w * tf.abs(error) * ops.safe_norm(jacobian)[..., 0]
        else:
            w, norms = self.undetached(batch, seen, f, d, logits, error, jacobian)
        terms = self.adversarial(w * losses.binary_cross_entropy(d, facing))
        right = tf.cast((logits[0] > 0) == (d[0] > 0.5), ops.real())
        return {**terms, **self.compared(norms), "discriminator": ops.mean(right)}

    def undetached(self, batch, seen, f, d, logits, error, jacobian) -> tuple[tf.Tensor, tf.Tensor]:
        """Return (w [M, N] with p's gradient reversed for the losses, N |G| [M, N] with p's plain gradient)."""
        target = seen["target"].features
        p, slope = ops.with_slopes(lambda f: tf.nn.softmax(self.network.head(f)), target)  # [n, r], [n, r, d]
        w = self.masses(batch, f, p)
        still = tf.zeros([tf.shape(f)[0] - tf.shape(target)[0], *slope.shape[1:]], f.dtype)
        slopes = class_hierarchy.spread(self.membership.value, tf.concat([still, slope], 0), 0.0)  # [N, M, d]
        counted = losses.binary_cross_entropy(d, logits) * self.counted(batch)  # [M, N]
        through_p = counted[..., None] * tf.transpose(slopes, [1, 0, 2])
        norms = ops.safe_norm((w * error)[..., None] * jacobian + through_p)[..., 0]
        turned = tf.nn.softmax(self.network.head(ops.reverse_gradient(target, self.reversal())))
        return self.masses(batch, f, turned), norms

    def adversarial(self, wrong: tf.Tensor) -> dict:
        """Return the losses of the chosen levels from w BCE [M, N]."""
        domain, groups, classes = class_hierarchy.split(wrong, self.membership.shape[0])
        found = {"domain": domain, "groups": tf.reduce_sum(groups, 0), "classes": tf.reduce_sum(classes, 0)}
        return {level: ops.mean(found[level]) for level in self.levels.split("+")}

    def compared(self, norms: tf.Tensor) -> dict:
        """Return L_syn and the three levels' norms from N |G| [M, N]."""
        synchrony, levels = class_hierarchy.asynchrony(norms, self.membership.value)
        found = {"synchrony": synchrony} if self.synchronised else {}
        found |= {f"{name}_norm": tf.stop_gradient(value) for name, value in levels.items()}
        return {name: ops.share(value) for name, value in found.items()}

    def regularise(self, batch, outputs):
        if "target" not in outputs:
            return {}
        return {"entropy": ops.mean(losses.entropy(outputs["target"].logits, epsilon=0.0))}
