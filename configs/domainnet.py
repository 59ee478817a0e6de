"""Configure DomainNet (Peng et al. 2019): six domains, 345 classes, official lists; five sources, one target.

    python run/train.py --config=configs/domainnet.py:toalign --config.task=I+P+Q+R+S-C \\
        --config.root=/data/domainnet --config.weights=resnet101.weights.h5 --workdir=runs/domainnet
    python run/benchmark.py --table=toalign.2 --config.root=/data/domainnet \\
        --config.weights=resnet101.weights.h5 --workdir=runs/toalign2

Tables and figures of the papers, each trained whole by one command (tfuda/studies/paper_tables.toml):

    --table=toalign.2              DomainNet, five sources, ResNet-101

Cells, with table, row and average as printed; a table of one task has that task's number:

    source_only              toalign.2 Source-Only 32.9
    adda                     toalign.2 ADDA 32.2
    dann                     toalign.2 DANN 32.6
    mcd                      toalign.2 MCD 38.5
    gvb                      toalign.2 GVBG 46.0
    hda@hda                  toalign.2 HDA 47.6
    hda                      toalign.2 Baseline 47.3
    hda+toalign              toalign.2 Baseline+ToAlign 48.2

ToAlign's setting (Table 2): ResNet-101, 80 source and 16 target images in a step, sources padded to one length and
shuffled together, rate 3e-4, 50000 steps. Methods of tllib (`adda`, `mcd`) keep their own rates and steps. The
table's baseline is `hda`, whose discriminator takes all sources for one domain. HDA's own setting, `hda@hda`,
distinguishes the sources and draws a domain for every image.

Train and test follow the official lists. The papers' numbers stand on the original ones, with 34019 and 14814
pictures of Clipart. The authors now offer lists cleaned of repeated images; run/verify.py names which are there.
"""

from tfuda.experiment import defaults, recipes, recipes_tllib

DOMAINS = "CIPQRS"
TASKS = {"all": tuple("+".join(d for d in DOMAINS if d != target) + f"-{target}" for target in DOMAINS)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on DomainNet."""
    config = recipes.paper(cell, "domainnet", depth=101)
    config.task = TASKS["all"][0]
    config.batch, config.batches.source = 16, 80
    if recipes.name(cell) not in recipes_tllib.TABLE:
        config.steps, config.segment = 50_000, 2000
        config.optimizer.rate = 3e-4
    config.samplers.source = "padded"
    if recipes.name(cell) == "hda":
        config.steps, config.samplers.source = 50_004, "per_domain"
    elif config.method == "hda":
        recipes.put(config, {"two_way": True})
    defaults.put_settings(config)
    return config
