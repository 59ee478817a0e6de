"""What TensorBoard reads of a run."""

import json
import shutil

import numpy as np
import pages
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from tfuda.experiment import tensorboard, training
from tfuda.experiment.workdir import Workdir

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture(autouse=True)
def trust(monkeypatch):
    monkeypatch.setenv("TFUDA_TRUST", "pages")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFUDA_TRUST", "pages")
        yield pages.trained(tmp_path_factory.mktemp("runs") / "run")


def seen(run) -> EventAccumulator:
    found = EventAccumulator(str(run / "events"))
    return found.Reload()


def steps(run) -> dict[str, list[int]]:
    """{tag: the steps of its events}."""
    found = seen(run)
    return {tag: [event.step for event in found.Tensors(tag)] for tag in found.Tags()["tensors"]}


def test_every_column_and_the_result_are_scalars(run):
    found, rows = seen(run), Workdir(run).rows()
    for name in {*rows[0]} - {"step", "seconds"}:
        shown = {event.step: tf.make_ndarray(event.tensor_proto).item() for event in found.Tensors(name)}
        assert shown == {int(row["step"]): np.float32(row[name]) for row in rows}
    result = json.loads((run / "result.json").read_text())
    for name in tensorboard.RESULT:
        (event,) = found.Tensors(f"result/{name}")
        assert event.step == 4 and tf.make_ndarray(event.tensor_proto) == np.float32(result[name])


def test_the_hparams_tab_has_the_config_and_the_end(run):
    plugin = seen(run).PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(plugin[metadata.SESSION_START_INFO_TAG])
    assert start.hparams["optimizer.rate"].number_value == 1e-3
    assert start.hparams["method"].string_value == "source_only" and not start.hparams["mean_class"].bool_value
    assert metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG]).end_time_secs > 0


def test_at_the_end_there_are_a_confusion_matrix_and_predictions(run):
    found = seen(run)
    for name, height in (("confusion", 399), ("predictions", 200)):
        (event,) = found.Tensors(f"result/{name}")
        image = tf.io.decode_png(event.tensor_proto.string_val[2]).numpy()
        assert event.step == 4 and image.shape[0] >= height and image.std() > 10


def test_a_run_that_is_resumed_has_nothing_twice(run, tmp_path):
    """The row of a checkpoint that a kill prevented is written anew; what was torn is dropped.

    The name of each later file sorts before that of the file before it, as it may where both are made in one second.
    """
    workdir, made = Workdir(tmp_path), pages.config()
    killed = tensorboard.Events(workdir, 0)
    killed.begin(made)
    for step in (1, 2, 3):
        killed.row(step, {"loss": float(step)})
    killed.writer.close()
    (torn,) = (tmp_path / "events").iterdir()
    torn.write_bytes(torn.read_bytes()[:-5])
    torn.rename(torn.with_name("events.out.tfevents.9"))
    before = seen(tmp_path).Tensors("loss")
    assert [event.step for event in before] == [1, 2]
    for step, lost in ((1, [2, 3]), (3, [4])):  # resumed twice
        again = tensorboard.Events(workdir, step)
        again.begin(made)
        for later in lost:
            again.row(later, {"loss": 10.0 * later})
        again.writer.close()
        (new,) = (tmp_path / "events").glob("*.v2")
        new.rename(new.with_name(f"events.out.tfevents.{8 - step}"))
    found = seen(tmp_path).Tensors("loss")
    shown = [(event.step, tf.make_ndarray(event.tensor_proto).item()) for event in found]
    assert shown == [(1, 1.0), (2, 20.0), (3, 30.0), (4, 40.0)]
    assert found[0].wall_time == before[0].wall_time
    assert steps(tmp_path)[metadata.SESSION_START_INFO_TAG] == [0]
    assert len([*(tmp_path / "events").iterdir()]) == 2 and [path.name for path in tmp_path.iterdir()] == ["events"]


def test_a_run_that_was_killed_at_its_end_has_one_end(run, tmp_path):
    shutil.copytree(run / "events", tmp_path / "events")
    result = json.loads((run / "result.json").read_text())
    task, method = training.load_run(run)[1:]
    again = tensorboard.Events(Workdir(tmp_path), 4)
    again.end(result, method.network, task)
    assert steps(tmp_path) == steps(run)


def test_where_the_target_has_no_labels_its_predictions_are_shown(run, tmp_path):
    task, method = training.load_run(run)[1:]
    blind = task._replace(tests={**task.tests, "target": task.tests["target"].unlabelled()})
    tensorboard.Events(Workdir(tmp_path), 0).end({"steps": 4, "source": 0.5}, method.network, blind)
    found = steps(tmp_path)
    assert found["result/predictions"] == found["result/source"] == [4]
    assert not {"result/confusion", "result/last"} & {*found}
