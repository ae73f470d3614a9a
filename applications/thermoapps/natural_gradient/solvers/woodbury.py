"""The exact direction from the Gram matrix of the rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._shifted import solve_shifted
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, as_column
from thermoapps.natural_gradient.solvers.krylov import Krylov

__all__ = ["Woodbury"]


BY_PRODUCTS = Krylov(math.inf, rtol=1e-6, max_products=500, start="gradient")
"""What solves the same system without a Gram matrix."""


@dataclass(frozen=True)
class Woodbury(Solver):
    """Exact damped natural gradients by Woodbury's identity.

        (RᵀR + λI)⁻¹ g = (g − Rᵀ (RRᵀ + λI)⁻¹ R g) / λ

    Costs one product with R, one with Rᵀ and one Cholesky decomposition of an r × r matrix, in double precision. Where
    rounding has made RRᵀ + λI indefinite its eigenvalues are clipped instead.

    See Also
    --------
    ConjugateGradient, Krylov, KroneckerFactored, InverseFree : Solvers of the damped step.

    Notes
    -----
    The subtraction loses digits where λ is small against the curvature: in single precision the direction is good to
    about 1e-7 (λ + σ)/λ, with σ the largest eigenvalue of RᵀR.

    References
    ----------
    Ren and Goldfarb, Efficient Subsampled Gauss–Newton and Natural Gradient Methods for Training Neural Networks,
    arXiv:1906.02353.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import Woodbury, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> rows, gradient, loss = curvature_rows(model, torch.eye(2), torch.ones(2, 1), "mse")
    >>> direction, state, report = Woodbury().direction(rows, gradient, damping=0.5)
    >>> torch.allclose(1.5 * direction, gradient)  # here RᵀR is the identity
    True
    """

    def by_products(self) -> Krylov:
        return BY_PRODUCTS

    @property
    def most_products(self) -> int:
        return BY_PRODUCTS.max_products

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        g = as_column(rows, gradient, damping)
        if damping == 0:
            raise ValueError("Woodbury's identity divides by the damping; pass damping > 0")
        image = rows.apply(g)
        small, message = solve_shifted(rows.gram(), damping, image.to(torch.float64))
        direction = rows.apply_transposed((small / -damping).to(rows.dtype)).add_(g, alpha=1 / damping)
        return direction[:, 0].to(gradient), {}, SolverReport("Woodbury", products=2, message=message)
