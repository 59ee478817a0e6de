"""Import keras-tuner, an extra of the library, and the parts of it that have no public name.

keras_tuner.src has two oracles, whose private methods are replaced so that their draws are reproducible and begin
with the config's own settings. It also has the client by which several processes search together. No other module
uses such names. Tried with keras-tuner 1.4.7 and 1.4.8.
"""

from __future__ import annotations

from tfuda.startup import MissingExtra

try:
    import keras_tuner
    import tensorboard  # noqa: F401  keras-tuner needs it and does not say so
    from keras_tuner.src.distribute import oracle_client
    from keras_tuner.src.tuners.bayesian import BayesianOptimizationOracle
    from keras_tuner.src.tuners.hyperband import HyperbandOracle
except ImportError as error:
    raise MissingExtra(f"a search needs keras-tuner: pip install 'tfuda[tune]' ({error})") from None

__all__ = ["Bayesian", "Hyperband", "Random", "keras_tuner", "oracle_client"]


class First:
    """Draws whose first are the config's own settings."""

    asked = False  # whether a trial has been asked for
    again = False  # whether a setting may be tried twice where there are no others
    _first = False

    def populate_space(self, trial_id):
        self._first = not int(trial_id)
        return super().populate_space(trial_id)  # type: ignore[misc]

    def _random_values(self):
        if not self._first:
            drawn = super()._random_values()  # type: ignore[misc]
            if drawn is None and self.again:  # every possible setting has been tried
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
    again = True  # keras-tuner never promotes from a bracket that is not full

    def count(self, rounds: bool) -> int:
        """Return the number of settings of an iteration, or with `rounds` of trials: one a round of a setting."""
        brackets = range(self._get_num_brackets())
        return sum(self._get_size(b, r) for b in brackets for r in range(self._get_num_rounds(b) if rounds else 1))
