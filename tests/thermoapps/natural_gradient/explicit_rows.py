"""Curvature rows given as a matrix, for tests of what is done with them."""

from __future__ import annotations

import torch
from torch import Tensor


class ExplicitRows:
    """R (r, N) as a tensor, with the products of curvature rows and a count of them."""

    def __init__(self, R: Tensor) -> None:
        self.R, self.shape, self.dtype, self.like = R, tuple(R.shape), R.dtype, R.new_empty(0)
        self.grams = self.products = 0

    def gram(self) -> Tensor:
        self.grams += 1
        return self.R.double() @ self.R.double().T

    def apply(self, block: Tensor) -> Tensor:
        self.products += 1
        return self.R @ block

    def apply_transposed(self, block: Tensor) -> Tensor:
        self.products += 1
        return self.R.T @ block

    def matvec(self, vector: Tensor) -> Tensor:
        return self.R @ vector

    def rmatvec(self, vector: Tensor) -> Tensor:
        return self.R.T @ vector


def random_rows(r: int, n: int, *, seed: int = 0, dtype: torch.dtype = torch.float64, rank: int | None = None):
    """Rows with a spread spectrum and a gradient in their range plus a little outside."""
    generator = torch.Generator().manual_seed(seed)
    R = torch.randn(r, n, generator=generator, dtype=torch.float64) / n**0.5
    R = R * torch.logspace(0, -1.5, r, dtype=torch.float64)[:, None]
    if rank is not None:
        R = torch.randn(r, rank, generator=generator, dtype=torch.float64) @ R[:rank]
    gradient = R.T @ torch.randn(r, generator=generator, dtype=torch.float64)
    gradient += 0.1 * torch.randn(n, generator=generator, dtype=torch.float64)
    return ExplicitRows(R.to(dtype)), gradient.to(dtype)


def damped(rows: ExplicitRows, damping: float) -> Tensor:
    """RᵀR + λI."""
    R = rows.R.double()
    return R.T @ R + damping * torch.eye(R.shape[1], dtype=torch.float64)
