"""The commands that README.md and the pages show, and how each is run as it stands there, but short."""

import pathlib
import re
import shlex
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)

BRIEF = ["--config.steps=4", "--config.segment=2"]
NARROW = ["--config.network_options.widths=(4,6,8)", "--config.network_options.convolutions=1"]
FEW = [*BRIEF, *NARROW, "--config.batch=8"]
PAIRS = [f"--config.pairs.{word}" for word in ("steps=2", "segment=2", "batch=2", "width=4", "blocks=1")]
SHORT_PAIRS = [*BRIEF, *NARROW, "--config.batch=20", *PAIRS]  # batches of four streams
SMALL_VIEW = ["--config.view.resize=36", "--config.view.size=32"]
ONE = ["--config.steps=1", "--config.segment=1"]
PRETRAINED = [*ONE, *SMALL_VIEW, "--config.batch=4"]
BENCH = ["--rounds=1", *NARROW[:1]]

# What a command begins with, to the words that make it short: the first that fits counts. None: a test or a make
# target runs it. A command that none of these fits is not in the tests, and fails them.
HOW: dict[str, list[str] | None] = {
    r"make [\w-]+$": None,
    r"pytest ": None,
    r"python docs/generate/": None,
    r"pip install '?\.": None,
    r"source \.venv/bin/activate$": None,
    r"export KERASTUNER_|KERASTUNER_TUNER_ID=": [*FEW, "--trials=2"],
    r"TF_CONFIG=": ["--config.network.name=small", "--config.batch=8", *SMALL_VIEW, *ONE],
    r"tensorboard ": [],
    r"python run/train\.py --config=configs/digits\.py:daaa": SHORT_PAIRS,
    r"python run/train\.py --config=(configs/digits\.py|runs/tune/best\.py)": FEW,
    r"python run/adapt\.py ": [*BRIEF, *SMALL_VIEW, "--config.batch=4", "--config.views=1", "--methods=dann"],
    r"python run/train\.py --config=configs/folders\.py:\w+ ": [*PRETRAINED, "--config.views=1"],
    r"python run/train\.py --config=configs/folders\.py:\w+@.*weights=imagenet": [
        *(*PRETRAINED, "--config.weights=resnet50-0676ba61.pth")  # which would be downloaded
    ],
    r"python run/train\.py .*--devices=gpu:0": [
        *("--devices=cpu:0,cpu:1", "--config.network.name=small", *SMALL_VIEW, "--config.batch=8", *ONE)
    ],
    r"python run/train\.py --config=configs/domainnet126\.py:mme": [*PRETRAINED, "--config.batches.target=4"],
    r"python run/train\.py --config=configs/office": PRETRAINED,
    r"python run/train\.py --config=configs/emoji\.py": [*PRETRAINED, "--config.views=1"],
    r"python run/benchmark\.py .*=\S*daaa": [*SHORT_PAIRS, "--seeds=1"],
    r"python run/benchmark\.py --config=configs/emoji": [*PRETRAINED, "--config.views=0", "--tasks=T-O", "--seeds=1"],
    r"python run/benchmark\.py --table=": None,  # tests/cli/test_commands.py runs a part of a table
    r"python run/benchmark\.py ": [*FEW, "--seeds=1"],
    r"python run/tune\.py .*hyperband": ["--config.steps=8", "--config.segment=2", *FEW[2:], "--trials=2"],
    r"python run/tune\.py ": [*FEW, "--trials=1"],
    r"python run/rounds\.py ": [*FEW, "--rounds=2"],
    r"python run/pair\.py ": PAIRS,
    r"python run/claims\.py": [
        "--only=gsda",
        "--tasks=T-G",
        "--seeds=1",
        *PRETRAINED,
        "--config.views=0",
    ],  # of `make claims`
    r"python run/verify\.py --config=configs/folders": PRETRAINED,
    r"python run/(evaluate|export|images|plot|predict|report|verify|convert)\.py ": [],
    r"python run/bench\.py .*(--network=resnet50|--what=(serving|input|bank))": ["--rounds=1"],
    r"python run/bench\.py --what=frozen .*configs/emoji": ["--rounds=1", "--batch=4", *SMALL_VIEW],
    r"python run/bench\.py.*daaa": [*BENCH, "--batch=20"],
    r"python run/bench\.py": [*BENCH, "--batch=8"],
}
FINDS = ("verify.py --data=office31",)  # exit code 1: a miniature has too few pictures


class Command(NamedTuple):
    """A line of a page, or of `make demo`."""

    text: str

    @property
    def words(self) -> list[str]:
        """Without what is set before it."""
        words = shlex.split(self.text)
        return words[next(i for i, word in enumerate(words) if not re.match(r"[A-Z_]+=", word)) :]

    @property
    def more(self) -> list[str] | None:
        """What makes it short."""
        found = [more for start, more in HOW.items() if re.match(start, self.text)]
        if not found:
            raise ValueError(f"A page shows {self.text!r}, and HOW does not say how it is tested")
        return found[0]

    @property
    def makes(self) -> str:
        """The folder or file that it leaves behind, "" for none."""
        flags = dict(word[2:].split("=", 1) for word in self.words if word.startswith("--") and "=" in word)
        script = self.words[1] if len(self.words) > 1 else ""
        if re.search(r"(train|adapt|benchmark|rounds|tune|pair|claims)\.py", script):
            return flags.get("workdir", "runs/claims" if "claims" in script else "")
        return flags.get("out", "")

    @property
    def takes(self) -> list[str]:
        """What has to be there before."""
        values = [word.partition("=")[2] if word.startswith("--") else word for word in self.words[2:]]
        places = [place for value in values for place in value.split(",")]
        places = [place for place in places if re.match(r"(runs|saved_models|demo)(/|$)", place)]
        return [place for place in dict.fromkeys(places) if place != self.makes]


def shown() -> list[Command]:
    """Every command of the pages: indented, fenced, or within a line."""
    text = re.sub(r"```python\n.*?```", "", TEXT, flags=re.S)
    fenced = re.findall(r"```\w*\n(.*?)```", text, re.S)
    indented = re.findall(r"^ {4}((?:.*\\\n)*.*)", text, re.M)
    lines = [line for block in fenced for line in block.splitlines()] + indented
    within = re.findall(r"(?<!`)`((?:python|pytest|make|tensorboard) [^`]+)`", text)
    every = (" ".join(line.replace("\\\n", " ").split()) for line in [*lines, *within])
    return [*map(Command, dict.fromkeys(line for line in every if line))]


def made() -> list[Command]:
    """What `make demo` and `make claims` run, which later commands take up."""
    lines = re.findall(r"@\$\(BIN\)/(python run/(?:.*\\\n)*.*)", (ROOT / "Makefile").read_text("utf-8"))
    return [Command(" ".join(line.replace("\\\n", " ").replace("$(DEMO)", "demo").split())) for line in lines]
