"""DomainNet-126 (Saito et al. 2019): four domains, 126 classes, a few labelled target images of each.

    python run/train.py --config=configs/domainnet126.py:toalign --config.task=R-C --config.shots=3 \\
        --config.root=/data/domainnet --config.weights=resnet34.weights.h5 --workdir=runs/domainnet126

ResNet-34, 24 images of each stream, rate 1e-3 (ToAlign, section 4.1; METHODS A5.4); the shots are those of the
published lists, for 1 and for 3. Labelled target and source share one pass, as HDA's code has it.
"""

from tfuda import recipes

TASKS = {"all": ("R-C", "R-P", "P-C", "C-S", "S-P", "R-S", "P-R")}

sweep = recipes.sweep


def get_config(cell="toalign"):
    config = recipes.paper(cell, "domainnet126", depth=34)
    config.task = "R-C"
    config.shots = 3
    config.batch = 24
    config.passes = "source+target_labelled,target"
    return config
