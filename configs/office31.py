"""Configure Office-31 (Saenko et al. 2010): Amazon, Dslr, Webcam; 31 classes, 4110 pictures.

    python run/train.py --config=configs/office31.py:cdane --config.task=A-W --config.root=/data/office31 \\
        --config.weights=resnet50.weights.h5 --workdir=runs/office31
    python run/benchmark.py --table=biwaa.4.office31 --config.root=/data/office31 \\
        --config.weights=resnet50.weights.h5 --workdir=runs/biwaa4

Tables and figures of the papers, each trained whole by one command (tfuda/studies/paper_tables.toml):

    --table=biwaa.1                Office-31, ResNet-50
    --table=biwaa.4.office31       BIWAA's weights alone, Office-31
    --table=biwaa.5                Aggregated labels (A_r, A_i) and the bootstrap (B), Office-31
    --table=biwaa.figure4          The factor λ of BIWAA's weights, Office-31
    --table=biwaa.figure5.office31 Accuracy over ten rounds, Office-31
    --table=gsda.1                 Levels and synchronisation, Office-31
    --table=gsda.2                 Office-31, ResNet-50
    --table=gsda.partial           Partial adaptation on Office-31, to the ten classes shared with Caltech
    --table=tada.1                 Office-31, ResNet-50
    --table=daaa.2                 Office-31, ResNet-50
    --table=daaa.3                 Ablations of the EM steps, Office-31
    --table=daaa.4                 Distances of attention, Office-31

Cells, with table, row and average as printed; a table of one task has that task's number:

    source_only              biwaa.1 ResNet-50 76.1; gsda.2 ResNet50 76.1; gsda.partial; tada.1 ResNet-50 76.1;
                             daaa.2 ResNet-50, S 76.1; daaa.3 ResNet-50, S 65.1
    dan                      biwaa.1 DAN 72.9; gsda.2 DAN 80.4; tada.1 DAN 80.4
    dann                     biwaa.1 DANN 82.2; gsda.2 DANN 82.2; gsda.partial; tada.1 DANN 82.2; daaa.2 RevGrad, S
                             + T 82.2
    mcd                      biwaa.1 MCD 86.5; gsda.2 MCDDA 83.0
    mstn                     biwaa.1 MSTN 86.5
    cdane                    biwaa.1 CDAN+E 87.7; biwaa.4.office31 CDAN+E 87.7; gsda.2 CDAN 87.7
    mdd                      biwaa.1 MDD 88.9
    gvb                      biwaa.1 GVB-GD 89.3
    gsda                     biwaa.1 GSDA 89.7; gsda.1 Glb + Cls + Grp + Grad Sync 89.7; gsda.2 GSDA 89.7;
                             gsda.partial
    mstn+biwaa               biwaa.1 BIWAA 89.7
    mstn+biwaa~rounds=10     biwaa.1 BIWAA-I 90.5; biwaa.5 A_r + A_i + B 90.54; biwaa.figure5.office31
    afn                      biwaa.4.office31 AFN 85.7; gsda.partial
    afn[trade_offs.entropy=0.1]
                             gsda.2 SAFN 87.6
    afn+biwaa                biwaa.4.office31 AFN+BG 87.5
    dann@biwaa               biwaa.4.office31 DANN 82.2; biwaa.figure4
    dann+biwaa               biwaa.4.office31 DANN+BG 87.7; biwaa.figure4
    mstn+biwaa~rounds=10~beliefs.rate=1.0~rounds.rate=1.0~beliefs.fade=0
                             biwaa.5 none of A_r, A_i, B 90.23
    mstn+biwaa~rounds=10~rounds.rate=1.0~beliefs.fade=0
                             biwaa.5 A_r 90.31
    mstn+biwaa~rounds=10~beliefs.rate=1.0~beliefs.fade=0
                             biwaa.5 A_i 90.30
    mstn+biwaa~rounds=10~beliefs.fade=0
                             biwaa.5 A_r + A_i 90.30
    mstn+biwaa~rounds=10~beliefs.rate=1.0~rounds.rate=1.0
                             biwaa.5 B 90.48
    mstn+biwaa~rounds=10~rounds.rate=1.0
                             biwaa.5 A_r + B 90.49
    mstn+biwaa~rounds=10~beliefs.rate=1.0
                             biwaa.5 A_i + B 90.38
    dann+biwaa[factor=1]     biwaa.figure4
    dann+biwaa[factor=2]     biwaa.figure4
    dann+biwaa[factor=4]     biwaa.figure4
    dann+biwaa[factor=6]     biwaa.figure4
    dann+biwaa[factor=8]     biwaa.figure4
    dann+biwaa[factor=15]    biwaa.figure4
    dann+biwaa[factor=20]    biwaa.figure4
    mstn+biwaa~rounds=10~loader=random
                             biwaa.figure5.office31
    mstn+biwaa~rounds=10~loader=oracle
                             biwaa.figure5.office31
    gsda[levels=domain;synchronised=False]
                             gsda.1 Glb 83.7
    gsda[levels=domain+classes;synchronised=False]
                             gsda.1 Glb + Cls 85.6
    gsda[levels=domain+classes+groups;synchronised=False]
                             gsda.1 Glb + Cls + Grp 87.0
    jan                      gsda.2 JAN 84.3; tada.1 JAN 84.3; daaa.2 JAN, S + T 84.3
    adda                     gsda.2 ADDA 82.9; tada.1 ADDA 82.9
    mada                     gsda.2 MADA 85.2; tada.1 MADA 85.2
    symnets                  gsda.2 SymNets 88.4
    dann@gsda                gsda.2; gsda.partial
    pada                     gsda.partial
    iwan                     gsda.partial
    dann@tada                tada.1
    tada[scope=local]        tada.1 TADA (local) 84.5
    tada[scope=global]       tada.1 TADA (global) 86.7
    tada                     tada.1 TADA (local+global) 88.4
    jan[adversarial=True]    daaa.2 JAN-A, S + T 84.6
    daaa[parts=source_as_target;trade_offs.attention=0]
                             daaa.2 ResNet-50, T_f 80.6
    daaa[parts=source+source_as_target;trade_offs.attention=0]
                             daaa.2 ResNet-50, S + T_f 82.5
    daaa[trade_offs.attention=0]
                             daaa.2 Ours (wo L^AT) 86.3; daaa.3 Ours (wo L^AT) 79.7
    daaa                     daaa.2 Ours (w L^AT) 87.2; daaa.3 Ours (w L^AT) 80.9; daaa.4 Ours 74.3/73.9
    daaa[lagging=False;trade_offs.attention=0]
                             daaa.3 EM-A 64.4
    daaa[lagging=False]      daaa.3 EM-A + L^AT 71.1
    daaa[same_crop=True]     daaa.3, beside EM-A: asks about the crop of training, too
    daaa[restart=False;trade_offs.attention=0]
                             daaa.3 EM-C 78.6
    daaa[restart=False]      daaa.3 EM-C + L^AT 79.6
    daaa[threshold=0;trade_offs.attention=0]
                             daaa.3 EM-B very low
    daaa[threshold=0]        daaa.3 EM-B + L^AT very low
    daaa[distance=l1]        daaa.4 L_1 -norm very low
    daaa[distance=mmd]       daaa.4 MMD 66.2/64.5
    daaa[distance=jmmd]      daaa.4 JMMD 67.4/66.3

CDAN's code takes the rate 3e-4 for A-D and D-W, and so does BIWAA's. HDA's (`hda@hda`) and GVB's codes take 3e-4
for all tasks but those to Amazon. ToAlign does not report this set. BIWAA's Table 4 and Figure 4 add weights to
DANN and change nothing else: `dann@biwaa` is DANN in the recipe of `dann+biwaa`, as `dann@gsda` and `dann@tada` are
in those of GSDA and TADA. DAAA first trains its generators on crops of 256 out of 286 with flip, and the source
network: see tfuda/experiment/prerequisites.py. `adda` first trains its source network, or takes --config.teacher.
GSDA's Table 2 has BSP at 88.5 and does not say on which method. `mcc` and `bnm` are in none of these tables.

Partial adaptation to the ten classes shared with Caltech:

    python run/train.py --config=configs/office31.py:pada --config.partial=caltech --config.task=A-W \\
        --config.root=/data/office31 --config.weights=resnet50.weights.h5 --workdir=runs/partial

`iwan` trains with the same command, and so does `gsda`, which then has its paper's α = 0.2 and β = 10. `pada` has
PADA's class weights and tllib's recipe. 'dann[pada=True]' is the same method in DANN's recipe, and other methods take
pada=True likewise.
"""

from tfuda.experiment import cells, recipes

TASKS = {"all": ("A-W", "D-W", "W-D", "A-D", "D-A", "W-A")}
AWAY = ("A-W", "D-W", "W-D", "A-D")
SLOW = {"cdan": ("A-D", "D-W"), "biwaa": ("A-D", "D-W"), "hda": AWAY, "gvb": AWAY}  # tasks at 3e-4, by recipe

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on Office-31."""
    config = recipes.paper(cell, "office31")
    config.task = "A-W"
    config.optimizer.by_task = dict.fromkeys(SLOW.get(recipes.name(cell), ()), 0.3)
    if config.method == "gsda":
        recipes.put(config, cells.when_partial(config, {"trade_offs.entropy": 0.2, "trade_offs.synchrony": 10.0}))
    return config
