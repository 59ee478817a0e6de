"""CycleGAN, Zhu et al. 2017 (https://arxiv.org/abs/1703.10593), stage A of DAAA (its eqs. 1 to 3;
docs/methods/daaa.md#cyclegan).

x^S, x^T are images of the source and the target, G^ST, G^TS the generators, D^T, D^S the discriminators:

    x̃^T = G^ST(x^S), x̃^S = G^TS(x^T)
    fool     = mean (D^T(x̃^T) - 1)² + mean (D^S(x̃^S) - 1)²
    cycle    = mean |G^TS(x̃^T) - x^S| + mean |G^ST(x̃^S) - x^T|
    identity = mean |G^ST(x^T) - x^T| + mean |G^TS(x^S) - x^S|
    loss     = fool + 10 cycle + pairs.identity identity      both generators, one Adam, one step
    judge    = ½ mean (D^T(x^T) - 1)² + ½ mean D^T(pool(x̃^T))², and the same of D^S
                                                     then both discriminators, one Adam, one step
    rate     = 2e-4 for the first half of the steps, then on a line to 0; β₁ = .5

Each discriminator sees real and translated images in SEPARATE forward passes, as the released code has it (without
batch norm one pass over both would give the same numbers). The translated ones are those that the generators were
trained on in this step, made before their update, as far as the pool does not exchange them.

DAAA's eq. 3 has no identity term, so its factor is 0; in CycleGAN's code it is 5: `pairs.identity=5`.
DAAA prints eq. 1 with 1 - log D, which has no minimax value, and eq. 3 with L^cyc on its left for the full loss; both
are read as the least-squares CycleGAN that its section 3.1 refers to.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from tfuda.core import nonfinite, ops, schedules
from tfuda.core.segmented_model import Segmented
from tfuda.translation import generators
from tfuda.translation.image_pool import Pool

DIRECTIONS = ("source_as_target", "target_as_source")
METERS = ("loss", "fool", "cycle", "identity", "judge")


def to_unit(images) -> tf.Tensor:
    """Scale uint8 [...] to [-1, 1]."""
    return tf.cast(images, ops.real()) / 127.5 - 1.0


def to_bytes(images) -> tf.Tensor:
    """Scale [-1, 1] [...] to uint8, rounded."""
    return tf.cast(tf.clip_by_value(tf.round((images + 1.0) * 127.5), 0.0, 255.0), tf.uint8)


def squares(verdict, wanted: float) -> tf.Tensor:
    """Return the mean of (verdict - wanted)² for each image: [B, h, w, 1] -> [B]."""
    return tf.reduce_mean(tf.square(verdict - wanted), [1, 2, 3])


def distance(a, b) -> tf.Tensor:
    """Return the mean of |a - b| for each image: [B, H, W, 3] twice -> [B]."""
    return tf.reduce_mean(tf.abs(a - b), [1, 2, 3])


class CycleGAN(Segmented):
    """Train two generators and two discriminators.

    Args:
        side: height and width of the images.
        width: channels of the first layer in generators and discriminators.
        blocks: residual blocks of a generator; 0 for the usual number.
        seeing: pass the image itself to the generators' last convolutions.
        layers: strided layers of a discriminator; 0 for the largest patch that fits.
        cycle: weight of the cycle loss.
        identity: weight of the identity loss; 0 skips its passes.
        pool: images in each pool; 0 for no pool.
        steps: steps of the training.
        segment: steps of a segment.
        seed: seed of the pools' draws.
    """

    def __init__(
        self,
        side: int,
        width: int = 64,
        blocks: int = 0,
        seeing: bool = False,
        layers: int = 0,
        cycle: float = 10.0,
        identity: float = 5.0,
        pool: int = 50,
        steps: int = 1000,
        segment: int = 100,
        seed: int = 0,
    ):
        super().__init__(name="cyclegan")
        self.side, self.cycle, self.identity, self.steps, self.segment = side, cycle, identity, steps, segment
        self.to_target = generators.generator(side, width, blocks, "to_target", seeing)
        self.to_source = generators.generator(side, width, blocks, "to_source", seeing)
        self.judge_target = generators.discriminator(side, width, layers, "judge_target")
        self.judge_source = generators.discriminator(side, width, layers, "judge_source")
        self.step = self.memory("step", (), "int64")
        self.pools = [Pool(self.memory, f"pool_{name}", pool, side, seed) for name in ("target", "source")]
        self.translators: dict[str, Callable] = {}
        self.meters = {name: keras.metrics.Mean(name=name) for name in METERS}
        self.built = True

    @property
    def makers(self) -> list[keras.Variable]:
        """Return the weights of both generators."""
        return [*self.to_target.trainable_variables, *self.to_source.trainable_variables]

    @property
    def judges(self) -> list[keras.Variable]:
        """Return the weights of both discriminators."""
        return [*self.judge_target.trainable_variables, *self.judge_source.trainable_variables]

    def compile(self, rate: float = 2e-4, jit_compile: bool = False, **options) -> None:
        """Create both optimizers, Adam with β₁ = .5. rate: initial learning rate; options: those of Keras."""
        decay = schedules.linear_decay(rate)

        def adam(name: str) -> keras.optimizers.Optimizer:
            made = keras.optimizers.Adam(lambda: decay(self.progress), 0.5, 0.999, 1e-8, name=name)
            half = keras.config.dtype_policy().name == "mixed_float16"
            return keras.optimizers.LossScaleOptimizer(made, name=f"{name}_scaled") if half else made

        super().compile(optimizer=adam("makers"), jit_compile=jit_compile, **options)
        self.optimizer.build(self.makers)
        self.judging = adam("judges")
        self.judging.build(self.judges)

    def state(self) -> list[keras.Variable]:
        """Return all variables of a checkpoint from which a run resumes bitwise identically."""
        return [*super().state(), *self.judging.variables]

    def making(self, real_source, real_target) -> tuple[dict[str, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """Compute this replica's shares of the generators' terms, and the translations (x̃^T, x̃^S).

        real_source, real_target: images in [-1, 1], [B, H, W, 3]
        """
        as_target, as_source = self.to_target(real_source), self.to_source(real_target)
        fool = ops.mean(squares(self.judge_target(as_target), 1.0))
        fool += ops.mean(squares(self.judge_source(as_source), 1.0))
        cycle = ops.mean(distance(self.to_source(as_target), real_source))
        cycle += ops.mean(distance(self.to_target(as_source), real_target))
        identity = tf.zeros([], ops.real())
        if self.identity:
            identity += ops.mean(distance(self.to_target(real_target), real_target))
            identity += ops.mean(distance(self.to_source(real_source), real_source))
        loss = fool + self.cycle * cycle + self.identity * identity
        return {"loss": loss, "fool": fool, "cycle": cycle, "identity": identity}, (as_target, as_source)

    def judging_loss(self, real_source, real_target, as_target, as_source) -> tf.Tensor:
        """Compute this replica's share of both discriminators' loss, scalar."""
        total = tf.zeros([], ops.real())
        for judge, real, made in (
            (self.judge_target, real_target, as_target),
            (self.judge_source, real_source, as_source),
        ):
            total += 0.5 * ops.mean(squares(judge(real), 1.0)) + 0.5 * ops.mean(squares(judge(made), 0.0))
        return total

    def train_step(self, batch: dict[str, dict[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
        """Update the generators, then the discriminators.

        batch: {"source" and "target": {"image": uint8 [B, H, W, 3]}}
        """
        real = [to_unit(batch[name]["image"]) for name in ("source", "target")]
        with tf.GradientTape() as tape:
            terms, made = self.making(*real)
            scaled = self.optimizer.scale_loss(terms["loss"])
        gradients = tape.gradient(scaled, [v.value for v in self.makers])
        terms = self.agreed(terms)
        with tf.control_dependencies(
            [*gradients, self._sound(terms)]
        ):  # else the call at the data's end counts as a step
            seen = [
                pool(tf.stop_gradient(images), self.step.value) for pool, images in zip(self.pools, made, strict=True)
            ]
            self.optimizer.apply(nonfinite.agreed(self.optimizer, gradients), self.makers)
        with tf.GradientTape() as tape:
            loss = self.judging_loss(*real, *seen)
            scaled = self.judging.scale_loss(loss)
        gradients = tape.gradient(scaled, [v.value for v in self.judges])
        judged = self.agreed({"judge": loss})
        with tf.control_dependencies([*gradients, self._sound(judged)]):
            self.judging.apply(nonfinite.agreed(self.judging, gradients), self.judges)
            self.note({**terms, **judged})
        return self.results()

    def _sound(self, terms: dict[str, tf.Tensor]) -> tf.Operation:
        """Return an operation that stops the graph if a term is NaN or not finite."""
        return nonfinite.refuse(nonfinite.finite(terms.values()), self.step.value)

    def translator(self, direction: str) -> Callable:
        """Return a compiled function of a direction: uint8 [B, H, W, 3] -> uint8 in the style of the other domain."""
        if direction not in self.translators:
            made = {"source_as_target": self.to_target, "target_as_source": self.to_source}[direction]
            self.translators[direction] = tf.function(lambda images: to_bytes(made(to_unit(images))), autograph=False)
        return self.translators[direction]
