"""Directions one step late: the device runs on one batch while the next one is being computed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._wrapper import Wrapper
from thermoapps.natural_gradient.solvers.base import Rows, SolverReport, State

__all__ = ["Asynchronous"]


@dataclass(frozen=True)
class Asynchronous(Wrapper):
    """Another solver's directions, one step late: a loop in which digital processor and device never wait in turn.

    While the device relaxes on batch k, the gradient and curvature of batch k + 1 are computed at the parameters as
    they are, so that θ_{k+1} = θ_k − η d_{k−1}. A step takes the longer of the digital work and the device's run
    (`StepTiming.overlapped`) instead of their sum; the price is that directions are stale. The first step has none yet
    and leaves the parameters where they are; the last direction is never applied. A further attempt after a step that
    was taken back has the direction of its own batch, which is known by then.

    Parameters
    ----------
    solver : Solver
        Finds the directions, as a rule `Thermodynamic`, which keeps the device's voltages from run to run.

    Raises
    ------
    TypeError
        Not a solver.
    ValueError
        A solver with a line search: it would judge a direction on a batch that is not its own.

    See Also
    --------
    LineSearch, SignDescent, Averaged, Spring : What a step may be made of besides.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import Asynchronous, Thermodynamic, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> rows, gradient, loss = curvature_rows(model, torch.eye(2), torch.ones(2, 1), "mse")
    >>> first, state, report = Asynchronous(Thermodynamic(time=50)).direction(rows, gradient, damping=0.5)
    >>> second, state, report = Asynchronous(Thermodynamic(time=50)).direction(rows, 0 * gradient, 0.5, state)
    >>> first.norm().item(), torch.allclose(1.5 * second, gradient)
    (0.0, True)
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.line_search is not None:
            raise ValueError("solver must have no line search: directions that come late belong to another batch")

    def by_products(self) -> Asynchronous | None:
        alike = self.solver.by_products()
        return None if alike is None else Asynchronous(alike)

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        inner, late = (None, torch.zeros_like(gradient)) if state is None else (state["solver"], state["direction"])
        direction, inner, report = self.solver.direction(rows, gradient, damping, inner)
        report.message = f"{report.message}; applied one step late" if report.message else "applied one step late"
        return late.to(gradient), {"solver": inner, "direction": direction}, report
