"""Run a grid of methods, tasks and seeds, and print the table; the same command resumes.

    python run/benchmark.py --config=configs/digits.py --methods=source_only,dann,dannp,dannp+toalign \\
        --tasks=report --seeds=3 --workdir=runs/digits

--tasks names tasks, or one of the lists in the config file's TASKS. --seeds=3 means the seeds 0, 1 and 2. Any
--config.KEY=VALUE holds for every run. The workdir gets results.csv, .md and .tex; each run is in
METHOD/TASK/seedN below the workdir. The tables show the papers' numbers where there are any, and a paired test of
every method against --baseline. --processes=2 trains two runs at once, which share --devices: with two GPUs each
run takes one.
"""

import pathlib

from absl import flags

from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.studies import grid, processes, tables

CONFIG = launch.config_flag()
METHODS = flags.DEFINE_list("methods", None, "cells, separated by commas")
TASKS = flags.DEFINE_list("tasks", ["report"], "tasks, or the name of a list of tasks in the config file")
SEEDS = flags.DEFINE_integer("seeds", 1, "how many seeds, from 0")
BASELINE = flags.DEFINE_string("baseline", "", "cell that the others are tested against; empty for the first")
PROCESSES = flags.DEFINE_integer("processes", 1, "how many runs train at once", lower_bound=1)
WORKDIR = flags.DEFINE_string("workdir", "runs/benchmark", "folder of all runs")


def main(words):
    file = launch.config_file()
    lists = file.get("TASKS", {})
    tasks = [task for name in TASKS.value for task in lists.get(name, [name])]
    folder = pathlib.Path(WORKDIR.value)
    if fixed := {"task", "seed"} & {*launch.words_of_config()[1]}:
        raise ValueError(f"--config.{min(fixed)} is one value for all runs: name --tasks and --seeds instead")
    change, tuned = launch.overrides(), file.get("TUNED", ())
    runs = grid.make_grid(file["get_config"], METHODS.value, tasks, range(SEEDS.value), folder, change)
    baseline = grid.baseline(runs, file["get_config"], BASELINE.value)

    def say(line):
        print(line, flush=True)

    def report(rows):
        quotes = tables.quoted(rows, runs[0].config, tuned)
        tables.write_report(rows, folder, tuned, baseline, quotes)
        return tables.results(rows, "last", tuned, quotes)

    if (count := min(PROCESSES.value, grid.missing(runs))) > 1:
        by = processes.several(count, devices.DEVICES.value, devices.STRATEGY.value, launch.by_xla())
        rows, diverged = grid.perform_runs(runs, say, report, by)
    else:
        with devices.chosen():
            rows, diverged = grid.perform_runs(runs, say, report)
    if rows:
        print(f"\n{tables.markdown(report(rows))}\n{tables.side_by_side(rows)}\n")
        print(*(folder / name for name in tables.NAMES), sep="\n")
        print("with `selected`, `oracle` and paired tests")
    return 1 if diverged else 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["config", "methods"])
