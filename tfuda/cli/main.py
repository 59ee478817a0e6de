"""Run `tfuda COMMAND ...`: the commands of run/, for an installed library without a checkout."""

from __future__ import annotations

import ast
import importlib
import os
import pathlib
import sys

from tfuda.startup import MissingExtra

COMMANDS = pathlib.Path(__file__).with_name("commands")


def commands() -> dict[str, str]:
    """Return {command: the first line of the command's help}, without importing any command."""
    found = {}
    for path in sorted(COMMANDS.glob("*.py")):
        if path.stem != "__init__":
            said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            found[path.stem] = said.partition("\n")[0]
    return found


def overview() -> str:
    """Return the text of `tfuda --help`."""
    known = commands()
    width = max(map(len, known))
    lines = ["Unsupervised domain adaptation of image classifiers: tfuda COMMAND --help says more.", ""]
    return "\n".join([*lines, *(f"  {name:<{width}}  {line}" for name, line in known.items())])


def run_command(name: str) -> None:
    """Run one command on the words of sys.argv, and exit; report a missing extra in one sentence."""
    try:
        command = importlib.import_module(f"tfuda.cli.commands.{name}")
    except MissingExtra as error:
        print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr)
        sys.exit(2)
    command.run()


def main() -> None:
    """Run the command that the first word names, with the other words."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h", "help"):
        print(overview())
        sys.exit(0)
    if name == "--version":
        import tfuda

        print(tfuda.__version__)
        sys.exit(0)
    if name not in commands():
        from tfuda.names import near

        print(f"tfuda: unknown command {name!r}{near(name, commands())}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"tfuda {name}", *sys.argv[2:]]
    run_command(name)


if __name__ == "__main__":
    main()
