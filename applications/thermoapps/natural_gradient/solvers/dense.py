"""The exact direction from the curvature matrix itself, for small networks."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_count
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, as_column
from thermoapps.natural_gradient.spectra import eigh

__all__ = ["Dense"]


@dataclass(frozen=True)
class Dense(Solver):
    """Exact directions from the N × N matrix RᵀR + λI, formed and factorised in double precision.

    The plainest of all ways, O(r N² + N³): a reference for small networks. With λ = 0 the direction is the shortest
    one that solves the system in the least-squares sense.

    Parameters
    ----------
    max_parameters : int
        Largest N accepted. Default 4096, a matrix of 128 MiB.

    Raises
    ------
    ValueError
        In `direction`, more parameters than `max_parameters`.

    See Also
    --------
    Woodbury, ConjugateGradient, Krylov, KroneckerFactored : Solvers of the damped step.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import Dense, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> rows, gradient, loss = curvature_rows(model, torch.eye(2), torch.ones(2, 1), "mse")
    >>> direction, state, report = Dense().direction(rows, gradient, damping=0.5)
    >>> report.smallest_eigenvalue, report.largest_eigenvalue
    (1.5, 1.5)
    """

    max_parameters: int = 4096

    def __post_init__(self) -> None:
        check_count(self.max_parameters, "max_parameters")

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        g = as_column(rows, gradient, damping).to(torch.float64)
        r, n = rows.shape
        if n > self.max_parameters:
            raise ValueError(
                f"{n} parameters would make a matrix of {8 * n**2 / 2**30:.1f} GiB; use Woodbury, which is as exact, "
                "or pass a larger max_parameters"
            )
        matrix = rows.apply(torch.eye(n, dtype=rows.dtype, device=g.device)).to(torch.float64)
        curvature = matrix.T @ matrix
        # The eigenvalues other than zero are those of the smaller product.
        values = torch.linalg.eigvalsh(curvature if n <= r else matrix @ matrix.T).clamp(min=0)
        rounding = max(r, n) * torch.finfo(rows.dtype).eps * float(values[-1])
        smallest = float(values[0]) if n <= r else 0.0
        if damping + smallest > rounding:
            factor = torch.linalg.cholesky(curvature.diagonal_scatter(curvature.diagonal() + damping))
            direction = torch.cholesky_solve(g, factor)
        else:
            direction = _shortest(curvature, g, damping, rounding)
        report = SolverReport(
            "Dense",
            rank=int((values > rounding).sum()),
            smallest_eigenvalue=damping + smallest,
            largest_eigenvalue=damping + float(values[-1]),
            products=n,
        )
        return direction[:, 0].to(gradient), {}, report


def _shortest(curvature: Tensor, g: Tensor, damping: float, rounding: float) -> Tensor:
    """The solution of a system that is singular to rounding, by eigenvectors; without damping, the shortest."""
    values, vectors = eigh(curvature)
    shifted = values.clamp(min=0) + damping
    solvable = shifted > (0 if damping else rounding)
    inverse = torch.where(solvable, 1 / torch.where(solvable, shifted, 1.0), 0.0)
    direction: Tensor = vectors @ (inverse[:, None] * (vectors.T @ g))
    return direction
