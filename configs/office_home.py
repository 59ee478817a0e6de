"""Configure Office-Home (Venkateswara et al. 2017): Art, Clipart, Product, Real World; 65 classes, 15588 pictures.

    python run/train.py --config=configs/office_home.py:toalign --config.task=A-C --config.root=/data/office_home \\
        --config.weights=resnet50.weights.h5 --workdir=runs/office_home

Papers' averages over the twelve tasks, ResNet-50 (ToAlign Table 1, TADA Table 2): source-only 46.1, DANN 57.6,
CDAN+E 65.8, DANNP 67.9, DANNP+ToAlign 69.9, HDA 70.9, HDA+ToAlign 72.0. `hda` and `hda+toalign` train as ToAlign's
repository does, `hda@hda` as HDA's own code. GVB 70.4, GVB+MetaAlign 71.3 (`gvb+metaalign`).
BIWAA's tables 2 and 4: MSTN 65.7, BIWAA 70.0 (`biwaa`), ten rounds of BIWAA 71.5 (run/rounds.py), DANN with BIWAA's
weights 67.3 (`dann+biwaa`), AFN 67.3, AFN with BIWAA's weights 69.6 (`afn+biwaa`).
GSDA 70.3 (`gsda`), TADA 67.6 (`tada`).

Further methods to compare with, averages as other papers quote them: DAN 56.3, JAN 58.3 (TADA Table 2, GSDA Table 3),
MCD 64.1, MDD 68.1 (ToAlign Table 1, BIWAA Table 2), BNM 69.4, SymNets 67.2 (ToAlign Table 1; 67.6 in GSDA Table 3). A
public toolbox's table has MCC (`mcc`) at 72.4, above the 72.0 of HDA+ToAlign. 'hda+toalign+mcc' has both methods and
trains as HDA does. Here the bottlenecks of `mcc`, `bnm` and `mdd` are 2048 wide, and MCD's trade-off is 30.

Partial adaptation to the first 25 classes:

    python run/train.py --config=configs/office_home.py:pada --config.partial=first --config.task=A-C \\
        --config.root=/data/office_home --config.weights=resnet50.weights.h5 --workdir=runs/partial

`iwan` trains with the same command, and so does any other method with pada=True, as 'gsda[pada=True]'.
'dann[pada=True]' is PADA in DANN's recipe.
"""

from tfuda.experiment import recipes

DOMAINS = "ACPR"
TASKS = {"all": tuple(f"{source}-{target}" for source in DOMAINS for target in DOMAINS if source != target)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on Office-Home."""
    config = recipes.paper(cell, "office_home")
    config.task = "A-C"
    own = recipes.name(cell)
    if own in ("mcc", "bnm", "mdd"):  # docs/methods/comparison.md#tllib
        config.network.bottleneck = 2048
    if own == "symnets":  # 200 epochs of Product: 4439 // 128 = 34 steps
        config.steps, config.segment = 6800, 680
    if config.method == "mdd":
        recipes.put(config, {"hidden": 2048})
    if config.method == "mcd":
        recipes.put(config, {"trade_offs.discrepancy": 30.0})
    return config
