"""Office-Home (Venkateswara et al. 2017): Art, Clipart, Product, Real World; 65 classes, 15588 pictures.

    python run/train.py --config=configs/office_home.py:toalign --config.task=A-C --config.root=/data/office_home \\
        --config.weights=resnet50.weights.h5 --workdir=runs/office_home

Papers' averages over the twelve tasks, ResNet-50 (ToAlign Table 1, TADA Table 2): source-only 46.1, DANN 57.6,
CDAN+E 65.8, DANNP 67.9, DANNP+ToAlign 69.9, HDA 70.9, HDA+ToAlign 72.0. `hda` and `hda+toalign` train as ToAlign's
repository does; `hda@hda` as HDA's own. GVB 70.4, GVB+MetaAlign 71.3 (`gvb+metaalign`).
BIWAA's tables 2 and 4: MSTN 65.7, BIWAA 70.0 (`biwaa`), its ten rounds 71.5 (run/rounds.py), DANN with its weights
67.3 (`dann+biwaa`), AFN 67.3, with its weights 69.6 (`afn+biwaa`).
GSDA 70.3 (`gsda`), TADA 67.6 (`tada`). Partial adaptation to the first 25 classes: --config.partial=first; PADA is
'dann[pada=True]'.
"""

from tfuda import recipes

DOMAINS = "ACPR"
TASKS = {"all": tuple(f"{source}-{target}" for source in DOMAINS for target in DOMAINS if source != target)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    config = recipes.paper(cell, "office_home")
    config.task = "A-C"
    return config
