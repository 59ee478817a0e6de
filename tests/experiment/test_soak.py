"""A long run: neither memory nor the time of a step may grow. `make soak`."""

import itertools
import os
import subprocess
import sys
import time

import pytest
from commands import ROOT, SMALL

STEPS = int(os.environ.get("TFUDA_SOAK_STEPS", "20000"))
WARM = min(2000, STEPS // 3)  # compiling, the allocator's pools, the first evaluations
SEGMENT = min(500, STEPS // 6)
PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


def sample(process: int) -> tuple[int, float] | None:
    """(bytes in memory, seconds of CPU) of a process, of Linux's /proc; None once it has ended."""
    try:
        with open(f"/proc/{process}/statm") as memory, open(f"/proc/{process}/stat") as times:
            pages, fields = memory.read().split(), times.read().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(pages[1]) * PAGE, (int(fields[11]) + int(fields[12])) / TICK


def watched(words, metrics) -> dict[int, tuple[int, float]]:
    """Run a command: what a sample gave when each row of metrics.csv was new, by its step."""
    run = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    found: dict[int, tuple[int, float]] = {}
    while run.poll() is None:
        now = sample(run.pid)
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        if now and len(lines) > 1:
            found.setdefault(int(lines[-1].partition(",")[0]), now)
        time.sleep(0.02)
    assert run.communicate()[1] == b"" and run.returncode == 0
    return found


@pytest.mark.soak
def test_a_long_run_grows_neither_in_memory_nor_in_time(tmp_path):
    """Time is CPU time of the best of four segments: a shared machine lengthens seconds much, and this little."""
    options = [f"--config.steps={STEPS}", f"--config.segment={SEGMENT}", *SMALL, f"--workdir={tmp_path / 'run'}"]
    found = watched(
        [ROOT / "run" / "train.py", "--config=configs/digits.py:toalign", *options], tmp_path / "run" / "metrics.csv"
    )
    steps = sorted(found)
    assert len(steps) >= STEPS // SEGMENT - 1, "a segment was too short to be seen"
    warm = [step for step in steps if step >= WARM]
    memory = [found[step][0] for step in warm]
    costs = [(found[b][1] - found[a][1]) / (b - a) for a, b in itertools.pairwise(warm)]
    early, late = min(costs[:4]), min(costs[-4:])  # what else the machine does only adds
    print(f"{STEPS} steps: {memory[0] / 2**20:.0f} MB at {warm[0]}, {max(memory) / 2**20:.0f} at most; ", end="")
    print(f"{1000 * early:.2f} ms of CPU a step with its evaluation, at the end {1000 * late:.2f}")
    assert max(memory) < 1.05 * memory[0]
    assert late < 1.05 * early
