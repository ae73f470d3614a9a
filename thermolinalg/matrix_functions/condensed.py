"""A sparse matrix's spectrum condensed to a few modes, from determinants that its factors have at no further cost."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

from thermolinalg.operators import Sparse

__all__ = ["CondensedSpectrum", "condensed_spectrum"]

SHIFT_RATIO = 0.6
"""Step of ln z between the shifts: a step of 1 leaves the scatter of readings to a percent, one of 0.6 to 1e-3."""

GRID_RATIO = 0.14
"""Step of ln λ between the modes to choose from; finer ones fit no better."""

FEWEST = 32
"""Modes to choose from at least: a narrow spectrum needs them closer together."""

MOST_FLOPS = 6e10
"""Of all factorisations together: about twenty seconds. Where they would take more, readings are drawn one by one."""

MARGIN = math.log(1.1)
"""The ends of the spectrum are known to some percent."""


class CondensedSpectrum(NamedTuple):
    """A few modes λ_j, each m_j ≥ 0 times, that stand for all eigenvalues of a matrix.

    Parameters
    ----------
    values, multiplicity : ndarray, shape (modes,)
    residual : float
        What they leave of log det A and of log det(I + A/z) at any of the shifts z.
    """

    values: NDArray[np.float64]
    multiplicity: NDArray[np.float64]
    residual: float


def condensed_spectrum(operator: Sparse, interval: tuple[float, float]) -> CondensedSpectrum | None:
    """Modes with Σ_j m_j f(λ_j) = tr f(A) for f = 1, λ, ln λ and ln(1 + λ/z) at shifts z all over the spectrum.

    A law of the device on its way from aI to A is a smooth function of ln λ, so that these traces settle it: a
    quadrature in the sense of Gauss, whose weights come from non-negative least squares. Each log det(A + zI) is the
    sum over the pivots of a sparse factor.

    Parameters
    ----------
    operator : Sparse, shape (d, d)
        Symmetric positive definite.
    interval : tuple of float
        Its ends, to some percent, the lower one > 0.

    Returns
    -------
    CondensedSpectrum or None
        None where the factors fill in so much that they would take too long, or the traces could not be met.

    Examples
    --------
    >>> A = scipy.sparse.diags_array(np.linspace(1.0, 9.0, 500))
    >>> condensed = condensed_spectrum(Sparse(A), (1.0, 9.0))
    >>> exact = np.log(np.linspace(1.0, 9.0, 500)).sum()
    >>> len(condensed.values) < 20, bool(abs(condensed.multiplicity @ np.log(condensed.values) - exact) < 1e-9)
    (True, True)
    """
    from scipy.optimize import nnls  # here, because it takes a tenth of the package's time to import

    lower, upper = interval
    d, mean = operator.shape[0], float(operator.diagonal().mean())
    shifts = np.exp(np.arange(math.log(lower / 2), math.log(2 * upper), SHIFT_RATIO))
    ends = math.log(lower) - MARGIN, math.log(upper) + MARGIN
    grid = np.exp(np.linspace(*ends, max(FEWEST, math.ceil((ends[1] - ends[0]) / GRID_RATIO))))
    logarithms = log_determinants(operator, [0.0, *shifts])
    if logarithms is None:
        return None
    plain, *shifted = logarithms
    traces = np.array([1.0, 1.0, plain / d - math.log(mean), *(np.array(shifted) / d - np.log(shifts))])
    functions = np.vstack([np.ones_like(grid), grid / mean, np.log(grid / mean), np.log1p(grid / shifts[:, None])])
    try:
        weights, _ = nnls(functions, traces)
    except RuntimeError:  # no end of its iteration
        return None
    kept = np.flatnonzero(weights)
    # The modes that count are found well by any iteration, their weights to all digits by a least-squares solution.
    polished = np.linalg.lstsq(functions[:, kept], traces)[0]
    chosen = polished if polished.min() > 0 else weights[kept]
    residual = d * float(np.abs(functions[:, kept] @ chosen - traces).max())
    return CondensedSpectrum(grid[kept], d * chosen, residual)


def log_determinants(operator: Sparse, shifts: list[float]) -> list[float] | None:
    """log det(A + zI) for every shift z ≥ 0 of a positive definite A; None where the first shows it takes too long."""
    matrix = scipy.sparse.csc_array(operator.matrix, dtype=np.float64)
    identity = scipy.sparse.eye_array(matrix.shape[0], format="csc")
    ordering, logarithms = "MMD_AT_PLUS_A", []
    for z in shifts:
        lu = scipy.sparse.linalg.splu(
            matrix + z * identity if z else matrix,
            permc_spec=ordering,
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        logarithms.append(float(np.log(np.abs(lu.U.diagonal())).sum()))
        if ordering != "NATURAL":  # one ordering serves them all
            if len(shifts) * float((np.diff(lu.L.indptr).astype(float) ** 2).sum()) > MOST_FLOPS:
                return None
            inverse = np.argsort(lu.perm_c)
            matrix, ordering = scipy.sparse.csc_array(matrix[inverse][:, inverse]), "NATURAL"
    return logarithms
