"""Run a grid of methods, tasks and seeds, or a table of a paper, and print the table; the same command resumes.

    python run/benchmark.py --config=configs/digits.py --methods=source_only,dann,dannp,dannp+toalign \\
        --tasks=report --seeds=3 --workdir=runs/digits
    python run/benchmark.py --table=toalign.1 --config.root=/data/office_home \\
        --config.weights=resnet50.weights.h5 --workdir=runs/toalign1

--tasks names tasks, or one of the lists in the config file's TASKS. --seeds=3 means the seeds 0, 1 and 2. Any
--config.KEY=VALUE holds for every run. The workdir gets results.csv, .md and .tex; each run is in
METHOD/TASK/seedN below the workdir. The tables show the papers' numbers where there are any, and a paired test of
every method against --baseline. --processes=2 trains two runs at once, which share --devices: with two GPUs each
run takes one.

--table=PAPER.TABLE names a table of tfuda/studies/paper_tables.toml, with its config, rows, tasks, seeds and
settings, and the pairs of rows that are tested. --methods, --tasks and --seeds then take a part of it. Where a table
is of several data sets, each has its own folder in the workdir, and $TFUDA_DATA/NAME holds each data set.
"""

import pathlib

from absl import flags

from tfuda.cli import launch
from tfuda.distributed import devices
from tfuda.studies import grid, paper_tables, processes, table_text, tables

CONFIG = launch.config_flag()
TABLE = flags.DEFINE_string("table", "", "table of a paper, as toalign.1")
METHODS = flags.DEFINE_list("methods", [], "cells, separated by commas")
TASKS = flags.DEFINE_list("tasks", [], "tasks, or the name of a list of tasks in the config file; empty for report")
SEEDS = flags.DEFINE_integer("seeds", 0, "how many seeds, from 0; 0 for 1, or for the table's", lower_bound=0)
BASELINE = flags.DEFINE_string("baseline", "", "cell that the others are tested against; empty for the first")
PROCESSES = flags.DEFINE_integer("processes", 1, "how many runs train at once", lower_bound=1)
WORKDIR = flags.DEFINE_string("workdir", "runs/benchmark", "folder of all runs")


def main(words):
    if fixed := {"task", "seed"} & {*launch.words_of_config()[1]}:
        raise ValueError(f"--config.{min(fixed)} is one value for all runs: name --tasks and --seeds instead")
    folder, change = pathlib.Path(WORKDIR.value), launch.overrides()
    if not TABLE.value:
        runs, tuned, pairs = of_flags(folder, change)
        return perform(runs, tuned, pairs, folder)
    if BASELINE.value:
        raise ValueError("--table names the pairs of rows that are tested: leave out --baseline")
    parts, diverged = paper_tables.parts(TABLE.value), 0
    for part in parts:
        place = folder / part.name.rpartition(".")[2] if len(parts) > 1 else folder
        runs = paper_tables.make_runs(part, place, SEEDS.value, METHODS.value, TASKS.value, change)
        print(f"{part.name}: {part.title}" + (f". {part.note}" if part.note else ""), flush=True)
        diverged |= perform(runs, (), part.pairs, place)
    return diverged


def of_flags(folder, change):
    """Return the runs, the tuned tasks, and the pair of --baseline."""
    for flag in ("config", "methods"):
        if not flags.FLAGS[flag].value:
            raise ValueError(f"--{flag} is missing; --help shows an example, also of --table")
    file = launch.config_file()
    lists = file.get("TASKS", {})
    tasks = [task for name in TASKS.value or ["report"] for task in lists.get(name, [name])]
    runs = grid.make_grid(file["get_config"], METHODS.value, tasks, range(SEEDS.value or 1), folder, change)
    first = grid.baseline(runs, file["get_config"], BASELINE.value)
    cells = dict.fromkeys(run.cell for run in runs)
    return runs, file.get("TUNED", ()), [(first, cell) for cell in cells if cell != first]


def perform(runs, tuned, pairs, folder):
    """Train the runs, write and print their table, and return 1 if any diverged."""

    def say(line):
        print(line, flush=True)

    def report(rows):
        quotes = tables.quoted(rows, runs[0].config, tuned)
        tables.write_report(rows, folder, tuned, pairs, quotes)
        return "\n".join(map(table_text.markdown, tables.tables_of(rows, "last", tuned, quotes)))

    if (count := min(PROCESSES.value, grid.missing(runs))) > 1:
        by = processes.several(count, devices.DEVICES.value, devices.STRATEGY.value, launch.by_xla())
        rows, diverged = grid.perform_runs(runs, say, report, by)
    else:
        with devices.chosen():
            rows, diverged = grid.perform_runs(runs, say, report)
    if rows:
        print(f"\n{report(rows)}\n{tables.side_by_side(rows)}\n")
        print(*(folder / name for name in tables.NAMES), sep="\n")
        print("with `selected`, `oracle` and paired tests")
    return 1 if diverged else 0


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, config_named=paper_tables.config_named)
