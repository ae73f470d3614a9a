"""Functions of RᵀR + λI on one vector from the Gram matrix of the rows: Lanczos iteration in their space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

__all__ = ["RowSpaceFunction", "in_row_space"]

MOST, EVERY = 64, 4
"""Products with the Gram matrix, beyond which its decomposition is not much dearer, and how many between two looks."""

BREAKDOWN = 10 * torch.finfo(torch.float64).eps
"""A new direction that is shorter, relative to the Gram matrix, is rounding."""

FLOOR = 1e-14
"""Of the largest eigenvalue: a smaller one is taken for this."""

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class RowSpaceFunction:
    """u (r,) with f(RᵀR + λI) v = f(λ) v + Rᵀu, and what was learnt of the largest eigenvalue of RᵀR, from below."""

    rows: Tensor
    largest: float


def in_row_space(function: Function, shift: float, gram: Tensor, image: Tensor, rtol: float) -> RowSpaceFunction | None:
    """f(RᵀR + λI) v = f(λ) v + Rᵀ h(RRᵀ) R v with h(σ) = (f(λ + σ) − f(λ))/σ, by Lanczos iteration from R v.

    Large eigenvalues, where f(λ) v and Rᵀu nearly cancel, are the first to be exact.

    Parameters
    ----------
    function : callable
        f, of arrays.
    shift : float
        λ.
    gram : Tensor, shape (r, r)
        RRᵀ in double precision.
    image : Tensor, shape (r,)
        R v in double precision.
    rtol : float
        Error of Rᵀu, relative to its size.

    Returns
    -------
    RowSpaceFunction or None
        None where it would take too many products, or numbers that are not finite.
    """
    length = float(torch.linalg.vector_norm(image))
    if length == 0:
        return RowSpaceFunction(torch.zeros_like(image), 0.0)
    size = image.shape[0]
    most = min(MOST, size)
    basis = image.new_empty(most, size)
    torch.div(image, length, out=basis[0])
    at_shift = float(function(np.array([shift]))[0])
    diagonal: list[float] = []
    beside: list[float] = []
    previous = None
    for step in range(1, most + 1):
        following, found = gram @ basis[step - 1], basis[:step]
        along = found @ following
        diagonal.append(float(along[-1]))
        following.addmv_(found.T, along, alpha=-1)
        following.addmv_(found.T, found @ following, alpha=-1)  # Twice is enough.
        beside.append(float(torch.linalg.vector_norm(following)))
        complete = beside[-1] <= BREAKDOWN * max(diagonal) or step == size
        if complete or step % EVERY == 0:
            if not np.isfinite(diagonal).all():
                return None
            values, vectors = eigh_tridiagonal(diagonal, beside[:-1], check_finite=False)
            largest = float(values[-1])
            values = values.clip(min=FLOOR * largest)
            modes = length * vectors[0] * (function(shift + values) - at_shift) / values
            coordinates = vectors @ modes
            if previous is not None:
                change = coordinates.copy()
                change[: len(previous)] -= previous
                complete |= bool(np.sum(values * (vectors.T @ change) ** 2) <= rtol**2 * np.sum(values * modes**2))
            if complete:
                return RowSpaceFunction(torch.from_numpy(coordinates).to(basis) @ basis[:step], largest)
            previous = coordinates
        if step < most:
            torch.div(following, beside[-1], out=basis[step])
    return None
