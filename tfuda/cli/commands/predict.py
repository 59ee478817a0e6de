"""Predict the classes of pictures with an exported model.

    python run/predict.py --model=saved_models/digits photos/ scan.png > predictions.csv

The output is CSV with the columns file,label,confidence. Each file that cannot be read gives one line on stderr; the
other files are predicted, and the exit code is 1.
"""

import contextlib
import io
import sys

from absl import flags

from tfuda import atomic_files
from tfuda.cli import launch
from tfuda.serving import export, predict

MODEL = flags.DEFINE_string("model", None, "folder of a SavedModel, or a .tflite file, from run/export.py")
OUT = flags.DEFINE_string("out", "", "CSV file to write; empty for stdout")


def main(words):
    if not words:
        raise ValueError("name the files or folders to predict; --help shows an example")
    model = export.open_model(MODEL.value)
    with contextlib.ExitStack() as stack:
        out = sys.stdout
        if isinstance(out, io.TextIOWrapper):
            out.reconfigure(encoding=predict.CSV["encoding"], errors=predict.CSV["errors"])
        if OUT.value:
            out = stack.enter_context(atomic_files.open_whole(OUT.value, **predict.CSV))
        bad = predict.predict_files(model, words, out, lambda line: print(line, file=sys.stderr))
    return 1 if bad else 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["model"], takes_words=True)
