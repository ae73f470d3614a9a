"""What `mpiexec -n 2 python -m mpi4py` runs: answers that a test compares with those of one rank."""

import sys

import numpy as np

import thermolinalg as tla
from thermolinalg.distributed import RowPartitioned, Stencil, gather, rows_of


def main(path: str) -> None:
    from mpi4py import MPI  # here, because doctests are looked for in this file where there is none

    side = 60
    whole = Stencil.laplacian((side, side), 0.1)
    mine = rows_of(side * side)
    rows = np.arange(mine.start, mine.stop)
    load = np.random.default_rng(0).standard_normal((side * side, 2))
    A = RowPartitioned(sparse_rows(side, rows))
    b = A.vector(load[mine])
    refusals = []
    for call in (lambda: tla.inv(A), lambda: RowPartitioned(sparse_rows(side, rows)[:, :-1]), lambda: A.vector([1.0])):
        try:
            call()
        except (TypeError, ValueError) as refusal:
            refusals.append(type(refusal).__name__)
    found = {
        "product": gather(A @ b),
        "stencil": gather(whole @ whole.vector(load[mine])),
        "solve": gather(tla.solve(A, b, rng=0)),
        "raw": gather(tla.solve(A, b, refine=False, rng=0)),
        "sample": gather(tla.sample(A, 2, rng=0)),
        "refined": gather(tla.solve(A, b, rtol=1e-15, rng=0)),
        "ranks": MPI.COMM_WORLD.Get_size(),
        "refusals": np.array(refusals),
    }
    if MPI.COMM_WORLD.Get_rank() == 0:
        np.savez(path, **found)


def sparse_rows(side, rows):
    """Some rows of −Δ + 0.1 on a square."""
    from scipy.sparse import coo_array

    x, y = divmod(rows, side)
    here = np.arange(len(rows))
    parts = [(here, rows, np.full(len(rows), 4.1))]
    for step, inside in ((-side, x > 0), (side, x < side - 1), (-1, y > 0), (1, y < side - 1)):
        parts.append((here[inside], rows[inside] + step, np.full(inside.sum(), -1.0)))
    i, j, v = (np.concatenate(part) for part in zip(*parts, strict=True))
    return coo_array((v, (i, j)), (len(rows), side * side)).tocsr()


if __name__ == "__main__":
    main(sys.argv[1])
