"""Matrices that are shared out, and how."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from thermolinalg.distributed import Partition, RowPartitioned


def grid(side: int, shift: float = 0.1) -> Any:
    """−Δ + shift on a square with walls."""
    line = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(side, side))
    one = sp.eye_array(side)
    return (sp.kron(line, one) + sp.kron(one, line) + shift * sp.eye_array(side * side)).tocsr()


def scattered_graph(n: int) -> Any:
    """A positive definite matrix whose rows have neighbours everywhere, of sizes that differ by powers of ten."""
    a = sp.random_array((n, n), density=4 / n, rng=np.random.default_rng(n))
    a = abs(a + a.T)
    a = sp.diags_array(a.sum(axis=1) + 0.5) - a
    units = sp.diags_array(10.0 ** np.random.default_rng(1).uniform(-2, 2, n))
    a = (units @ a @ units).tocsr()
    return (a + a.T) / 2


def uneven(comm: Any, n: int) -> Partition:
    """Pieces of different sizes; the second of three has no rows."""
    return Partition(comm, {1: [0, n], 2: [0, n // 3, n], 3: [0, n // 3, n // 3, n]}[comm.size])


def shared(A: Any, comm: Any) -> RowPartitioned:
    """Uneven pieces of a sparse array."""
    return RowPartitioned(A[uneven(comm, A.shape[0]).here], comm)
