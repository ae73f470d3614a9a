"""What every solver does: from curvature rows and a gradient to a direction, and a report of how."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.precision import is_finite

__all__ = ["Rows", "Solver", "SolverReport", "State", "as_column", "begun", "check_solver", "relative_residual"]

State = dict[str, Any]
"""What a solver hands from one step to the next: tensors, numbers and nested dictionaries of them."""


class Rows(Protocol):
    """A factor R (r, N) of the curvature matrix RᵀR, known by its products and by R Rᵀ."""

    @property
    def shape(self) -> tuple[int, int]:
        """(r, N)."""

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of all vectors."""

    @property
    def like(self) -> Tensor:
        """A tensor of the dtype and device of all vectors."""

    def gram(self) -> Tensor:
        """R Rᵀ (r, r)."""

    def apply(self, block: Tensor) -> Tensor:
        """R V (r, k) for V (N, k)."""

    def apply_transposed(self, block: Tensor) -> Tensor:
        """Rᵀ U (N, k) for U (r, k)."""


@dataclass
class SolverReport:
    """How a direction was found; None where a solver does not learn a number on its way.

    Parameters
    ----------
    solver : str
        Name of the solver that ran.
    device_time : float
        Time on the device, in units of its time constant τ; 0 for digital solvers.
    rank : int, optional
        Rank of the curvature matrix RᵀR to working precision.
    smallest_eigenvalue, largest_eigenvalue : float, optional
        Ends of the spectrum of RᵀR + λI; where `rank` is None the largest is an estimate from below.
    residual : float, optional
        ‖(RᵀR + λI) d − g‖ / ‖g‖ of the direction d.
    iterations : int
        Steps of an iterative solver.
    products : int
        Products with R or with Rᵀ of one vector each; two make one product with the curvature matrix.
    message : str
        What a reader should know, such as which way was taken and why.

    See Also
    --------
    Solver, StepReport : What a step and its solver tell.
    """

    solver: str
    device_time: float = 0.0
    rank: int | None = None
    smallest_eigenvalue: float | None = None
    largest_eigenvalue: float | None = None
    residual: float | None = None
    iterations: int = 0
    products: int = 0
    message: str = ""


class Solver(ABC):
    """A way to solve (RᵀR + λI) d = g for the direction d of a step.

    Solvers are configurations: they do not change, and what one step leaves for the next is in the state that
    `direction` takes and returns.

    See Also
    --------
    StepReport, SolverReport : What a step and its solver tell.
    """

    @property
    def name(self) -> str:
        """Under which its state is saved."""
        return type(self).__name__

    @property
    def needs_factors(self) -> bool:
        """Whether rows must keep the inputs and cotangents of every layer."""
        return False

    @property
    def by_layers(self) -> bool:
        """Whether it takes the curvature for block diagonal, and asks the rows for their layers."""
        return self.needs_factors

    @property
    def needs_gram(self) -> bool:
        """Whether it forms R Rᵀ."""
        return not self.needs_factors

    def by_products(self) -> Solver | None:
        """The solver of the same directions that needs products only, which may be itself, or None."""
        return None

    @property
    def most_products(self) -> int | None:
        """How many products with the curvature matrix `by_products` takes at most for a direction."""
        return None

    @abstractmethod
    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        """Direction of a step.

        Parameters
        ----------
        rows : Rows
            Factor R (r, N) of the curvature matrix.
        gradient : Tensor, shape (N,)
            g.
        damping : float
            λ ≥ 0.
        state : dict, optional
            What this solver returned at the step before; None at the first one.

        Returns
        -------
        direction : Tensor, shape (N,)
            d, of the dtype of the gradient.
        state : dict
            Tensors, numbers and nested dictionaries: it can be saved and loaded, and the run goes on bit by bit.
        report : SolverReport

        Raises
        ------
        ValueError
            The gradient does not fit the rows or is not finite, or the damping is negative.
        """


def check_solver(solver: Any) -> None:
    """Refuse what is not a solver, such as its name or its class.

    Parameters
    ----------
    solver : object

    Raises
    ------
    TypeError
        It is none.
    """
    if not isinstance(solver, Solver):
        given = solver.__name__ if isinstance(solver, type) else repr(solver)
        raise TypeError(f"solver must be a Solver such as Woodbury() or Thermodynamic(time=20), got {given}")


def as_column(rows: Rows, gradient: Tensor, damping: float) -> Tensor:
    """The gradient as a block (N, 1) where the rows live, after a check of what all solvers are given.

    Parameters
    ----------
    rows : Rows
    gradient : Tensor, shape (N,)
    damping : float

    Returns
    -------
    Tensor, shape (N, 1)

    Raises
    ------
    ValueError
        The gradient does not fit the rows or is not finite, or the damping is negative.
    """
    if not 0 <= damping < float("inf"):
        raise ValueError(f"damping must be finite and not negative, got {damping!r}")
    if gradient.shape != (rows.shape[1],):
        raise ValueError(f"gradient must have shape ({rows.shape[1]},) like the rows, got {tuple(gradient.shape)}")
    if not is_finite(gradient):
        raise ValueError("gradient contains NaN or infinity; check the loss, or clip before the step")
    return gradient.detach().to(dtype=rows.dtype, device=rows.like.device)[:, None]


def begun(rng: Any, state: State | None) -> np.random.Generator:
    """The stream of random numbers of a run: begun from `rng`, or taken up where the state left it.

    Parameters
    ----------
    rng : None, int, SeedSequence or numpy.random.Generator
        None is fresh entropy.
    state : dict, optional
        With ``state["rng"]``, the state of the bit generator, if the step before drew any.

    Returns
    -------
    numpy.random.Generator
    """
    if state is None or "rng" not in state:
        return np.random.Generator(np.random.PCG64(int(np.random.default_rng(rng).integers(2**63))))
    bits = np.random.PCG64(0)
    bits.state = state["rng"]
    return np.random.Generator(bits)


def relative_residual(rows: Rows, direction: Tensor, gradient: Tensor, damping: float) -> float:
    """‖(RᵀR + λI) d − g‖ / ‖g‖, by one product with R and one with Rᵀ; 0 for g = d = 0.

    Parameters
    ----------
    rows : Rows
    direction, gradient : Tensor, shape (N,) or (N, 1)
    damping : float

    Returns
    -------
    float
    """
    d, g = direction.reshape(-1, 1).to(rows.dtype), gradient.reshape(-1, 1).to(rows.dtype)
    remainder = torch.linalg.vector_norm(rows.apply_transposed(rows.apply(d)) + damping * d - g)
    size = torch.linalg.vector_norm(g)
    return float(remainder / size) if float(size) > 0 else float(remainder)
