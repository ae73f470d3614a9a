"""Calls that worker processes import by name."""

import os
import signal
from pathlib import Path

import thermolinalg as tla


def deadly(A, b, *, rng, mark):
    """`solve`, but that the first worker to come here is killed."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return tla.solve(A, b, rng=rng)


def warned(b, *, rng):
    """A call that cannot certify its answer."""
    return tla.solve([[2.0, 1.0], [1.0, 2.0]], b, rtol=1e-12, maxiter=1, rng=rng)


def threads(*, rng):
    """How many threads BLAS may use."""
    from threadpoolctl import threadpool_info

    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
