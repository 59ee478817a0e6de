"""How the Transfer-Learning-Library (tllib) trains its methods: a part of tfuda/experiment/recipes.py.

The methods are in docs/methods/comparison.md#tllib.

In common: rate (1 + gamma i)^-0.75 by steps, the backbone's a tenth of what its command line says; Nesterov; both
domains in one pass; a bottleneck of 256 with batch norm and ReLU; random resized crop of 224 out of 256 with flip,
one centre crop in evaluation; the reversal's ramp over 10000 steps; 20 epochs of 500 steps. The table has the rest,
and a data set's own numbers are in its file of configs/.

Choices where tllib says otherwise or nothing:
- Steps. Its scripts for MDD, ADDA, BSP and PADA take epochs of 1000, and many of those for Office-Home 30 epochs:
  20000 to 30000 steps, of which the best epoch by the target's labels is reported. Here 10000 for all, and the last
  one.
- BNM is not in it: trained as MCC.
- ADDA's and BSP's networks learn the source for three epochs first: see methods/adda.py and regularisers/bsp.py.
- PADA's temperature of class weights is 0.01 in its scripts for Office-Home: `options.pada_temperature`, here 0.1.

MCD moves backbone and heads at one constant rate, the backbone without momentum, and has no bottleneck: its heads are
deep.
"""

from __future__ import annotations

from typing import NamedTuple


class Recipe(NamedTuple):
    """rate: the backbone's; height: where the reversal's ramp ends, 0 for the method's own"""

    rate: float
    gamma: float
    decay: float = 5e-4
    batch: int = 32
    bottleneck: int = 256
    neck: str = "norm"
    height: float = 0.0
    steps: int = 10_000


MCC = Recipe(5e-4, gamma=1e-3, decay=1e-3, batch=36, bottleneck=1024)
TABLE = {
    "dan": Recipe(3e-4, gamma=3e-4, neck="dropout"),
    "jan": Recipe(3e-4, gamma=3e-4),
    "adda": Recipe(1e-4, gamma=3e-4, decay=1e-3, height=2.0),
    "mcd": Recipe(1e-3, gamma=0.0, bottleneck=0, neck="linear"),
    "mdd": Recipe(4e-4, gamma=2e-4, bottleneck=1024, neck="norm+dropout", height=0.1),
    "bsp": Recipe(3e-4, gamma=1e-3, decay=1e-3),
    "mcc": MCC,
    "bnm": MCC,
    "pada": Recipe(2e-4, gamma=1e-3, decay=1e-3, batch=36),
    "iwan": Recipe(1e-4, gamma=1e-3, decay=1e-3, batch=36),
}
