"""What is observed: values, their noise, and the linear functions of the nodes that they are values of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from thermoapps.random_field.grid import Grid

__all__ = ["Observations", "read_functionals", "read_observations", "read_real"]

LARGE = 1e150
"""Size beyond which, or below the inverse of which, squares leave the range of numbers."""

BLOCK = 256
"""Columns of the identity at a time, where the rows of a map are asked for."""

MOST = 20_000
"""Nodes up to which the rows of a map are asked for."""


@dataclass(frozen=True)
class Observations:
    """y = H x + noise, with independent noise.

    Parameters
    ----------
    H : scipy.sparse.csr_array, shape (m, n)
        Functions of the nodes.
    y : array, shape (m,)
        Values.
    noise : array, shape (m,)
        Standard deviations ≥ 0.
    """

    H: Any
    y: np.ndarray
    noise: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def where(self, chosen: np.ndarray) -> Observations:
        """Those of a mask."""
        return self.rows(np.flatnonzero(chosen))

    def rows(self, chosen: np.ndarray) -> Observations:
        """Those of these numbers."""
        return Observations(self.H[chosen], self.y[chosen], self.noise[chosen])


def read_observations(values: Any, noise: Any, at: Any, n: int, grid: Grid | None) -> Observations:
    """Observations without those whose value is NaN; errors name what does not fit."""
    y = np.atleast_1d(read_real(values, "observations", missing=True))
    H = read_functionals(at, n, grid, "at")
    if y.ndim != 1 and at is None and y.size == n:
        y = y.ravel()  # an image on its grid
    if y.shape != (H.shape[0],):
        where = "the field has that many nodes; pass at= for others" if at is None else "so many as at= has places"
        raise ValueError(f"observations must have shape ({H.shape[0]},), {where}, got {np.shape(values)}")
    if np.isinf(y).any():
        raise ValueError("observations hold infinity; NaN marks one that is missing")
    try:
        sigma = np.broadcast_to(read_real(noise, "noise"), y.shape)
    except ValueError:
        raise ValueError(f"noise must be one number or {len(y)}, got shape {np.shape(noise)}") from None
    there = ~np.isnan(y)
    if not np.isfinite(sigma[there]).all() or (sigma[there] < 0).any():
        raise ValueError("noise must be finite and ≥ 0; it is the standard deviation of an observation")
    if (
        (np.abs(y[there]) > LARGE).any()
        or (sigma[there] > LARGE).any()
        or (sigma[there & (sigma > 0)] < 1 / LARGE).any()
    ):
        raise ValueError(
            f"observations or noise are beyond {LARGE:g} or {1 / LARGE:g}, where squares overflow; choose another unit"
        )
    return Observations(H, y, np.array(sigma)).where(there)


def read_functionals(at: Any, n: int, grid: Grid | None, name: str) -> Any:
    """The rows (m, n) of linear functions of n nodes: of all nodes, of some, of points in a grid, or any others."""
    if at is None:
        return sp.eye_array(n, format="csr")
    if isinstance(at, LinearOperator):
        if at.shape[1] == n and n <= MOST:
            blocks = (np.eye(n, min(BLOCK, n - i), -i) for i in range(0, n, BLOCK))
            return _checked(sp.hstack([sp.csc_array(at.matmat(block)) for block in blocks]), n, name)
        if at.shape[1] == n:
            raise ValueError(f"{name} is a LinearOperator on {n} nodes, more than {MOST}; pass it as a sparse array")
        return _checked(at, n, name)
    if sp.issparse(at):
        return _checked(at, n, name)
    if isinstance(at, np.ma.MaskedArray):
        raise TypeError(f"{name} is masked; only observations may be missing")
    array = np.asarray(at)
    if array.ndim == 1 and array.dtype == bool:
        if array.shape != (n,):
            raise ValueError(f"{name} is a mask of {len(array)} entries where the field has {n} nodes")
        array = np.flatnonzero(array)
    if array.ndim == 1 and (array.dtype.kind in "iu" or array.size == 0):
        if array.size and (array.min() < 0 or array.max() >= n):
            raise ValueError(f"{name} names nodes from {array.min()} to {array.max()}; the field has 0 to {n - 1}")
        entries = (np.ones(len(array)), (np.arange(len(array)), array.astype(int)))
        return sp.csr_array(sp.coo_array(entries, shape=(len(array), n)))
    if grid is not None and (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == grid.dimensions)):
        H = grid.interpolation(array)
        return sp.csr_array((H.data, H.indices, H.indptr), shape=(H.shape[0], n))
    if array.ndim != 2:
        raise ValueError(f"{name} must hold nodes (integers), points of a grid (m, d) or rows (m, {n}); got {at!r}")
    return _checked(read_real(array, name), n, name)


def _checked(rows: Any, n: int, name: str) -> Any:
    """Rows as a sparse array of real, finite numbers in n columns."""
    if rows.shape[1] != n:
        raise ValueError(f"{name} has {rows.shape[1]} columns, expected {n}, one for each node")
    if np.dtype(rows.dtype).kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {rows.dtype}")
    found = sp.csr_array(rows, dtype=float, copy=True)
    found.sum_duplicates()
    found.eliminate_zeros()
    if not np.isfinite(found.data).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return found


def read_real(value: Any, name: str, *, missing: bool = False) -> np.ndarray:
    """Real numbers in double precision; masked ones are NaN where entries may be missing."""
    if isinstance(value, np.ma.MaskedArray):
        if not missing:
            raise TypeError(f"{name} is masked; only observations may be missing")
        value = np.where(np.ma.getmaskarray(value), np.nan, np.ma.getdata(value).astype(float))
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(float)
