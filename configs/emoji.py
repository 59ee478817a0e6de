"""Configure the emoji: 702 things of 29 classes, each drawn by four hands, from packages that pip installs.

    pip install 'tfuda[emoji]'
    python run/train.py --config=configs/emoji.py:dannp+toalign --config.task=T-O --workdir=runs/emoji

Domains: T Twemoji, O OpenMoji, L OpenMoji's lines, G Noto Emoji. A task is SOURCE-TARGET, or T+O+L-G for three
sources. As on Office-Home, all target pictures train without labels and are measured. A fifth of each source class is
held out, for validators. --config.unseen=True keeps a fifth of the things out of all training sets and measures on
these. Variants: --config.shots=1, --config.target_classes=10 (partial), --config.imbalance=source|target.

The network is EfficientNet-Lite0 with the ImageNet weights that are installed with the library, in two regimes:

    frozen  the backbone does not learn: 4 views of each picture pass through it once, and a bottleneck learns
    tuned   CELL@tuned: the last three stages learn on stored maps of crops of 128

Cells that differ in a weigher differ in nothing else, so `dann` is what other configs call `dann@biwaa`.
"""

from tfuda.experiment import defaults, recipes, recipes_pretrained

DOMAINS = "TOLG"
TUNED = ("T-O", "O-G", "T-L")  # the recipe looked at their target labels
TASKS = {"all": tuple(f"{source}-{target}" for source in DOMAINS for target in DOMAINS if source != target)}
TASKS["tuned"] = TUNED
TASKS["untuned"] = tuple(task for task in TASKS["all"] if task not in TUNED)
TASKS["report"] = TASKS["untuned"]

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on the emoji; CELL@tuned lets the last stages learn."""
    cell, at, regime = cell.partition("@")
    if regime not in ("", "tuned"):
        raise ValueError(f"configs/emoji.py knows CELL and CELL@tuned, not @{regime}")
    config = defaults.default_config(cell)
    config.cell += at + regime
    config.data = "emoji"
    config.task = "T-O"
    config.unseen = False  # True: measure on things that no training set has
    config.holdout = 0.2
    recipes_pretrained.pretrained(config, regime or "frozen")
    defaults.put_settings(config)
    return config
