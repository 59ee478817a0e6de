"""DAAA: Deep Adversarial Attention Alignment for Unsupervised Domain Adaptation (Kang et al., ECCV 2018),
https://arxiv.org/abs/1801.10068

x^S, x^T and their translations x~T (of x^S, as target) and x~S (of x^T, as source): four streams of N images in all.
M_S is a source network that does not learn any more; M_T is the network in training; M_S sees the source style of
whatever M_T sees, under the same crop:

    A_l(x)     sum_c F_lc(x)^2, flattened, / |.|_2                            attention of layer l      eq. 4
    L_AT       1/N sum_l sum_n | A_l(M_S, x_n as source) - A_l(M_T, x_n) |_2                            eq. 5
    CE         - log p(y | x)                        on x^S and x~T, which has the label of its x^S     eq. 6
    EM         - sum_k q_k log p(k | x) where max_k q_k >= p_t                on x^T and x~S            eq. 12
    q          p_post(. | x^T), of the real image for both, by M_T as it was at the last `refresh`  eq. 11
    L          1/N (sum CE + sum EM) + beta L_AT                     eq. 13, beta = trade_offs.attention

`config.segment` is the paper's N_post: the posterior of all target images, and with it the learning rate, starts anew
after so many steps. Stages A and B, the translations and M_S, are made by tfuda/stages.py.

    config line                                              paper
    daaa[parts=source_as_target;trade_offs.attention=0]      Table 1: T_f
    daaa[parts=source+source_as_target;trade_offs.attention=0]        S + T_f
    daaa[parts=source+source_as_target]                               S + T_f + L_AT
    daaa[trade_offs.attention=0]                                      all without L_AT
    daaa                                                              all
    daaa[lagging=False]  daaa[threshold=0]  daaa[restart=False]      Table 3: EM-A, EM-B, EM-C
    daaa[distance=l1]  daaa[distance=mmd]  daaa[distance=jmmd]       Table 4

What the paper leaves open, and the option that selects otherwise (METHODS B7; no code was released):
- Layers: every activation that the backbone shows, for ResNet-50 the 48 of its blocks ("all but the first and the
  last max-pooling"); `at=blocks` is the 16 blocks, `at=stages` what the other methods
  see, the stem's max-pool too. Networks of `applications` and `hub` show one map, their last.
- beta is not stated; L_AT is divided by N here, and the sum over layers is the paper's.
- A term of EM that the threshold drops still counts in N.
- Before the first refresh there is no EM (MNIST: p_t = 1). `wait=False` asks the network as it starts, which makes
  sense with `copy=True`, where it starts as M_S (Office-31).
- EM-A asks M_T in evaluation mode about the training crop, at every step.
- MMD and JMMD compare the maps of all N images with those of M_S, with the kernels of tfuda/kernels.py.
- The norm is exact and its gradient at 0 is 0; `distance=l2_eps` is sqrt(s + 1e-12), `l2sq` the square.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfuda import kernels, losses, ops
from tfuda.method import Method
from tfuda.networks.base import Network


@tf.custom_gradient
def squares(maps: tf.Tensor):
    """Sum over the channels: maps [B, h, w, C] -> [B, h, w]; one product back, where the ops' own take four."""
    return tf.reduce_sum(tf.square(maps), -1), lambda upstream: (2.0 * upstream)[..., None] * maps


POOLING = {
    "squares": squares,
    "absolute": lambda maps: tf.reduce_sum(tf.abs(maps), -1),
    "max": lambda maps: tf.reduce_max(tf.abs(maps), -1),
}

# Of two attentions [B, P]: [B]
DISTANCES = {
    "l2": lambda a, b: ops.safe_norm(a - b)[:, 0],
    "l2_eps": lambda a, b: tf.sqrt(tf.reduce_sum(tf.square(a - b), -1) + 1e-12),
    "l2sq": lambda a, b: tf.reduce_sum(tf.square(a - b), -1),
    "l1": lambda a, b: tf.reduce_sum(tf.abs(a - b), -1),
}


def mean_of_gaussians(x: tf.Tensor) -> tf.Tensor:
    """At most 1, unlike their sum, which a product over layers would raise to the power of their number: [n, n]."""
    return kernels.gaussian(x) / len(kernels.FACTORS)


PLAIN = functools.partial(kernels.mmd, estimator="quad")

# Of two sequences of layers' attentions [B, P_l] each: a scalar
BETWEEN_SETS: dict[str, Callable[[Sequence, Sequence], tf.Tensor]] = {
    "mmd": lambda a, b: tf.add_n([PLAIN(x, y) for x, y in zip(a, b, strict=True)]),
    "jmmd": lambda a, b: kernels.jmmd(a, b, [mean_of_gaussians] * len(a)),
}


def attention(maps: tf.Tensor, pooling: str = "squares") -> tf.Tensor:
    """Where a layer looks: maps [B, h, w, C] -> [B, h w], of length 1, or 0 where nothing is active."""
    pooled = POOLING[pooling](tf.cast(maps, ops.real()))
    flat = tf.reshape(pooled, [tf.shape(pooled)[0], pooled.shape[1] * pooled.shape[2]])
    return tf.math.l2_normalize(flat, -1, 1e-24)


class DAAA(Method):
    """A frozen source network shows where to look; a posterior that lags says what is seen.

    teacher: M_S, which training needs and nothing else
    targets: images of the target
    Streams source_as_target and target carry `pair`, their image as source; target_as_source its real image.
    """

    trade_offs = {"task": 1.0, "attention": 0.1, "expectation": 1.0}
    parts = "source+source_as_target+target+target_as_source"
    at = "layers"
    pooling = "squares"
    distance = "l2"
    threshold = 0.95
    lagging = True
    restart = True
    wait = True
    copy = False

    _shares = {"source": 0.35, "source_as_target": 0.15, "target": 0.35, "target_as_source": 0.15}
    _stages = ("pairs", "teacher")
    _refuses = ("shots", "pada")
    _paired = ("source_as_target", "target")  # whose source style is their `pair`

    def __init__(self, network: Network, *seams, teacher: Network | None = None, targets: int = 0, **options):
        super().__init__(network, *seams, **options)
        _known("pooling", self.pooling, POOLING)
        _known("distance", self.distance, {**DISTANCES, **BETWEEN_SETS})
        self.learns = any(name.startswith("target") for name in self.parts.split("+"))
        if self.learns and self.lagging:
            self.posteriors = self.memory("posteriors", (targets, network.classes))  # zeros: no EM yet
        self.guide = None
        if teacher is not None:
            teacher.trainable = False
            self.guide = lambda images: teacher(images, training=False).maps  # a model would be saved with this one
            if self.copy:
                network.set_weights(teacher.get_weights())

    @classmethod
    def shown(cls, options):
        return options.get("at", cls.at)

    @property
    def rate_steps(self):
        return self.segment if self.restart and self.learns else self.steps

    @property
    def rate_progress(self):
        """From 0 to 1 in every segment, where there is a posterior to follow."""
        return tf.cast(self.step.value % self.rate_steps, ops.real()) / self.rate_steps

    @property
    def looks_first(self) -> bool:
        return self.learns and not self.wait

    def mean(self, values: Sequence[tf.Tensor], batch) -> tf.Tensor:
        """Share of sum(values) / N, of values [B_i] of some streams and N of all."""
        every = sum(tf.shape(stream["image"])[0] for stream in batch.values())
        whole = tf.concat(values, 0)
        return ops.mean(tf.pad(whole, [[0, every - tf.shape(whole)[0]]]))

    def task(self, batch, outputs):
        names = [name for name in outputs if "label" in batch[name]]
        wrong = [losses.cross_entropy(batch[name]["label"], outputs[name].logits) for name in names]
        return {"task": self.mean(wrong, batch)} if names else {}

    def align(self, batch, outputs):
        if self.guide is None:
            raise ValueError("daaa trains with a teacher: pass one to build.method, as tfuda/stages.py makes it")
        names = list(outputs)
        plain = tf.concat([batch[name]["pair" if name in self._paired else "image"] for name in names], 0)
        wanted = [tf.stop_gradient(attention(maps, self.pooling)) for maps in self.guide(plain)]
        layers = zip(*(outputs[name].maps for name in names), strict=True)
        found = [tf.concat([attention(part, self.pooling) for part in maps], 0) for maps in layers]
        if self.distance in BETWEEN_SETS:
            whole = [[ops.gathered(maps) for maps in side] for side in (wanted, found)]
            return {"attention": ops.share(BETWEEN_SETS[self.distance](*whole))}
        apart = [DISTANCES[self.distance](a, b) for a, b in zip(wanted, found, strict=True)]
        return {"attention": self.mean([tf.add_n(apart)], batch)}

    def regularise(self, batch, outputs):
        names = [name for name in ("target", "target_as_source") if name in outputs]
        if not names:
            return {}
        values = []
        for name, q in zip(names, self.asked(batch, names), strict=True):
            kept = tf.cast(tf.reduce_max(q, -1) >= self.threshold, q.dtype)
            values.append(-kept * tf.reduce_sum(q * tf.nn.log_softmax(outputs[name].logits), -1))
        return {"expectation": self.mean(values, batch)}

    def asked(self, batch, names: Sequence[str]) -> list[tf.Tensor]:
        """q of the real images of some streams, [B, K] each."""
        if self.lagging:
            return [tf.gather(self.posteriors.value, batch[name]["index"]) for name in names]
        real = [batch[name]["image" if name == "target" else "pair"] for name in names]
        logits = self.network(tf.concat(real, 0), training=False).logits
        return tf.split(tf.stop_gradient(tf.nn.softmax(logits)), [tf.shape(images)[0] for images in real])

    def refresh(self, posterior):
        if self.learns and self.lagging:
            self.posteriors.assign(posterior())


def _known(option: str, value: str, known: dict) -> None:
    if value not in known:
        raise ValueError(f"daaa has no {option}={value!r}: choose {', '.join(known)}")
