"""How long ``import thermolinalg`` takes over NumPy and SciPy, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

BASE, OURS = "numpy, scipy", "thermolinalg"

_STATEMENTS = {
    BASE: "import numpy, scipy",
    "numpy, scipy.linalg, scipy.sparse.linalg, scipy.fft": "import numpy, scipy.linalg, scipy.sparse.linalg, scipy.fft",
    OURS: "import thermolinalg",
}
_CLOCK = """\
from time import perf_counter, process_time
wall, cpu = perf_counter(), process_time()
{statement}
print(process_time() - cpu, perf_counter() - wall)
"""


def import_times(rounds: int) -> dict[str, dict[str, float]]:
    """Median seconds by what is imported; one unmeasured round fills the file cache and writes bytecode."""
    samples: dict[str, list[tuple[float, float]]] = {name: [] for name in _STATEMENTS}
    for _ in range(rounds + 1):
        for name, statement in _STATEMENTS.items():
            samples[name].append(_fresh(statement))
    medians = {name: map(median, zip(*times[1:], strict=True)) for name, times in samples.items()}
    return {name: dict(zip(("cpu_s", "wall_s"), values, strict=True)) for name, values in medians.items()}


def _fresh(statement: str) -> tuple[float, float]:
    """CPU and wall seconds of the statement in a new interpreter."""
    command = [sys.executable, "-c", _CLOCK.format(statement=statement)]
    cpu, wall = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(cpu), float(wall)
