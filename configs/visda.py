"""Configure VisDA-2017 (Peng et al. 2017): 152397 synthetic pictures, 55388 real ones, 12 classes.

    python run/train.py --config=configs/visda.py:cdan --config.root=/data/visda \\
        --config.weights=resnet50.weights.h5 --workdir=runs/visda
    python run/benchmark.py --table=toalign.7 --config.root=/data/visda --config.weights=resnet50.weights.h5 \\
        --workdir=runs/toalign7

Tables and figures of the papers, each trained whole by one command (tfuda/studies/paper_tables.toml):

    --table=toalign.7              VisDA-2017, ResNet-50
    --table=gsda.4.resnet50        VisDA-2017, ResNet-50
    --table=gsda.4.resnet101       VisDA-2017, ResNet-101

Cells, with table, row and average as printed; a table of one task has that task's number:

    source_only              toalign.7 Source-Only 55.3; gsda.4.resnet50 ResNet50 55.3
    dann                     toalign.7 DANN 57.4; gsda.4.resnet50 DANN 58.6
    cdane                    toalign.7 CDAN 70.0
    mdd                      toalign.7 MDD 74.6
    gvb                      toalign.7 GVB 75.3
    hda@hda                  toalign.7 HDA 74.6
    hda                      toalign.7
    hda+toalign              toalign.7 HDA+ToAlign 75.5
    dan                      gsda.4.resnet50 DAN 59.8
    dann@gsda                gsda.4.resnet50
    gsda                     gsda.4.resnet50 GSDA 81.5
    mcd                      gsda.4.resnet101 MCDDA † 71.9
    afn                      gsda.4.resnet101 SAFN† 76.1

GSDA's numbers are means over the classes. ToAlign's, HDA's, GVB's, CDAN's and MetaAlign's codes compute the accuracy
over all images alone. Both are measured, and a printed number stands in the table of its own kind. Source-Only and
DANN of toalign.7 are quoted numbers, and the first is the mean over classes that GSDA prints.

The rate is 3e-4 (ToAlign, section 4.1; docs/methods/adversarial.md#hda-recipe), also for methods whose papers state
none, as GSDA's. ToAlign's paper ran HDA with HDA's
own code, which is `hda@hda`; `hda` is trained as `hda+toalign` is. SAFN (`afn`) has two blocks, a step of 0.3 and 50
epochs. Methods of tllib keep their own rates and train on centre crops; tllib's scripts take
--config.network.name=resnet101. `mcc` and `bnm` train at 2e-4 with a bottleneck of 256. MCC's temperature is 3, MCD's
trade-off 1, PADA's 0.4, MDD's batch 36. SymNets' 200 epochs would be 238000 steps; the 10000 steps here are our
choice. GSDA's Table 4 has BSP at 75.9 on a ResNet-101.

Partial adaptation to the first 6 classes:

    python run/train.py --config=configs/visda.py:pada --config.partial=first --config.root=/data/visda \\
        --config.weights=resnet50.weights.h5 --workdir=runs/partial

`iwan` trains with the same command, and so does any other method with pada=True, as 'gsda[pada=True]'.
"""

from tfuda.experiment import recipes, recipes_tllib

TASKS = {"all": ("S-R",)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on VisDA-2017."""
    config = recipes.paper(cell, "visda")
    config.task = "S-R"
    config.mean_class = True
    own = recipes.name(cell)
    if own in recipes_tllib.TABLE:
        config.view.train = "center"
    elif own not in ("symnets", "mme"):
        config.optimizer.rate = 3e-4
    if own in ("mcc", "bnm"):
        config.optimizer.rate, config.network.bottleneck = 2e-4, 256
    if own == "mdd":
        config.batch = 36
    if own == "symnets":
        config.steps, config.segment = 10_000, 500
    if own == "gvb":
        config.steps = 15_002
    if own == "afn":  # docs/methods/biwaa.md#afn: 50 epochs over the target
        config.steps, config.segment, config.optimizer.rate, config.view.train = 86_500, 1730, 1e-3, "center"
    by_method = {
        "gsda": {"groups": 4, "trade_offs.entropy": 0.2, "trade_offs.synchrony": 10.0},
        "afn": {"step_size": 0.3, "blocks": 2, "trade_offs.norm": 0.01},
        "mcd": {"trade_offs.discrepancy": 1.0},
        "pada": {"trade_offs.domain": 0.4},
    }
    recipes.put(config, by_method.get(config.method, {}))
    if config.regulariser == "mcc":
        recipes.put(config, {"temperature": 3.0}, "regulariser_options")
    return config
