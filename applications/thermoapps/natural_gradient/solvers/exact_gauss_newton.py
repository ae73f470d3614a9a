"""Exact Gauss–Newton steps with momentum and a line search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_count, check_share
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State
from thermoapps.natural_gradient.solvers.woodbury import Woodbury

__all__ = ["ExactGaussNewton", "LineSearch"]


@dataclass(frozen=True)
class LineSearch:
    """Armijo's backtracking search for the length of a step.

    Parameters
    ----------
    decrease : float
        Least decrease of the loss, as a share of what its slope promises. Default 0.1.
    shrink : float
        Factor of the length after each failed trial. Default 0.8.
    grow : float
        Factor by which the length that was taken is longer at the start of the next search. Default 1.5.
    max_trials : int
        Default 15.

    Raises
    ------
    ValueError
        A setting out of range.

    See Also
    --------
    SignDescent, Averaged, Spring, Asynchronous : What a step may be made of besides.

    Examples
    --------
    >>> search = LineSearch(shrink=0.5)
    >>> search.length(lambda a: (1 - 3 * a) ** 2, loss=1.0, slope=-6.0, longest=1.0)  # the minimum is at 1/3
    0.5
    """

    decrease: float = 0.1
    shrink: float = 0.8
    grow: float = 1.5
    max_trials: int = 15

    def __post_init__(self) -> None:
        check_share(self.decrease, "decrease")
        check_share(self.shrink, "shrink")
        check_count(self.max_trials, "max_trials")
        if not self.grow >= 1:
            raise ValueError(f"grow must be at least 1, got {self.grow!r}")

    def length(
        self,
        loss_at: Callable[[float], float],
        *,
        loss: float,
        slope: float,
        longest: float,
        previous: float | None = None,
    ) -> float:
        """The first length that decreases the loss enough, or 0 if none does.

        Parameters
        ----------
        loss_at : callable
            ``loss_at(length)`` is the loss after a step of that length; NaN counts as no decrease.
        loss : float
            Loss before the step.
        slope : float
            Its derivative along the step, −gᵀd.
        longest : float
            Longest step allowed.
        previous : float, optional
            Length taken at the step before.

        Returns
        -------
        float
        """
        length = longest if not previous else min(longest, self.grow * previous)
        for _ in range(self.max_trials):
            if loss_at(length) <= loss + self.decrease * length * slope:
                return length
            length *= self.shrink
        return 0.0


@dataclass(frozen=True)
class ExactGaussNewton(Solver):
    """Exact Gauss–Newton directions with momentum (EGN): `Woodbury` and a bias-corrected average of its directions.

        m ← μ m + (1 − μ) d,   direction m / (1 − μᵏ) at step k

    EGN solves Jᵀ(QJJᵀ + nλI)⁻¹r, which by the push-through identity is the damped natural gradient; the symmetric form
    of `Woodbury` is used. The length of the step belongs to whoever makes it: `line_search` is carried along for that.
    Its λ schedule is a damping rule, ``LevenbergMarquardt(increase=1.01, decrease=0.99)``.

    Parameters
    ----------
    momentum : float
        μ in [0, 1). Default 0.
    line_search : LineSearch, optional
        How the optimiser, if it is given closures, finds the length of the step; None takes its learning rate.

    Raises
    ------
    ValueError
        A setting out of range.

    See Also
    --------
    EmpiricalFisher, MonteCarloFisher : Curvatures.

    References
    ----------
    Exact Gauss–Newton optimization for training deep neural networks, arXiv:2405.14402.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import ExactGaussNewton, Woodbury, curvature_rows
    >>> model = torch.nn.Linear(3, 2)
    >>> rows, gradient, _ = curvature_rows(model, torch.eye(3), torch.tensor([0, 1, 1]), "cross_entropy")
    >>> direction, state, report = ExactGaussNewton(momentum=0.9).direction(rows, gradient, damping=0.1)
    >>> torch.allclose(direction, Woodbury().direction(rows, gradient, damping=0.1)[0])  # the first step
    True
    """

    momentum: float = 0.0
    line_search: LineSearch | None = field(default=None)

    def __post_init__(self) -> None:
        check_share(self.momentum, "momentum")

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        exact, _, report = Woodbury().direction(rows, gradient, damping)
        report.solver = "ExactGaussNewton"
        if not self.momentum:
            return exact, {}, report
        step = 1 if state is None else state["step"] + 1
        average = (1 - self.momentum) * exact
        if state is not None:
            average = average + self.momentum * state["average"].to(exact)
        return average / (1 - self.momentum**step), {"step": step, "average": average}, report
