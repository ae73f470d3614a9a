"""Peak memory of one step, each in a process of its own: ``python -m benchmarks.natural_gradient.memory``."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
CHILD = "benchmarks.natural_gradient.memory"


def peak(method: str, parameters: int, threads: int) -> dict[str, Any]:
    """What a step of one method adds to the memory of the process, model and data being there already.

    Parameters
    ----------
    method : str
        Name among `METHODS`.
    parameters : int
        N, about.
    threads : int

    Returns
    -------
    dict
        ``parameters``, ``rows`` and ``bytes``.
    """
    command = [sys.executable, "-m", CHILD, json.dumps([method, parameters, threads])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure(method: str, parameters: int) -> dict[str, Any]:
    import torch

    from benchmarks.natural_gradient.problems import dense
    from benchmarks.natural_gradient.steps import ADAM, EXACT, STORED, WOODBURY, euler_maruyama

    methods = {m.name: m for m in (ADAM, EXACT, WOODBURY, STORED, euler_maruyama(1))}
    small = dense(100, batch=8)
    for warm in (methods[method].build(small), methods[method].build(small)):
        warm(0)  # Libraries load and pools are made.
    torch.linalg.eigh(torch.eye(2, dtype=torch.float64))
    problem = dense(parameters)
    problem.network(problem.inputs)
    step = methods[method].build(problem)
    before = resident()
    for seed in range(2):
        step(seed)
    rows = len(problem.targets) * (problem.network[-1].out_features - 1)
    return {"parameters": problem.parameters, "rows": rows, "bytes": most_resident() - before}


def resident() -> int:
    """Bytes that the process holds now, from where its peak is counted anew if the system lets us (Linux)."""
    gc.collect()
    if not STATUS.exists():
        return most_resident()
    Path("/proc/self/clear_refs").write_text("5")
    return _field("VmRSS")


def most_resident() -> int:
    """Most bytes that the process has held."""
    if STATUS.exists():
        return _field("VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def _field(name: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    from benchmarks.machine import confine

    name, count, cores = json.loads(sys.argv[1])
    confine(cores)
    print(json.dumps(_measure(name, count)))
