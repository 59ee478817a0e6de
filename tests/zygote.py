"""A Python that has imported what commands import, and forks one for each: the import takes most of their time.

Reads lines of JSON, and answers each in a line. {"words", "cwd", "env", "out", "err"} starts a command, words[0] the
file to run, out and err files to write to: its process's number. Such a number: its exit code, or that of the signal,
or null while it runs. TensorFlow may be forked as long as nothing has touched a device.
"""

import importlib
import json
import os
import runpy
import sys
import traceback

for name in ("tfuda", "keras_tuner", "matplotlib.pyplot", "sklearn.manifold"):
    importlib.import_module(name)


def become(order: dict) -> int:
    """Run the command in this process: its exit code."""
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    kept = {name: value for name, value in os.environ.items() if name.startswith("TF_")}  # which the import sets
    os.environ.clear()
    os.environ.update({**kept, **order["env"]})
    os.chdir(order["cwd"])
    sys.argv = order["words"]
    sys.path[:1] = [os.path.dirname(order["words"][0]), *filter(None, order["env"].get("PYTHONPATH", "").split(":"))]
    try:
        runpy.run_path(order["words"][0], run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def start(order: dict) -> int:
    """Fork a process that runs the command: its number."""
    child = os.fork()
    if child:
        return child
    code = become(order)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def ended(child: int) -> int | None:
    number, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if number else None


def main():
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(start(order) if isinstance(order, dict) else ended(order)), flush=True)


if __name__ == "__main__":
    main()
