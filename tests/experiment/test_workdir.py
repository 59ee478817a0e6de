"""A run's folder under any name."""

import types

import pytest
import tensorflow as tf

from tfuda.experiment import defaults, workdir
from tfuda.experiment.workdir import Workdir, restore


@pytest.mark.parametrize("name", ["plain", "dann[pada=True]", "what?*"])
def test_checkpoints_are_kept_and_found_in_a_folder_of_any_name(name, tmp_path):
    """TensorFlow takes the names of checkpoints for patterns, and a cell of a benchmark has brackets."""
    value = types.SimpleNamespace(value=tf.Variable([1.0, 2.0]))
    folder = Workdir(tmp_path / name)
    manager = folder.checkpoints(types.SimpleNamespace(state=lambda: [value]))
    for number in range(4):
        value.value.assign([number, 2.0])
        manager.save()
    files = sorted(path.name for path in (folder.path / "checkpoints").glob("*.index"))
    assert files == ["ckpt-3.index", "ckpt-4.index"] and folder.saved().endswith("ckpt-4")
    value.value.assign([7.0, 7.0])
    assert restore(Workdir(tmp_path / name).checkpoints(types.SimpleNamespace(state=lambda: [value])))
    assert value.value.numpy().tolist() == [3.0, 2.0]


def test_a_preset_s_folder_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "backbone").mkdir()
    config = defaults.default_config("dann")
    config.network_options.preset = "backbone"
    workdir.make_paths_absolute(config)
    assert config.network_options.preset == str(tmp_path / "backbone")
