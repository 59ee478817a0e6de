"""Every config builds, names its tasks, and trains a step."""

import pathlib
import runpy

import numpy as np
import pytest

from tfuda import build

FILES = sorted((pathlib.Path(__file__).parent.parent / "configs").glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_config_builds_and_steps(file):
    config = runpy.run_path(str(file))["get_config"]()
    config.steps = config.segment = 1
    task = build.task(config)
    method = build.method(config, task)
    method.fit(build.streams(config, task), verbose=0)
    assert int(method.step.numpy()) == 1 and np.isfinite(float(method.meters["loss"].result()))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_config_shows_its_command_and_its_task_lists_exist(file):
    found = runpy.run_path(str(file))
    assert f"--config=configs/{file.name}" in found["__doc__"]
    for tasks in found["TASKS"].values():
        for task in tasks:
            config = found["get_config"]()
            config.task = task
            assert build.task(config).name == task
