"""Curvature rows given as a matrix, and what solvers that draw directions from them have to satisfy."""

from __future__ import annotations

import io

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


def draws(solver, rows: ExplicitRows, gradient: Tensor, damping: float, count: int) -> tuple[Tensor, Tensor]:
    """Directions (count, N) and the voltages they leave, each from the gradient, on with one stream of noise."""
    directions, left, stream = [], [], None
    for _ in range(count):
        state = None if stream is None else {"voltages": gradient, "rng": stream}
        direction, after, _ = solver.direction(rows, gradient, damping, state)
        stream = after["rng"]
        directions.append(direction)
        left.append(after["voltages"])
    return torch.stack(directions), torch.stack(left)


def assert_moments(sample: Tensor, mean: Tensor, covariance: Tensor) -> None:
    """Mean and covariance of independent draws (count, N), each entry within 4.5 standard errors."""
    count, variance = len(sample), covariance.diagonal()
    assert float(((sample.mean(0) - mean) / (variance / count).sqrt()).abs().max()) < 4.5
    spread = ((covariance**2 + torch.outer(variance, variance)) / count).sqrt()
    assert float(((torch.cov(sample.T) - covariance) / spread).abs().max()) < 4.5


def assert_resumes(solver, rows, gradient: Tensor, damping: float, steps: int) -> None:
    """A run goes on from a saved state as it would have without, to the last bit."""
    _, state, _ = solver.direction(rows, gradient, damping)
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)
    for _ in range(steps):
        direction, state, _ = solver.direction(rows, gradient, damping, state)
        again, loaded, _ = solver.direction(rows, gradient, damping, loaded)
        assert torch.equal(direction, again)
        assert direction.dtype == gradient.dtype
