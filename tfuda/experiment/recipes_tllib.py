"""List how the Transfer-Learning-Library (tllib) trains its methods, for tfuda/experiment/recipes.py.

The methods are in docs/methods/comparison.md#tllib.

All recipes share: rate (1 + gamma i)^-0.75 by steps, for the backbone a tenth of the command line's rate; Nesterov;
both domains in one pass; a bottleneck of 256 with batch norm and ReLU; random resized crop of 224 out of 256 with
flip, one centre crop in evaluation; the reversal's ramp over 10000 steps; 20 epochs of 500 steps. TABLE has the rest;
the numbers of a data set are in the data set's file of configs/.

Choices where tllib differs or says nothing:
- Steps: tllib's scripts for MDD, ADDA, BSP and PADA take epochs of 1000 steps, and many for Office-Home take 30
  epochs. That is 20000 to 30000 steps, and the best epoch by target labels is reported. Here all methods take 10000
  steps, and the last step counts.
- BNM is not in tllib, and trains here as MCC.
- ADDA's and BSP's networks learn the source for three epochs first: see methods/adda.py and regularisers/bsp.py.
- PADA's temperature of class weights is 0.01 in tllib's scripts for Office-Home; `options.pada_temperature` is 0.1.

MCD trains backbone and heads at one constant rate, the backbone without momentum. MCD has no bottleneck, as its heads
are deep.
"""

from __future__ import annotations

from typing import NamedTuple


class Recipe(NamedTuple):
    """Hold what distinguishes one recipe of tllib.

    Attributes:
        rate: the backbone's learning rate.
        height: the end of the reversal's ramp; 0 for the method's own.
    """

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
