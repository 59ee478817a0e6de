"""Keep beliefs about single target images over training steps, as the source of pseudo-labels.

Beliefs about the target, a [N, K], one row for each image, found by its `index` (BIWAA, eqs. 11, 13, 14):

    a_i <- rate q_i + (1 - rate) a_i        q_i = softmax(logits_i), a constant; at the first visit a_i = q_i
    b_i  = u a_i + (1 - u) scale prior_i    prior: what earlier rounds of training found (tfuda/studies/rounds.py)
    label_i = argmax b_i
    u(j) = 2 / (1 + exp(-10 j / fade)) - 1 up to step j = fade, 1 from there

Eqs. 11 and 12 are printed with (r - 1), which would subtract; the code has (1 - r), and so this. From step `fade` on
u is 1, as in eq. 14; the code lets the sigmoid go on, 9e-5 lower at most.

Beliefs are a memory of the method: in every checkpoint, and the same on every replica. They take 4 N K bytes on each
device and are copied once a step; a prior takes as much of main memory. That is 1.2 MB for Office-Home's largest
domain (4439 × 65) and some 3 MB for DomainNet-40's. The largest of all of DomainNet (121,000 × 345) would take 167
MB, so tables of more than 2^24 numbers are kept in float16: 83 MB.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.core import ops, schedules
from tfuda.data import npz_file
from tfuda.data.tasks import Task
from tfuda.names import trains_source_only

LARGE = 2**24  # numbers of a table that is kept in half precision
MOST = 2**30  # bytes of a file of beliefs, unpacked


def load_beliefs(path: str) -> np.ndarray:
    """Return the beliefs [N, K] of a file written by `tfuda.studies.rounds.save_beliefs`."""
    try:
        found = np.asarray(npz_file.read_arrays(path, ["beliefs"], MOST)["beliefs"], np.float32)
    except FileNotFoundError:
        raise ValueError(f"prior={path}: there is no such file") from None
    except (ValueError, TypeError):
        found = np.full([1], np.nan)
    if found.ndim != 2 or not np.isfinite(found).all():
        raise ValueError(f"prior={path} is no .npz file of finite beliefs [N, K] as run/rounds.py writes it")
    return found


def trust(step: tf.Tensor, fade: float) -> tf.Tensor:
    """Return u, the weight of the run's own beliefs against the prior after `step` steps; eq. 14."""
    j = tf.cast(step, ops.real())
    return tf.where(j > fade, tf.ones([], ops.real()), schedules.ramp(j / fade))


class Beliefs:
    """Give the target pseudo-labels; pass an instance as `pseudo` to a Method.

    Args:
        count: N, the number of target images.
        classes: K.
        rate: weight of the newest softmax in the running belief (r = 0.9 in BIWAA); 1 keeps no table.
        prior: beliefs of earlier rounds [N, K], or None.
        fade: step from which the prior has no weight; 0 never uses the prior.
        scale: 10 for the released code, whose prior is the sum of ten crops' softmaxes and not their mean.
    """

    def __init__(
        self,
        count: int,
        classes: int,
        rate: float = 1.0,
        prior: np.ndarray | None = None,
        fade: float = 500,
        scale: float = 1.0,
    ):
        if not 0 < rate <= 1:
            raise ValueError(f"beliefs.rate={rate}: a number above 0 and at most 1")
        if not (fade >= 0 and 0 < scale < np.inf):
            raise ValueError(f"beliefs.fade={fade}, beliefs.scale={scale}: at least 0, and above 0")
        self.shape, self.rate, self.fade = (count, classes), rate, fade
        self.table = None
        with tf.device("cpu:0"):
            self.prior = None if prior is None else tf.constant(scale * prior, ops.real())

    def make(self, method) -> None:
        """Create the table, which the method's checkpoints hold."""
        self.step = method.step
        if self.rate < 1:
            dtype = "float16" if self.shape[0] * self.shape[1] > LARGE else ops.real()
            self.table = method.memory("beliefs", self.shape, dtype)

    def __call__(self, batch, outputs):
        """Add target["pseudo"] int32 [B] to the batch, and target["belief"] [B, K] for `remember`."""
        target = batch["target"]
        own = tf.stop_gradient(tf.nn.softmax(outputs["target"].logits))  # [B, K]
        if self.table is not None:
            old = tf.cast(tf.gather(self.table.value, target["index"]), own.dtype)
            seen = tf.reduce_sum(old, -1, keepdims=True) > 0
            own = tf.where(seen, self.rate * own + (1.0 - self.rate) * old, own)
        blend = own
        if self.prior is not None and self.fade:
            u = trust(self.step.value, self.fade)
            blend = u * own + (1.0 - u) * tf.gather(self.prior, target["index"])
        return {**batch, "target": {**target, "belief": own, "pseudo": tf.argmax(blend, -1, tf.int32)}}

    def remember(self, batch) -> None:
        """Write this step's beliefs to the table; for an image twice in a batch, the last."""
        if self.table is None:
            return
        rows, belief = ops.gathered(batch["target"]["index"]), ops.gathered(batch["target"]["belief"])
        equal = tf.equal(rows[:, None], rows[None, :])  # [B, B]
        last = tf.reduce_max(tf.where(equal, tf.range(tf.shape(rows)[0])[None, :], 0), 1)
        update = tf.cast(tf.gather(belief, last), self.table.dtype)
        self.table.assign(tf.tensor_scatter_nd_update(self.table.value, rows[:, None], update))


# ---- of a config


def prior(config: ConfigDict, of: Task) -> np.ndarray | None:
    """Return the beliefs [N, K] of earlier rounds from the file config.prior, or None."""
    if not config.prior:
        return None
    found = load_beliefs(config.prior)
    shape = len(of.streams["target"]), len(of.classes)
    if found.shape != shape:
        raise ValueError(
            f"prior={config.prior} is of shape {found.shape}: the target has {shape[0]} images of {shape[1]} classes"
        )
    return found


def make_beliefs(config: ConfigDict, of: Task) -> Beliefs | None:
    """Return the memory of pseudo-labels, None if nothing is remembered; source_only never forwards the target."""
    chosen, before = config.beliefs, prior(config, of)
    if trains_source_only(config) or (chosen.rate == 1 and before is None):
        return None
    return Beliefs(len(of.streams["target"]), len(of.classes), chosen.rate, before, chosen.fade, chosen.scale)


def known_classes(config: ConfigDict, of: Task) -> np.ndarray | None:
    """Return the classes int32 [N] for the target's sampler.

    These are the true ones for "oracle", else those of the prior, or None for the run's own predictions.
    """
    if config.samplers.target == "oracle":
        return of.trains["target"].known_labels
    before = prior(config, of)
    return None if before is None else before.argmax(1).astype(np.int32)
