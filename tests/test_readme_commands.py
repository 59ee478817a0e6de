"""Every command that README.md and docs/ show is run in a folder of its own; tests/readme_commands.py says how."""

import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

import minis
import numpy as np
import pytest
import test_readme
from commands import ROOT, command, free, on_hosts
from readme_commands import FINDS, HOW, Command, made, shown
from torch_writer import Tensor, state_dict, write_zip

from tfuda.networks import resnet

RUN = [one for one in shown() if one.more is not None and re.match(r"python run/", one.text)]
TARGETS = sorted({one.text for one in shown() if one.text.startswith("make ")})


def maker(place: str) -> Command | None:
    """The command that makes this folder or file: what it is to leave is the longest beginning of the name."""
    every = [*RUN, *made()]
    if place.endswith(".tflite"):
        return next(one for one in every if "tflite" in one.text and f"{one.makes}.tflite" == place)
    found = [one for one in every if one.makes and f"{place}/".startswith(f"{one.makes}/")]
    return max(found, key=lambda one: len(one.makes), default=None)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder that looks like this one to a command, with miniatures of what the user has to bring."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "configs").symlink_to(ROOT / "configs")
    minis.of_config("folders", "", folder)
    (folder / "mypackage").mkdir()
    own = (block for block in test_readme.blocks() if "mypackage/mine.py" in block)
    (folder / "mypackage" / "mine.py").write_text("\n".join(own))
    return folder


def pretrained(path: pathlib.Path, depth: int) -> None:
    """A file of weights as torchvision's."""
    arrays = {}
    for variable in (variable for stage in resnet.resnet(depth) for variable in stage.variables):
        value = variable.numpy()
        arrays[resnet.torch_name(variable)] = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value
    counts = {name.replace("running_mean", "num_batches_tracked"): np.array(5) for name in arrays if "mean" in name}
    with pytest.MonkeyPatch.context() as patch:
        write_zip(path, state_dict({name: Tensor(array) for name, array in {**arrays, **counts}.items()}), patch)


def brought(one: Command, home: pathlib.Path) -> list[str]:
    """The words of a command, after data and weights were put where it looks for them."""
    words = [*one.words, *(one.more or [])]
    named = re.search(r"weights=(resnet(\d+)\S*\.pth)", " ".join(words))
    if named and not (home / named[1]).exists():
        pretrained(home / named[1], int(named[2]))
    if data := re.search(r"(?:configs/|--data=)(office31|office_home|domainnet126)\b", one.text):
        root = home / "data" / data[1]  # $TFUDA_DATA/NAME
        if not root.exists():
            minis.archive(data[1], root)
        words = [re.sub(r"(root=).*", rf"\g<1>{root}", word) for word in words]
    return words


def around(home: pathlib.Path) -> dict[str, str]:
    """What is set where a command runs."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TFUDA_DATA": str(home / "data"),
    }


def prepare(place: str, home: pathlib.Path) -> None:
    """Make what a command takes by the command of a page that makes it."""
    if (home / place).exists():
        return
    of = maker(place)
    assert of or place == "runs", f"no command of the pages makes {place}"
    of = of or next(one for one in RUN if one.makes == "runs/one")
    inside = re.fullmatch(r"(.+)/([^/]+-[^/]+)/seed(\d+)", place.removeprefix(f"{of.makes}/"))
    cell = [f"--methods={inside[1]}", f"--tasks={inside[2]}", f"--seeds={int(inside[3]) + 1}"] if inside else []
    perform(of, home, *cell)
    assert (home / place).exists(), f"{of.text} does not make {place}"


def perform(one: Command, home: pathlib.Path, *more: str) -> str:
    """Run it: what it prints."""
    for place in one.takes:
        prepare(place, home)
    _, script, *words = brought(one, home)
    done = command(pathlib.Path(script).stem, *words, *more, cwd=home, env=around(home))
    assert done.returncode == any(found in one.text for found in FINDS), (one.text, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert not one.makes or (home / one.makes).exists(), f"{one.text} leaves no {one.makes}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("one", [pytest.param(one, id=one.text) for one in RUN])
def test_a_command_of_readme_runs(one, home):
    assert perform(one, home)


def test_every_command_of_readme_is_known_and_every_way_of_testing_one_is_used():
    assert len(shown()) > 70
    strange = [one.text for one in shown() if not any(re.match(start, one.text) for start in HOW)]
    assert not strange, "say in HOW of tests/readme_commands.py how they are tested"
    assert {next(start for start in HOW if re.match(start, one.text)) for one in [*shown(), *made()]} == {*HOW}


@pytest.mark.parametrize("text", TARGETS)
def test_a_target_that_readme_names_is_in_the_makefile(text):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(rf"^{text.split()[1]}:", makefile, re.M)
    assert re.search(rf"^\.PHONY:.* {text.split()[1]}\b", makefile, re.M)


@pytest.mark.parametrize("one", [pytest.param(o, id=o.text) for o in shown() if o.text.startswith("pytest ")])
def test_a_call_of_pytest_names_tests_that_are_there(one):
    files = [ROOT / word for word in one.words if word.endswith(".py")]
    assert all(file.exists() for file in files)
    if "-k" in one.words:
        assert re.search(rf"def test_\w*{one.words[one.words.index('-k') + 1]}", files[0].read_text("utf-8"))
    if "-m" in one.words:
        mark = one.words[one.words.index("-m") + 1]
        marked = [file.read_text("utf-8") for file in files or (ROOT / "tests").rglob("test_*.py")]
        assert any(f"pytest.mark.{mark}" in text for text in marked)


@pytest.mark.slow
def test_the_command_for_two_hosts_trains_on_two(home):
    (one,) = (one for one in shown() if one.text.startswith("TF_CONFIG="))
    _, script, *words = (word.replace("=runs/", f"={home}/runs/") for word in brought(one, home))
    both = on_hosts(ROOT / script, *words, f"--config.root={home / 'data' / 'office_home'}")
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert (home / one.makes / "result.json").exists()


@pytest.mark.slow
def test_the_commands_for_a_search_by_two_processes_search(home):
    lines = [one for one in shown() if "KERASTUNER_" in one.text]
    port, env = str(free(1)[0]), around(home)
    (exported,) = (one.text for one in lines if one.text.startswith("export"))
    places = dict(word.split("=") for word in exported.split()[1:])
    env |= {name: value.replace("host0", "127.0.0.1").replace("8000", port) for name, value in places.items()}
    asked = [one for one in lines if not one.text.startswith("export")]
    both = [
        subprocess.Popen(
            [sys.executable, str(ROOT / one.words[1]), *one.words[2:], *one.more, "--workdir=runs/together"],
            env={**env, "KERASTUNER_TUNER_ID": one.text.partition("=")[2].split()[0]},
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for one in asked
    ]
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len((home / "runs" / "together" / "trials.csv").read_text().splitlines()) == 3


@pytest.mark.slow
def test_tensorboard_answers(home):
    (one,) = (one for one in shown() if one.text.startswith("tensorboard "))
    prepare("runs/one", home)
    port = free(1)[0]
    program = pathlib.Path(sys.executable).parent / one.words[0]
    server = subprocess.Popen([program, *one.words[1:], f"--port={port}"], cwd=home, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            try:
                answer = urllib.request.urlopen(f"http://localhost:{port}/data/runs", timeout=5).read().decode()
            except OSError:
                time.sleep(0.5)
            else:
                if "one" in answer:
                    return
        pytest.fail("tensorboard shows no run")
    finally:
        server.terminate()
        server.wait(30)
