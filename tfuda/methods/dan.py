"""DAN: Learning Transferable Features with Deep Adaptation Networks (Long et al., ICML 2015),
https://arxiv.org/abs/1502.02791

    L    L_task + trade_off MK-MMD(f_s, f_t)           kernels and estimators: tfuda/methods/shared/mmd.py

Features alone are aligned, under a sum of five Gaussian kernels, by no discriminator. The paper aligns several layers
and learns the kernels' weights; here, as in tllib, one layer and equal weights. `estimator=quad` takes all pairs, the
default "linear" N of them. Labelled target images join the task alone. Both domains bring equally many images.
"""

from __future__ import annotations

from tfuda.core import ops
from tfuda.core.method import Method
from tfuda.methods.shared import mmd


class DAN(Method):
    """Pull the means of both domains' features together in a kernel's space."""

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of the labelled images
        "discrepancy": 1.0,  # factor on the discrepancy of the domains
    }
    estimator = "linear"  # pairs in the discrepancy: quad for all, linear for as many as images

    reads: tuple[str, ...] = ("features",)
    refuses = ("pada",)

    def make(self, probe):
        if self.estimator not in mmd.ESTIMATORS:
            raise ValueError(f"unknown estimator={self.estimator!r}: choose {' or '.join(mmd.ESTIMATORS)}")

    def layers_of(self, stream):
        """Return the compared layers of Outputs, a list of [B, d_l]."""
        return [stream.features]

    def distance(self, source, target):
        """Return the discrepancy of both domains' layers [N, d_l], a scalar."""
        (a,), (b,) = source, target
        return mmd.mmd(a, b, estimator=self.estimator)

    def align(self, batch, outputs):
        seen = self.weigh(self.network, batch, outputs)
        whole = [[ops.gathered(x) for x in self.layers_of(seen[name])] for name in ("source", "target")]
        return {"discrepancy": ops.share(self.distance(*whole))}
