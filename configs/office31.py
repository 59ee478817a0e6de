"""Configure Office-31 (Saenko et al. 2010): Amazon, Dslr, Webcam; 31 classes, 4110 pictures.

    python run/train.py --config=configs/office31.py:cdane --config.task=A-W --config.root=/data/office31 \\
        --config.weights=resnet50.weights.h5 --workdir=runs/office31

Papers' averages over the six tasks, ResNet-50 (TADA Table 1, BIWAA Table 1): source-only 76.1, DANN 82.2, CDAN+E
87.7. CDAN's code takes the rate 3e-4 for A-D and D-W. HDA's (`hda@hda`) and GVB's codes take 3e-4 for all tasks but
those to Amazon. ToAlign does not report this set. BIWAA's tables 1 and 4: MSTN 86.5, BIWAA 89.7 (`biwaa`), ten rounds
of BIWAA 90.5 (run/rounds.py), DANN with BIWAA's weights 87.7 (`dann+biwaa`), AFN 85.7, AFN with BIWAA's weights 87.5
(`afn+biwaa`). BIWAA's code takes 3e-4 where CDAN's does. GSDA 89.7 (Table 2; `gsda`; four rows of GSDA's Table 1 are
below), TADA 88.4 (Table 1; `tada`). DAAA 87.2 (Table 2; `daaa`; rows and ablations are below). DAAA first trains its
generators, at --config.pairs.size=256, and the source network: see tfuda/experiment/prerequisites.py.

Further methods to compare with, averages as other papers quote them: DAN 80.4, JAN 84.3, ADDA 82.9, MADA 85.2 (TADA
Table 1, GSDA Table 2; DAN is 72.9 in BIWAA Table 1), SymNets 88.4, BSP 88.5 (GSDA Table 2, which does not say on
which method), MDD 88.9, MCD 86.5 (BIWAA Table 1; 83.0 in GSDA Table 2), JAN-A 84.6 (DAAA Table 2;
'jan[adversarial=True]'). `mcc` and `bnm` are in none of these tables. `adda` first trains its source network, or
takes --config.teacher.

Partial adaptation to the ten classes shared with Caltech:

    python run/train.py --config=configs/office31.py:pada --config.partial=caltech --config.task=A-W \\
        --config.root=/data/office31 --config.weights=resnet50.weights.h5 --workdir=runs/partial

`iwan` trains with the same command, and `gsda` with --config.options.trade_offs.synchrony=10 and entropy=0.2. `pada`
has PADA's class weights and tllib's recipe. 'dann[pada=True]' is the same method in DANN's recipe, and other methods
take pada=True likewise.

GSDA's rows of Table 1:

    gsda[levels=domain;synchronised=False]                    Glb
    gsda[levels=domain+classes;synchronised=False]            + Cls
    gsda[levels=domain+classes+groups;synchronised=False]     + Grp
    gsda                                                      + Grad Sync

DAAA's rows:

    daaa[parts=source_as_target;trade_offs.attention=0]               Table 1: T_f
    daaa[parts=source+source_as_target;trade_offs.attention=0]        S + T_f
    daaa[parts=source+source_as_target]                               S + T_f + L_AT
    daaa[trade_offs.attention=0]                                      all without L_AT
    daaa                                                              all
    daaa[lagging=False]  daaa[threshold=0]  daaa[restart=False]       Table 3: EM-A, EM-B, EM-C
    daaa[distance=l1]  daaa[distance=mmd]  daaa[distance=jmmd]        Table 4
"""

from tfuda.experiment import recipes

TASKS = {"all": ("A-W", "D-W", "W-D", "A-D", "D-A", "W-A")}
AWAY = ("A-W", "D-W", "W-D", "A-D")
SLOW = {"cdan": ("A-D", "D-W"), "biwaa": ("A-D", "D-W"), "hda": AWAY, "gvb": AWAY}  # tasks at 3e-4, by recipe

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on Office-31."""
    config = recipes.paper(cell, "office31")
    config.task = "A-W"
    config.optimizer.by_task = dict.fromkeys(SLOW.get(recipes.name(cell), ()), 0.3)
    return config
