"""Small systems with a Gram matrix that rounding may have made indefinite."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["solve_shifted"]


def solve_shifted(gram: Tensor, shift: float, b: Tensor) -> tuple[Tensor, str]:
    """(K + λI)⁻¹ b, and what had to be done about rounding.

    Parameters
    ----------
    gram : Tensor, shape (r, r)
        K, positive semidefinite but for rounding.
    shift : float
        λ > 0.
    b : Tensor, shape (r, k)

    Returns
    -------
    solution : Tensor, shape (r, k)
    message : str
        Empty where nothing had to be done.

    Raises
    ------
    ValueError
        K is not finite.
    """
    shifted = gram.clone()
    shifted.diagonal().add_(shift)
    factor, failed = torch.linalg.cholesky_ex(shifted)
    if not int(failed):
        return torch.cholesky_solve(b, factor), ""
    if not bool(torch.isfinite(gram).all()):
        raise ValueError("the curvature contains NaN or infinity; check the outputs of the model")
    values, vectors = torch.linalg.eigh((gram + gram.T) / 2)
    small = vectors @ ((vectors.T @ b) / (values.clamp(min=0)[:, None] + shift))
    return small, "RRᵀ + λI was not positive definite to rounding: eigenvalues below zero were clipped"
