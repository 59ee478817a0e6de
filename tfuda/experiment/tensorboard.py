"""Write what TensorBoard shows of a run: WORKDIR/events/.

SCALARS    every column of metrics.csv after each segment; at the end result/last, selected, oracle and source
HPARAMS    the config, one row for each run of a folder
IMAGES     at the end, of the target's test images: a confusion matrix where there are labels, and some predictions

A resumed run keeps its earlier events up to the checkpoint, with their times, in one file. Later events are written
anew, so no event is there twice. The last event of a killed run may be torn: TensorBoard stops reading at a torn
event, and the next resume drops that event.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterator

import tensorflow as tf
from ml_collections import ConfigDict
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2

from tfuda import atomic_files
from tfuda.data.tasks import Task
from tfuda.distributed import multi_host
from tfuda.evaluation import evaluate
from tfuda.experiment import thumbnails
from tfuda.experiment.workdir import Workdir, flat
from tfuda.networks.base import Network

RESULT = ("last", "selected", "oracle", "source")

# A resumed run's earlier events. The names of other files begin with the second of their making, and files of one
# second are in no order; 0 sorts before them all, here and in TensorBoard.
KEPT = "events.out.tfevents.0000000000.kept"


class Events:
    """Write the events of one run; of several workers only the first writes.

    Args:
        workdir: the folder of the run.
        step: the step that the run has reached.
    """

    def __init__(self, workdir: Workdir, step: int):
        self.folder, self.started = workdir.path / "events", False
        self.config: ConfigDict | None = None
        if not multi_host.is_first():
            self.writer = tf.summary.create_noop_writer()
            return
        if kept := [event for event in read_events(self.folder) if event.step <= step and not ends(event)]:
            self.started = any(metadata.SESSION_START_INFO_TAG in tags(event) for event in kept)
            _replace(self.folder, kept)
        self.writer = tf.summary.create_file_writer(str(self.folder))

    def begin(self, config: ConfigDict) -> None:
        """Take the config, which is written with the run's first row."""
        self.config = None if self.started else config

    def row(self, step: int, row: dict[str, float]) -> None:
        """Write the scalars of a segment."""
        if self.config is not None:
            settings = flat(self.config.to_dict()).items()
            plain = {key: v if isinstance(v, bool | int | float) else str(v) for key, v in settings}
            self._raw(summary_v2.hparams_pb(plain), 0)
            self.config = None
        with self.writer.as_default(step):
            for name, value in row.items():
                tf.summary.scalar(name, value)
        self.writer.flush()

    def end(self, result: dict, network: Network, task: Task, seen: evaluate.Seen | None = None) -> None:
        """Write the run's result and pictures.

        Args:
            result: the contents of result.json.
            network: the trained network.
            task: the task of the run.
            seen: the network's outputs for the target's labelled test images, where known.
        """
        if not multi_host.is_first():
            return
        target = task.tests["target"]
        with self.writer.as_default(result["steps"]):
            for name in RESULT:
                if name in result:
                    tf.summary.scalar(f"result/{name}", result[name])
            if target.labels is not None:
                seen = seen or evaluate.Observer(network)(target.images)
                score = evaluate.score(target.labels, seen.logits)
                tf.summary.image("result/confusion", thumbnails.confusion(score.confusion, task.classes)[None])
            tf.summary.image("result/predictions", thumbnails.predictions(network, target, seen)[None])
        done = api_pb2.Status.Value("STATUS_SUCCESS")
        ended = plugin_data_pb2.SessionEndInfo(status=done, end_time_secs=time.time())
        about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=ended))
        summary = summary_pb2.Summary()
        summary.value.add(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)
        self._raw(summary, result["steps"])

    def _raw(self, summary, step: int) -> None:
        with self.writer.as_default(step):
            tf.summary.experimental.write_raw_pb(summary.SerializeToString())
        self.writer.flush()


# ---- files


def tags(event) -> tuple[str, ...]:
    """Return the tags of an event's values."""
    return tuple(value.tag for value in event.summary.value)


def ends(event) -> bool:
    """Return whether `Events.end` wrote this event."""
    return any(tag.startswith("result/") or tag == metadata.SESSION_END_INFO_TAG for tag in tags(event))


def read_events(folder: pathlib.Path) -> Iterator:
    """Yield the events with a summary in all files of a folder, each once; leave out a torn end."""
    known = set()
    for file in sorted(folder.glob("*tfevents*")):
        try:
            for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
                event = tf.compat.v1.Event.FromString(record)
                if event.HasField("summary") and (event.step, tags(event)) not in known:
                    known.add((event.step, tags(event)))
                    yield event
        except tf.errors.DataLossError:
            continue


def _replace(folder: pathlib.Path, events: list) -> None:
    """Replace all files by one with these events; tfuda.experiment.workdir deletes what a kill leaves behind."""
    old = sorted(folder.glob("*tfevents*"))
    with atomic_files.beside(folder / KEPT) as temporary, tf.io.TFRecordWriter(temporary) as file:
        file.write(
            tf.compat.v1.Event(wall_time=events[0].wall_time, file_version="brain.Event:2").SerializeToString()
        )
        for event in events:
            file.write(event.SerializeToString())
    for path in old:
        if path.name != KEPT:
            path.unlink()
