"""Manage a run's folder: config.json, metrics.csv, result.json, checkpoints/, selected/, events/, two .npz files."""

from __future__ import annotations

import atexit
import contextlib
import csv
import fcntl
import functools
import json
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.atomic_files import read_json, torn, write_whole
from tfuda.core.segmented_model import Segmented
from tfuda.distributed import multi_host
from tfuda.experiment.git_commit import git_commit
from tfuda.experiment.trust import tell, trusted
from tfuda.networks.weights.pretrained import IMAGENET

# Keys of a config that name files or folders
PATHS = (
    *("root", "lists", "source", "target", "labels", "labelled", "photographs"),
    *("weights", "cache", "prior", "teacher"),
)
CHECKPOINTS, SELECTED = "checkpoints", "selected"  # folders of the checkpoints to resume from, and of the chosen one
DIVERGED = "diverged.txt"
OUTPUTS = "outputs.npz"  # logits at the end of training
EARLY = (".lock", "prior.npz")  # files that a run's folder may hold before config.json
PATHS_OF_PAIRS = ("folder", "source_as_target", "target_as_source")


def make_paths_absolute(config: ConfigDict) -> None:
    """Make the config's paths absolute, as a run may be resumed and exported from another folder."""
    for tree, keys in ((config, PATHS), (config.pairs, PATHS_OF_PAIRS)):
        for key in keys:
            if tree.get(key) and (key, tree[key]) != ("weights", IMAGENET):
                tree[key] = os.path.abspath(tree[key])
    if os.path.isdir(preset := config.network_options.get("preset", "")):
        config.network_options.preset = os.path.abspath(preset)


@functools.cache
def without_pattern(folder: pathlib.Path) -> str:
    """Return a path to a folder that TensorFlow does not read as a pattern, as it reads the brackets of a cell."""
    if not set("[]*?") & set(str(folder)):
        return str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    link = pathlib.Path(tempfile.mkdtemp(prefix="tfuda-"), folder.name)
    link.symlink_to(folder.absolute(), target_is_directory=True)
    atexit.register(shutil.rmtree, link.parent, ignore_errors=True)
    return str(link)


def flat(tree: dict, prefix: str = "") -> dict:
    """Return a tree as a flat dict: {"a.b": 1} for {"a": {"b": 1}}."""
    found = {}
    for key, value in tree.items():
        found.update(flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return found


class Held(ValueError):
    """Report that another process is training in a folder."""


class Silent(tf.train.CheckpointManager):
    """Manage the checkpoints of a worker that does not write."""

    def save(self, *arguments, **options):
        """Write nothing."""


class Workdir:
    """Create or open the folder of one run; of several workers only the first writes there."""

    held: os.stat_result | None = None  # the lock of a claim

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        self.result = self.path / "result.json"
        self.metrics = self.path / "metrics.csv"

    @contextlib.contextmanager
    def claim(self, config: ConfigDict) -> Iterator[None]:
        """Hold this folder for a run with `config`, one process at a time; refuse a folder with another config."""
        if not multi_host.is_first():
            yield
            return
        tell(config.to_dict())
        if (self.path / "config.json").exists():
            self.compare(config, ended=bool(self.finished()))
        with contextlib.ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                self._check_own()
                self._links()
                lock = stack.enter_context(open(self.path / ".lock", "a", encoding="utf-8"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.held = os.fstat(lock.fileno())
            except BlockingIOError:
                raise Held(f"another process is training in --workdir={self.path}") from None
            except OSError as error:
                raise ValueError(f"cannot write to --workdir={self.path}: {error.strerror or error}") from None
            self._sweep()
            yield

    def _check_own(self) -> None:
        """Refuse a folder with other files, because a run writes and deletes files in its folder."""
        if (self.path / "config.json").exists():
            return
        for path in sorted({*self.path.iterdir()} - {*torn(self.path)}):
            if path.name not in EARLY:
                raise ValueError(
                    f"--workdir={self.path} is neither empty nor the folder of a run (it holds {path.name} and no "
                    "config.json): choose another folder"
                )

    def _sweep(self) -> None:
        """Delete the files that a process killed while writing left behind."""
        saved = [self.path / CHECKPOINTS, self.path / SELECTED]
        lists = [path for folder in saved for path in folder.glob("checkpoint.tmp*")]
        for path in [*lists, *(path for folder in (self.path, self.path / "events") for path in torn(folder))]:
            path.unlink()
        for path in [path for folder in saved for path in folder.glob("*_temp")]:
            shutil.rmtree(path)
        (self.path / DIVERGED).unlink(missing_ok=True)

    def _check_held(self) -> None:
        """Refuse to write into a folder that was deleted, and perhaps created again by another run."""
        lock = self.path / ".lock"
        if self.held and not (lock.exists() and os.path.samestat(self.held, lock.stat())):
            raise FileNotFoundError(f"--workdir={self.path} was deleted while this run was training in it")

    def record(self, config: ConfigDict, **noted) -> None:
        """Write config.json, with what else is noted, once the config could be built; keep one that is there."""
        if not multi_host.is_first() or (self.path / "config.json").exists():
            return
        versions = {"python": sys.version.split()[0], "tensorflow": tf.__version__, "keras": keras.__version__}
        about = {"config": config.to_dict(), "command": sys.argv, "commit": git_commit(), "versions": versions}
        write_whole(self.path / "config.json", json.dumps(about | noted, indent=1) + "\n")

    def compare(self, config: ConfigDict, ended: bool = False) -> None:
        """Refuse another config than config.json's.

        Args:
            config: a config.
            ended: leave out what a run needs no more once it has ended.
        """
        old, given = self._record()["config"], json.loads(json.dumps(config.to_dict()))
        here = self.config()
        old |= {key: here[key] for key in ("prior", "weights") if key in old}
        if self._beside(old.get("weights")) == given.get("weights"):
            old["weights"] = given["weights"]  # of a copied folder
        new, old = flat(given), flat(old)
        # a run that has ended needs neither of the first two, and may be measured on other labels
        made = {"teacher", "pairs.folder", "labels"} if ended else set()
        for key in sorted({*new, *old} - made - {"on_nan"}):  # a diverged run may resume with another on_nan
            if new.get(key) != old.get(key):
                raise ValueError(
                    f"--workdir={self.path} holds a run with another config ({key} is {old.get(key)!r} there and "
                    f"{new.get(key)!r} here): choose another folder, or delete that one"
                )

    def noted(self) -> dict:
        """Return the contents of config.json; {} before it is written."""
        return self._record() if (self.path / "config.json").is_file() else {}

    def _record(self) -> dict:
        record = self.path / "config.json"
        if not record.is_file():
            raise FileNotFoundError(f"--workdir={self.path} holds no run: {record} is missing")
        found = read_json(record, "config")
        if not isinstance(found["config"], dict):
            raise ValueError(f"{record} is damaged: its config is no JSON object")
        return found

    def commit(self) -> str:
        """Return the commit of the code that trained the run; "" where it is not known."""
        return self._record().get("commit") or ""

    def config(self) -> ConfigDict:
        """Return the config; a prior in the folder, and a run of weights beside it, are found after a move."""
        self._links()
        config = _restored(self._record()["config"])
        trusted(config.to_dict(), f"{self.path / 'config.json'}")
        prior = self.path / os.path.basename(str(config.get("prior")))
        if os.path.isabs(str(config.get("prior"))) and prior.is_file():
            config.prior = os.path.abspath(prior)
        if (run := self._beside(config.get("weights"))) and not os.path.exists(config.weights):
            config.weights = run
        return config

    def _beside(self, weights: str | None) -> str:
        """Return the run beside this one whose folder has the name of a config's weights; "" if there is none."""
        run = self.path.parent / os.path.basename(weights or "")
        known = os.path.isabs(weights or "") and run != self.path and (run / "config.json").is_file()
        return os.path.abspath(run) if known else ""

    def checkpoints(self, method: Segmented, keep: int = 2, folder: str = CHECKPOINTS) -> tf.train.CheckpointManager:
        """Return a manager for checkpoints of a method.

        A checkpoint is one flat list of all variables; an object graph or .weights.h5 loses dropout's seed states.
        """
        self._inside(folder)
        several = multi_host.are_several()  # then each worker reads and writes its own parts
        saved = tf.train.Checkpoint(state=[multi_host.parts(v)[0] if several else v.value for v in method.state()])
        assert saved.save_counter is not None  # made by all workers here; `save` would make it on the first alone
        kind = tf.train.CheckpointManager if multi_host.is_first() else Silent
        return kind(saved, without_pattern(self.path / folder), max_to_keep=keep)

    def saved(self, folder: str = CHECKPOINTS) -> str | None:
        """Return the path of the newest checkpoint, or None."""
        self._inside(folder)
        return tf.train.latest_checkpoint(without_pattern(self.path / folder))

    def _inside(self, folder: str) -> None:
        """Refuse a list of checkpoints with files elsewhere, because TensorFlow would read and later delete them."""
        state = tf.train.get_checkpoint_state(without_pattern(self.path / folder))
        listed = self.path / folder / "checkpoint"
        if state is None and listed.is_file():
            raise ValueError(f"{listed} is damaged: delete its folder to start anew")
        for name in [state.model_checkpoint_path, *state.all_model_checkpoint_paths] if state else ():
            if os.path.dirname(name) != without_pattern(self.path / folder):
                raise ValueError(f"{listed} names {name}, which is not in its folder: it is not as a run writes it")

    def _links(self) -> None:
        """Refuse links that lead out of the folder, because a run would write through such links."""
        home = self.path.resolve()
        for place in [*self.path.glob("*"), *self.path.glob("plots/*")]:
            if place.is_symlink() and not place.resolve().is_relative_to(home):
                raise ValueError(f"{place} is a symbolic link that leads out of its folder: remove it")

    def rows(self) -> list[dict[str, float]]:
        """Return the rows of metrics.csv, one for each segment."""
        if not self.metrics.is_file():
            return []
        try:
            with self.metrics.open(newline="", encoding="utf-8") as file:
                rows = [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        except (ValueError, TypeError, csv.Error):
            rows = [{}]
        if any("step" not in row for row in rows):
            raise ValueError(f"{self.metrics} is damaged: no table of numbers with a column step")
        return rows

    def keep_rows(self, rows: list[dict[str, float]]) -> None:
        """Write metrics.csv anew."""
        if not multi_host.is_first():
            return
        self._check_held()
        names = list(rows[0]) if rows else []
        lines = [names, *([_number(row[name]) for name in names] for row in rows)]
        write_whole(self.metrics, "".join(",".join(line) + "\n" for line in lines if line))

    def note_diverged(self, sentence: str) -> None:
        """Write diverged.txt, which says why training ended, for lists of runs; the next attempt deletes the file."""
        if multi_host.is_first():
            write_whole(self.path / DIVERGED, sentence + "\n")

    def finished(self) -> dict | None:
        """Return the contents of result.json, or None where the run has not ended."""
        return read_json(self.result) if self.result.is_file() else None


def restore(manager: tf.train.CheckpointManager) -> bool:
    """Restore the newest checkpoint, and return whether there is one."""
    if not manager.latest_checkpoint:
        return False
    try:
        manager.checkpoint.restore(manager.latest_checkpoint).assert_existing_objects_matched()
    except (tf.errors.OpError, AssertionError, IndexError, ValueError):
        raise ValueError(
            f"checkpoint {manager.latest_checkpoint} is damaged or of another method: delete its folder to start anew"
        ) from None
    return True


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def _restored(tree: dict) -> ConfigDict:
    """Return the config of a JSON object, with tuples in place of JSON's lists."""

    def thaw(value):
        if isinstance(value, dict):
            return {k: thaw(v) for k, v in value.items()}
        return tuple(map(thaw, value)) if isinstance(value, list) else value

    return ConfigDict(thaw(tree))
