"""How a search draws settings: at random, by a Gaussian process, or in brackets that stop the worse early.

random     every setting on its own
bayesian   after a third of the trials at random, where a Gaussian process of those before hopes for most
hyperband  many settings for a few segments, of which the best third goes on for three times as long (Li et al., JMLR
           2018); a setting that goes on is the same run, resumed. So many brackets as `trials` settings fill

The first setting is the config's own. What keeps a search the same when it is made anew is that draws follow from the
seed and, but for random ones, from the values of the trials before, which a run's folder keeps.
"""

from __future__ import annotations

import math

from tfuda.evaluation import validators
from tfuda.studies.tuner_library import BayesianOptimizationOracle, HyperbandOracle, keras_tuner

KINDS = ("random", "bayesian", "hyperband")
OWN = "tuner/"  # what hyperband adds to a setting


class First:
    """Draws whose first are the config's own settings."""

    asked = False  # has anybody wanted a trial?
    again = False  # may a setting be tried twice, where there are no others?
    _first = False

    def populate_space(self, trial_id):
        self._first = not int(trial_id)
        return super().populate_space(trial_id)  # type: ignore[misc]

    def _random_values(self):
        if not self._first:
            drawn = super()._random_values()  # type: ignore[misc]
            if drawn is None and self.again:  # all settings there are have been tried
                self._tried_so_far.clear()  # type: ignore[attr-defined]
                drawn = super()._random_values()  # type: ignore[misc]
            return drawn
        own = keras_tuner.HyperParameters()
        own.merge(self.hyperparameters.space)  # type: ignore[attr-defined]
        return own.values

    def create_trial(self, tuner_id):
        self.asked = True
        return super().create_trial(tuner_id)  # type: ignore[misc]


class Random(First, keras_tuner.oracles.RandomSearchOracle):
    pass


class Bayesian(First, BayesianOptimizationOracle):
    pass


class Hyperband(First, HyperbandOracle):
    total = 0  # trials of a search
    again = True  # a bracket that is not full would not go on

    def count(self, rounds: bool) -> int:
        """Settings of an iteration; with their rounds, each of which is a trial."""
        brackets = range(self._get_num_brackets())
        return sum(self._get_size(b, r) for b in brackets for r in range(self._get_num_rounds(b) if rounds else 1))


def make_oracle(kind: str, space: keras_tuner.HyperParameters, objective: str, trials: int, seed: int, segments: int):
    """The oracle, as keras-tuner calls what draws, of so many settings; segments: of a whole run.

    Any seed, also 0, which keras-tuner would take for none, has draws of its own.
    """
    direction = "max" if validators.ALL[objective].sign > 0 else "min"
    shared = {
        "objective": keras_tuner.Objective(objective, direction),
        "seed": 1 + 100_003 * seed,
        "hyperparameters": space,
    }
    if kind == "random":
        return Random(max_trials=trials, **shared)
    if kind == "bayesian":
        return Bayesian(max_trials=trials, num_initial_points=max(3, math.ceil(trials / 3)), **shared)
    if segments < 3:
        raise ValueError(
            f"--tuner=hyperband stops runs between segments, and a run has {segments} of them: at least 3"
        )
    found = Hyperband(max_epochs=segments, **shared)
    found.hyperband_iterations = math.ceil(trials / found.count(rounds=False))
    found.total = found.hyperband_iterations * found.count(rounds=True)
    return found


def plain_values(values: dict) -> dict:
    """A trial's settings, in order, without what hyperband adds."""
    return {key: value for key, value in sorted(values.items()) if not key.startswith(OWN)}
