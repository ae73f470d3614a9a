"""Where one thread is allowed, one thread works."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from cases import grid
from helpers import spd

import thermolinalg as tla

A, B = spd(300), np.ones(300)
SPARSE = grid(70, 0.1)
CALLS = {
    "solve": lambda: tla.solve(A, B, rng=0),
    "solve of a general matrix": lambda: tla.solve(A + np.triu(A), B, rng=0),
    "solve of a sparse array": lambda: tla.solve(SPARSE, np.ones(4900), rng=0),
    "inv": lambda: tla.inv(A, rng=0),
    "lstsq": lambda: tla.lstsq(A[:, :100], B, rng=0),
    "inv_diagonal": lambda: tla.inv_diagonal(A, rng=0),
    "slogdet": lambda: tla.slogdet(A, rng=0),
    "sample": lambda: tla.sample(A, 5000, rng=0),
    "sample of a sparse array": lambda: tla.sample(SPARSE, 50, rng=0),
    "lyapunov": lambda: tla.solve_continuous_lyapunov(A[:60, :60], A[:60, :60], rng=0),
    "expm": lambda: tla.expm(-A[:60, :60], atol=0.1, rng=0),
    "a Fourier transform": lambda: tla.solve(
        tla.operators.Circulant(np.r_[4.0, -1.0, np.zeros(2**14 - 3), -1.0]), np.ones(2**14), rng=0
    ),
}


def ticks_of_others():
    """CPU time of all threads but the first, in ticks of the clock (mostly of 10 ms)."""
    spent = 0
    for task in Path("/proc/self/task").iterdir():
        if task.name != str(os.getpid()):
            fields = (task / "stat").read_text().rpartition(")")[2].split()
            spent += int(fields[11]) + int(fields[12])
    return spent


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's account of threads")
@pytest.mark.parametrize("name", CALLS)
def test_one_thread_is_one_thread(name):
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1):
        before, threads = ticks_of_others(), set(os.listdir("/proc/self/task"))
        CALLS[name]()
        assert ticks_of_others() - before <= 2
        assert set(os.listdir("/proc/self/task")) <= threads


def test_a_call_leaves_the_limits_as_they_are():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    before = threadpoolctl.threadpool_info()
    CALLS["solve"]()
    assert threadpoolctl.threadpool_info() == before
