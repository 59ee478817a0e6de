"""Configure DomainNet-40 (Tan et al. 2020): Clipart, Painting, Real, Sketch; 40 classes.

    python run/train.py --config=configs/domainnet40.py:cdane --config.task=R-C --config.root=/data/domainnet \\
        --config.weights=resnet50.weights.h5 --workdir=runs/domainnet40

Papers' averages over the twelve tasks, ResNet-50 (BIWAA Table 3): source-only 62.5, DANN 74.5, BIWAA 77.9, its ten
rounds 79.4 (`biwaa`, run/rounds.py). BIWAA trains and tests on the training lists of the target
(docs/methods/biwaa.md#biwaa-weights); here the test lists are the test. BIWAA's Table 3 says accuracy per class,
and BIWAA's code computes accuracy over all images. metrics.csv has both, and result.json has accuracy per class.
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
