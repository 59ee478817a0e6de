"""Configure DomainNet-40 (Tan et al. 2020): Clipart, Painting, Real, Sketch; 40 classes.

    python run/train.py --config=configs/domainnet40.py:cdane --config.task=R-C --config.root=/data/domainnet \\
        --config.weights=resnet50.weights.h5 --workdir=runs/domainnet40
    python run/benchmark.py --table=biwaa.3 --config.root=/data/domainnet \\
        --config.weights=resnet50.weights.h5 --workdir=runs/biwaa3

Tables and figures of the papers, each trained whole by one command (tfuda/studies/paper_tables.toml):

    --table=biwaa.3                DomainNet-40, ResNet-50
    --table=biwaa.figure5.domainnet40 Accuracy over ten rounds, DomainNet-40

Cells, with table, row and average as printed; a table of one task has that task's number:

    source_only              biwaa.3 ResNet-50 62.52
    pada                     biwaa.3 PADA 64.48
    mcd                      biwaa.3 MCD 65.42
    dan                      biwaa.3 DAN 67.07
    dann                     biwaa.3 DANN 74.46
    mstn                     biwaa.3
    mstn+biwaa               biwaa.3 BIWAA 77.91
    mstn+biwaa~rounds=10     biwaa.3 BIWAA-I 79.44; biwaa.figure5.domainnet40
    mstn+biwaa~rounds=10~loader=random
                             biwaa.figure5.domainnet40
    mstn+biwaa~rounds=10~loader=oracle
                             biwaa.figure5.domainnet40

BIWAA trains and tests on the training lists of the target (docs/methods/biwaa.md#biwaa-weights); here the test lists
are the test. BIWAA's Table 3 says accuracy per class, and BIWAA's code computes accuracy over all images. Both are
measured, and BIWAA's own rows stand in the tables of both.
"""

from tfuda.experiment import recipes

DOMAINS = "CPRS"
TASKS = {"all": tuple(f"{source}-{target}" for source in DOMAINS for target in DOMAINS if source != target)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on DomainNet-40."""
    config = recipes.paper(cell, "domainnet40")
    config.task = "R-C"
    config.mean_class = True
    return config
