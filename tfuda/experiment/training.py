"""Perform one run, from a config to result.json, for run/train.py, run/benchmark.py and run/tune.py."""

from __future__ import annotations

import contextlib
import functools
import json
import os

from ml_collections import ConfigDict

from tfuda.atomic_files import write_whole
from tfuda.core import tensorflow_private
from tfuda.core.method import Method
from tfuda.data.tasks import Task
from tfuda.distributed import multi_host
from tfuda.evaluation import validators
from tfuda.experiment import (
    build,
    callbacks,
    diagnostics,
    frozen_stages,
    prerequisites,
    seen_pictures,
    start_weights,
    validation,
)
from tfuda.experiment.callbacks import Stopped
from tfuda.experiment.checkpoint_choice import Choice
from tfuda.experiment.workdir import CHECKPOINTS, SELECTED, Workdir, make_paths_absolute, restore
from tfuda.names import PARTS, SEAMS


@tensorflow_private.forgetting()
def train_run(
    config: ConfigDict,
    workdir: Workdir,
    verbose: int | str = 0,
    task: Task | None = None,
    say=lambda line: None,
    until: int = 0,
) -> dict:
    """Train a run, or resume it, or do nothing where the run has ended.

    Args:
        config: the config of the run.
        workdir: the folder of the run.
        verbose: as in Keras's `fit`.
        task: the task; None to make the config's.
        say: takes a line for the user.
        until: a step at the end of a segment, where training pauses; 0 to train to the end.

    Returns:
        The contents of result.json; at a pause, the same numbers so far.

    Raises:
        Stopped: a signal stopped the run, which can be resumed.
        Diverged: a loss or a gradient is NaN or not finite.
    """
    make_paths_absolute(config)
    with contextlib.ExitStack() as held:
        multi_host.answer_of_first(lambda: held.enter_context(workdir.claim(config)))
        multi_host.check_agreement("config", config.to_json_best_effort(sort_keys=True))
        if result := multi_host.answer_of_first(workdir.finished):
            say(f"{workdir.path} has a finished run; nothing to train")
            return result
        return _train(config, workdir, verbose, task, say, until or config.steps)


def _train(config, workdir, verbose, task, say, until) -> dict:
    if config.deliver and "target" not in config:
        raise ValueError(f"config.deliver predicts a folder, and {config.data} names none: see configs/folders.py")
    task = task or build.task(config, say)
    seen_pictures.check(workdir.noted(), config, task, f"--workdir={workdir.path}")
    noted = seen_pictures.noted(config, task)
    if prerequisites.needed(config):
        prerequisites.check_prerequisites(config, workdir.path, task)
        workdir.record(config, **noted)
    beneath = functools.partial(train_run, verbose=verbose, say=say)
    made = prerequisites.prepare(config, workdir.path, task, verbose, say, beneath)
    method = build.method(config, made.task, made.teacher)
    if build.starts_from_run(config):
        start_weights.start(config, method, made.task)
    seen = frozen_stages.stored_task(config, made.task, method, say)
    streams = build.streams(config, seen)
    workdir.record(config, **noted)
    if build.untrained(config) and not config.options.get("copy"):
        say(f"training {config.network.name} from scratch; --config.weights=imagenet or =FILE would be pretrained")
    if sentence := diagnostics.negative_features(method, streams):
        say(sentence)
    manager = workdir.checkpoints(method)
    if multi_host.answer_of_first(lambda: restore(manager)):
        multi_host.share_variables(method.state())
        say(f"resuming at step {int(method.step.numpy())} of {config.steps}")
    choice, step = Choice(workdir, config.select, config.validators, method), int(method.step.numpy())
    measured = seen if made.task is task else frozen_stages.stored_task(config, task, method, say)
    journal = callbacks.Journal(measured, workdir, manager, step, config.mean_class, say, choice)
    journal.events.begin(config)
    with callbacks.Stoppable(manager) as stop, journal:
        method.fit(streams, callbacks=[journal, stop, callbacks.Rest(until)], verbose=verbose)
    if stop.caught and int(method.step.numpy()) < config.steps:
        step = int(method.step.numpy())
        raise Stopped(f"stopped at step {step} of {config.steps}; the same command resumes", stop.caught)
    if until < config.steps:
        return summary(config, journal.rows)

    def end() -> dict:
        result = summary(config, journal.rows)
        if skipped := int(method.skipped.numpy()):
            result["skipped"] = skipped
        if complaints := journal.complaints():
            result["complaints"] = list(complaints.values())
        journal.keep_outputs(method.network)
        journal.events.end(result, method.network, task, journal.tested)
        write_whole(workdir.result, json.dumps(result, indent=1) + "\n")
        return result

    return multi_host.answer_of_first(end)


def summary(config: ConfigDict, rows: list[dict[str, float]]) -> dict:
    """Return the result of a run: three target accuracies, and the settings that led to them.

    last      at the end of training
    selected  at the checkpoint that config.select chose without target labels; "last" chooses the end
    oracle    the best by target labels: an upper bound, not a result

    Where config.mean_class is set they are means over classes, and `accuracy` holds the same over all images.
    """
    if not rows:
        raise ValueError("the run has ended, but its metrics.csv is gone: delete the workdir and train again")
    chosen = validators.chosen(rows, config.select)
    result = {
        **{part: config[part] for part in PARTS},
        "task": config.task,
        "seed": config.seed,
        "steps": config.steps,
        "seconds": rows[-1]["seconds"],
        "metric": "mean_class" if config.mean_class else "accuracy",
        "validator": config.select,
        "selected_step": int(chosen["step"]),
    }
    result |= measured(rows, chosen, result["metric"])
    return result | ({"accuracy": measured(rows, chosen, "accuracy")} if config.mean_class else {})


def measured(rows: list[dict[str, float]], chosen: dict[str, float], metric: str) -> dict[str, float]:
    """Return the accuracies of a run by one metric, "accuracy" or "mean_class".

    Args:
        rows: the rows of metrics.csv.
        chosen: the row that the label-free validator chose.
        metric: what is counted.
    """
    target = f"target_{metric}"
    found = {"source": rows[-1][f"source_{metric}"]}
    if target in rows[-1]:
        best = validators.Oracle.chosen(rows, metric)
        found |= {"last": rows[-1][target], "selected": chosen[target], "oracle": best[target]}
    return found


def summary_table(result: dict) -> str:
    """Return the result as lines for a reader."""
    lines = [f"{result['method']}"]
    for seam in SEAMS:
        lines[0] += f"+{result[seam]}" if result[seam] else ""
    lines[0] += f" on {result['task']}, seed {result['seed']}, {result['steps']} steps, {result['seconds']:.0f} s"
    kinds = {"accuracy": result}
    if result["metric"] == "mean_class":
        kinds = {"mean over classes": result, "accuracy": result["accuracy"]}
    for kind, values in kinds.items():
        if "last" in values:
            lines += [
                f"  target {kind}  last      {100 * values['last']:5.1f} %",
                f"  {'':{len(kind) + 7}}  selected  {100 * values['selected']:5.1f} %  by {result['validator']}, "
                f"at step {result['selected_step']}",
                f"  {'':{len(kind) + 7}}  oracle    {100 * values['oracle']:5.1f} %  (chosen on target labels)",
            ]
        lines.append(f"  source {kind}            {100 * values['source']:5.1f} %")
    if "skipped" in result:
        lines.append(f"  skipped steps, whose terms or gradients were not finite: {result['skipped']}")
    return "\n".join([*lines, *(f"  {complaint}" for complaint in result.get("complaints", ()))])


def check_labels(config: ConfigDict, workdir: Workdir) -> None:
    """Refuse labels that a finished run was not measured on: training does nothing then, and measures nothing."""
    if not workdir.finished() or not config.get("labels"):
        return
    if (then := workdir.config().get("labels")) != os.path.abspath(config.labels):
        raise ValueError(
            f"--workdir={workdir.path} holds a finished run, measured on {then or 'no labels'}: "
            f"run/evaluate.py --labels={config.labels} measures it on others"
        )


def load_run(path: str | os.PathLike, last: bool = False, labels: str = "") -> tuple[ConfigDict, Task, Method]:
    """Load the config, the task and the method of a run.

    Args:
        path: the folder of the run.
        last: take the last checkpoint, not the one that the run's validator chose.
        labels: class folders of target pictures to measure on, for a run of two folders; "" for the run's own.

    Raises:
        ValueError: labels are given for a run of another data set.
        FileNotFoundError: the folder holds no run, or the checkpoint is missing.
    """
    workdir = Workdir(path)
    config = workdir.config()
    validation.check_complete(config, str(workdir.path / "config.json"))
    if labels and config.data != "folders":
        raise ValueError(f"--labels is for runs of two folders, and --workdir={path} is of {config.data}: leave it")
    if labels:
        config.labels = os.path.abspath(labels)
    # the checkpoint has the weights, only training needs pseudo-labels, and a foreign config's cache would be filled
    weights, config.weights = config.weights, ""
    config.prior = config.cache = ""
    task = build.task(config, lambda line: None)  # training has reported the files left out
    seen_pictures.check_classes(workdir.noted(), task, f"--workdir={path}")
    method = build.method(config, task)
    folder = CHECKPOINTS if last or config.select == validators.LAST or not workdir.rows() else SELECTED
    if not restore(workdir.checkpoints(method, folder=folder)):
        if folder == SELECTED and workdir.saved():
            raise FileNotFoundError(
                f"--workdir={path}: the checkpoint that {config.select} chose is gone from {SELECTED}/; --last of "
                "run/evaluate.py and run/export.py takes the last one"
            )
        raise FileNotFoundError(f"--workdir={path} has no checkpoint yet")
    config.weights = weights  # the file that the run started from
    return config, task, method
