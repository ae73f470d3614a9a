"""Small systems with a Gram matrix that rounding may have made indefinite."""

from __future__ import annotations

import torch
from torch import Tensor

from thermoapps.natural_gradient.layers.base import thin_product
from thermoapps.natural_gradient.spectra import eigh

__all__ = ["solve_shifted"]

REFINED = 4
"""Corrections of a solution with a factor in single precision; where they do not do, double precision costs more."""

RTOL = 1e-12
"""Residual, relative to the right-hand side."""


def solve_shifted(gram: Tensor, shift: float, b: Tensor) -> tuple[Tensor, str]:
    """(K + λI)⁻¹ b, and what had to be done about rounding.

    A Gram matrix in single precision is factored in it; what that loses is found again from residuals in double
    precision.

    Parameters
    ----------
    gram : Tensor, shape (r, r)
        K, positive semidefinite but for rounding.
    shift : float
        λ > 0.
    b : Tensor, shape (r, k)
        In double precision.

    Returns
    -------
    solution : Tensor, shape (r, k)
        In double precision.
    message : str
        Empty where nothing had to be done.

    Raises
    ------
    ValueError
        K is not finite.
    """
    if gram.dtype == torch.float32:
        solution = _refined(gram, shift, b)
        if solution is not None:
            return solution, ""
    gram = gram.to(torch.float64)
    factor, failed = torch.linalg.cholesky_ex(_shifted(gram, shift))
    if not int(failed):
        return torch.cholesky_solve(b, factor), ""
    if not bool(torch.isfinite(gram).all()):
        raise ValueError("the curvature contains NaN or infinity; check the outputs of the model")
    values, vectors = eigh((gram + gram.T) / 2)
    small = vectors @ ((vectors.T @ b) / (values.clamp(min=0)[:, None] + shift))
    return small, "RRᵀ + λI was not positive definite to rounding: eigenvalues below zero were clipped"


def _shifted(gram: Tensor, shift: float) -> Tensor:
    """K + λI."""
    shifted = gram.clone()
    shifted.diagonal().add_(shift)
    return shifted


def _refined(gram: Tensor, shift: float, b: Tensor) -> Tensor | None:
    """The solution by a factor in single precision, or None where its corrections do not become small."""
    factor, failed = torch.linalg.cholesky_ex(_shifted(gram, shift))
    if int(failed):
        return None
    exact, residual = gram.to(torch.float64), b
    solution: Tensor = torch.zeros_like(b)
    sizes = torch.linalg.vector_norm(b, dim=0)
    for _ in range(REFINED + 1):
        # In the range of single precision.
        unit = torch.linalg.vector_norm(residual, dim=0).clamp(min=torch.finfo(b.dtype).tiny)
        solution = solution + unit * torch.cholesky_solve((residual / unit).to(gram), factor)
        residual = b - thin_product(exact, solution) - shift * solution
        if bool((torch.linalg.vector_norm(residual, dim=0) <= RTOL * sizes).all()):
            return solution
    return None
