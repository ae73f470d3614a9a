"""What a run of annealing asks of a device, in its ledger."""

from __future__ import annotations

from typing import Any

from thermoapps._reading import read_count
from thermoapps.annealing.ising import Ising
from thermolinalg.devices import Ledger

__all__ = ["booked"]


def booked(ising: Ising, method: Any, reads: int) -> Ledger:
    """The ledger of one program and so many reads; `thermolinalg.hardware` turns it into seconds and joules.

    Parameters
    ----------
    ising : Ising
        What is written: each coupling in both directions; biases are loads of each read.
    method : Bifurcation or ParallelTempering
        Its `time` is that of a read, in τ.
    reads : int

    Returns
    -------
    Ledger

    See Also
    --------
    Memory, LangevinSampler : Runs, their costs and where they stand.

    Examples
    --------
    >>> from thermoapps.annealing import Bifurcation
    >>> ledger = booked(Ising([[0.0, 1.0], [1.0, 0.0]]), Bifurcation(steps=100), reads=3)
    >>> ledger.device_time, ledger.written
    (150.0, 2)
    """
    ledger, reads = Ledger(), read_count(reads, "reads", least=0)
    ledger.write(ising.couplings)
    ledger.record(d=ising.n, runs=reads, time_each=method.time)
    return ledger
