"""Configure DomainNet-126 (Saito et al. 2019): four domains, 126 classes, a few labelled target images of each.

    python run/train.py --config=configs/domainnet126.py:toalign --config.task=R-C --config.shots=3 \\
        --config.root=/data/domainnet --config.weights=resnet34.weights.h5 --workdir=runs/domainnet126
    python run/benchmark.py --table=toalign.5 --config.root=/data/domainnet \\
        --config.weights=resnet34.weights.h5 --workdir=runs/toalign5

Tables and figures of the papers, each trained whole by one command (tfuda/studies/paper_tables.toml):

    --table=toalign.5              DomainNet-126, one labelled target image a class, ResNet-34
    --table=toalign.6              DomainNet-126, three labelled target images a class, ResNet-34

Cells, with table, row and average as printed; a table of one task has that task's number:

    source_only              toalign.5 Source-Only 56.9; toalign.6 Source-Only 60.0
    dann                     toalign.5 DANN 58.4
    cdan                     toalign.5 CDAN 62.5; toalign.6 CDAN 66.5
    ent                      toalign.5 ENT 62.6; toalign.6 ENT 67.6
    mme                      toalign.5 MME 66.4; toalign.6 MME 68.9
    gvb                      toalign.5 GVBG 68.4; toalign.6 GVBG 70.6
    hda                      toalign.5 HDA 70.0; toalign.6 HDA 71.8
    hda+toalign              toalign.5 HDA+ToAlign 70.6; toalign.6 HDA+ToAlign 73.0

ResNet-34, 24 images of each stream, rate 1e-3 (ToAlign, section 4.1;
docs/methods/adversarial.md#hda-semi-supervised). The shots, 1 or 3, are those of the published lists. Labelled target
and source share one pass, as in HDA's code. HDA takes its 20004 steps in both recipes, because ToAlign names no
number. ToAlign does not say whether labelled target images are weighed too. Here ToAlign weighs the source alone, or
with these options both: 'hda+toalign[streams=("source","target_labelled")]'.

The recipe of ENT and MME is MME's own code: rate 1e-3 with (1 + 0.0001 i)^-0.75, 50000 steps of 24 images and 48
unlabelled ones, labelled and unlabelled images in turns.

    python run/train.py --config=configs/domainnet126.py:mme --config.task=R-C --config.shots=1 \\
        --config.root=/data/domainnet --config.weights=resnet34.weights.h5 --workdir=runs/mme

`ent` trains with the same command. ADDA and DAAA use no shots, and train as in the unsupervised task.
"""

from tfuda.experiment import recipes

TASKS = {"all": ("R-C", "R-P", "P-C", "C-S", "S-P", "R-S", "P-R")}

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on DomainNet-126, with 3 shots where the method uses shots."""
    config = recipes.paper(cell, "domainnet126", depth=34)
    config.task = "R-C"
    if recipes.takes_shots(config):
        config.shots, config.batch = 3, 24
        if config.combiner != "metaalign":  # whose alignment takes one batch of all
            config.passes = "source+target_labelled,target"
    if config.method == "hda":
        config.steps, config.segment = 20_004, 1000
    return config
