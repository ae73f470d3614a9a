"""Whether a step is short enough for an explicit method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from thermolinalg.simulation._transition import Matrix

__all__ = ["check_step"]

_DENSE_SPECTRUM = 64
_GROWTH: dict[str, Callable[[Any], Any]] = {
    "euler_maruyama": lambda z: 1 - z,
    "itoEuler": lambda z: 1 - z,
    **dict.fromkeys(
        ["itoSRI2", "itoint", "stratHeun", "stratSRS2", "stratint"],
        lambda z: 1 - z + z**2 / 2,
    ),
}
"""By what an explicit method multiplies a mode λ in one step h, at z = λh."""


def check_step(method: str, step: float, product: Callable[[Matrix], Matrix], d: int) -> None:
    """Refuse a step by which an explicit method makes a mode grow that the equation itself lets decay."""
    if method not in _GROWTH:
        return
    eigenvalues = _stiffest_eigenvalues(product, d)
    z = step * eigenvalues
    growth = np.where(z.real > 1e-8, np.abs(_GROWTH[method](z)), 0.0)
    if growth.size and growth.max() >= 1:
        stiff = eigenvalues[np.argmax(growth)]
        raise ValueError(
            f"step={step} is too long: {method} multiplies the mode with eigenvalue {stiff:.4g} by {growth.max():.3g} "
            f"in every step; shorten it (Euler–Maruyama is stable below {2 * stiff.real / abs(stiff) ** 2:.4g})"
        )


def _stiffest_eigenvalues(product: Callable[[Matrix], Matrix], d: int) -> NDArray[np.complex128]:
    """All eigenvalues of a small M, the largest in modulus of a large one (products only)."""
    if d <= _DENSE_SPECTRUM:
        return np.linalg.eigvals(product(np.eye(d))).astype(complex)
    operator = LinearOperator((d, d), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(d)
    try:
        return np.asarray(eigs(operator, k=1, which="LM", v0=start, tol=1e-3, return_eigenvectors=False))
    except ArpackNoConvergence as failure:
        return np.asarray(failure.eigenvalues)
