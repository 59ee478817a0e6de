"""Scan the folders of configs/folders.py as training reads them: the target's own folders are no classes."""

from __future__ import annotations

import os

import numpy as np
from ml_collections import ConfigDict

from tfuda.data.audit import scan
from tfuda.data.audit.inspect_file import Finding
from tfuda.data.files import Files
from tfuda.data.readers.folders import check_apart


def parts_of(source: str, target: str, labels: str, labelled: str, found: list[Finding]) -> list[scan.Part]:
    """Read each folder that is given, "" for none, as a part.

    Args:
        source: folder of class folders.
        target: folder of pictures at any depth; their labels are -1.
        labels: class folders of target pictures, which measure; the classes are those of the source.
        labelled: the same, which train.
        found: list that findings are added to.
    """
    parts = []
    if source:
        parts.append(scan.folder_part("source", source, found))
    classes = parts[0].classes if parts else ()
    if target:
        paths = scan.walk(target, found, strict=True)
        parts.append(scan.Part("target", target, Files(paths), np.full(len(paths), -1, np.int32)))
    for split, folder in (("labels", labels), ("labelled", labelled)):
        if folder:
            part = scan.folder_part("target", folder, found, classes)
            part.split = split
            parts.append(part)
    return parts


def wanted(config: ConfigDict, found: list[Finding]) -> tuple[str, list[scan.Part]]:
    """Return the folder that contains everything, and the parts, of a config with data=folders."""
    given = {flag: config[flag] for flag in ("source", "target", "labels", "labelled")}
    for flag, folder in given.items():
        if folder and not os.path.isdir(folder):
            raise FileNotFoundError(f"--config.{flag}={folder}: there is no such folder")
    if given["source"] and given["target"]:
        check_apart(given["source"], given["target"])
    parts = parts_of(**given, found=found)
    if not any(len(part.files) for part in parts) and not found:
        raise ValueError("no folder holds a picture: give them by --config.source and --config.target")
    return os.path.commonpath([os.path.abspath(part.place) for part in parts]), parts
