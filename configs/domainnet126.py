"""DomainNet-126 (Saito et al. 2019): four domains, 126 classes, a few labelled target images of each.

    python run/train.py --config=configs/domainnet126.py:toalign --config.task=R-C --config.shots=3 \\
        --config.root=/data/domainnet --config.weights=resnet34.weights.h5 --workdir=runs/domainnet126

ResNet-34, 24 images of each stream, rate 1e-3 (ToAlign, section 4.1;
docs/methods/adversarial.md#hda-semi-supervised); the shots are those of the published lists, for 1 and for 3.
Labelled target and source share one pass, as HDA's code has it, and HDA takes its 20004 steps in both recipes,
because ToAlign names no number. Papers' averages over the seven tasks with 1 and with 3 shots (ToAlign Tables 5 and
6): source-only 56.9 and 60.0, DANN 58.4 (1 shot), CDAN 62.5 and 66.5, HDA 70.0 and 71.8, HDA+ToAlign 70.6 and 73.0.
Whether ToAlign weighs labelled target images too is not said; here the source alone, or both:
'hda+toalign[streams=("source","target_labelled")]'.

ENT 62.6 and 67.6, MME 66.4 and 68.9 (the same tables), of which MME's own code is the recipe: rate 1e-3 with
(1 + 0.0001 i)^-0.75, 50000 steps of 24 images, 48 unlabelled ones, labelled and unlabelled images in turns.

    python run/train.py --config=configs/domainnet126.py:mme --config.task=R-C --config.shots=1 \\
        --config.root=/data/domainnet --config.weights=resnet34.weights.h5 --workdir=runs/mme

likewise `ent`. ADDA and DAAA have no use for shots: they train without, as in the unsupervised task.
"""

from tfuda.experiment import recipes

TASKS = {"all": ("R-C", "R-P", "P-C", "C-S", "S-P", "R-S", "P-R")}

sweep = recipes.sweep


def get_config(cell="toalign"):
    config = recipes.paper(cell, "domainnet126", depth=34)
    config.task = "R-C"
    if recipes.takes_shots(config):
        config.shots, config.batch, config.passes = 3, 24, "source+target_labelled,target"
    if config.method == "hda":
        config.steps, config.segment = 20_004, 1000
    return config
