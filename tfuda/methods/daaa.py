"""DAAA: Deep Adversarial Attention Alignment for Unsupervised Domain Adaptation (Kang et al., ECCV 2018),
https://arxiv.org/abs/1801.10068

x^S, x^T and their translations x~T (of x^S, as target) and x~S (of x^T, as source): four streams of N images in all.
M_S is a source network that does not learn any more; M_T is the network in training. M_S sees the source style of
whatever M_T sees, under the same crop:

    A_l(x)     sum_c F_lc(x)^2, flattened, / |.|_2                            attention of layer l      eq. 4
    L_AT       1/N sum_l sum_n | A_l(M_S, x_n as source) - A_l(M_T, x_n) |_2                            eq. 5
    CE         - log p(y | x)                        on x^S and x~T, which has the label of its x^S     eq. 6
    EM         - sum_k q_k log p(k | x) where max_k q_k >= p_t                on x^T and x~S            eq. 12
    q          p_post(. | x^T), of the real image for both, by M_T as it was at the last `refresh`  eq. 11
    L          1/N (sum CE + sum EM) + beta L_AT                     eq. 13, beta = trade_offs.attention

`config.segment` is the paper's N_post. After so many steps the posterior of all target images is computed anew, and
the learning rate starts anew. tfuda/experiment/prerequisites.py makes translations and M_S (stages A, B). Ablations
are in configs/office31.py.

What the paper leaves open, and the option that selects otherwise (docs/methods/daaa.md#daaa-choices;
no code was released):
- Layers: every activation that the backbone shows, for ResNet-50 the 48 of its blocks ("all but the first and the
  last max-pooling"). `at=blocks` is the 16 blocks. `at=stages` is what the other methods see, the stem's max-pool
  too.
- beta is not stated; L_AT is divided by N here. A term of EM that the threshold drops still counts in N.
- Before the first refresh there is no EM (MNIST: p_t = 1). `wait=False` asks the network as it starts. That makes
  sense with `copy=True`, where it starts as M_S (Office-31).
- The posterior is a table of the centre crops, made at each `refresh`. EM-A (`lagging=False`) asks M_T in evaluation
  mode about the training crop, at every step. `same_crop=True` keeps a lagging copy of M_T, and asks the copy about
  the training crop too, so that EM-A differs in the lag alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.methods.shared import attention_transfer
from tfuda.methods.shared.frozen_teacher import Taught
from tfuda.networks import layers


class DAAA(Taught):
    """Match the attention of a frozen source network, and fit a lagging posterior of `targets` images.

    Streams source_as_target and target carry `pair`, their image as source; target_as_source its real image.
    """

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of the labelled images
        "attention": 0.1,  # factor on the distance to the source network's attention
        "expectation": 1.0,  # factor on the cross-entropy with the target's posteriors
    }
    parts = "source+source_as_target+target+target_as_source"  # streams that train the network
    at = "layers"  # where attention is compared: layers (every activation), blocks or stages
    pooling = "squares"  # what the channels of a map become: their sum of squares or of absolute values, or max
    distance = "l2"  # between two attentions: l2, l2_eps, l2sq, l1, mmd or jmmd
    threshold = 0.95  # least confidence at which a posterior counts
    lagging = True  # True: posteriors are those of the last refresh; False: of the network at this step
    same_crop = False  # True: a lagging copy of the network sees the training crop, for its posterior
    restart = True  # True: the learning rate starts anew in every segment
    wait = True  # True: no posteriors before the first refresh; False: those of the network as it starts

    shares = {"source": 0.35, "source_as_target": 0.15, "target": 0.35, "target_as_source": 0.15}
    settings = {"passes": "joint", "batch": 60, "batches.source": 0}  # 60 images of all streams together
    stages = ("pairs", "teacher")
    refuses = ("shots", "pada")
    _paired = ("source_as_target", "target")  # whose source style is their `pair`

    def __init__(self, network, *seams, targets: int = 0, **options):
        super().__init__(network, *seams, **options)
        attention_transfer.check_distance(self.pooling, self.distance)
        self.learns = any(name.startswith("target") for name in self.parts.split("+"))
        if self.learns and not self.lagging and ops.replicas() > 1 and layers.differ_by_replica(network):
            raise ValueError(
                "lagging=False asks the network as it is, and on several devices each has its own statistics of "
                "batch norm: set --config.network.synchronised=True, or train on one device"
            )
        if self.learns and self.lagging and self.same_crop:
            every = enumerate(network.variables)
            self.copies = [self.memory(f"copy_{i}", own.shape, own.dtype) for i, own in every]
            self.copied = self.memory("copied", ())  # 0: no EM yet
        elif self.learns and self.lagging:
            self.posteriors = self.memory("posteriors", (targets, network.classes))  # zeros: no EM yet

    @classmethod
    def shown(cls, options):
        return options.get("at", cls.at)

    @property
    def rate_steps(self):
        return self.segment if self.restart and self.learns else self.steps

    @property
    def rate_progress(self):
        """Return the rate's progress, which runs from 0 to 1 in every segment if a posterior is followed."""
        return tf.cast(self.step.value % self.rate_steps, ops.real()) / self.rate_steps

    @property
    def looks_first(self) -> bool:
        return self.learns and not self.wait

    def mean(self, values: Sequence[tf.Tensor], batch) -> tf.Tensor:
        """Return the share of sum(values) / N, for values [B_i] of some streams and N images of all streams."""
        every = sum(tf.shape(stream["image"])[0] for stream in batch.values())
        whole = tf.concat(values, 0)
        return ops.mean(tf.pad(whole, [[0, every - tf.shape(whole)[0]]]))

    def task(self, batch, outputs):
        names = [name for name in outputs if "label" in batch[name]]
        wrong = [losses.cross_entropy(batch[name]["label"], outputs[name].logits) for name in names]
        return {"task": self.mean(wrong, batch)} if names else {}

    def align(self, batch, outputs):
        plain = tf.concat([batch[name]["pair" if name in self._paired else "image"] for name in outputs], 0)
        looks = functools.partial(attention_transfer.attention, pooling=self.pooling)
        wanted = [tf.stop_gradient(looks(maps)) for maps in self.guide(plain).maps]
        layers = zip(*(stream.maps for stream in outputs.values()), strict=True)
        found = [tf.concat([*map(looks, maps)], 0) for maps in layers]
        return {
            "attention": attention_transfer.gap(wanted, found, self.distance, lambda each: self.mean([each], batch))
        }

    def regularise(self, batch, outputs):
        names = [name for name in ("target", "target_as_source") if name in outputs]
        values = []
        for name, q in zip(names, self.asked(batch, names) if names else (), strict=True):
            kept = tf.cast(tf.reduce_max(q, -1) >= self.threshold, q.dtype)
            values.append(-kept * tf.reduce_sum(q * tf.nn.log_softmax(outputs[name].logits), -1))
        return {"expectation": self.mean(values, batch)} if names else {}

    def asked(self, batch, names: Sequence[str]) -> list[tf.Tensor]:
        """Return q [B, K] of the real images of each named stream."""
        if self.lagging and not self.same_crop:
            return [tf.gather(self.posteriors.value, batch[name]["index"]) for name in names]
        real = [batch[name]["image" if name == "target" else "pair"] for name in names]
        with keras.StatelessScope(self.lag() if self.lagging else ()):
            logits = self.network(tf.concat(real, 0), training=False).logits
        q = tf.nn.softmax(logits) * (self.copied.value if self.lagging else 1.0)
        return tf.split(tf.stop_gradient(q), [tf.shape(images)[0] for images in real])

    def lag(self) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Return the network's variables with their values at the last refresh."""
        return [(own, copy.value) for own, copy in zip(self.network.variables, self.copies, strict=True)]

    def refresh(self, posterior):
        if not (self.learns and self.lagging):
            return
        if not self.same_crop:
            self.posteriors.assign(posterior())
            return
        for own, copy in zip(self.network.variables, self.copies, strict=True):
            copy.assign(own.value)
        self.copied.assign(1.0)
