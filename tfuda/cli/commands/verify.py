"""Verify a data folder before training: find what stops a training, and what may be a mistake.

    python run/verify.py --data=office31 --root=/data/office31 --domains=A,W
    python run/verify.py photos/ scans/
    python run/verify.py --list=photos.txt --root=/data --fix_list=clean.txt
    python run/verify.py --config=configs/emoji.py
    python run/verify.py --config=configs/folders.py --config.source=photos/ --config.target=scans/

The data are a data set of the catalogue, or one that the library draws (digits, emoji), or folders (each one domain,
with or without class folders), or lists with `path label` lines. A config names its data set and root;
with one, a line says what its run will cost here, estimated from a few steps: time, steps, disk for stored views.
Exit code 0: nothing was found but notes; 1: something was found, or a run cannot start; 2: a mistake in the command.
"""

import json
import pathlib
import sys

from absl import flags

from tfuda.cli import launch
from tfuda.data.audit import drawn, own_folders, scan, verify
from tfuda.distributed import devices
from tfuda.errors import EXPECTED, sentence
from tfuda.profiling import cost

CONFIG = launch.config_flag()
DATA = flags.DEFINE_string("data", "", "data set of the catalogue, or one that is drawn: digits, emoji")
DOMAINS = flags.DEFINE_list("domains", [], "domains of the data set, separated by commas; all by default")
LIST = flags.DEFINE_multi_string("list", [], "image list of one domain; repeat the flag for several")
ROOT = flags.DEFINE_string("root", "", "folder of the data set, or the folder that paths in lists start from")
CLASSES = flags.DEFINE_integer("classes", 0, "labels of a list have to be below this number; 0 for any")
FIX_LIST = flags.DEFINE_string("fix_list", "", "file to write: a list of the pictures without errors")
ALL = flags.DEFINE_bool("all", False, "name all files, not only ten of each kind")
JSON = flags.DEFINE_bool("json", False, "print JSON instead of text")


def what_it_costs():
    """Return (numbers, line) of the cost of a run of --config; (None, line) where such a run cannot start."""
    try:
        with devices.chosen():
            found = cost.estimate(CONFIG.value)
    except EXPECTED as error:
        return None, f"A run of this config would end at once: {sentence(error)}"
    return {**found._asdict(), "seconds": found.seconds}, f"A run takes {cost.sentence(found)}."


def folders_of_config(words, found):
    """Return the folder that contains everything, and the parts, as training with --config reads them."""
    if more := [*words, *(f"--{flag.name}" for flag in (DOMAINS, LIST, CLASSES) if flag.value)]:
        raise ValueError(f"--config names the folders, by config.source and config.target: leave out {more[0]}")
    return own_folders.wanted(CONFIG.value, found)


def main(words):
    if FIX_LIST.value and not pathlib.Path(FIX_LIST.value).absolute().parent.is_dir():
        raise FileNotFoundError(f"--fix_list={FIX_LIST.value}: there is no such folder to write to")
    data, root = DATA.value, ROOT.value
    if CONFIG.value is not None:
        if data or root:
            raise ValueError("--config names data and root: leave out --data and --root")
        data, root = CONFIG.value.data, CONFIG.value.root
    if data in drawn.NAMES:
        if root or words or LIST.value or CLASSES.value or FIX_LIST.value:
            raise ValueError(
                f"--data={data} is drawn, so only --domains goes with it: there are no folders and no lists"
            )
        report = drawn.report(data, DOMAINS.value)
    else:
        found: list = []
        if CONFIG.value is not None and data == "folders":
            root, parts = folders_of_config(words, found)
        else:
            root, parts = scan.wanted(data, DOMAINS.value, LIST.value, words, root, CLASSES.value, found)
        report = verify.verify(parts, found)
    lists = verify.write_lists(report, FIX_LIST.value, root) if FIX_LIST.value else []
    sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold bytes that are no text
    costs, said = what_it_costs() if CONFIG.value is not None else (None, "")
    if JSON.value:
        print(json.dumps({**verify.as_json(report), "lists": lists, "cost": costs}))
    else:
        print(verify.text(report, ALL.value))
        if said:
            print(said)
        for one in lists:
            print(f"{one['list']}: {one['pictures']} of {one['of']} pictures; {one['use']}")
    return 1 if report.bad() or (said and costs is None) else 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, takes_words=True)
