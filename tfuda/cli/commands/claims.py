"""Test the five papers' claims on the embedded digits and write a page about them; the same command resumes.

    python run/claims.py --workdir=runs/claims --out=docs/claims.md
    python run/claims.py --only=toalign,gsda --tasks=R-M,S-H --seeds=1 --out=runs/some.md
    python run/claims.py --write

All 10 tasks with 3 seeds take hours. Every claim gets its first seed before any claim gets its third. The
page is written after every run; --write trains nothing and writes it from the runs that have ended.
"""

import pathlib

from absl import flags

from tfuda.atomic_files import write_whole
from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.names import near
from tfuda.studies.claims import catalogue, measurements, verdicts

CONFIG = launch.config_flag("digits")
WORKDIR = flags.DEFINE_string("workdir", "runs/claims", "folder of all runs")
OUT = flags.DEFINE_string(
    "out", "", "page to write; empty for WORKDIR/claims.md, or with --only for WORKDIR/PAPERS.md"
)
ONLY = flags.DEFINE_list("only", [], "papers, separated by commas; empty for all")
TASKS = flags.DEFINE_list("tasks", ["untuned"], "tasks, or the name of a list of tasks in the config file")
SEEDS = flags.DEFINE_integer("seeds", 3, "how many seeds, from 0", lower_bound=1)
WRITE = flags.DEFINE_bool("write", False, "write the file and train nothing")


def main(words):
    if words:
        raise ValueError(f"unexpected word {words[0]!r}: every setting is a --flag")
    file, papers = launch.config_file(), dict.fromkeys(claim.paper for claim in catalogue.CLAIMS)
    if strange := [paper for paper in ONLY.value if paper not in papers]:
        raise ValueError(f"unknown paper {strange[0]!r} in --only{near(strange[0], papers)}")
    claims = [claim for claim in catalogue.CLAIMS if not ONLY.value or claim.paper in ONLY.value]
    tasks = [task for name in TASKS.value for task in file.get("TASKS", {}).get(name, [name])]
    folder, change = pathlib.Path(WORKDIR.value), launch.overrides()

    def get_config(cell):
        config = file["get_config"](cell)
        change(config)
        return config

    out = pathlib.Path(OUT.value or folder / f"{'-'.join(ONLY.value) or 'claims'}.md")
    plan = measurements.Plan(get_config, claims, tasks, SEEDS.value, folder)

    def report():
        text = verdicts.markdown(claims, *plan.so_far(), measurements.commits(folder))
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, text)

    if not WRITE.value:
        with devices.chosen():
            plan.perform(lambda line: print(line, flush=True), report)
    report()
    print(out)


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main)
