"""Cholesky factors in NumPy and torch, and solves with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from thermolinalg._arrays import Array, fortran, is_torch

__all__ = ["cholesky", "cholesky_products", "cholesky_solve", "solve_triangular"]


def cholesky(a: Array, *, overwrite: bool = False) -> tuple[Array, int]:
    """Lower Cholesky factor of a symmetric matrix from its lower triangle, and 0; or anything and where it fails."""
    if is_torch(a):
        import torch

        factor, status = torch.linalg.cholesky_ex(a)
        return factor, int(status)
    # LAPACK wants Fortran order: the upper factor of a C-ordered symmetric matrix is the lower one of its transpose.
    factor, status = fortran("potrf", a.dtype)(a.T, lower=False, overwrite_a=overwrite, clean=True)
    return factor.T, int(status)


def cholesky_solve(factor: Array, b: Array) -> Array:
    """Solve L Lᵀ x = b for a block b (d, k)."""
    if is_torch(factor):
        import torch

        return torch.cholesky_solve(b, factor)
    return solve_triangular(factor, solve_triangular(factor, b, transposed=False), transposed=True)


def cholesky_products(factor: Array) -> Callable[[Array], Array]:
    """The map b ↦ (L Lᵀ)⁻¹ b for many blocks (d, k), one after the other.

    Two triangular solves move as much memory as one product with the inverse, which takes twice the factorisation to
    form. It is formed only where triangular solves are slow: in NumPy's LAPACK, and on accelerators.
    """
    if is_torch(factor):
        import torch

        if factor.device.type == "cpu":
            return lambda b: solve_triangular(factor, solve_triangular(factor, b, transposed=False), transposed=True)
        inverse = torch.cholesky_inverse(factor)
    else:
        upper, _ = fortran("potri", factor.dtype)(factor.T, lower=False)
        inverse = np.triu(upper) + np.triu(upper, 1).T
    return lambda b: inverse @ b


def solve_triangular(factor: Array, b: Array, *, transposed: bool) -> Array:
    """Solve L x = b, or Lᵀ x = b, for a block b (d, k)."""
    if is_torch(factor):
        import torch

        return torch.linalg.solve_triangular(factor.mT if transposed else factor, b, upper=transposed)
    # In Fortran order Lᵀ is an upper factor U, and rows of unknowns come from the right: xᵀ Uᵀ = bᵀ or xᵀ U = bᵀ.
    if b.shape[1] == 1:
        return fortran("trsv", b.dtype)(factor.T, b[:, 0], lower=0, trans=0 if transposed else 1)[:, None]
    return fortran("trsm", b.dtype)(1.0, factor.T, b.T, side=1, lower=0, trans_a=1 if transposed else 0).T
