"""Units in which a matrix is balanced, and what they say of it before it is written."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from thermolinalg._arrays import Array, eps, namespace
from thermolinalg.operators import Dense, Normal, Operator, Sparse
from thermolinalg.systems.equation import Measure

__all__ = [
    "balancing_exponents",
    "diagonal_signs",
    "gram_operator",
    "share_of_one_run",
    "unit_diagonal",
    "units_of",
]

MOST_BALANCE = 200
"""Powers of two by which rows are scaled at most: products of two stay in range."""


def balancing_exponents(a: np.ndarray) -> np.ndarray:
    """Logarithms to base 2 of the diagonal S that makes rows and columns of S⁻¹ a S alike."""
    if len(a) < 2:
        return np.zeros(len(a), dtype=int)
    (gebal,) = scipy.linalg.get_lapack_funcs(("gebal",), (a,))
    _, _, _, scale, _ = gebal(a, scale=1, permute=0)
    exponents = np.frexp(scale)[1] - 1
    return np.asarray(np.clip(exponents - int(np.median(exponents)), -MOST_BALANCE, MOST_BALANCE))


def share_of_one_run(rtol: float, d: int) -> float:
    """α over the smallest singular value for a single run whose residual is to be rtol ‖b‖.

    The bias, α² over that value's square along the softest direction, then stays at a tenth or so of the noise of a
    component, rtol/√d.
    """
    return float((0.025 * rtol) ** 0.5 / d**0.25)


def gram_operator(matrix: Operator) -> Operator:
    """AᵀA for a device: formed where A is an array, by products where it is not.

    A diagonal shift at rounding level keeps the factor of a nearly singular one alive; refinement removes its effect.
    """
    shift = float(2 * matrix.shape[1] ** 1.5 * eps(matrix.like))
    if isinstance(matrix, Dense):
        gram = matrix.matrix.T @ matrix.matrix
        xp = namespace(gram)
        diagonal = shift * xp.linalg.diagonal(gram)
        return Dense(gram + diagonal * xp.eye(gram.shape[0], dtype=gram.dtype, device=gram.device))
    if isinstance(matrix, Sparse):
        gram = (matrix.matrix.T @ matrix.matrix).tocsr()
        gram.setdiag(gram.diagonal() * (1 + shift))
        return matrix.holding(gram)
    return Normal(matrix)


def diagonal_signs(operator: Operator) -> int:
    """1 where no diagonal entry is negative, −1 where none is positive, 0 where both occur; 1 where it is unknown."""
    diagonal = operator.diagonal()
    if diagonal is None or not diagonal.shape[0]:
        return 1
    xp = namespace(diagonal)
    smallest, largest = float(xp.min(diagonal)), float(xp.max(diagonal))
    if smallest >= 0:
        return 1
    return -1 if largest <= 0 else 0


def unit_diagonal(operator: Operator) -> Array | None:
    """The S that gives S A S a unit diagonal, or None where it is not there or the same everywhere."""
    diagonal = operator.diagonal()
    if diagonal is None or not bool((diagonal > 0).all()):
        return None
    scaling = operator.jacobi_scaling()
    return None if scaling is None or bool((scaling == scaling[0]).all()) else scaling


def units_of(rows: Array | None, columns: Array | None) -> tuple[Measure, ...]:
    """The user's units, and the balanced ones where they differ."""
    if rows is None and columns is None:
        return (Measure(),)
    outer = Measure(None if rows is None else 1 / rows[:, None], None if columns is None else columns[:, None])
    return outer, Measure()
