"""keras-tuner over a config's `sweep`, on a validator that reads no target label."""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable

import keras_tuner
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda import callbacks, experiment, stages
from tfuda.workdir import Workdir

VALIDATOR = "infomax"
DIVERGED = -1.0  # worse than any value of it


class Search(keras_tuner.RandomSearch):
    """Every trial is a run with a workdir of its own, so a search that was killed goes on in mid-trial.

    The first trial has the defaults of the config; later ones draw from `sweep(hp, config)`. The draws follow from
    the seed: a search starts anew each time, and takes from the workdirs what was trained before. keras-tuner's own
    files, several that a kill leaves half-written or at odds, last no longer than the process.
    """

    def __init__(
        self,
        get_config: Callable[[], ConfigDict],
        sweep: Callable[[keras_tuner.HyperParameters, ConfigDict], None],
        folder: pathlib.Path,
        trials: int,
        seed: int = 0,
        say: Callable[[str], None] = lambda line: None,
    ):
        self.get_config, self.sweep, self.folder, self.say = get_config, sweep, folder, say
        self.files = tempfile.TemporaryDirectory(prefix="tfuda-search-")
        super().__init__(
            objective=keras_tuner.Objective(VALIDATOR, "max"),
            max_trials=trials,
            seed=1 + 100_000 * seed,  # keras-tuner counts up from it with every draw, and takes 0 for none
            directory=self.files.name,
            project_name="search",
        )

    def configured(self, values: keras_tuner.HyperParameters) -> ConfigDict:
        config = self.get_config()
        self.sweep(values, config)
        stages.share(config, self.folder)
        return config

    def run_trial(self, trial, *args, **options):
        number = int(trial.trial_id)  # without the zeros, which follow from the number of trials
        workdir = Workdir(self.folder / f"trial{number}")
        new, config = workdir.finished() is None, self.configured(trial.hyperparameters)
        settings = " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in _values(trial))
        try:
            result = experiment.train(config, workdir, say=self.say if stages.needed(config) else (lambda line: None))
        except callbacks.Diverged as error:
            self.say(f"trial {number}: {error}  {settings}")
            return {VALIDATOR: DIVERGED}
        except (ValueError, OSError, ImportError, tf.errors.OpError) as error:  # every other trial would meet it too
            raise keras_tuner.errors.FatalError(str(error)) from error
        chosen = max(row[VALIDATOR] for row in workdir.rows())
        accuracy = f", target {100 * result['selected']:.1f} % (not looked at)" if "selected" in result else ""
        if new:
            self.say(f"trial {number}: {VALIDATOR} {chosen:.4f}{accuracy}  {settings}")
        return {VALIDATOR: chosen}


def _values(trial):
    return sorted(trial.hyperparameters.values.items())


def search(tuner: Search) -> tuple[str, float, dict]:
    """Run what is left of a search: (id, validator, values) of the best trial."""
    workdir, config = Workdir(tuner.folder), tuner.get_config()
    with workdir.claim(config):
        workdir.record(config)
        try:
            tuner.search(verbose=0)
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None
    best = tuner.oracle.get_best_trials(1)[0]
    return str(int(best.trial_id)), best.score, dict(_values(best))
