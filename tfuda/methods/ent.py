"""ENT: entropy minimisation (Grandvalet and Bengio, NIPS 2004) as the baseline of MME, https://arxiv.org/abs/1904.06487

    logits    a cosine classifier's: networks/heads.py
    task      CE over source and labelled target
    entropy   H(p) of the unlabelled target
    L         L_task + 0.1 entropy

Two updates in a step, as MME (methods/mme.py), which is this with the head against it; options are described there.
"""

from __future__ import annotations

from tfuda.core import losses, ops
from tfuda.core.method import Method
from tfuda.methods.shared.alternating_updates import Turn, turns
from tfuda.networks.heads import CosineHead


class ENT(Method):
    """Minimise the entropy of predictions on the target."""

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of the labelled images
        "entropy": 0.1,  # factor on the entropy of predictions on the target
    }
    hidden = 512  # units of the linear layer before the cosines; 0 for none
    temperature = 0.05  # that divides the cosines
    alternating = True  # True: one update on labelled images, then one on the target; False: one on the sum

    _combine = staticmethod(turns)

    @classmethod
    def head(cls, classes, options=None):
        options = options or cls.options()
        return CosineHead(classes, options["hidden"], options["temperature"])

    def plan(self):
        """Return the turns of a step: labelled images, then all others; or all at once."""
        if not self.alternating:
            return [Turn({"task": 1.0, "align": 1.0, "beside": 1.0})]
        labelled = Turn({"task": 1.0, "beside": 1.0}, reads=lambda stream: "label" in stream)
        return [labelled, Turn({"align": 1.0, "beside": 1.0}, reads=lambda stream: "label" not in stream)]

    def regularise(self, batch, outputs):
        if "target" not in outputs:
            return {}
        return {"entropy": ops.mean(losses.entropy(outputs["target"].logits))}
