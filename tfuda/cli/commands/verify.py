"""Verify a data folder before training: find what stops a training, and what may be a mistake.

    python run/verify.py --data=office31 --root=/data/office31 --domains=A,W
    python run/verify.py photos/ scans/
    python run/verify.py --list=photos.txt --root=/data --fix_list=clean.txt

The data are a data set of the catalogue, or folders (each one domain, with or without class folders), or lists with
`path label` lines. Exit code 0: nothing was found but notes; 1: something was found; 2: a mistake in the command.
"""

import json
import pathlib
import sys

from absl import flags

from tfuda.cli import launch
from tfuda.data.audit import scan, verify

DATA = flags.DEFINE_string("data", "", "data set of the catalogue")
DOMAINS = flags.DEFINE_list("domains", [], "domains of the data set, separated by commas; all by default")
LIST = flags.DEFINE_multi_string("list", [], "image list of one domain; repeat the flag for several")
ROOT = flags.DEFINE_string("root", "", "folder of the data set, or the folder that paths in lists start from")
CLASSES = flags.DEFINE_integer("classes", 0, "labels of a list have to be below this number; 0 for any")
FIX_LIST = flags.DEFINE_string("fix_list", "", "file to write: a list of the pictures without errors")
ALL = flags.DEFINE_bool("all", False, "name all files, not only ten of each kind")
JSON = flags.DEFINE_bool("json", False, "print JSON instead of text")


def main(words):
    if FIX_LIST.value and not pathlib.Path(FIX_LIST.value).absolute().parent.is_dir():
        raise FileNotFoundError(f"--fix_list={FIX_LIST.value}: there is no such folder to write to")
    found: list = []
    root, parts = scan.wanted(DATA.value, DOMAINS.value, LIST.value, words, ROOT.value, CLASSES.value, found)
    report = verify.verify(parts, found)
    lists = verify.write_lists(report, FIX_LIST.value, root) if FIX_LIST.value else []
    sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold bytes that are no text
    if JSON.value:
        print(json.dumps({**verify.as_json(report), "lists": lists}))
    else:
        print(verify.text(report, ALL.value))
        for one in lists:
            print(f"{one['list']}: {one['pictures']} of {one['of']} pictures; {one['use']}")
    return 1 if report.bad() else 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main)
