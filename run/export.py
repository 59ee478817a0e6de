"""Write a run's network as a model that serves without this library.

    python run/export.py --workdir=/tmp/digits --out=saved_models/digits
    python run/export.py --workdir=/tmp/digits --out=saved_models/digits --format=savedmodel-float16,tflite,tflite-float16

A SavedModel has the signatures serving_default (images: uint8 [n, h, w, 3] of any size) and serve_bytes (encoded: JPEG
or PNG strings), each giving probabilities, label and class. A .tflite takes images of the network's size. The others
are named after --out: digits-float16, digits.tflite, digits-float16.tflite. The weights are the last checkpoint's; the
table compares with the Keras model.
"""

from absl import flags

from tfuda import bench, experiment, export, launch

WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run")
OUT = flags.DEFINE_string("out", None, "folder of the SavedModel, and what the others are named after")
FORMAT = flags.DEFINE_list("format", export.SAVEDMODEL, f"what to write: some of {', '.join(export.FORMATS)}")


def main(words):
    if strange := {*FORMAT.value} - {*export.FORMATS}:
        raise ValueError(f"--format={min(strange)} is unknown: choose some of {', '.join(export.FORMATS)}")
    _, task, method = experiment.load(WORKDIR.value)
    probe = task.streams["target"].images[:64]
    base, rows = OUT.value.removesuffix(export.TFLITE), []
    for form in FORMAT.value:
        out = base + export.FORMATS[form]
        rows.append({"model": out, **export.export(method.network, task.classes, out, probe, form)})
    what = f"{len(task.classes)} classes, step {int(method.step.numpy())}, beside the Keras model on {len(probe)} images"
    print(bench.table(rows, what))


if __name__ == "__main__":
    launch.launch(main, needs=["workdir", "out"])
