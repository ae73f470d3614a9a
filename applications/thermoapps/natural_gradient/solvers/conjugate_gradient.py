"""Directions by conjugate gradients, from products with the curvature matrix only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_count, check_share
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, as_column

__all__ = ["ConjugateGradient"]


@dataclass(frozen=True)
class ConjugateGradient(Solver):
    """Truncated conjugate gradients on (RᵀR + λI) d = g: Hessian-free optimisation.

    Starts from a share of the direction before and stops when the quadratic model
    φ(d) = ½ dᵀ(RᵀR + λI)d − gᵀd makes too little progress: at iteration i, with k = max(10, i/10), once φ < 0 and
    (φ_i − φ_{i−k})/φ_i < k ε.

    Parameters
    ----------
    max_iterations : int
        Most iterations. Default 200.
    progress : float
        ε of the stopping rule; 0 goes on to `max_iterations` or until the residual is rounding. Default 5e-4.
    memory : float
        Share η in [0, 1) of the direction before from which the iteration starts. Default 0.95.
    space : {"parameters", "rows"}
        Where the vectors live. In the space of rows an iteration costs one product with the Gram matrix RRᵀ, formed
        once, instead of one with R and one with Rᵀ; worth it for a few rows and many iterations.

    Raises
    ------
    ValueError
        A setting out of range.

    See Also
    --------
    Krylov, KroneckerFactored, InverseFree, Thermodynamic : Solvers of the damped step.

    References
    ----------
    Martens, Deep learning via Hessian-free optimization, ICML 2010.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import ConjugateGradient, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> rows, gradient, loss = curvature_rows(model, torch.eye(2), torch.ones(2, 1), "mse")
    >>> direction, state, report = ConjugateGradient().direction(rows, gradient, damping=0.5)
    >>> report.iterations  # RᵀR is the identity
    1
    """

    max_iterations: int = 200
    progress: float = 5e-4
    memory: float = 0.95
    space: str = "parameters"

    def __post_init__(self) -> None:
        check_count(self.max_iterations, "max_iterations")
        check_share(self.memory, "memory")
        check_share(self.progress, "progress")
        if self.space not in ("parameters", "rows"):
            raise ValueError(f"space must be 'parameters' or 'rows', got {self.space!r}")

    def by_products(self) -> ConjugateGradient:
        return replace(self, space="parameters")

    @property
    def most_products(self) -> int:
        return self.max_iterations

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        g = as_column(rows, gradient, damping)[:, 0]
        start = torch.zeros_like(g) if state is None else self.memory * state["direction"].to(g)
        solve = self._in_parameters if self.space == "parameters" else self._in_rows
        change, residual, iterations, products = solve(rows, g, damping, start)
        direction = start + change
        size = float(torch.linalg.vector_norm(g))
        report = SolverReport(
            "ConjugateGradient",
            residual=residual / size if size > 0 else residual,
            iterations=iterations,
            products=products,
        )
        return direction.to(gradient), {"direction": direction}, report

    def _in_parameters(self, rows: Rows, g: Tensor, damping: float, start: Tensor) -> tuple[Tensor, float, int, int]:
        def product(v: Tensor) -> Tensor:
            return rows.apply_transposed(rows.apply(v[:, None]))[:, 0] + damping * v

        remainder = g - product(start) if bool(start.any()) else g
        # φ(start + c) = φ(start) + ½ cᵀAc − remainderᵀc: the rule needs its value at the start.
        level = -0.5 * float(torch.dot(start, g + remainder))
        change, residual, iterations = self._iterate(product, torch.dot, remainder, level)
        return change, residual, iterations, 2 * (iterations + 1)

    def _in_rows(self, rows: Rows, g: Tensor, damping: float, start: Tensor) -> tuple[Tensor, float, int, int]:
        """All vectors are α·remainder + Rᵀu, held as (α, u) in double precision."""
        gram = rows.gram().to(torch.float64)
        curved = rows.apply_transposed(rows.apply(start[:, None]))[:, 0]
        remainder = g - curved - damping * start
        image = rows.apply(remainder[:, None])[:, 0].to(torch.float64)
        square = remainder.to(torch.float64).square().sum()

        def product(v: Tensor) -> Tensor:
            return torch.cat([damping * v[:1], v[0] * image + gram @ v[1:] + damping * v[1:]])

        def dot(v: Tensor, w: Tensor) -> Tensor:
            return v[0] * w[0] * square + image @ (v[0] * w[1:] + w[0] * v[1:]) + v[1:] @ (gram @ w[1:])

        first = torch.zeros(rows.shape[0] + 1, dtype=torch.float64, device=g.device)
        first[0] = 1.0
        level = -0.5 * float(torch.dot(start, g + remainder))
        change, residual, iterations = self._iterate(product, dot, first, level)
        small = change[1:].to(g)
        return change[0].to(g) * remainder + rows.apply_transposed(small[:, None])[:, 0], residual, iterations, 4

    def _iterate(
        self,
        product: Callable[[Tensor], Tensor],
        dot: Callable[[Tensor, Tensor], Tensor],
        remainder: Tensor,
        level: float,
    ) -> tuple[Tensor, float, int]:
        """The change that solves A c = remainder, the norm of what remains, and the iterations it took."""
        change, p = torch.zeros_like(remainder), remainder
        square = float(dot(remainder, remainder))
        rounding = torch.finfo(remainder.dtype).eps ** 2 * square
        history = [level]
        while square > rounding and len(history) <= self.max_iterations:
            image = product(p)
            curvature = float(dot(p, image))
            if not curvature > 0:
                break
            step = square / curvature
            change = change + step * p
            remainder = remainder - step * image
            history.append(history[-1] - 0.5 * step * square)
            square, before = max(float(dot(remainder, remainder)), 0.0), square
            if self._stalled(history):
                break
            p = remainder + (square / before) * p
        return change, square**0.5, len(history) - 1

    def _stalled(self, history: list[float]) -> bool:
        i = len(history) - 1
        k = max(10, i // 10)
        return i > k and history[-1] < 0 and (history[-1] - history[-1 - k]) / history[-1] < k * self.progress
