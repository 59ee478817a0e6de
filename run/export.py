"""Write a run's network as a SavedModel that serves without this library.

    python run/export.py --workdir=/tmp/digits --out=saved_models/digits

Signatures: serving_default (images: uint8 [n, h, w, 3] of any size) and serve_bytes (encoded: JPEG or PNG strings),
each giving probabilities, label and class. The weights are the last checkpoint's.
"""

from absl import flags

from tfuda import experiment, export, launch

WORKDIR = flags.DEFINE_string("workdir", None, "folder of the run")
OUT = flags.DEFINE_string("out", None, "folder of the SavedModel")


def main(words):
    _, task, method = experiment.load(WORKDIR.value)
    probe = task.streams["target"].images[:64]
    difference = export.export(method.network, task.classes, OUT.value, probe)
    print(f"{OUT.value}: {len(task.classes)} classes, step {int(method.step.numpy())}")
    print(f"largest difference to the Keras model on {len(probe)} images: {difference:.1e}")


if __name__ == "__main__":
    launch.launch(main, needs=["workdir", "out"])
