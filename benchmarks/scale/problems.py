"""The matrices: grids with and without walls, a stencil by products, graphs with hubs, links of pages, real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.io import mmread
from scipy.sparse.linalg import LinearOperator


def line(side: int, *, walls: bool = True) -> Any:
    """Second differences; without walls the sum of every row vanishes."""
    diagonal = np.full(side, 2.0)
    if not walls:
        diagonal[[0, -1]] = 1.0
    return sp.diags_array([-np.ones(side - 1), diagonal, -np.ones(side - 1)], offsets=[-1, 0, 1])


def grid(n: int, dimensions: int = 2, shift: float = 0.1, *, walls: bool = True) -> Any:
    """−Δ + shift on a square or a cube of about n nodes."""
    side = round(n ** (1 / dimensions))
    one, along = sp.eye_array(side), line(side, walls=walls)
    total = along
    for axis in range(1, dimensions):
        total = sp.kron(total, one) + sp.kron(sp.eye_array(side**axis), along)
    return (total + shift * sp.eye_array(side**dimensions)).tocsr()


def cube(n: int, shift: float = 0.1) -> LinearOperator:
    """The same on a cube, as a map: seven-point stencils without a matrix."""
    side = round(n ** (1 / 3))

    def product(v: np.ndarray) -> np.ndarray:
        u = v.reshape(side, side, side, -1)
        w = (6 + shift) * u
        for axis in range(3):
            upper = tuple(slice(1, None) if k == axis else slice(None) for k in range(3))
            lower = tuple(slice(None, -1) if k == axis else slice(None) for k in range(3))
            w[upper] -= u[lower]
            w[lower] -= u[upper]
        return np.asarray(w.reshape(v.shape))

    return LinearOperator((side**3, side**3), matvec=product, matmat=product, rmatvec=product, dtype=float)


def hubs(n: int, shift: float = 0.1) -> Any:
    """Laplacian + shift of a graph whose nodes attach to three older ones, the oldest of which become hubs."""
    rng = np.random.default_rng(0)
    new = np.repeat(np.arange(1, n), 3)
    old = np.minimum((rng.random(len(new)) ** 2 * new).astype(int), new - 1)
    weights = sp.coo_array((np.ones(len(new)), (new, old)), (n, n)).tocsr()
    weights = weights + weights.T
    return (sp.diags_array(weights.sum(axis=1) + shift) - weights).tocsr()


def page_rank(n: int, damping: float = 0.85) -> Any:
    """I − damping · Pᵀ with eight links on every page, most of them to few pages."""
    rng = np.random.default_rng(0)
    rows, columns = np.repeat(np.arange(n), 8), (n * rng.random(8 * n) ** 2.5).astype(int)
    links = sp.coo_array((np.ones(8 * n), (rows, columns)), (n, n)).tocsr()
    return (sp.eye_array(n) - damping * (sp.diags_array(1 / links.sum(axis=1)) @ links).T).tocsr()


def load(n: int) -> np.ndarray:
    """A right-hand side."""
    return np.random.default_rng(1).standard_normal(n)


def dense(d: int, condition: float = 30.0) -> np.ndarray:
    """A positive definite matrix with a random basis."""
    q, _ = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))
    a = (q * np.geomspace(1 / condition, 1.0, d)) @ q.T
    return np.asarray((a + a.T) / 2)


def real(folder: Path) -> Iterator[tuple[str, Any]]:
    """A power grid, two of the Harwell-Boeing collection, and a kernel of measured mixtures of concrete."""
    from thermoapps.chip_design import PowerGrid, read_netlist

    grid = read_netlist(folder / "eda" / "ibmpg1.spice.gz")
    yield "power grid ibmpg1", PowerGrid.from_netlist(grid).conductance.tocsr()
    for name in ("bcsstk16.mtx.gz", "1138_bus.mtx"):
        yield name.partition(".")[0], sp.csr_array(mmread(folder / "matrices" / "spd" / name))
    table = np.loadtxt(folder / "regression" / "concrete.txt")[:, :-1]
    X = (table - table.mean(0)) / table.std(0)
    squares = np.sum(X**2, axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * X @ X.T, 0)
    yield "kernel of concrete", np.exp(-distances / (2 * X.shape[1])) + 0.1 * np.eye(len(X))
