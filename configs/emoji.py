"""Configure the emoji: 711 things of 29 classes, each drawn by four hands, from packages that pip installs.

    pip install 'tfuda[emoji]'
    python run/train.py --config=configs/emoji.py:dannp+toalign --config.task=T-O --workdir=runs/emoji

Domains: T Twemoji, O OpenMoji, L OpenMoji's lines, G Noto Emoji. A task is SOURCE-TARGET, or T+O+L-G for three
sources. As on Office-Home, all target pictures train without labels and are measured. --config.unseen=True keeps a
fifth of the things out of all training sets and measures on these. Variants: --config.shots=1,
--config.target_classes=10 (partial), --config.imbalance=source|target.

The network is EfficientNet-Lite0 with the ImageNet weights that are installed with the library.
"""

from tfuda.experiment import defaults, recipes

DOMAINS = "TOLG"
TASKS = {"all": tuple(f"{source}-{target}" for source in DOMAINS for target in DOMAINS if source != target)}

sweep = recipes.sweep


def get_config(cell="toalign"):
    """Return the config of a cell on the emoji."""
    config = defaults.default_config(cell)
    config.data = "emoji"
    config.task = "T-O"
    config.unseen = False  # True: measure on things that no training set has
    config.steps, config.segment, config.batch = 600, 100, 16
    config.augment = {"name": "shift", "pixels": 8}
    config.network.name = "efficientnet_lite0"
    config.network_options = {"frozen": 0}
    config.weights = "imagenet"
    config.optimizer.rate, config.optimizer.new_layers, config.optimizer.decay = 1e-3, 10.0, 5e-4
    if config.method == "daaa":
        config.batch = 60  # images of all four streams together
        recipes.put(config, {"copy": True, "wait": False})
    config.network.bottleneck = 1000 if config.method == "afn" else 0
    return config
