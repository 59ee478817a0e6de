"""Every command that writes, killed again and again: nothing is half-written, and it ends where others end."""

import shutil

import killing
import minis
import numpy as np
import pytest
from commands import SMALL, command

KILLS = 20
TINY = ["--config.steps=12", "--config.segment=4", *SMALL]
SIDES = ("source", "target")
PAIRS = [f"--config.pairs.{setting}" for setting in ("steps=8", "segment=2", "batch=2", "width=4", "blocks=1")]


def words(name, folder, data):
    """Of a command that leaves all that it makes below a folder."""
    digits = "--config=configs/digits.py"
    if name == "export":
        return [f"--workdir={data}", f"--out={folder}/model"]
    return [f"--workdir={folder}"] + {
        "train": [f"{digits}:toalign", "--config.steps=60", "--config.segment=2", *SMALL],
        "pair": [digits, *PAIRS, "--config.source_classes=2", "--config.target_classes=2"],
        "pair_of_files": ["--config=configs/folders.py", *(f"--config.{k}={data}/{k}" for k in SIDES), *PAIRS],
        "tune": [f"{digits}:toalign", "--trials=3", *TINY],
        "rounds": [f"{digits}:biwaa", "--rounds=3", *TINY],
        "benchmark": [digits, "--methods=source_only,toalign[scale=8]", "--tasks=R-S,H-M", *TINY],
    }[name]


@pytest.fixture(scope="module")
def data(tmp_path_factory, trained):
    """What a command works on: a finished run for the export, two folders of pictures for the pairs."""
    root = tmp_path_factory.mktemp("pictures")
    minis.folders(root / SIDES[0], ("x", "y"), 6)
    minis.folders(root / SIDES[1], ("x", "y"), 6, seed=1)
    return {"export": trained[0], "pair_of_files": root}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["train", "export", "pair", "pair_of_files", "tune", "rounds", "benchmark"])
def test_a_command_that_is_killed_at_random_moments_ends_where_others_end(name, data, tmp_path):
    rng, main = np.random.default_rng(0), name.partition("_")[0]
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), folder.mkdir()
    code, errors, seen = killing.kill(main, words(name, whole, data.get(name)), whole, lambda seen, since: False)
    assert (code, errors) == (0, "")
    expected, told, killed = killing.content(whole), words(name, folder, data.get(name)), 0
    while killed < KILLS:
        count, wait, inside = rng.integers(1, len(seen) // 2 + 2), rng.uniform(0, 0.3), rng.random() < 0.5

        def moment(new, since, count=count, wait=wait, inside=inside):
            written = sum(map(killing.unfinished, new))
            return written > count // 4 if inside else len(new) >= count and since > wait

        code, errors, _ = killing.kill(main, told, folder, moment)
        killed += code != 0
        assert "Traceback" not in errors
        found = killing.content(folder)
        if code == 0:
            assert found == expected
            shutil.rmtree(folder)
            folder.mkdir()
    done = command(main, *told)
    assert (done.returncode, done.stderr) == (0, "")
    assert killing.content(folder) == expected
    assert not [path for path in killing.names(folder) if "_temp" in path]
