"""Write a run's network as a model that serves without this library.

    python run/export.py --workdir=runs/one --out=saved_models/one
    python run/export.py --workdir=runs/one --out=saved_models/one --format=savedmodel-float16,tflite,tflite-float16

A SavedModel has the signatures serving_default (images: uint8 [n, h, w, 3] of any size) and serve_bytes (encoded:
JPEG or PNG strings), each giving probabilities, label and class. A .tflite takes images of the network's size. The
others are named after --out: one-float16, one.tflite, one-float16.tflite. The weights are those of the step that
config.select chose, or the last ones with --last; the table compares with the Keras model.
"""

from absl import flags

from tfuda.cli import launch
from tfuda.experiment import training
from tfuda.profiling import step_time
from tfuda.serving import export

WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run")
OUT = flags.DEFINE_string("out", None, "folder of the SavedModel, and what the others are named after")
LAST = flags.DEFINE_bool("last", False, "the end of training, not what config.select chose")
FORMAT = flags.DEFINE_list("format", export.SAVEDMODEL, f"what to write: some of {', '.join(export.FORMATS)}")


def main(words):
    places = export.output_paths(OUT.value, FORMAT.value)
    _, task, method = training.load_run(WORKDIR.value, LAST.value)
    network, classes, probe = method.network, task.classes, task.streams["target"].images[:64]
    rows = [
        {"model": out, **export.export_network(network, classes, out, probe, form)} for form, out in places.items()
    ]
    step = int(method.step.numpy())
    print(
        step_time.table(rows, f"{len(classes)} classes, step {step}, beside the Keras model on {len(probe)} images")
    )


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["workdir", "out"])
