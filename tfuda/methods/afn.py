"""AFN: Larger Norm More Transferable (Xu et al., ICCV 2019), https://arxiv.org/abs/1811.07456

    x        embedding: `blocks` × (linear, batch norm, ReLU, dropout p, times sqrt(1 - p) in training)
    SAFN     L_norm = Σ_domains mean_i (|x_i| - (sg|x_i| + step))²              every norm grows by a step
    HAFN     L_norm = Σ_domains (mean_i |x_i| - radius)²                        the mean norm goes to a radius
    entropy  mean_i H(p_i) on the target, entries p < 1e-6 left out             "+ENT": trade_offs.entropy=0.1
    L        L_task + 0.05 L_norm + trade_off entropy

The value of SAFN's term is always the square of the step; only its gradient says anything. The square root of 1 - p
after dropout keeps E |x|² as it is without ("L2-preserved dropout").

    config line                        paper
    afn                                SAFN on Office-31, Office-Home, ImageCLEF
    afn[hard=True;warmup=3000]         HAFN, whose first phase trains on the source alone, with the same term

With a weigher the norm is that of what it shows (BIWAA, Table 4: AFN+BG); the classifier reads x.

Departures, and the option that selects the other:
- The paper's embedding has 1000 units (`config.network.bottleneck=1000`; 0 takes the pooled features as they are),
  and two blocks for VisDA: `blocks=2`.
- HAFN's first phase is counted in steps, `warmup`. In it the target's images pass through the network, so the moving
  batch statistics see them. The optimizer keeps its state where the code makes a new one.
- Partial adaptation is the same algorithm. Labelled target images join the task alone.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.core.method import Method
from tfuda.networks.layers import BatchNormalization, Dropout, chain


class Embedding(keras.layers.Layer):
    """Embed [B, C] -> [B, units]: linear, batch norm, ReLU, and dropout that preserves the squared norm."""

    def __init__(self, units: int, dropout: float, name: str = "embedding"):
        super().__init__(dtype=ops.real(), name=name)
        narrow, kind = keras.initializers.RandomNormal, ops.real()
        self.linear = keras.layers.Dense(
            units, kernel_initializer=narrow(0, 0.01), bias_initializer=narrow(0, 0.01), dtype=kind, name="linear"
        )
        self.norm = BatchNormalization(  # PyTorch's momentum and epsilon; one batch on several devices
            momentum=0.9, epsilon=1e-5, gamma_initializer=narrow(1, 0.01), synchronized=True, dtype=kind, name="norm"
        )
        self.dropout = Dropout(dropout, dtype=kind, name="dropout")

    def build(self, shape) -> None:
        self.linear.build(shape)
        self.norm.build((*shape[:-1], self.linear.units))
        self.dropout.build((*shape[:-1], self.linear.units))
        self.built = True

    def preserved(self, x, training=False):
        """Return x [B, units] after dropout that keeps E |x|²."""
        x = self.dropout(x, training=training)
        return x * (1.0 - self.dropout.rate) ** 0.5 if training else x

    def call(self, x, training=False):
        return self.preserved(tf.nn.relu(self.norm(self.linear(x), training=training)), training)


class AFN(Method):
    """Let the feature norms of both domains grow, without a discriminator."""

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of the labelled images
        "norm": 0.05,  # factor on the loss of the feature norms
        "entropy": 0.0,  # factor on the entropy of predictions on the target
    }
    step_size = 1.0  # by which every norm is to grow in a step (SAFN); 0.3 for VisDA
    hard = False  # True: HAFN, where the mean norm goes to `radius`
    radius = 25.0  # norm that HAFN aims at
    warmup = 0  # first steps, in which the target does not count
    blocks = 1  # blocks of linear layer, batch norm, ReLU and dropout in the bottleneck
    dropout = 0.5  # of each block

    reads = ("norms",)  # which ToAlign preserves

    @classmethod
    def neck(cls, units, options):
        blocks, dropout = options["blocks"], options["dropout"]
        if blocks < 1 or not 0 <= dropout < 1:
            raise ValueError(f"afn blocks={blocks}, dropout={dropout}: at least 1, and a share below 1")
        if not units:
            if (blocks, dropout) != (cls.blocks, cls.dropout):
                raise ValueError("afn has no embedding for blocks and dropout: set network.bottleneck to its units")
            return None
        layers = [Embedding(units, dropout, f"embedding_{i}") for i in range(blocks)]
        return chain(layers, "bottleneck")

    def make(self, probe):
        if self.radius <= 0 or self.step_size <= 0:
            raise ValueError(f"afn radius={self.radius}, step_size={self.step_size}: both lie above 0")

    def penalty(self, norms: tf.Tensor) -> tf.Tensor:
        """Return L_norm of one domain's norms [B]."""
        if self.hard:
            return ops.share((ops.everywhere(ops.mean(norms)) - self.radius) ** 2)
        return ops.mean((norms - tf.stop_gradient(norms) - self.step_size) ** 2)

    def align(self, batch, outputs):
        seen = self.weigh(self.network, batch, outputs)
        source, target = (self.penalty(ops.safe_norm(seen[name].features)[:, 0]) for name in ("source", "target"))
        return {"norm": source + self.late * target}

    def regularise(self, batch, outputs):
        if "target" not in outputs:
            return {}
        return {"entropy": self.late * ops.mean(losses.entropy(outputs["target"].logits, epsilon=0.0, floor=1e-6))}

    @property
    def late(self):
        """Return 0 in the warm-up and 1 after it, scalar."""
        return tf.cast(self.step.value >= self.warmup, ops.real())
