"""What is on disk while an export is at work, and after it was killed."""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest
from commands import ROOT, command

from tfuda.serving import export, publish

# Publishes version after version of a folder of two files, which say the version.
WRITER = """
import pathlib, runpy, sys
publish, out = runpy.run_path(sys.argv[1]), pathlib.Path(sys.argv[2])
for version in range(1, 10**9):
    with publish["staged_output"](out) as ready:
        ready.mkdir()
        for name in "ab":
            (ready / name).write_text(str(version))
        publish["put_in_place"](ready, out)
    if version == 1:
        print("first", flush=True)
"""


def start(out):
    words = [sys.executable, "-c", WRITER, publish.__file__, str(out)]
    writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    return writer


def hidden(folder):
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_name_is_never_without_a_whole_model_though_its_writer_is_killed(tmp_path):
    out, looks = tmp_path / "model", 0
    for _ in range(5):
        writer = start(out)
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            handle = os.open(out, os.O_RDONLY)  # fails where the name is empty for a moment
            os.close(handle)
            looks += 1
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert len({(out / name).read_text() for name in "ab"}) == 1
    assert looks


def test_what_killed_exports_left_goes_with_the_next_and_what_is_at_work_stays(tmp_path):
    out = tmp_path / "mo[d]el"
    dead, other, longer = (tmp_path / f".{name}.abc.part" for name in ("mo[d]el", "model", "mo[d]el.v2"))
    for folder in (dead, other, longer):
        folder.mkdir()
        (folder / "file").write_text("old")
    with publish.staged_output(out) as first, publish.staged_output(out) as second:
        assert not dead.exists() and other.exists() and longer.exists()
        first.write_text("1")
        second.write_text("2")
        publish.put_in_place(first, out)
        publish.put_in_place(second, out)
    assert out.read_text() == "2" and {*hidden(tmp_path)} == {other, longer}


def test_an_error_leaves_the_old_model_and_nothing_else(tmp_path):
    out = tmp_path / "model"
    out.mkdir()
    with pytest.raises(RuntimeError), publish.staged_output(out) as ready:
        ready.mkdir()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [out]


def test_a_kill_between_two_renames_is_mended(tmp_path):
    """Where the file system cannot swap two names in one step, the old model is first put aside."""
    aside = tmp_path / ".model.abc.part"
    for name, version in (("model.old", "1"), ("model", "2")):
        (aside / name).mkdir(parents=True)
        (aside / name / "a").write_text(version)
    with publish.staged_output(tmp_path / "model"):
        assert (tmp_path / "model" / "a").read_text() == "2" and not aside.exists()


STRANGER = """
import os, pathlib, runpy, sys
publish, out = runpy.run_path(sys.argv[1]), pathlib.Path(sys.argv[2])
if os.getuid() == 0:
    os.setuid(65534)
with publish["staged_output"](out) as ready:
    ready.write_text("new")
    publish["put_in_place"](ready, out)
"""


def test_what_another_user_left_is_named_and_does_not_stop_an_export():
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are the user's alone
        folder = pathlib.Path(name)
        folder.chmod(0o777)
        left = folder / ".model.abc.part"
        left.mkdir(mode=0o000)
        words = [sys.executable, "-c", STRANGER, publish.__file__, str(folder / "model")]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and f"{left} is left from another user's export" in done.stderr
        assert (folder / "model").read_text() == "new" and hidden(folder) == [left]
        left.chmod(0o700)


@pytest.mark.slow
def test_an_export_that_is_killed_leaves_a_model_that_serves(trained, tmp_path):
    words = [f"--workdir={trained[0]}", f"--out={tmp_path / 'model'}", "--format=savedmodel,tflite"]
    start = time.monotonic()
    assert command("export", *words).returncode == 0
    whole = time.monotonic() - start
    for part in (0.5, 0.6, 0.7, 0.8, 0.9):
        full = [sys.executable, str(ROOT / "run" / "export.py"), *words]
        process = subprocess.Popen(full, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(part * whole)
        process.kill()
        process.wait()
        for name in ("model", "model.tflite"):
            assert export.open_model(tmp_path / name)(np.zeros([1, 32, 32, 3], np.uint8)).shape == (1, 10)
    assert command("export", *words).returncode == 0
    assert hidden(tmp_path) == []
