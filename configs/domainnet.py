"""Configure DomainNet (Peng et al. 2019): six domains, 345 classes, official lists; five sources, one target.

    python run/train.py --config=configs/domainnet.py:toalign --config.task=I+P+Q+R+S-C \\
        --config.root=/data/domainnet --config.weights=resnet101.weights.h5 --workdir=runs/domainnet

ToAlign's setting (Table 2): ResNet-101, 80 source and 16 target images in a step, sources padded to one length and
shuffled together, rate 3e-4, 50000 steps. Train and test follow the official lists. Averages over the six targets:
source-only 32.9, DANN 32.6, the baseline (`hda`, whose discriminator takes all sources for one domain) 47.3, with
ToAlign (`hda+toalign`) 48.2. HDA's own setting, `hda@hda` (47.6), distinguishes the sources and draws a domain for
every image.
"""

from tfuda.experiment import recipes

DOMAINS = "CIPQRS"
TASKS = {"all": tuple("+".join(d for d in DOMAINS if d != target) + f"-{target}" for target in DOMAINS)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on DomainNet."""
    config = recipes.paper(cell, "domainnet", depth=101)
    config.task = TASKS["all"][0]
    config.steps, config.segment = 50_000, 2000
    if config.method != "daaa":
        config.batch, config.batches.source = 16, 80
    config.optimizer.rate = 3e-4
    config.samplers.source = "padded"
    if recipes.name(cell) == "hda":
        config.steps, config.samplers.source = 50_004, "per_domain"
    elif config.method == "hda":
        recipes.put(config, {"two_way": True})
    return config
