"""VisDA-2017 (Peng et al. 2017): 152397 synthetic pictures, 55388 real ones, 12 classes.

    python run/train.py --config=configs/visda.py:cdan --config.root=/data/visda \\
        --config.weights=resnet50.weights.h5 --workdir=runs/visda

Mean accuracy over the classes, ResNet-50 (ToAlign Table 7): source-only 55.3, DANN 57.4, CDAN 70.0, HDA 74.6, GVB
75.3, HDA+ToAlign 75.5. Rate 3e-4 (ToAlign, section 4.1; METHODS A5.2). The paper's HDA was run with HDA's own code:
that is `hda@hda`. Partial adaptation to the first 6 classes: --config.partial=first.
"""

from tfuda import recipes

TASKS = {"all": ("S-R",)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    config = recipes.paper(cell, "visda")
    config.task = "S-R"
    config.mean_class = True
    config.optimizer.rate = 3e-4
    if recipes.name(cell) == "gvb":
        config.steps = 15_002
    return config
