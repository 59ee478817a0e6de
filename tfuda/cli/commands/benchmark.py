"""Run a grid of methods, tasks and seeds, or a table of a paper, and print the table; the same command resumes.

    python run/benchmark.py --config=configs/digits.py --methods=source_only,dann,dannp,dannp+toalign \\
        --tasks=report --seeds=3 --workdir=runs/digits
    python run/benchmark.py --table=toalign.1 --config.root=/data/office_home \\
        --config.weights=resnet50.weights.h5 --workdir=runs/toalign1

--tasks names tasks, or one of the lists in the config file's TASKS. --seeds=3 means the seeds 0, 1 and 2. Any
--config.KEY=VALUE holds for every run. The workdir gets results.csv, .md and .tex; each run is in
METHOD/TASK/seedN below the workdir. The tables show the papers' numbers where there are any, and a paired test of
every method against --baseline. --processes=2 trains two runs at once, which share --devices.

--table=PAPER.TABLE is of tfuda/studies/paper_tables.toml: config, rows, tasks, seeds, settings, and pairs of rows to
test; --methods, --tasks and --seeds take a part of it. Where a table is of several data sets, each has its folder in
the workdir, and $TFUDA_DATA/NAME holds the data.
"""

import functools
import pathlib

from absl import flags

from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.studies import benchmark, grid, paper_tables, processes

CONFIG = launch.config_flag()
TABLE = flags.DEFINE_string("table", "", "table of a paper, as toalign.1")
METHODS = flags.DEFINE_list("methods", [], "cells, separated by commas")
TASKS = flags.DEFINE_list("tasks", [], "tasks, or the name of a list of tasks in the config file; empty for report")
SEEDS = flags.DEFINE_integer("seeds", 0, "how many seeds, from 0; 0 for 1, or for the table's", lower_bound=0)
BASELINE = flags.DEFINE_string("baseline", "", "cell that the others are tested against; empty for the first")
PROCESSES = flags.DEFINE_integer("processes", 1, "how many runs train at once", lower_bound=1)
KNOWN = flags.DEFINE_string(
    "known", "", "folder of a results.csv of the same settings, whose runs are not trained again"
)
WORKDIR = flags.DEFINE_string("workdir", "runs/benchmark", "folder of all runs")


def main(words):
    if fixed := {"task", "seed"} & {*launch.words_of_config()[1]}:
        raise ValueError(f"--config.{min(fixed)} is one value for all runs: name --tasks and --seeds instead")
    folder, change, say = pathlib.Path(WORKDIR.value), launch.overrides(), functools.partial(print, flush=True)
    cells, tasks, seeds = METHODS.value, TASKS.value, SEEDS.value
    known = [pathlib.Path(KNOWN.value)] if KNOWN.value else []
    if TABLE.value and BASELINE.value:
        raise ValueError("--table names the pairs of rows that are tested: leave out --baseline")
    if TABLE.value:
        jobs = benchmark.of_table(TABLE.value, cells, tasks, seeds, folder, change)
    elif CONFIG.value is None or not cells:
        raise ValueError(f"--{'methods' if CONFIG.value else 'config'} is missing; --help shows an example")
    else:
        file, wanted = launch.config_file(), tasks or ["report"]
        jobs = [benchmark.of_file(file, cells, wanted, seeds or 1, BASELINE.value, folder, change)]
    if (count := min(PROCESSES.value, sum(grid.missing(job.runs) for job in jobs))) > 1:
        by = processes.several(count, devices.DEVICES.value, devices.STRATEGY.value, launch.by_xla())
        return max(benchmark.perform(job, say, by, known) for job in jobs)
    with devices.chosen():
        return max(benchmark.perform(job, say, known=known) for job in jobs)


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, config_named=paper_tables.config_named)
