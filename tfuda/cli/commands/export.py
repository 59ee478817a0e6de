"""Export a run's network as a model that serves without this library.

    python run/export.py --workdir=runs/one --out=saved_models/one
    python run/export.py --workdir=runs/one --out=saved_models/one --format=savedmodel-float16,tflite,tflite-float16

A SavedModel has two signatures: serving_default takes images, uint8 [n, h, w, 3] of any size, and serve_bytes takes
JPEG or PNG strings. Both return probabilities, label and class. A .tflite and a .onnx take images of the network's
size. The other formats are named after --out: one-float16, one.tflite, one-float16.tflite, one.onnx. The weights are
those of the checkpoint that config.select chose, or with --last those of the last checkpoint. The printed table
compares each model with the Keras model. README.md and model_card.json, beside the SavedModel or within the file of
another format, say what the model learnt from, how it was made, and what is known of its quality.
"""

from absl import flags

from tfuda.cli import launch
from tfuda.experiment import card_facts, training
from tfuda.experiment.workdir import Workdir
from tfuda.profiling import step_time
from tfuda.serving import export

WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run")
OUT = flags.DEFINE_string("out", None, "folder of the SavedModel; the other formats take their names from this one")
LAST = flags.DEFINE_bool("last", False, "take the last checkpoint, not the one that config.select chose")
FORMAT = flags.DEFINE_list("format", export.SAVEDMODEL, f"what to write, from {', '.join(export.FORMATS)}")


def main(words):
    places = export.output_paths(OUT.value, FORMAT.value)
    config, task, method = training.load_run(WORKDIR.value, LAST.value)
    network, classes, probe = method.network, task.classes, task.streams["target"].images[:64]
    card = card_facts.model_card(config, task, method, Workdir(WORKDIR.value))
    rows = [
        {"model": out, **export.export_network(network, classes, out, probe, form, card)}
        for form, out in places.items()
    ]
    step = int(method.step.numpy())
    print(
        step_time.table(rows, f"{len(classes)} classes, step {step}, beside the Keras model on {len(probe)} images")
    )


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["workdir", "out"])
