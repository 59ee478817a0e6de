"""Test the five papers' claims on the emoji and write a page about them; the same command resumes.

    python run/claims.py --workdir=runs/claims --out=docs/claims.md
    python run/claims.py --only=toalign,gsda --tasks=T-G,G-T --seeds=1 --out=runs/some.md
    python run/claims.py --write

All tasks with 3 seeds take hours. Every claim gets its first seed before any claim gets its second. The page is
written after every setting (one source, several, shots, partial, rounds, ...); --write trains nothing and writes it
from the runs that have ended. Runs whose results are kept in --known are not trained again.
"""

import functools
import pathlib

from absl import flags

from tfuda.atomic_files import write_whole
from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.experiment import shipped_configs
from tfuda.names import near
from tfuda.studies import benchmark, grid, processes
from tfuda.studies.claims import catalogue, measurements, page

CONFIG = launch.config_flag("emoji")
WORKDIR = flags.DEFINE_string("workdir", "runs/claims", "folder of all runs")
OUT = flags.DEFINE_string(
    "out", "", "page to write; empty for WORKDIR/claims.md, or with --only for WORKDIR/PAPERS.md"
)
ONLY = flags.DEFINE_list("only", [], "papers, separated by commas; empty for all")
TASKS = flags.DEFINE_list("tasks", [], "tasks; empty for each setting's own")
SEEDS = flags.DEFINE_integer("seeds", 3, "how many seeds, from 0", lower_bound=1)
SETTINGS = flags.DEFINE_list("settings", list(catalogue.SETTINGS), "settings to run, separated by commas")
PROCESSES = flags.DEFINE_integer("processes", 1, "how many runs train at once", lower_bound=1)
KNOWN = flags.DEFINE_string("known", "", "folder of kept results, with a folder for each setting")
WRITE = flags.DEFINE_bool("write", False, "write the file and train nothing")


def chosen(given, known, flag):
    """Return the given names; refuse an unknown one."""
    if strange := [name for name in given if name not in known]:
        raise ValueError(f"unknown name {strange[0]!r} in --{flag}{near(strange[0], known)}")
    return given


def main(words):
    papers = list(dict.fromkeys(claim.paper for claim in catalogue.CLAIMS))
    only = chosen(ONLY.value, papers, "only") or papers
    wanted = chosen(SETTINGS.value, catalogue.SETTINGS, "settings")
    claims = [claim for claim in catalogue.CLAIMS if claim.paper in only]
    folder, change, say = pathlib.Path(WORKDIR.value), launch.overrides(), functools.partial(print, flush=True)
    file = launch.words_of_config()[0].partition(":")[0]
    known = pathlib.Path(KNOWN.value) if KNOWN.value else None
    if known and not known.is_dir():
        raise FileNotFoundError(f"--known={known}: there is no such folder")
    out = pathlib.Path(OUT.value or folder / f"{'-'.join(ONLY.value) or 'claims'}.md")

    def jobs(seeds):
        return measurements.jobs(claims, file, seeds, folder, TASKS.value, change)

    def report():
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, page.of_jobs(claims, jobs(SEEDS.value), folder, known))

    def train(by=grid.in_turn):
        for seeds in range(1, SEEDS.value + 1):
            for name, job in jobs(seeds).items():
                if name in wanted and job.runs:
                    benchmark.perform(job, say, by, measurements.sources(known, name))
                    report()

    def get_config(cell):
        config = shipped_configs.get_config(f"{file}:{cell}")
        change(config)
        return config

    if not WRITE.value:
        if PROCESSES.value > 1:
            train(processes.several(PROCESSES.value, devices.DEVICES.value, devices.STRATEGY.value, launch.by_xla()))
        with devices.chosen():
            if PROCESSES.value == 1:
                train()
            if {cost.paper for cost in catalogue.COSTS} & {*only} and not measurements.timed(folder):
                measurements.costs(folder, get_config)
    report()
    print(out)


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main)
