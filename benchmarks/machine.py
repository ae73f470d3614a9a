"""The same small machine for everyone: so many cores, so many threads, float64."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "scipy", "thermox", "jax", "jaxlib", "diffrax", "torchsde", "torch", "sdeint")


def confine(threads: int) -> None:
    """Bind this process to its last `threads` cores; call it before NumPy, JAX or torch start their thread pools.

    JAX sizes its pool by the cores it may use, so the binding holds for it as well.
    """
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ["JAX_PLATFORMS"] = "cpu"


def describe(threads: int, packages: Sequence[str] = PACKAGES) -> dict[str, object]:
    """What ran where: processor, threads and versions, for the report."""
    return {
        "processor": _processor(),
        "threads": threads,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
