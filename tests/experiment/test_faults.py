"""Disks that are full, folders that are gone or taken: one sentence, and nothing lost that was whole."""

import contextlib
import json
import resource
import shutil

import keras_tuner
import killing
import numpy as np
import pytest
import tensorflow as tf
import tiny
from commands import SMALL, command, fresh, train_words

from configs import digits
from tfuda.atomic_files import no_room, open_whole, write_whole
from tfuda.errors import sentence
from tfuda.evaluation import evaluate
from tfuda.experiment import build, callbacks, seen_pictures, training, translated_pairs
from tfuda.experiment.workdir import Workdir
from tfuda.reports import plots
from tfuda.studies import grid, rounds, tune
from tfuda.translation import pair_store

pytestmark = pytest.mark.usefixtures("few_digits")

SENTENCE = "a file is larger than its disk or ulimit -f allows: {} could not be written; make room and run the same"


@contextlib.contextmanager
def files_up_to(size):
    """No file grows beyond so many bytes: what a full disk is to a process, where a test may not fill one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def small_files(size):
    """The same for a command."""
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))}


# ---- a full disk


def table(path):
    with open_whole(path, "w", newline="") as file:
        file.writelines(f"{i},{i}\n" for i in range(1000))


WRITERS = {
    "a text": lambda path: write_whole(path, "x" * 1000),
    "a table line by line": table,
    "an array": lambda path: pair_store.put_array(path, np.zeros([9, 8, 8, 3], np.uint8)),
    "beliefs": lambda path: rounds.save_beliefs(path, np.full([40, 10], 0.1)),
    "a picture": lambda path: plots.confusion(evaluate.score(np.array([0, 1]), np.eye(2)), "ab", "title", path),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_finds_no_room_stays_as_it_was_and_is_named(kind, tmp_path):
    path = tmp_path / "file.png"
    path.write_text("old")
    with files_up_to(100), pytest.raises(OSError, match="too large") as error:
        WRITERS[kind](path)
    assert sentence(error.value).startswith(SENTENCE.format(path))
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]
    WRITERS[kind](path)
    assert path.stat().st_size > 100


def test_a_file_that_cannot_be_made_is_named_by_its_own_name():
    with pytest.raises(OSError, match=r"/proc/table\.csv") as error:
        table("/proc/table.csv")
    assert sentence(error.value).endswith("/proc/table.csv")


def test_a_full_disk_is_told_from_other_errors():
    message = "{{node}} /a b/ckpt-3_temp/part-0; No space left on device [Op]"
    full = tf.errors.ResourceExhaustedError(None, None, message)
    assert no_room(full).startswith("the disk is full: /a b/ckpt-3 could not be written; make room")
    for other in (
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        tf.errors.UnknownError(None, None, "/a/b; Input/output error"),
        PermissionError(13, "Permission denied", "/a"),
        ValueError("No space left on device"),
    ):
        assert no_room(other) == ""


def started(made, task, folder, until):
    """A run that has made so many steps, as a command leaves it."""
    folder.path.mkdir()
    folder.record(made, **seen_pictures.noted(made, task))
    method = build.method(made, task)
    journal = callbacks.Journal(task, folder, folder.checkpoints(method), 0)
    method.fit(build.streams(made, task), callbacks=[journal, tiny.StopAt(until)], verbose=0)


@pytest.mark.slow
def test_a_checkpoint_that_finds_no_room_leaves_the_one_before_and_the_run_goes_on_from_it(tmp_path):
    made, folder = tiny.config("source_only"), Workdir(tmp_path / "run")
    made.select, made.network_options.widths = "last", (8, 12, 16)  # larger than all other files
    task = build.task(made)
    started(made, task, folder, 4)
    before = killing.content(folder.path)["checkpoints/checkpoint"]
    with files_up_to(13_000), pytest.raises(tf.errors.OpError) as error:
        training.train_run(made, folder, task=task)
    assert sentence(error.value).startswith(SENTENCE.format(folder.path / "checkpoints" / "ckpt-2"))
    assert killing.content(folder.path)["checkpoints/checkpoint"] == before
    training.train_run(made, folder, task=task)
    training.train_run(made, Workdir(tmp_path / "whole"), task=task)
    assert killing.content(folder.path) == killing.content(tmp_path / "whole")


def one_sentence(done):
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1 and "could not be written; make room and run" in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, room", [("config.json", 100), ("metrics.csv", 100), ("tfevents", 50_000), ("selected/ckpt-1", 13_000)]
)
def test_a_training_command_on_a_full_disk_ends_in_a_sentence_and_resumes(name, room, trained, tmp_path):
    """Whichever file it is that finds no room."""
    folder = tmp_path / "run"
    folder.mkdir()
    if name != "config.json":
        shutil.copy(trained[0] / "config.json", folder)
    done = fresh("train", *train_words(folder), **small_files(room))
    one_sentence(done)
    assert name in done.stderr
    killing.content(folder)
    assert command("train", *train_words(folder)).returncode == 0
    expected = {place: held for place, held in killing.content(trained[0]).items() if not place.startswith("plots")}
    assert killing.content(folder) == expected


PAIRS = [f"--config.pairs.{setting}" for setting in ("steps=8", "segment=2", "batch=2", "width=4", "blocks=1")]
TINY = ["--config=configs/digits.py:biwaa", "--config.steps=12", "--config.segment=4", *SMALL]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["export", "evaluate", "predict", "pair", "tune", "rounds", "benchmark"])
def test_every_command_on_a_full_disk_ends_in_a_sentence_and_does_it_all_the_next_time(name, trained, tmp_path):
    out, pictures = tmp_path / ("out.csv" if name == "predict" else "out"), tmp_path / "pictures"
    words = {
        "export": [f"--workdir={trained[0]}", f"--out={out}"],
        "evaluate": [f"--workdir={out}"],
        "predict": [f"--model={tmp_path / 'model'}", f"--out={out}", pictures],
        "pair": ["--config=configs/digits.py", *PAIRS, f"--workdir={out}"],
        "tune": [*TINY, "--trials=2", f"--workdir={out}"],
        "rounds": [*TINY, "--rounds=2", f"--workdir={out}"],
        "benchmark": ["--config=configs/digits.py", "--methods=biwaa", *TINY[1:], f"--workdir={out}"],
    }[name]
    if name == "evaluate":
        shutil.copytree(trained[0], out, ignore=shutil.ignore_patterns("plots"))
    if name == "predict":
        chosen = ["--config=configs/digits.py", "--domain=H", "--count=20"]
        assert command("images", *chosen, f"--out={pictures}").returncode == 0
        assert command("export", f"--workdir={trained[0]}", f"--out={tmp_path / 'model'}").returncode == 0
    one_sentence(fresh(name, *words, **small_files(500 if name == "predict" else 4000)))
    killing.content(tmp_path)
    done = command(name, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.exists() and killing.content(tmp_path)


# ---- a folder that is gone, or another's


def test_a_run_whose_folder_is_deleted_does_not_write_into_the_next_one(tmp_path):
    first, second = Workdir(tmp_path / "run"), Workdir(tmp_path / "run")
    with first.claim(tiny.config()):
        first.keep_rows([{"step": 1.0}])
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(FileNotFoundError, match=r"run was deleted while this run was training in it"):
            first.keep_rows([{"step": 2.0}])
        with second.claim(tiny.config()):
            second.keep_rows([{"step": 1.0}])
            with pytest.raises(FileNotFoundError, match=r"was deleted while"):
                first.keep_rows([{"step": 2.0}])
    assert second.rows() == [{"step": 1.0}]


def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path):
    left = [".a1b2c3d4.tfuda-part", "checkpoints/checkpoint.tmp01ab", "checkpoints/ckpt-3_temp/part-0"]
    kept = ["config.json", "metrics.csv", ".hidden", ".bashrc.original"]
    kept += ["checkpoints/ckpt-2.index", "checkpoints/checkpoint"]
    for name in [*left, *kept]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "config.json").write_text(json.dumps({"config": tiny.config().to_dict()}))
    with Workdir(tmp_path).claim(tiny.config()):
        pass
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {*kept, ".lock"}


def search(made, folder):
    tune.search(tune.Search(made.copy_and_resolve_references, lambda hp, config: None, folder, 1))


def test_a_search_that_starts_anew_draws_the_same_trials_again(tmp_path):
    """What a search that was killed goes on by."""

    def drawn(seed, trials):
        tuner, space = tune.Search(tiny.config, digits.sweep, tmp_path, trials, seed), keras_tuner.HyperParameters()
        digits.sweep(space, tiny.config("dann"))
        tuner.oracle.update_space(space)  # as the end of the first trial does
        return [tuner.oracle.populate_space(str(i))["values"] for i in range(1, 5)]

    first = drawn(0, 5)
    assert drawn(0, 5) == drawn(0, 20) == first
    assert not {*map(str, drawn(1, 5))} & {*map(str, first)} and len({*map(str, first)}) == 4


STARTED = {
    "pair": ("", lambda made, folder: translated_pairs.make_pairs(made, Workdir(folder))),
    "tune": ("", search),
    "rounds": ("round0", lambda made, folder: [*rounds.series(made, folder, "predicted", 1, 0, print)]),
    "benchmark": (
        "dannp+toalign/R-S/seed0",
        lambda made, folder: grid.perform_runs(
            grid.make_grid(lambda cell: made, ["dannp+toalign"], ["R-S"], [0], folder), print
        ),
    ),
}


@pytest.mark.parametrize("name", STARTED)
def test_a_folder_is_for_one_process_at_a_time_whatever_the_command(name, tmp_path):
    place, start = STARTED[name]
    made = tiny.config("biwaa" if name == "rounds" else "dannp+toalign")
    folder = tmp_path / place
    with Workdir(folder).claim(made), pytest.raises(ValueError, match="another process is training in --workdir="):
        start(made, tmp_path)
    assert {path.name for path in folder.iterdir()} == {".lock"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "pair", "tune", "rounds", "benchmark"])
def test_the_second_of_two_commands_on_a_folder_refuses_and_the_first_ends_as_ever(name, tmp_path):
    words = {
        "train": ["--config=configs/digits.py:toalign", "--config.steps=400", "--config.segment=50", *SMALL],
        "pair": ["--config=configs/digits.py", *PAIRS, "--config.pairs.steps=40"],
        "tune": [*TINY, "--trials=2", "--config.steps=400"],
        "rounds": [*TINY, "--rounds=1", "--config.steps=400"],
        "benchmark": ["--config=configs/digits.py", "--methods=biwaa", *TINY[1:], "--config.steps=400"],
    }[name]
    words, seen = [*words, f"--workdir={tmp_path / 'run'}"], []

    def second(new, since):
        if not seen and any(path.endswith("config.json") for path in new):
            seen.append(command(name, *words))
        return False

    code, errors, _ = killing.kill(name, words, tmp_path, second)
    assert (code, errors) == (0, "") and seen[0].returncode == 2
    assert "another process is training in --workdir=" in seen[0].stderr and seen[0].stderr.count("\n") == 1
    assert killing.content(tmp_path)
