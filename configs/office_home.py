"""Configure Office-Home (Venkateswara et al. 2017): Art, Clipart, Product, Real World; 65 classes, 15588 pictures.

    python run/train.py --config=configs/office_home.py:toalign --config.task=A-C --config.root=/data/office_home \\
        --config.weights=resnet50.weights.h5 --workdir=runs/office_home
    python run/benchmark.py --table=toalign.1 --config.root=/data/office_home \\
        --config.weights=resnet50.weights.h5 --workdir=runs/toalign1

Tables and figures of the papers, each trained whole by one command (tfuda/studies/paper_tables.toml):

    --table=toalign.1              Office-Home, ResNet-50
    --table=toalign.3              The scale s of ToAlign's weights, Office-Home
    --table=toalign.4              MetaAlign and ToAlign on DANNP, Office-Home
    --table=toalign.figure3        Target accuracy over training with TiAlign, Rw-Cl of Office-Home
    --table=toalign.figure8        Bars with deviations on Office-Home
    --table=biwaa.2                Office-Home, ResNet-50
    --table=biwaa.4.office_home    BIWAA's weights alone, Office-Home
    --table=biwaa.figure5.office_home Accuracy over ten rounds, Office-Home
    --table=gsda.3                 Office-Home, ResNet-50
    --table=tada.2                 Office-Home, ResNet-50

Cells, with table, row and average as printed; a table of one task has that task's number:

    source_only              toalign.1 Source-Only 46.1; toalign.figure3; biwaa.2 ResNet-50 46.1; gsda.3 ResNet50
                             46.1; tada.2 ResNet-50 46.1
    mcd                      toalign.1 MCD 64.1; biwaa.2 MCD 64.1
    cdane                    toalign.1 CDAN 65.8; biwaa.2 CDAN+E 65.8; biwaa.4.office_home CDAN+E 65.8; gsda.3 CDAN
                             65.8
    symnets                  toalign.1 SymNet 67.2; gsda.3 SymNets 67.6
    tada                     toalign.1 TADA 67.6; tada.2 TADA (local+global) 67.6
    mdd                      toalign.1 MDD 68.1; biwaa.2 MDD 68.1
    source_only+bnm          toalign.1 BNM 69.4
    gsda                     toalign.1 GSDA 70.3; biwaa.2 GSDA 70.3; gsda.3 GSDA 70.3
    gvb                      toalign.1 GVB 70.4; biwaa.2 GVB-GD 70.4
    gvb+metaalign            toalign.1 MetaAlign 71.3
    dannp                    toalign.1 DANNP 67.9; toalign.3 DANNP 67.9; toalign.4 DANNP 67.9; toalign.figure3;
                             toalign.figure8
    dannp+toalign            toalign.1 DANNP+ToAlign 69.9; toalign.3 DANNP+ToAlign, Adaptive s 69.9; toalign.4
                             DANNP+ToAlign 69.9; toalign.figure3; toalign.figure8
    hda                      toalign.1 HDA 70.9; toalign.figure8
    hda+toalign              toalign.1 HDA+ToAlign 72.0; toalign.figure8
    dannp+toalign[scale=1]   toalign.3 DANNP+ToAlign, s = 1 59.7
    dannp+toalign[scale=8]   toalign.3 DANNP+ToAlign, s = 8 68.8
    dannp+toalign[scale=16]  toalign.3 DANNP+ToAlign, s = 16 69.7
    dannp+toalign[scale=64]  toalign.3 DANNP+ToAlign, s = 64 70.0
    dannp+toalign[scale=128] toalign.3 DANNP+ToAlign, s = 128 69.8
    dannp+metaalign@toalign  toalign.4 DANNP+MetaAlign 69.5
    dannp+toalign[sign=-1]   toalign.figure3
    dan                      biwaa.2 DAN 56.3; gsda.3 DAN 56.3; tada.2 DAN 56.3
    dann                     biwaa.2 DANN 57.6; gsda.3 DANN 57.6; tada.2 DANN 57.6
    mstn                     biwaa.2 MSTN 65.7
    mstn+biwaa               biwaa.2 BIWAA 70.0
    mstn+biwaa~rounds=10     biwaa.2 BIWAA-I 71.5; biwaa.figure5.office_home
    afn                      biwaa.4.office_home AFN 67.3; gsda.3 SAFN 68.5
    afn+biwaa                biwaa.4.office_home AFN+BG 69.6
    dann@biwaa               biwaa.4.office_home DANN 57.6
    dann+biwaa               biwaa.4.office_home DANN+BG 67.3
    mstn+biwaa~rounds=10~loader=random
                             biwaa.figure5.office_home
    mstn+biwaa~rounds=10~loader=oracle
                             biwaa.figure5.office_home
    jan                      gsda.3 JAN 58.3; tada.2 JAN 58.3
    dann@gsda                gsda.3
    dann@tada                tada.2
    tada[scope=local]        tada.2 TADA (local) 63.9
    tada[scope=global]       tada.2 TADA (global) 65.7

`hda` and `hda+toalign` train as ToAlign's repository does, `hda@hda` as HDA's own code. In ToAlign's Table 4 one
recipe trains all rows, so `dannp+metaalign@toalign`; `dannp+metaalign` alone takes MetaAlign's. In BIWAA's Table 4
that is `dann@biwaa`. A public toolbox's table has MCC (`mcc`) at 72.4, above the 72.0 of HDA+ToAlign.
'hda+toalign+mcc' has both methods and trains as HDA does. Here the bottlenecks of `mcc`, `bnm` and `mdd` are 2048
wide, and MCD's trade-off is 30.

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
