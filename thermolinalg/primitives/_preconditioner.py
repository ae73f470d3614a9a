"""M ≈ A⁻¹ as the user gives it: what makes simulated runs short, or a direction searched beside those of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import Array, as_array, is_array, is_distributed, is_sparse_tensor, is_torch, to_numpy
from thermolinalg._autograd import detached
from thermolinalg._validation import as_numpy, checked_sparse_tensor
from thermolinalg.devices import Device
from thermolinalg.matrix_functions.select import SMALL
from thermolinalg.operators import BlockDiagonal, Operator
from thermolinalg.operators.read import ReadMatrix, read_matrix
from thermolinalg.operators.tensor_map import as_linear_operator
from thermolinalg.systems import Chain, Rescaled

__all__ = ["applied", "approximate_inverse", "as_map", "direction_of", "shortening", "shortens"]


def as_map(M: Any, size: int, *, is_complex: bool) -> LinearOperator:
    """M as a map of so many unknowns; ValueError where it does not fit.

    Parameters
    ----------
    M : array_like, sparse array or LinearOperator
    size : int
        Unknowns.
    is_complex : bool
        Whether A or b is complex, so that M may be.
    """
    operator = as_linear_operator(_on_host(M), "M")
    if operator.shape != (size, size):
        raise ValueError(f"M has shape {operator.shape}, A {(size, size)}; they must be the same")
    if np.dtype(operator.dtype).kind == "c" and not is_complex:
        raise ValueError("M is complex although A and b are real; pass M.real, or a complex b")
    return operator


def _on_host(M: Any) -> Any:
    """M, and where it is an array of another library its numbers in NumPy or SciPy: it multiplies vectors there."""
    if is_sparse_tensor(M):
        return checked_sparse_tensor(M, "M")[0]
    if is_torch(M):
        return to_numpy(detached(M))
    return as_numpy(M, "M") if hasattr(M, "__array_namespace__") else M


def shortens(M: LinearOperator, read: ReadMatrix, device: Device | None) -> bool:
    """Whether M makes the simulated runs of a device short: a symmetric A that is not small, on an ideal device."""
    if not read.symmetric or read.shape[0] <= SMALL:
        return False
    if np.dtype(M.dtype).kind == "c" and not read.is_complex:
        return False
    return device is None or bool(getattr(device, "averages_are_solves", False))


def shortening(M: Any, read: ReadMatrix, device: Device | None) -> Operator | None:
    """M as an approximate inverse where it makes simulated runs short, else None."""
    if M is None or not shortens(as_map(M, read.shape[0], is_complex=read.is_complex), read, device):
        return None
    return approximate_inverse(M, read)


def approximate_inverse(M: Any, read: ReadMatrix) -> Operator:
    """M as an approximate inverse of the symmetric operator that stands for A.

    Parameters
    ----------
    M : array_like, sparse array or LinearOperator, shape (d, d)
    read : ReadMatrix
        A.

    Returns
    -------
    Operator

    Raises
    ------
    ValueError
        Its shape is not that of A, or it is an array that is not symmetric.
    """
    as_map(M, read.shape[0], is_complex=read.is_complex)
    M = _on_host(M)
    # Maps are taken at their word, which the solves with them check at no cost.
    shown = is_array(M) or scipy.sparse.issparse(M) or isinstance(M, (list, tuple))
    found = read_matrix(M, assume_a=None if shown else "her", name="M")
    if is_distributed(found.operator.like) != is_distributed(read.operator.like):
        raise TypeError(
            "M and A have to lie on the same ranks: make both by thermolinalg.distributed, or of vectors there, as "
            "Diagonal(1 / A.diagonal())"
        )
    if not found.symmetric:
        raise ValueError("M is not symmetric, as an approximation of the inverse of a symmetric A has to be")
    if read.is_complex and not found.is_complex:
        return BlockDiagonal([found.operator, found.operator])
    return found.operator


def applied(M: LinearOperator, block: Array) -> Array:
    """M V for a block V (d, k), where its rows are."""
    return M @ block if is_distributed(block) else M.matmat(to_numpy(block))


def direction_of(M: LinearOperator, like: Array) -> Callable[[Chain, Array], Array]:
    """M r for a residual of the equation inside a chain of systems."""

    def direction(outer: Chain, r: Array) -> Array:
        unit = 1.0
        for system in reversed(outer.systems):
            if isinstance(system, Rescaled):
                unit = 2.0**system.matrix_exponent
                r = r if system.rows is None else r / system.rows[:, None]
            else:
                r = system.back(r)
        z = as_array(unit * applied(M, r), like)
        for system in outer.systems:
            if isinstance(system, Rescaled):
                z = z if system.columns is None else z / system.columns[:, None]
            else:
                z = system.into(z)
        return z

    return direction
