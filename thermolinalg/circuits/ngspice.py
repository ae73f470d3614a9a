"""ngspice as a process: a netlist in, measurements out."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Measured", "find_ngspice", "run_netlist"]

PATIENCE = 600.0
"""Seconds that one run may take."""

_MEASURED = re.compile(r"^(average|end)(\d+)\s*=\s*(\S+)", re.MULTILINE)


class Measured(NamedTuple):
    """Voltages of the nodes."""

    averages: np.ndarray
    """Over the window, (d,); empty where there was none."""
    ends: np.ndarray
    """At the end, (d,)."""
    samples: np.ndarray
    """Over time, (n, d); empty where none were asked for."""


def find_ngspice() -> str:
    """The program, FileNotFoundError with the way to get it where it is missing."""
    found = shutil.which("ngspice")
    if found is None:
        raise FileNotFoundError(
            "ngspice is not installed: apt-get install ngspice, brew install ngspice, or https://ngspice.sourceforge.io"
        )
    return found


def run_netlist(write: Callable[[str | None], str], nodes: int, *, sampled: bool = False) -> Measured:
    """Run ``ngspice -b`` on a netlist.

    Parameters
    ----------
    write : callable
        The netlist, given the name of the file for samples, or None.
    nodes : int
        How many there are.
    sampled : bool, optional
        Whether samples are wanted.

    Returns
    -------
    Measured
        Averages, ends and samples of the voltages.

    Raises
    ------
    FileNotFoundError
        ngspice is not installed.
    RuntimeError
        It failed, or told less than it was asked; with the end of what it said.

    See Also
    --------
    Transient, SpiceDevice : Netlists and what ngspice makes of them.
    """
    program = find_ngspice()
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder, "samples.txt")
        Path(folder, "circuit.cir").write_text(write(str(samples) if sampled else None), encoding="utf-8")
        # ngspice calls everything an error that follows the command `quit`; what it printed tells.
        run = subprocess.run(
            [program, "-b", "circuit.cir"], cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        told = run.stdout + run.stderr
        table = np.loadtxt(samples, ndmin=2)[:, 1:] if samples.exists() else np.empty((0, nodes))
    found: dict[str, dict[int, float]] = {"average": {}, "end": {}}
    for kind, node, value in _MEASURED.findall(told):
        found[kind][int(node)] = float(value)
    if len(found["end"]) != nodes or (sampled and not len(table)):
        raise RuntimeError(f"ngspice did not finish the run; it said: …{told[-500:]}")
    averages, ends = (np.array([values[i] for i in sorted(values)]) for values in found.values())
    return Measured(averages, ends, table)
