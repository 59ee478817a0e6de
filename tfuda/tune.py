"""keras-tuner over a config's `sweep`, on a validator that reads no target label.

By one process, or by several at once, as keras-tuner has it: the same command everywhere, with three variables.

    KERASTUNER_TUNER_ID       "chief" for the process that hands out the trials, any other name for one that does them
    KERASTUNER_ORACLE_IP      where the chief listens, and all others ask
    KERASTUNER_ORACLE_PORT

Settings are drawn in the order of the trials, whoever does them, so the trials are those of one process.
"""

from __future__ import annotations

import os
import pathlib
import signal
import tempfile
from collections.abc import Callable

import grpc
import keras_tuner
import tensorflow as tf
from keras_tuner.src.distribute import oracle_client
from ml_collections import ConfigDict

from tfuda import callbacks, experiment, stages
from tfuda.workdir import Workdir

VALIDATOR = "im"
DIVERGED = -1.0  # worse than any value of it
VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


class Draws(keras_tuner.oracles.RandomSearchOracle):
    """Random settings; the first are the config's own."""

    asked = False  # has anybody wanted a trial?

    def populate_space(self, trial_id):
        if not int(trial_id):
            first = keras_tuner.HyperParameters()
            first.merge(self.hyperparameters.space)
            return {"status": "RUNNING", "values": first.values}
        return super().populate_space(trial_id)

    def create_trial(self, tuner_id):
        self.asked = True
        return super().create_trial(tuner_id)


def draws(space: keras_tuner.HyperParameters, trials: int, seed: int) -> Draws:
    """Of so many trials; any seed, also 0, which keras-tuner would take for none, has draws of its own."""
    objective = keras_tuner.Objective(VALIDATOR, "max")
    return Draws(objective, trials, seed=1 + 100_003 * seed, hyperparameters=space)


def role() -> str:
    """What this process is in a search: "" for all of it, "chief", or the name of one that does trials."""
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if len(missing) == len(VARIABLES):
        return ""
    if missing:
        raise ValueError(f"{missing[0]} is missing: a search by several processes needs {', '.join(VARIABLES)}")
    return os.environ[VARIABLES[0]]


class Search(keras_tuner.Tuner):
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
        self.role, space = role(), keras_tuner.HyperParameters()
        if self.role == "chief" and all(Workdir(folder / f"trial{i}").finished() for i in range(trials)):
            del os.environ[VARIABLES[0]]  # nothing is left to hand out
            self.role = ""
        sweep(space, get_config())  # known before the first trial has ended, as others may begin at once
        self.files = tempfile.TemporaryDirectory(prefix="tfuda-search-")
        super().__init__(
            draws(space, trials, seed),
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


def search(tuner: Search) -> tuple[str, float, dict] | None:
    """Run what is left of a search: (id, validator, values) of the best trial; None if the chief knows it."""
    address = ":".join(os.environ.get(name, "") for name in VARIABLES[1:])
    wait = float(os.environ.get("TFUDA_WAIT", "600"))
    if tuner.role not in ("", "chief"):
        tuner.say(f"{tuner.role}: asking the chief at {address} for trials")
        _run(tuner, wait, f"{tuner.role}: the chief at {address} did not answer in {wait:.0f} s")
        tuner.say(f"{tuner.role}: no trial is left; the chief names the best")
        return None
    workdir, config = Workdir(tuner.folder), tuner.get_config()
    with workdir.claim(config):
        workdir.record(config)
        if not tuner.role:
            _run(tuner)
        else:
            tuner.say(f"chief at {address}: waiting for others to do the trials")
            _serve(tuner, wait, f"nobody asked the chief at {address} for a trial in {wait:.0f} s")
    best = tuner.oracle.get_best_trials(1)[0]
    return str(int(best.trial_id)), best.score, dict(_values(best))


def _run(tuner: Search, wait: float = 0, alone: str = "") -> None:
    """Do trials until none is left."""
    oracle_client.TIMEOUT = wait
    try:
        tuner.search(verbose=0)
    except keras_tuner.errors.FatalError as error:
        raise error.__cause__ or error from None
    except grpc.RpcError:
        raise ValueError(alone) from None


def _serve(tuner: Search, wait: float, alone: str) -> None:
    """Hand out trials until all are done."""

    def look(number, frame):
        if not tuner.oracle.asked:
            raise ValueError(alone)

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, wait)
    try:
        tuner.search(verbose=0)
    except RuntimeError as error:
        raise ValueError(f"the chief cannot listen: {error}") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
