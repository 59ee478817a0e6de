"""CDAN: Conditional Adversarial Domain Adaptation (Long et al., NeurIPS 2018), https://arxiv.org/abs/1705.10667

    g           stop_gradient(softmax(logits))         [B, K]
    view        v = g ⊗ f, flattened class by class    [B, K d]
    randomized  v = (f R_f) * (g R_g) / sqrt(r),  R ~ N(0, 1) fixed    [B, r]
    L           as DANN

The released code clamps the logarithm instead of adding an epsilon to the probability (`epsilon`), and initialises by
Xavier (`initial`). Its discriminator counts one step ahead of the entropy weights, on a ramp of 10000 steps whatever
the run's length: `ramp_ahead=1`, `ramp_steps=10000`. The defaults here ramp over the run. The paper takes the
randomized map where K d > 4096, the code leaves it off: `randomized=1024` selects it; 0, the default, is off.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.methods.dann import DANN


class CDAN(DANN):
    """Show the discriminator features and class probabilities together."""

    epsilon = 0.0
    initial = "xavier"
    randomized = 0  # size of a random map that stands for features ⊗ predictions; 0 for the whole product

    reads = ("features", "logits")

    def make(self, probe):
        if self.randomized:
            normal = keras.initializers.RandomNormal
            self.maps = [  # of features and probabilities: drawn once, never trained, saved in checkpoints
                self.memory(f"random_map_{i}", (x.shape[-1], self.randomized), initializer=normal(stddev=1.0))
                for i, x in enumerate((probe.features, probe.logits))
            ]
        super().make(probe)

    def view(self, stream):
        f, g = stream.features, tf.stop_gradient(tf.nn.softmax(stream.logits))
        if self.randomized:
            return (f @ self.maps[0]) * (g @ self.maps[1]) / self.randomized**0.5  # [B, r]
        outer = g[:, :, None] * f[:, None]  # [B, K, d]
        return tf.reshape(outer, [-1, g.shape[1] * f.shape[1]])  # [B, K d]
