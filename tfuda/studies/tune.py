"""Search a config's `sweep` with keras-tuner, by a validator that reads no target label.

One process searches alone, or several search together as keras-tuner defines it: the same command everywhere, with
three variables.

    KERASTUNER_TUNER_ID       "chief" for the process that hands out the trials, any other name for one that does them
    KERASTUNER_ORACLE_IP      the address at which the chief listens, and which all others ask
    KERASTUNER_ORACLE_PORT

Random settings are drawn in the order of the trials, whichever process does them, so the trials equal those of one
process. The other oracles draw from the trials that have ended, which depends on timing among several processes: a
search that draws other settings than a folder was trained with ends with a sentence.
"""

from __future__ import annotations

import csv
import io
import math
import os
import pathlib
import pprint
import signal
import tempfile
import time
import warnings
from collections.abc import Callable

import grpc
from ml_collections import ConfigDict

from tfuda.atomic_files import write_whole
from tfuda.evaluation import validators
from tfuda.experiment import callbacks, prerequisites, training
from tfuda.experiment.workdir import Workdir, make_paths_absolute
from tfuda.names import near, resolve
from tfuda.studies import grid, search_folder, tuner_oracles
from tfuda.studies.tuner_library import keras_tuner, oracle_client

DEFAULT = "im"  # objective where config.select names no validator: it ranks runs best on the emoji (docs/choosing.md)
DIVERGED = {1: -1000.0, -1: 1000.0}  # the value of a run that diverged, by the validator's sign
VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


def role() -> str:
    """Return the role of this process in a search: "" for a search alone, "chief", or the name of a worker."""
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if len(missing) == len(VARIABLES):
        return ""
    if missing:
        raise ValueError(f"{missing[0]} is missing: a search by several processes needs {', '.join(VARIABLES)}")
    return os.environ[VARIABLES[0]]


def aim(config: ConfigDict, objective: str) -> str:
    """Return the validator to optimise: the objective where one is named, else the config's."""
    name = objective or (config.select if config.select != validators.LAST else DEFAULT)
    if name == "oracle":
        raise ValueError("--objective=oracle would search by target labels: name a validator")
    if ":" in name:
        resolve(name, "evaluation")
    elif name not in validators.ALL:
        raise ValueError(f"unknown --objective={name}{near(name, validators.ALL)}")
    return name


class Search(keras_tuner.Tuner):
    """Train every setting as a run with a workdir of its own, so a search that was killed resumes in mid-trial.

    A trial's value is the objective's at the evaluation that config.select chooses in its run. The first trial has
    the defaults of the config; later ones draw from `sweep(hp, config)`. The draws follow from the seed: a search
    starts anew each time, and takes from the workdirs what was trained before. keras-tuner's own files are deleted
    when the process ends, because a kill leaves several of them half-written or inconsistent.
    """

    def __init__(
        self,
        get_config: Callable[[], ConfigDict],
        sweep: Callable[[keras_tuner.HyperParameters, ConfigDict], None],
        folder: pathlib.Path,
        trials: int,
        seed: int = 0,
        say: Callable[[str], None] = lambda line: None,
        kind: str = "random",
        objective: str = "",
    ):
        self.get_config, self.sweep, self.folder, self.say = get_config, sweep, folder, say
        self.role, space, config = role(), keras_tuner.HyperParameters(), get_config()
        self.objective, self.kind = aim(config, objective), kind
        self.flags = {"tuner": kind, "search_seed": seed, "objective": self.objective}
        self.sign, self.begun, self.trained = validators.named(self.objective).sign, time.monotonic(), 0
        done = all(Workdir(folder / f"trial{i}").finished() for i in range(trials))
        if self.role == "chief" and done and kind != "hyperband":
            del os.environ[VARIABLES[0]]  # no trial is left to hand out
            self.role = ""
        sweep(space, config)  # known before the first trial has ended, as others may begin at once
        segments = math.ceil(config.steps / config.segment)
        oracle = tuner_oracles.make_oracle(kind, space, self.objective, trials, seed, segments)
        self.settings = trials if kind != "hyperband" else oracle.hyperband_iterations * oracle.count(rounds=False)
        self.total = trials if kind != "hyperband" else oracle.total
        self.files = tempfile.TemporaryDirectory(prefix="tfuda-search-")
        super().__init__(oracle, directory=self.files.name, project_name="search")

    def configured(self, values: keras_tuner.HyperParameters) -> ConfigDict:
        config = self.get_config()
        self.sweep(values, config)
        if self.objective not in validators.wanted(config.select, config.validators):
            config.validators += f",{self.objective}"
        prerequisites.share(config, self.folder)
        return config

    def number(self, trial) -> int:
        """Return the number of a trial's setting and folder; a promoted trial of hyperband keeps its run's number."""
        while earlier := trial.hyperparameters.values.get("tuner/trial_id"):
            trial = self.oracle.get_trial(earlier)
        return int(trial.trial_id)

    def until(self, trial, config: ConfigDict) -> int:
        """Return the step at which a trial ends."""
        segments = trial.hyperparameters.values.get("tuner/epochs")
        return config.steps if segments is None else min(segments * config.segment, config.steps)

    def run_trial(self, trial, *args, **options):
        try:
            return self.done(trial)
        except Exception as error:  # every other trial would fail alike, and keras-tuner would continue silently
            raise keras_tuner.errors.FatalError(str(error)) from error

    def done(self, trial) -> dict[str, float]:
        """Train a trial as far as its end, unless it is trained already, and return its value."""
        number, config = self.number(trial), self.configured(trial.hyperparameters)
        workdir, until = Workdir(self.folder / f"trial{number}"), self.until(trial, config)
        rows = workdir.rows()
        if self.role:
            search_folder.check_worker(self.folder, self.flags, self.get_config())
        new = workdir.finished() is None if until == config.steps else not rows or rows[-1]["step"] < until
        try:
            heard = self.say if prerequisites.needed(config) else (lambda line: None)
            if new:
                training.train_run(config, workdir, say=heard, until=until)
            else:
                search_folder.check_trial(workdir, config, self.objective)
        except callbacks.Diverged as error:
            self._tell(number, until, f"{error}", trial)
            return {self.objective: DIVERGED[self.sign]}
        seen = [row for row in workdir.rows() if row["step"] <= until]
        result = training.summary(config, seen)
        value = validators.chosen(seen, config.select)[validators.column(self.objective)]
        self.trained += new
        if not math.isfinite(value):
            value = DIVERGED[self.sign]
        if new:
            accuracy = f", target {100 * result['selected']:.1f} % (not looked at)" if "selected" in result else ""
            self._tell(number, until, f"{self.objective} {value:.4f}{accuracy}", trial)
        return {self.objective: value}

    def _tell(self, number: int, until: int, what: str, trial) -> None:
        settings = " ".join(
            f"{key}={_short(value)}"
            for key, value in tuner_oracles.plain_values(trial.hyperparameters.values).items()
        )
        steps = f" to step {until}" if self.kind == "hyperband" else ""
        self.say(f"trial {number}{steps}: {what}  {settings}")

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        if not self.role:
            found, ended = self.table(), len(self.oracle.end_order)
            if self.trained:  # else trials.csv may have more trials than have been taken so far
                self.report(found)
                left, best = (time.monotonic() - self.begun) / self.trained * (self.total - ended), found[0]
                wait = f"; {grid.duration(left)} left" if ended < self.total else ""
                self.say(f"  {ended} of {self.total}; best: trial {best['trial']}, {best[self.objective]:.4f}{wait}")

    def table(self) -> list[dict]:
        """Return a row for each setting, the best first and diverged ones last; of hyperband the furthest trained."""
        rows: dict[int, dict] = {}
        for trial in sorted(self.oracle.trials.values(), key=lambda trial: int(trial.trial_id)):
            if trial.status == "COMPLETED" and trial.score is not None:
                number, values = self.number(trial), trial.hyperparameters.values
                steps = self.until(trial, self.get_config())
                rows[number] = {
                    "trial": number,
                    "step": steps,
                    self.objective: trial.score,
                    **tuner_oracles.plain_values(values),
                }

        def rank(row: dict) -> tuple:
            return self.lost(row), -row["step"], -self.sign * row[self.objective], row["trial"]

        return sorted(rows.values(), key=rank)

    def lost(self, row: dict) -> bool:
        """Return whether the row's run diverged."""
        return row[self.objective] == DIVERGED[self.sign]

    def report(self, rows: list[dict]) -> None:
        """Write trials.csv."""
        out = io.StringIO()
        writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_whole(self.folder / "trials.csv", out.getvalue())


def _short(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def text(rows: list[dict]) -> str:
    """Return the trials as lines of text."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    cells = [names, *([_short(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def search(tuner: Search) -> list[dict] | None:
    """Run the remaining trials, and return all trials, the best first; None where only the chief has them."""
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
        search_folder.begin(tuner.folder, tuner.flags)
        if tuner.kind == "hyperband":
            tuner.say(f"hyperband: {tuner.settings} settings in {tuner.total} trials, which are settings and rungs")
        if not tuner.role:
            _run(tuner)
        else:
            tuner.say(f"chief at {address}: waiting for others to do the trials")
            _serve(tuner, wait, f"nobody asked the chief at {address} for a trial in {wait:.0f} s")
        search_folder.record(tuner.folder, tuner.flags)  # all trials agree with them
        rows = tuner.table()
        if not rows:
            raise ValueError("no trial has ended: is there nothing that the config's sweep changes?")
        tuner.report(rows)
        if tuner.lost(rows[0]):
            raise callbacks.Diverged(
                f"all {len(rows)} settings diverged: lower optimizer.rate, or search smaller ones"
            )
        write_whole(tuner.folder / "best.py", config_file(tuner, rows[0]))
    return rows


def config_file(tuner: Search, row: dict) -> str:
    """Return the best trial's config as the text of a file for --config."""
    values = keras_tuner.HyperParameters()
    values.values.update({key: value for key, value in row.items() if key not in ("trial", "step", tuner.objective)})
    config = tuner.configured(values)
    make_paths_absolute(config)
    found = f"trial {row['trial']} of {tuner.total}, {tuner.objective} {row[tuner.objective]:.4f}"
    settings = "".join(f"    {key} = {value!r}\n" for key, value in values.values.items())
    return (
        f'"""{config.cell} on {config.task}, found by run/tune.py ({found}).\n\n{settings}\n'
        '    python run/train.py --config=THIS_FILE --workdir=DIR\n"""\n\n'
        "from ml_collections import ConfigDict\n\n\n"
        f"def get_config(cell={config.cell!r}):\n"
        f"    if cell != {config.cell!r}:\n"
        f'        raise ValueError(f"this file holds the settings of one cell, {config.cell}, not of {{cell}}")\n'
        "    return ConfigDict(SETTINGS)\n\n\n"
        f"SETTINGS = {pprint.pformat(config.to_dict(), width=110, sort_dicts=False)}\n"
    )


def _run(tuner: Search, wait: float = 0, alone: str = "") -> None:
    """Do trials until none is left."""
    oracle_client.TIMEOUT = wait
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the Gaussian process, about its own fit
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
