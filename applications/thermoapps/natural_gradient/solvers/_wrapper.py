"""Solvers made of another one, which they ask for directions."""

from __future__ import annotations

from dataclasses import dataclass

from thermoapps.natural_gradient.solvers.base import Solver, check_solver
from thermoapps.natural_gradient.solvers.exact_gauss_newton import LineSearch

__all__ = ["Wrapper"]


@dataclass(frozen=True)
class Wrapper(Solver):
    """A solver that needs of the rows what the solver within it needs.

    Parameters
    ----------
    solver : Solver

    Raises
    ------
    TypeError
        Not a solver.
    """

    solver: Solver

    def __post_init__(self) -> None:
        check_solver(self.solver)

    @property
    def name(self) -> str:
        return f"{type(self).__name__}({self.solver.name})"

    @property
    def needs_factors(self) -> bool:
        return self.solver.needs_factors

    @property
    def by_layers(self) -> bool:
        return self.solver.by_layers

    @property
    def needs_gram(self) -> bool:
        return self.solver.needs_gram

    @property
    def most_products(self) -> int | None:
        return self.solver.most_products

    @property
    def line_search(self) -> LineSearch | None:
        """That of the solver within."""
        return getattr(self.solver, "line_search", None)
