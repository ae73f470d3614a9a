"""Logarithms of determinants with their standard errors: from a factor, or from the readings of a device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

import thermolinalg as tla
from thermoapps._reading import naming

__all__ = ["AFFORDABLE", "Logarithm", "holding", "log_determinant"]

AFFORDABLE = 60_000
"""Nodes up to which a sparse factor is taken to fit."""

EPS = float(np.finfo(float).eps)

SINGULAR = 0.05
"""Rounding of a logarithm beyond which its matrix is singular to working precision."""


@dataclass(frozen=True)
class Logarithm:
    """A logarithm with what is known of its error.

    Parameters
    ----------
    value : float
    noise : float
        Its standard deviation over readings.
    rounding : float
        A bound.
    """

    value: float
    noise: float = 0.0
    rounding: float = 0.0

    @property
    def error(self) -> float:
        """Noise and rounding."""
        return self.noise + self.rounding

    def plus(self, other: Logarithm, weight: float = 1.0) -> Logarithm:
        """The sum with a multiple of another, whose noise is independent."""
        noise = float(np.hypot(self.noise, weight * other.noise))
        return Logarithm(self.value + weight * other.value, noise, self.rounding + abs(weight) * other.rounding)


@contextmanager
def holding(matrix: str, advice: str) -> Iterator[None]:
    """A precision that is singular, with the caller's advice, or indefinite, which no Gaussian has."""
    try:
        with naming(matrix, advice):
            yield
    except tla.SingularError:
        raise
    except np.linalg.LinAlgError as error:
        evidence = str(error).partition("; ")[0].removeprefix("A ")
        raise np.linalg.LinAlgError(
            f"{matrix} {evidence}: no Gaussian has it; the matrix to pass is the inverse of a covariance"
        ) from None


def log_determinant(A: Any, method: str, *, atol: float, device: Any = None, rng: Any = None) -> Logarithm:
    """log det A of a positive definite sparse array (n, n), by 'factor' or by 'readings' to the standard error atol."""
    if A.shape[0] == 0:
        return Logarithm(0.0)
    if method == "factor":
        return _of_factor(A)
    (_, value), info = tla.slogdet(A, atol=atol, device=device, rng=rng, return_info=True)
    return Logarithm(float(value), float(info.noise), float(info.rounding) + float(info.systematic or 0.0))


def _of_factor(A: Any) -> Logarithm:
    """The pivots' logarithms; A is scaled to a unit diagonal by powers of two, which make no rounding errors."""
    diagonal = A.diagonal()
    if not (diagonal > 0).all():
        raise tla.SingularError("A has an entry on its diagonal that is not positive", None, 0.0, 1.0)
    exponents = np.rint(np.log2(diagonal) / 2)
    scaling = sp.diags_array(np.exp2(-exponents))
    scaled = sp.csc_array(scaling @ A @ scaling)
    try:
        factor = splu(scaled, "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        pivots = factor.U.diagonal()
    except RuntimeError:  # an exact zero among the pivots
        pivots = np.zeros(1)
    if not (pivots > 0).all():
        raise tla.SingularError("A is singular to working precision", None, 0.0, 1.0)
    # Each eigenvalue is known to eps ‖A‖: their logarithms move by eps ‖A‖ tr A⁻¹, which signs at random estimate.
    signs = np.where(np.random.default_rng(0).random((A.shape[0], 4)) < 0.5, -1.0, 1.0)
    trace = float(np.abs((signs * factor.solve(signs)).sum(axis=0)).max())
    largest = float(np.abs(scaled).sum(axis=0).max())
    total = float(np.log(pivots).sum() + 2 * np.log(2) * exponents.sum())
    if EPS * largest * trace > SINGULAR:
        raise tla.SingularError("A is singular to working precision", None, 1 / trace, largest)
    rounding = EPS * (largest * trace + np.abs(np.log(pivots)).sum() + 2 * np.abs(exponents).sum())
    return Logarithm(total, rounding=2 * rounding)
