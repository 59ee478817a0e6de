"""Compare the bank with a loop of single discriminators, both compiled, with equal weights.

M members, N samples, d inputs, h hidden units. Both versions give L and its gradients by x and all weights:

    L_m = 1/N Σ_n w_mn BCE(l_mn, d_n),  L = Σ_m L_m  [+ Σ_mn |dL_m / dx_n|]

The norms are GSDA's. The bank takes the norms from its Jacobian, the loop from a tape for every member.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.networks.bank import Bank
from tfuda.networks.discriminators import initializer
from tfuda.profiling import step_time

KEYS = ("w1", "b1", "w2", "b2", "w3", "b3")
TOLERANCE = 2e-3  # in float32 a pre-activation near 0 may have either sign


class Setting(NamedTuple):
    """Hold the sizes of a comparison.

    norms: True as in GSDA, all members read one x [N, d]; False as in TADA, each reads its own, x [M, N, d]
    """

    members: int
    inputs: int
    hidden: int
    samples: int
    norms: bool


SETTINGS = {
    "GSDA, 79 members, 256 → 256": Setting(65 + 13 + 1, 256, 256, 72, norms=True),
    "GSDA, 79 members, 256 → 1024": Setting(65 + 13 + 1, 256, 1024, 72, norms=True),
    "TADA, 49 members, 2048 → 256": Setting(7 * 7, 2048, 256, 72, norms=False),
}


class Banked:
    """Compute all members in one operation; weights: [M, ...] for each of KEYS."""

    def __init__(self, setting: Setting):
        self.norms = setting.norms
        self.bank = Bank(setting.members, setting.inputs, setting.hidden)
        self.weights = [getattr(self.bank, key).value for key in KEYS]

    def loss(self, x: tf.Tensor, d: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """Compute L from x [N, d] or [M, N, d], d [N], w [M, N]."""
        logits, jacobian = self.bank.judge(x[None]) if self.norms else (self.bank(x), None)  # [M, N], [M, N, d]
        errors = losses.binary_cross_entropy(tf.broadcast_to(d, tf.shape(logits)), logits)
        if jacobian is not None:
            errors += tf.abs(tf.sigmoid(logits) - d) * ops.safe_norm(jacobian)[..., 0]
        return tf.reduce_sum(tf.reduce_mean(w * errors, 1))


class Loop:
    """Compute one member after the other; weights: M tensors for each of KEYS."""

    def __init__(self, setting: Setting):
        (count, d, h, _, self.norms), draw = setting, initializer("kaiming")
        shapes = [(d, h), (1, h), (h, h), (1, h), (h,), (1,)]
        self.weights = [[tf.Variable(draw(shape)) for _ in range(count)] for shape in shapes]

    def copy(self, banked: Banked) -> None:
        """Copy the bank's weights."""
        for own, whole in zip(self.weights, banked.weights, strict=True):
            for weight, value in zip(own, tf.unstack(whole), strict=True):
                weight.assign(value)

    def loss(self, x: tf.Tensor, d: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """Compute L from x [N, d] or [M, N, d], d [N], w [M, N]."""
        shares = tf.unstack(w)
        inputs = [x] * len(shares) if self.norms else tf.unstack(x)
        return tf.add_n([self.part(m, inputs[m], d, share) for m, share in enumerate(shares)])

    def part(self, m: int, x: tf.Tensor, d: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """Compute member m's part of L from x [N, d], d [N], w [N]."""
        if not self.norms:
            return self.error(m, x, d, w)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            error = self.error(m, x, d, w)
        return error + tf.reduce_sum(ops.safe_norm(tape.gradient(error, x)))

    def error(self, m: int, x: tf.Tensor, d: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """Compute L_m from x [N, d], d [N], w [N]."""
        w1, b1, w2, b2, w3, b3 = (own[m] for own in self.weights)
        a = tf.nn.relu(tf.nn.relu(x @ w1 + b1) @ w2 + b2)
        return tf.reduce_mean(w * losses.binary_cross_entropy(d, tf.linalg.matvec(a, w3) + b3))


VERSIONS: dict[str, type[Banked] | type[Loop]] = {"loop": Loop, "bank": Banked}


def batch(setting: Setting) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Draw x [N, d] or [M, N, d], normal; d [N], 1 for half of the samples; w [M, N] in [0, 1)."""
    rng, (members, inputs, _, samples, norms) = np.random.default_rng(0), setting
    x = rng.normal(size=(samples, inputs) if norms else (members, samples, inputs))
    d, w = np.arange(samples) < samples // 2, rng.uniform(size=(members, samples))
    return tf.constant(x, ops.real()), tf.constant(d.astype(ops.real())), tf.constant(w, ops.real())


def compiled(version: Banked | Loop) -> Callable:
    """Compile (x, d, w) -> [L, its gradient by x, its gradients by the version's weights in the order of KEYS]."""

    @tf.function(autograph=False)
    def step(x, d, w):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = version.loss(x, d, w)
        return [loss, *tape.gradient(loss, [x, *version.weights])]

    return step


def runner(step: Callable, data: tuple) -> Callable[[], None]:
    """Return a function that runs one step and waits for its end."""

    def run() -> None:
        step(*data)
        tf.test.experimental.sync_devices()

    return run


def trace(step, data: tuple) -> dict:
    """Measure the seconds of tracing, and count the nodes of the graph with its functions."""
    start = time.perf_counter()
    concrete = step.get_concrete_function(*data)
    seconds = time.perf_counter() - start
    graph = concrete.graph.as_graph_def()
    nodes = len(graph.node) + sum(len(function.node_def) for function in graph.library.function)
    return {"trace_seconds": seconds, "nodes": nodes}


def difference(banked: list, looped: list) -> float:
    """Return the largest relative difference of two steps' results; raise ValueError above rounding."""
    worst = 0.0
    for key, ours, several in zip(("loss", "x", *KEYS), banked, looped, strict=True):
        theirs = tf.convert_to_tensor(several)
        gap, size = float(tf.norm(ours - theirs)), float(tf.norm(theirs))
        if not gap <= TOLERANCE * size:
            what = "losses" if key == "loss" else f"gradients by {key}"
            raise ValueError(f"bank and loop differ: {what} of norm {size:.2g} differ by {gap:.2g}")
        worst = max(worst, gap / size if size else 0.0)
    return worst


def compare(setting: Setting, rounds: int) -> list[dict]:
    """Return rows for loop and bank: tracing, and milliseconds and ratio as in `step_time.ratios`."""
    banked, looped, data = Banked(setting), Loop(setting), batch(setting)
    looped.copy(banked)
    steps = {"loop": compiled(looped), "bank": compiled(banked)}
    traced = {name: trace(step, data) for name, step in steps.items()}
    apart = difference(steps["bank"](*data), steps["loop"](*data))
    times = step_time.measure({name: runner(step, data) for name, step in steps.items()}, rounds, each=1)
    rows = {row.pop("method"): row for row in step_time.ratios(times, "loop")}
    return [{"version": name, **traced[name], **row, "difference": apart} for name, row in rows.items()]


def peak(setting: Setting, name: str) -> float:
    """Return the megabytes that building one version and three steps add to this process."""
    return step_time.added(lambda: runner(compiled(VERSIONS[name](setting)), batch(setting)))


def measure(rounds: int, memory: bool = False, settings: dict[str, Setting] = SETTINGS) -> list[dict]:
    """Return the rows of `compare` for all settings.

    Args:
        rounds: rounds of timing.
        memory: also measure peaks, each in a separate process.
        settings: {name: Setting}.
    """
    for kind in VERSIONS.values():  # the first trace of a process costs more
        tiny = Setting(1, 2, 2, 2, norms=True)
        trace(compiled(kind(tiny)), batch(tiny))
    rows = [{"setting": name, **row} for name, setting in settings.items() for row in compare(setting, rounds)]
    for row in rows if memory else []:
        row["peak_megabytes"] = step_time.apart(peak, settings[row["setting"]], row["version"])
    return rows
