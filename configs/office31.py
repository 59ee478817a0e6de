"""Office-31 (Saenko et al. 2010): Amazon, Dslr, Webcam; 31 classes, 4110 pictures.

    python run/train.py --config=configs/office31.py:cdane --config.task=A-W --config.root=/data/office31 \\
        --config.weights=resnet50.weights.h5 --workdir=runs/office31

Papers' averages over the six tasks, ResNet-50 (TADA Table 1, BIWAA Table 1): source-only 76.1, DANN 82.2,
CDAN+E 87.7. CDAN's code takes 3e-4 for A-D and D-W; HDA's (`hda@hda`) and GVB's for all but those to Amazon.
ToAlign does not report this set. BIWAA's tables 1 and 4: MSTN 86.5, BIWAA 89.7 (`biwaa`), its ten rounds 90.5
(run/rounds.py), DANN with its weights 87.7 (`dann+biwaa`), AFN 85.7, with its weights 87.5 (`afn+biwaa`); its code
takes 3e-4 where CDAN's does. GSDA 89.7 (Table 2; `gsda`; its four rows of Table 1 are in methods/gsda.py), TADA 88.4
(Table 1; `tada`). Partial adaptation to the ten classes shared with Caltech: --config.partial=caltech,
for GSDA with --config.options.trade_offs.synchrony=10 and entropy=0.2; PADA is 'dann[pada=True]'.
DAAA 87.2 (Table 2; `daaa`; its rows and ablations are in methods/daaa.py), which trains its generators first, at
--config.pairs.size=256, and the source network: see tfuda/stages.py.
"""

from tfuda import recipes

TASKS = {"all": ("A-W", "D-W", "W-D", "A-D", "D-A", "W-A")}
AWAY = ("A-W", "D-W", "W-D", "A-D")
SLOW = {"cdan": ("A-D", "D-W"), "biwaa": ("A-D", "D-W"), "hda": AWAY, "gvb": AWAY}  # tasks with 3e-4, by recipe

sweep = recipes.sweep


def get_config(cell="toalign"):
    config = recipes.paper(cell, "office31")
    config.task = "A-W"
    config.optimizer.by_task = dict.fromkeys(SLOW.get(recipes.name(cell), ()), 0.3)
    return config
