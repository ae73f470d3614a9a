"""How long ``import thermolinalg`` takes over NumPy and SciPy, in fresh interpreters."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

_CLOCK = "import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
_STATEMENTS = {
    "numpy, scipy": "import numpy, scipy",
    "numpy, scipy with linalg, sparse, fft": "import numpy, scipy.linalg, scipy.sparse.linalg, scipy.fft",
    "thermolinalg": "import thermolinalg",
}


def import_times(rounds: int) -> dict[str, float]:
    """Median wall seconds by what is imported; one unmeasured round fills the file cache and writes bytecode."""
    samples: dict[str, list[float]] = {name: [] for name in _STATEMENTS}
    for _ in range(rounds + 1):
        for name, statement in _STATEMENTS.items():
            samples[name].append(_fresh(statement))
    return {name: median(times[1:]) for name, times in samples.items()}


def _fresh(statement: str) -> float:
    code = _CLOCK.format(statement=statement)
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
