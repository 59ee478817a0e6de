"""Define the one training step; DANN, ToAlign and every other paper fill in a box of it.

batch {stream: {image, label?, index?, domain?}}
  │  forward: one pass per stream, unless `passes` groups them
  ▼
Outputs(maps, features, logits, extras) per stream ── pseudo: pseudo-labels into the batch
  │
  ├─ task         what the labels say
  ├─ align        the adversarial or discrepancy loss, on the outputs that `weigh` returns
  └─ regularise   of any subset of the streams; and a regulariser
  ▼
terms {name: this replica's share of the value} ── combine ── gradients ── one optimizer
  ▼
remember (memories) → step + 1                                     refresh (between segments)
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfuda.core import extension_points, losses, nonfinite, ops, options, pada_weights, schedules, step_signs
from tfuda.core.extension_points import joint, latest, unweighed
from tfuda.core.segmented_model import Segmented
from tfuda.networks import layers
from tfuda.networks.base import Network, Outputs, pieces

Batch = dict[str, dict[str, tf.Tensor]]
Terms = dict[str, tf.Tensor]


class Method(Segmented):
    """Train a network. Class attributes are options; a paper overrides the methods meant for papers.

    Args:
        network: images -> Outputs.
        weigh: (network, batch, outputs) -> the outputs that the alignment sees.
        combine: (method, batch) -> (gradients, terms, batch, outputs); a variable with gradient None is not updated.
            None for the method's own: `joint`, or updates in turns.
        pseudo: (batch, outputs) -> batch with target["pseudo"]; its optional `remember(batch)` ends a step. An
            optional `make(method)` of `combine` and `pseudo` is called after the method's.
        streams: {name: number of domains} of the batches; None for one source and its target.
        regulariser: (batch, outputs) -> scalar share of its term, or None if its streams are absent.
        chosen: values of options, which `options()` lists.
    """

    trade_offs = {  # every term's factor: a number, or a name in schedules.NAMED
        "task": 1.0,  # factor on the cross-entropy of the labelled images
    }
    steps = 1000  # where training ends; ramps and learning rates count on it
    segment = 100  # steps between two calls of `refresh`: one Keras epoch
    passes: tuple = ()  # streams that share a forward pass: (("source", "target"),); () for one each
    pada = False  # weigh source images by how much of their class the target seems to have (core/pada_weights.py)
    pada_temperature = 0.1  # of the softmax over classes in those weights
    sure = 0.0  # target images below this confidence have no class for the sampler
    on_nan = "stop"  # or "skip": tfuda/core/nonfinite.py
    ramp_steps = 0  # the reversal ramp's horizon; 0 for `steps`, 10000 for CDAN's, HDA's and GVB's code
    ramp_height = 1.0  # where the reversal's ramp ends

    shares: dict[str, float] = {}  # of the streams in a batch, where they are not equal; config.batch is all of it
    settings: dict[str, Any] = {}  # keys of the config that it sets whatever the data: {"optimizer.rate": 0.1}
    stages: tuple[str, ...] = ()  # what has to be made before the first step: tfuda/experiment/prerequisites.py
    refuses: tuple[str, ...] = ()  # of "shots" and "pada", what it has no use for
    reads: tuple[str, ...] = ()  # what `align` reads of `self.weigh`'s outputs: features, their norms, logits
    _combine: Callable = staticmethod(joint)
    _look: Callable | None = None
    classes: keras.Variable | None = None  # of the target images, where a sampler follows them
    _found = True  # True if the network predicts these classes

    def __init__(
        self,
        network: Network,
        weigh: Callable = unweighed,
        combine: Callable | None = None,
        pseudo: Callable = latest,
        streams: dict[str, int] | None = None,
        regulariser: Callable | None = None,
        **chosen,
    ):
        super().__init__(name=type(self).__name__.lower())
        options.assign(self, chosen)
        combine = combine or type(self)._combine
        self.network, self.weigh, self.combine, self.pseudo = network, weigh, combine, pseudo
        self.streams, self.regulariser = streams or {"source": 1, "target": 1}, regulariser
        extension_points.check_parts(self)
        self.trade_offs = {**self.trade_offs, **extension_points.trade_off(regulariser)}
        self.step = self.memory("step", (), "int64")  # optimizer.iterations stalls when float16 overflows
        self.quiet = step_signs.SIGNS
        names = ("loss", *self.trade_offs, *step_signs.SIGNS)
        self.meters = {name: keras.metrics.Mean(name=name) for name in names}
        self.skipped = self.memory("skipped", (), "int64")
        probe = network(network.blank())
        if self.pada:
            self.class_weights = self.memory("class_weights", probe.logits.shape[1:], initializer="ones")
        self.make(probe)
        for seam in (combine, pseudo):
            getattr(seam, "make", lambda method: None)(self)
        self.built = True  # else a strategy calls `call` symbolically, with float labels

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        ours = {*vars(Segmented), *vars(Method)}
        for name in vars(cls):
            if not name.startswith("_") and hasattr(keras.Model, name) and name not in ours:
                raise TypeError(f"{cls.__name__}.{name} hides keras.Model.{name}: choose another name")

    @classmethod
    def options(cls) -> dict:
        """Return every option of this method with its default."""
        return options.declared(cls, Method)

    # ---- what a paper overrides

    @classmethod
    def head(cls, classes: int, options: Mapping | None = None) -> keras.layers.Layer | None:
        """Return the paper's own head for these options; None for one linear layer."""
        return None

    @classmethod
    def neck(cls, units: int, options: Mapping) -> keras.layers.Layer | None:
        """Return the paper's own bottleneck of so many units for these options; None for a linear layer."""
        return None

    @classmethod
    def attention(cls, options: Mapping) -> keras.layers.Layer | None:
        """Return the paper's own attention between backbone and pool; None for none."""
        return None

    @classmethod
    def shown(cls, options: Mapping) -> str:
        """Return the kind of maps in the network's outputs, one of tfuda.networks.base.SHOWN."""
        return "stages"

    def extended(self, outputs: Outputs) -> Outputs:
        """Return the outputs of a pass, with the results of the method's own layers in `extras`."""
        return outputs

    def make(self, probe: Outputs) -> None:
        """Create every further layer and memory; `probe` is the Outputs of one image."""

    def task(self, batch: Batch, outputs: dict[str, Outputs]) -> Terms:
        """Return the cross-entropy over every labelled stream."""
        wrong = [
            losses.cross_entropy(batch[name]["label"], out.logits) * self.importance(batch, name)
            for name, out in outputs.items()
            if "label" in batch[name]
        ]
        return {"task": ops.mean(tf.concat(wrong, 0))}

    def align(self, batch: Batch, outputs: dict[str, Outputs]) -> Terms:
        """Return the alignment's terms, computed on `self.weigh(self.network, batch, outputs)`."""
        return {}

    def regularise(self, batch: Batch, outputs: dict[str, Outputs]) -> Terms:
        """Return the regularisation terms of the streams in `outputs`, which may be a subset of all."""
        return {}

    def remember(self, batch: Batch, outputs: dict[str, Outputs]) -> None:
        """Update memories after the step, from `ops.everywhere` or `ops.gathered`: the same on each replica."""

    def follow(self, count: int, classes: np.ndarray | None = None) -> None:
        """Keep the class of each of `count` target images for the sampler.

        classes: int [count], where they are known beforehand; None to find them anew before each segment
        """
        self._found = classes is None
        start = keras.initializers.Constant(-1 if classes is None else classes)
        self.classes = self.memory("classes", (count,), "int32", start)

    def refresh(self, posterior: Callable[[], tf.Tensor]) -> None:
        """Update memories between segments; posterior() gives softmax [N, K] of all target images, in evaluation."""

    # ---- what the overridden methods may use

    def importance(self, batch: Batch, name: str) -> tf.Tensor:
        """Return each image's weight [B] in task and alignment: 1, or PADA's weight of its class."""
        if not self.pada:
            return tf.ones(tf.shape(batch[name]["image"])[:1], ops.real())
        return pada_weights.importance(self.class_weights.value, batch, name)

    def reversal(self, ahead: int = 0) -> tf.Tensor:
        """Return the gradient reversal's coefficient, scalar; CDAN's and HDA's discriminators count one ahead."""
        progress = tf.cast(self.step.value + ahead, ops.real()) / (self.ramp_steps or self.steps)
        return self.ramp_height * schedules.ramp(progress)

    @property
    def rate_steps(self) -> int:
        """Return the number of steps of one learning rate schedule, from start to end."""
        return self.steps

    @property
    def rate_progress(self) -> tf.Tensor:
        """Return the progress of the learning rate's schedule, a scalar from 0 to 1."""
        return self.progress

    # ---- the machinery

    def forward(self, batch: Batch) -> tuple[Batch, dict[str, Outputs]]:
        """Pass every stream through the network; return (batch with pseudo-labels, {stream: Outputs})."""
        outputs: dict[str, Outputs] = {}
        reversal = self.reversal()
        grouped = {name for names in self.passes for name in names}
        passes = [[name for name in names if name in batch] for names in self.passes]
        for names in [*filter(None, passes), *([name] for name in batch if name not in grouped)]:
            images = [batch[name]["image"] for name in names]
            sizes = [tf.shape(part)[0] for part in images]
            with layers.parts(sizes):
                whole = self.extended(self.network(tf.concat(images, 0), training=True, reversal=reversal))
            outputs |= dict(zip(names, pieces(whole, sizes), strict=True))
        return self.pseudo(batch, outputs) if "target" in outputs else batch, outputs

    def beside(self, batch: Batch, outputs: dict[str, Outputs]) -> Terms:
        """Return the terms of `regularise` and of the regulariser for the streams in `outputs`."""
        more = self.regulariser(batch, outputs) if self.regulariser else None
        named = {} if more is None else dict.fromkeys(extension_points.trade_off(self.regulariser), more)
        return {**self.regularise(batch, outputs), **named}

    def terms(self, batch: Batch, outputs: dict[str, Outputs]) -> Terms:
        return {**self.task(batch, outputs), **self.align(batch, outputs), **self.beside(batch, outputs)}

    def total(self, terms: Terms) -> tf.Tensor:
        """Return the sum of all terms, each times its trade-off."""
        return sum(
            (schedules.value(self.trade_offs[name], self.progress) * term for name, term in terms.items()),
            tf.zeros([], ops.real()),
        )

    def gradients(self, tape: tf.GradientTape, loss: tf.Tensor, sources=None) -> list[tf.Tensor]:
        """Return d loss / d variable for every trainable variable; zero where there is no connection."""
        sources = sources or [v.value for v in self.trainable_variables]  # ZERO fails on keras.Variable
        return tape.gradient(loss, sources, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def move(self, gradients: list[tf.Tensor | None]) -> None:
        """Apply one update by the optimizer; a variable without gradient is not updated."""
        both = zip(nonfinite.agreed(self.optimizer, gradients), self.trainable_variables, strict=True)
        moving = [(gradient, variable) for gradient, variable in both if gradient is not None]
        if moving:  # else all that this update is about is frozen
            self.optimizer.apply(*map(list, zip(*moving, strict=True)))

    def train_step(self, batch: Batch) -> dict[str, tf.Tensor]:
        kept = nonfinite.values_of(self._undone) if self.on_nan == "skip" else []
        gradients, terms, batch, outputs = self.combine(self, batch)
        values = self.agreed({"loss": self.total(terms), **terms, **step_signs.signs(self, gradients)})
        good = nonfinite.finite([tf.stack([*values.values()])])
        ready = [] if kept else [nonfinite.refuse(good, self.step.value)]
        with tf.control_dependencies([*terms.values(), *ready]):  # else the call that meets the data's end counts
            self.move(gradients)
            self.remember(batch, outputs)
            getattr(self.pseudo, "remember", lambda batch: None)(batch)
            self.note(values)
            if kept:
                nonfinite.put_back(good, self._undone, kept)
                self.skipped.assign_add(tf.cast(~good, "int64"))
        return self.results()

    @property
    def overflows(self) -> bool:
        """Return True if gradients may overflow (float16), in which case the optimizer skips the step."""
        return isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)

    @property
    def _undone(self) -> list[keras.Variable]:
        """Return the variables that a skipped step does not change."""
        return [variable for variable in self.state() if variable is not self.step]

    def diagnosed(self, streams) -> str:
        found, step = nonfinite.diagnose(self, streams, int(self.step.numpy())), int(self.step.numpy()) + 1
        return f"training diverged in step {step}: {found}"

    def call(self, images, training=False):
        """Return the logits [B, K] of images uint8 [B, H, W, 3]."""
        return self.network(images, training=training).logits

    def compile(self, optimizer, jit_compile: bool = False, **options) -> None:
        """Compile as Keras does, but without XLA by default, because XLA was slower on CPU."""
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **options)
        self.optimizer.build(self.trainable_variables)  # so that a checkpoint finds its slots

    def followed(self) -> dict:
        return {} if self.classes is None else {"target": self.classes.numpy()}

    def _between(self, streams) -> None:
        look = functools.cache(lambda: self.posterior(streams.clean("target")))
        if self.classes is not None and self._found:
            kinds, certainty = tf.argmax(look(), -1, tf.int32), tf.reduce_max(look(), -1)
            self.classes.assign(tf.where(certainty >= self.sure, kinds, -1))
        if self.pada:
            self.class_weights.assign(pada_weights.class_weights(look(), self.pada_temperature))
        self.refresh(look)

    def posterior(self, batches: Iterable[tf.Tensor]) -> tf.Tensor:
        """Return softmax [N, K] of batches of images, in evaluation mode."""
        if self._look is None:
            self._look = tf.function(lambda x: tf.nn.softmax(self.network(x, training=False).logits), autograph=False)
        return tf.concat([self._look(images) for images in batches], 0)
