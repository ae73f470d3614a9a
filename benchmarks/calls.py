"""How many functions one small solve goes through, and how deep: what whoever follows it in a debugger has to pass."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import thermolinalg as tla

PACKAGE = str(Path(tla.__file__).parent)


@dataclass
class Count:
    """Calls of Python functions: all, those of the package, its files, and how deep they lay."""

    every: int = 0
    ours: int = 0
    files: set[str] = field(default_factory=set)
    depth: int = 0
    deepest: int = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.depth += 1
            self.every += 1
            file = frame.f_code.co_filename
            if file.startswith(PACKAGE):
                self.ours += 1
                self.files.add(file)
                self.deepest = max(self.deepest, self.depth)
        elif event == "return":
            self.depth -= 1


def small_solve() -> dict[str, Any]:
    """A 2 × 2 `solve`, and one more to a prepared device."""
    A, b = np.array([[2.0, 1.0], [1.0, 3.0]]), np.ones(2)
    device = tla.program(A, rng=0)
    calls = {
        "solve(A, b)": lambda: tla.solve(A, b, rng=0, return_info=True),
        "program(A).solve(b), once more": lambda: device.solve(b, rng=0, return_info=True),
    }
    return {name: _counted(call) for name, call in calls.items()}


def _counted(call: Callable[[], Any]) -> dict[str, int]:
    call()  # caches, and what is imported when first needed
    count = Count()
    sys.setprofile(count)
    try:
        _, info = call()
    finally:
        sys.setprofile(None)
    return {
        "calls": count.ours,
        "files": len(count.files),
        "depth": count.deepest,
        "every_call": count.every,
        "runs": info.n_runs,
    }
