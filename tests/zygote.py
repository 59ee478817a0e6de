"""A Python that has imported what commands import, and forks one for each: the import takes most of their time.

Reads a line of JSON for each: {"words", "cwd", "env", "out", "err"}, words[0] the file to run, out and err files to
write to; answers its exit code, or that of the signal, in a line. TensorFlow may be forked as long as nothing has
touched a device.
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
    sys.path[0] = os.path.dirname(order["words"][0])
    try:
        runpy.run_path(order["words"][0], run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main():
    for line in sys.stdin:
        child = os.fork()
        if not child:
            code = become(json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
