"""Draw the settings of a search: at random, by a Gaussian process, or in brackets that stop the worse ones early.

random     draws every setting independently
bayesian   draws 4 trials at random, then where a Gaussian process of the earlier trials expects most
hyperband  trains many settings for a few segments, and resumes the best third for three times as long (Li et al.,
           JMLR 2018). A setting that is resumed is the same run. The brackets are as many as `trials` settings fill.

The first setting is the config's own. A search that starts anew is the same search: draws follow from the seed, not
from the number of trials. All draws but random ones also follow from the values of earlier trials, which a run's
folder keeps.
"""

from __future__ import annotations

import math

from tfuda.evaluation import validators
from tfuda.studies.tuner_library import Bayesian, Hyperband, Random, keras_tuner

KINDS = ("random", "bayesian", "hyperband")
OWN = "tuner/"  # what hyperband adds to a setting
INITIAL = 4  # trials that "bayesian" draws at random; a share of all would change the draws where more are wanted


def make_oracle(kind: str, space: keras_tuner.HyperParameters, objective: str, trials: int, seed: int, segments: int):
    """Return a new oracle, keras-tuner's name for an object that draws settings.

    Args:
        kind: "random", "bayesian" or "hyperband".
        space: the hyper-parameters to draw.
        objective: the name of the validator to maximise or minimise.
        trials: the number of settings.
        seed: any integer; 0, which keras-tuner would take for no seed, has draws of its own too.
        segments: the number of segments of a whole run.

    Raises:
        ValueError: if a run has too few segments for hyperband.
    """
    direction = "max" if validators.named(objective).sign > 0 else "min"
    shared = {
        "objective": keras_tuner.Objective(objective, direction),
        "seed": 1 + 100_003 * seed,
        "hyperparameters": space,
    }
    if kind == "random":
        return Random(max_trials=trials, **shared)
    if kind == "bayesian":
        return Bayesian(max_trials=trials, num_initial_points=INITIAL, **shared)
    if segments < 3:
        raise ValueError(
            f"--tuner=hyperband needs runs of at least 3 segments, and these have {segments}: lower config.segment"
        )
    found = Hyperband(max_epochs=segments, **shared)
    found.hyperband_iterations = math.ceil(trials / found.count(rounds=False))
    found.total = found.hyperband_iterations * found.count(rounds=True)
    return found


def plain_values(values: dict) -> dict:
    """Return a trial's settings in order, without the entries that hyperband adds."""
    return {key: value for key, value in sorted(values.items()) if not key.startswith(OWN)}
