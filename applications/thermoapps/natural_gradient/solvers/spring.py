"""Directions that keep what the batch says nothing about: momentum in the space of rows."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_share
from thermoapps.natural_gradient.solvers._wrapper import Wrapper
from thermoapps.natural_gradient.solvers.base import Rows, SolverReport, State

__all__ = ["Spring"]


@dataclass(frozen=True)
class Spring(Wrapper):
    """Another solver's directions, regularised towards the direction before instead of towards zero (SPRING).

    With ε the residuals of the batch, g = Rᵀε, the direction of step k is

        d_k = argmin_d ‖R d − ε‖² + λ ‖d − μ d_{k−1}‖² = (RᵀR + λI)⁻¹ (g + λμ d_{k−1}),

    so that the solver is given the load g + λμ d_{k−1}. Along directions that the batch is blind to, μ d_{k−1} is kept:
    gradient descent with momentum μ and the rate lr/λ; along those that it determines, its own natural gradient
    stands. With μ = 1 this is Kaczmarz's method, each batch a block of equations; below 1, memory fades.

    Parameters
    ----------
    solver : Solver
        Finds the directions.
    memory : float
        μ in [0, 1). Default 0.9.

    Raises
    ------
    TypeError
        Not a solver.
    ValueError
        A memory out of range.

    See Also
    --------
    Asynchronous, LineSearch, SignDescent, Averaged : What a step may be made of besides.

    References
    ----------
    Goldshlager, Abrahamsen and Lin, A Kaczmarz-inspired approach to accelerate the optimization of neural network
    wavefunctions, arXiv:2401.10190.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import Spring, Woodbury, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> rows, _, _ = curvature_rows(model, torch.tensor([[1.0, 0.0]]), torch.ones(1, 1), "mse")
    >>> first, state, _ = Spring(Woodbury(), memory=0.5).direction(rows, torch.tensor([0.0, 1.0]), damping=0.1)
    >>> second, state, _ = Spring(Woodbury(), memory=0.5).direction(rows, torch.tensor([2.1, 0.0]), 0.1, state)
    >>> second  # the batch says nothing of the second parameter
    tensor([1.0000, 5.0000])
    """

    memory: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share(self.memory, "memory")

    def by_products(self) -> Spring | None:
        alike = self.solver.by_products()
        return None if alike is None else Spring(alike, self.memory)

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        inner, load = None, gradient
        if state is not None:
            inner, load = state["solver"], gradient + damping * self.memory * state["direction"].to(gradient)
        direction, inner, report = self.solver.direction(rows, load, damping, inner)
        return direction, {"solver": inner, "direction": direction}, report
