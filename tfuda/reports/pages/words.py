"""Explain the numbers of a run in plain words; only this module names columns for the pages."""

from __future__ import annotations

VALIDATORS = {  # of tfuda.evaluation.validators
    "entropy": "mean entropy of the predictions on the target: low where the network is sure",
    "im": "information maximisation: sure predictions that use all classes",
    "snd": "soft neighbourhood density: target images of one kind lie close together",
    "bnm": "nuclear norm of the predictions on the target: sure, and of many classes",
    "corrc": "class correlation: sure predictions, and as many of each class",
    "source_accuracy": "accuracy on held-out source images: blind to the target",
    "agreement": "share of target images predicted as at the evaluation before: training has come to rest",
    "iwcv": "importance-weighted validation: the target's risk, estimated from weighted source images",
    "dev": "deep embedded validation: the same with less variance",
    "transfer_score": "target features in clusters, sure and diverse predictions, class weights in all directions",
    "mixval": "mixtures of two target images get the class of the one with the larger share",
}

NUMBERS = {
    "last": "at the end of training: what you would have, had you never looked",
    "selected": "at the step that the label-free validator chose: what can be had without target labels",
    "oracle": "the best step as seen on the target's labels: an upper line, not a result",
    "source": "on held-out source images, at the end of training",
}

HEALTH = {
    "a_distance": (
        "distance of the domains",
        "How well a linear classifier tells source from target features: 0 is not at all, 2 is always. "
        "Alignment should lower it.",
    ),
    "discriminator": (
        "discriminator is right",
        "Share of the cases in which the discriminator names the domain. Near 100 % it has won, near 50 % it is "
        "fooled, or has collapsed.",
    ),
    "reversal": (
        "gradient reversal",
        "How strongly the features are told to confuse the discriminator, 0 to 1 as training goes on.",
    ),
    "largest_class": (
        "largest predicted class",
        "Share of the target's images in the most frequent predicted class. A jump says that predictions collapse.",
    ),
    "pseudo_rate": (
        "sure predictions",
        "Share of target images with a probability of 0.9 or more. It says nothing about being right.",
    ),
    "source_norm": ("norm of source features", "Mean length of the feature vectors of the source."),
    "target_norm": (
        "norm of target features",
        "The same of the target. Much smaller than the source's: the network responds little to these images.",
    ),
    "dead": (
        "dead features",
        "Share of the features that are equal for all target images. Above one half the network is dying.",
    ),
    "gradient_backbone": ("gradient of the backbone", "Norm of its gradient: spikes go before a divergence."),
    "gradient_head": ("gradient of the head", "The same of bottleneck and classifier."),
    "gradient_discriminator": (
        "gradient of the adversarial part",
        "The same of discriminators and all else that is not the network.",
    ),
}

TEN = (
    "Ten bands of the probability that the network gives its own prediction; a well calibrated network is right as "
    "often as it says."
)
