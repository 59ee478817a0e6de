"""Start a command: flags, a quiet and deterministic TensorFlow, and errors in one sentence."""

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

DEFAULT: list[str] = []  # the default of --config, as the command's config_flag gave it

SHARED = ("config", "debug", "devices", "strategy")  # flags that no command defines itself

# Keys of a config that follow from the cell's name; another value would contradict the cell.
CELL = ("cell", *PARTS)


def config_flag(default: str | None = None):
    """Define --config=configs/FILE.py:CELL and --config.KEY=VALUE.

    Args:
        default: the value of --config where the user gives none, as "digits".
    """
    DEFAULT.append(default or "")
    says = "NAME:CELL of a shipped config or FILE.py:CELL, then --config.KEY=VALUE for any key of it"
    return config_flags.DEFINE_config_file("config", default and located(default), says, lock_config=True)


def launch(
    main: Callable[[list[str]], int | None],
    needs: Sequence[str] = (),
    config_named: Callable[[list[str]], list[str]] = list,
    takes_words: bool = False,
) -> None:
    """Parse the flags, run a command's main, and exit with the code that main returns.

    Args:
        main: takes the words of the command line that are no flags.
        needs: names of the flags that the command cannot run without.
        config_named: returns the words of the command line with --config, where another flag implies it.
        takes_words: whether words that are no flags mean something, as the pictures of predict; else it refuses them.

    Exit codes:
        0: done, or training was stopped by SIGTERM and can be resumed
        1: done in part
        2: a mistake in the command
        3: training diverged
        130: interrupted; the same command resumes
        143: SIGTERM while there was nothing to save
    """
    sys.path.insert(0, os.getcwd())  # so that mypackage.mine:Mine can be imported
    for stream in (sys.stdout, sys.stderr):  # file names may hold bytes that are no text
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
    startup.silence()
    signal.signal(signal.SIGTERM, leave)
    try:
        sys.argv[1:] = config_named(sys.argv[1:])
        _, *words = parse(needs, sys.modules[main.__module__])
        if words and not takes_words:
            raise ValueError(f"unexpected word {words[0]!r}: every setting is a --flag")
        if not by_xla():
            tf.config.experimental.enable_op_determinism()
        code = main(words)
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
    """Return whether XLA compiles anything; XLA has no deterministic max pooling, and lacks others."""
    names = ("config", "methods", "what")
    config, cells, what = (flags.FLAGS[name].value if name in flags.FLAGS else None for name in names)
    named = any("jit" in cell.split("~") for cell in cells or ())
    return bool(config and config.get("jit")) or named or what == "gpu"


def leave(number, frame) -> None:
    """End the command on SIGTERM while nothing trains; callbacks.Stoppable handles SIGTERM in training."""
    print("\nstopped; the same command resumes", file=sys.stderr)
    sys.exit(128 + number)


def parse(needs: Sequence[str], command: ModuleType) -> list[str]:
    """Parse the command line with absl, after checks whose errors are clearer than absl's.

    Args:
        needs: names of the flags that must be given.
        command: the module of the command, whose docstring is its help.

    Returns:
        The words that are no flags; the first is the program's name.
    """
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
    """Return the words with a shipped config's path in place of that config's name."""
    found = [*words]
    for i, word in enumerate(found):
        start, equals, value = word.partition("=")
        if start in ("--config", "-config") and equals:
            found[i] = f"{start}={located(value)}"
        elif start in ("--config", "-config") and i + 1 < len(found):
            found[i + 1] = located(found[i + 1])
    return found


def words_of_config() -> tuple[str, list[str]]:
    """Return the value of --config, and the keys that --config.KEY=VALUE sets."""
    words = [word.lstrip("-") for word in sys.argv[1:] if word.startswith("-")]
    named = [word.partition("=")[2] for word in words if word.startswith("config=")]
    named += [after for word, after in itertools.pairwise(sys.argv[1:]) if word in ("--config", "-config")]
    keys = [word.partition("=")[0].partition(".")[2] for word in words if word.startswith(("config.", "noconfig."))]
    return (named or DEFAULT or [""])[-1], keys


def config_file() -> dict:
    """Return the names that the file of --config defines, with their values."""
    return contents(words_of_config()[0])


def overrides() -> Callable[[ConfigDict], None]:
    """Return a function that applies every --config.KEY=VALUE to another config that has the key."""
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
    """Load --config once before absl does, so that an error in the file or a wrong key is one sentence."""
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
    """Refuse a key that a config lacks.

    Args:
        config: the config of --config.
        word: the key with its path, as "optimizer.rate".

    Raises:
        ValueError: the config has no such key; the sentence suggests a similar one.
    """
    here, path = config, word.split(".")
    for i, key in enumerate(path):
        if not isinstance(here, ConfigDict) or key not in here:
            known = list(here) if isinstance(here, ConfigDict) else []
            where = ".".join(["config", *path[:i]])
            raise ValueError(f"unknown flag --config.{word}: {where} has no key {key!r}{near(key, known)}")
        here = here[key]


def usage(command: ModuleType) -> str:
    """Return the help of a command: its docstring and its flags.

    The examples show the command as the user called it: `python run/NAME.py` or `tfuda NAME`.
    """
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
