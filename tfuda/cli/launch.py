"""Starting a command: flags, a quiet and deterministic TensorFlow, and errors in one sentence."""

from __future__ import annotations

import functools
import io
import itertools
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

import tensorflow as tf
from absl import flags
from ml_collections import ConfigDict, config_flags

from tfuda import startup
from tfuda.core.nonfinite import Diverged
from tfuda.errors import EXPECTED, sentence
from tfuda.experiment import trust
from tfuda.experiment.callbacks import Stopped
from tfuda.experiment.shipped_configs import contents, located
from tfuda.names import PARTS, near

DEBUG = flags.DEFINE_bool("debug", False, "show the traceback of an error")

DEFAULT: list[str] = []  # of --config, as the main's config_flag gave it

SHARED = ("config", "debug", "devices", "strategy")  # flags that no main defines itself

# What of a config follows from the cell's name, and would contradict it.
CELL = ("cell", *PARTS)


def config_flag(default: str | None = None):
    """--config=configs/FILE.py:CELL and --config.KEY=VALUE."""
    DEFAULT.append(default or "")
    says = "NAME:CELL of a shipped config or FILE.py:CELL, then --config.KEY=VALUE for any key of it"
    return config_flags.DEFINE_config_file("config", default and located(default), says, lock_config=True)


def launch(main: Callable[[list[str]], int | None], needs: Sequence[str] = ()) -> None:
    """Parse the flags, run `main(the other words)`, exit with what it returns.

    Exit codes: 0 done, or training stopped by SIGTERM, resumable; 1 done in part; 2 a mistake in what was asked for;
    3 training diverged; 130 interrupted, resumable; 143 SIGTERM where there was nothing to save.
    """
    sys.path.insert(0, os.getcwd())  # so that mypackage.mine:Mine is found
    for stream in (sys.stdout, sys.stderr):  # names of files may hold anything
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
    startup.silence()
    signal.signal(signal.SIGTERM, leave)
    try:
        words = parse(needs, sys.modules[main.__module__])
        if not by_xla():
            tf.config.experimental.enable_op_determinism()
        code = main(words[1:])
    except Stopped as stop:
        print(f"\n{stop}", file=sys.stderr)
        code = 0 if stop.number == signal.SIGTERM else 130
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except (*EXPECTED, flags.Error) as error:
        if flags.FLAGS.is_parsed() and DEBUG.value:
            raise
        print(f"{os.path.basename(sys.argv[0])}: {sentence(error)}", file=sys.stderr)
        code = 3 if isinstance(error, Diverged) else 2
    sys.exit(code or 0)


def by_xla() -> bool:
    """Is anything compiled by XLA, which has no deterministic form of max pooling and other operations?"""
    config, cells = (flags.FLAGS[name].value if name in flags.FLAGS else None for name in ("config", "methods"))
    return bool(config and config.get("jit")) or any(cell.endswith("~jit") for cell in cells or ())


def leave(number, frame) -> None:
    """SIGTERM where no training runs that would save a checkpoint: callbacks.Stoppable."""
    print("\nstopped; the same command goes on", file=sys.stderr)
    sys.exit(128 + number)


def parse(needs: Sequence[str], command: ModuleType) -> list[str]:
    """absl's parsing, after a look at what it would report less clearly."""
    if any(word in ("--help", "-help", "-h", "--helpshort", "--helpfull") for word in sys.argv[1:]):
        print(usage(command))
        sys.exit(0)
    if "config" in flags.FLAGS:
        check_config()
    words = flags.FLAGS(_with_located_config(sys.argv))
    if "config" in flags.FLAGS and (config := flags.FLAGS["config"].value):
        trust.tell(config.to_dict())
    for name in needs:
        if flags.FLAGS[name].value is None:
            raise ValueError(f"--{name} is missing; --help shows an example")
    return words


def _with_located_config(words: Sequence[str]) -> list[str]:
    """Return the words with the path of a shipped config in place of its name."""
    found = [*words]
    for i, word in enumerate(found):
        start, equals, value = word.partition("=")
        if start in ("--config", "-config") and equals:
            found[i] = f"{start}={located(value)}"
        elif start in ("--config", "-config") and i + 1 < len(found):
            found[i + 1] = located(found[i + 1])
    return found


def words_of_config() -> tuple[str, list[str]]:
    """The value of --config, and the keys that --config.KEY=VALUE sets."""
    words = [word.lstrip("-") for word in sys.argv[1:] if word.startswith("-")]
    named = [word.partition("=")[2] for word in words if word.startswith("config=")]
    named += [after for word, after in itertools.pairwise(sys.argv[1:]) if word in ("--config", "-config")]
    keys = [word.partition("=")[0].partition(".")[2] for word in words if word.startswith("config.")]
    return (named or DEFAULT or [""])[-1], keys


def config_file() -> dict:
    """What the file of --config defines."""
    return contents(words_of_config()[0])


def overrides() -> Callable[[ConfigDict], None]:
    """A function that sets what --config.KEY=VALUE said on another config, where that has the key."""
    said = flags.FLAGS["config"].value
    values = {key: functools.reduce(lambda at, part: at[part], key.split("."), said) for key in words_of_config()[1]}

    def change(config: ConfigDict) -> None:
        for key, value in values.items():
            *path, last = key.split(".")
            here = functools.reduce(lambda at, part: at.get(part, ConfigDict()), path, config)
            if last in here:
                here[last] = value

    return change


def check_config() -> None:
    """Load --config once by hand, so that what its file says and a wrong key are one sentence."""
    named, keys = words_of_config()
    if not named:
        return
    path, _, cell = named.partition(":")
    get_config = config_file().get("get_config")
    if get_config is None:
        raise ValueError(f"--config={named}: {path} defines no get_config")
    config = get_config(cell) if cell else get_config()
    for key in keys:
        if key in CELL:
            raise ValueError(
                f"--config.{key} follows from the cell: write it as --config={path}:METHOD+{key.upper()}"
            )
        check_key(config, key)


def check_key(config: ConfigDict, word: str) -> None:
    """word: "optimizer.rate"."""
    here, path = config, word.split(".")
    for i, key in enumerate(path):
        if not isinstance(here, ConfigDict) or key not in here:
            known = list(here) if isinstance(here, ConfigDict) else []
            where = ".".join(["config", *path[:i]])
            raise ValueError(f"unknown flag --config.{word}: {where} has no key {key!r}{near(key, known)}")
        here = here[key]


def usage(command: ModuleType) -> str:
    """Return the help of a command: its docstring, in the words that it was called by, and its flags."""
    text, name = (command.__doc__ or "").strip(), command.__name__.rpartition(".")[2]
    if os.path.basename(sys.argv[0]) == f"tfuda {name}":
        text = re.sub(r"python run/(\w+)\.py", r"tfuda \1", text)
        text = re.sub(r"--config=configs/(\w+)\.py", r"--config=\1", text)
    lines = [text, "", "flags:"]
    own = {*flags.FLAGS.get_key_flags_for_module(command.__name__)}
    own |= {flags.FLAGS[name] for name in SHARED if name in flags.FLAGS}
    for flag in sorted(own, key=lambda flag: flag.name):
        default = "" if flag.default in (None, False, "") else f" (default {flag.default})"
        lines.append(f"  --{flag.name}: {flag.help}{default}")
    return "\n".join(lines)
