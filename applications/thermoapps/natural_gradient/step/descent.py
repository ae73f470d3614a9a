"""One step: find the direction, apply it, judge it, and take it back where it must not stay."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Self

import torch
from torch import Tensor
from torch.optim import Optimizer

from thermoapps.natural_gradient.curvature.precision import is_finite, spacing
from thermoapps.natural_gradient.solvers import LineSearch, Solver, State
from thermoapps.natural_gradient.solvers.base import check_solver
from thermoapps.natural_gradient.step.accumulation import flat_values, gradients_replaced
from thermoapps.natural_gradient.step.damping import Damping, reduction_ratio
from thermoapps.natural_gradient.step.group_damping import Scaling, check_group_damping
from thermoapps.natural_gradient.step.report import StepReport
from thermoapps.natural_gradient.step.start import Start

__all__ = ["Descent", "Progress"]


@dataclass(frozen=True)
class Progress:
    """What one step leaves for the next.

    Parameters
    ----------
    step : int
        Number of the next step, from 0.
    solver : dict, optional
        The solver's state.
    damping : float, optional
        λ that the step before left.
    length : float, optional
        Share of the change that the last line search took.
    trained : tuple of int, optional
        Places of the trained parameters among those of the update; with others the solver starts anew.
    """

    step: int = 0
    solver: State | None = None
    damping: float | None = None
    length: float | None = None
    trained: tuple[int, ...] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Tensors, numbers and dictionaries of them."""
        trained = None if self.trained is None else list(self.trained)
        names = {"steps": self.step, "solver_state": self.solver, "damping": self.damping, "length": self.length}
        return names | {"trained": trained}

    @classmethod
    def of(cls, state_dict: Mapping[str, Any]) -> Self:
        """What `state_dict` gave, in tensors of its own."""
        trained, state = state_dict.get("trained"), copy.deepcopy(state_dict["solver_state"])
        places = None if trained is None else tuple(trained)
        return cls(state_dict["steps"], state, state_dict["damping"], state_dict["length"], places)


@dataclass(frozen=True)
class Descent:
    """Steps of a solver's direction through an update rule.

    A step is a function of where it starts and of what the one before left: nothing is kept here. It moves the
    parameters, and with them the state of the update.

    Parameters
    ----------
    solver : Solver
    damping : Damping
    update : Optimizer
        Applies the direction.
    trust_region : float, optional
        Largest ½ pᵀRᵀR p of the change p of the parameters.

    Raises
    ------
    TypeError
        Not a solver.
    ValueError
        A trust region that is not positive.

    Examples
    --------
    >>> from thermoapps.natural_gradient import FixedDamping, Woodbury, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> inputs, targets = torch.eye(2), torch.ones(2, 1)
    >>> rows, gradient, loss = curvature_rows(model, inputs, targets, "mse")
    >>> model.weight.grad = gradient.view(1, 2)
    >>> descent = Descent(Woodbury(), FixedDamping(1e-3), torch.optim.SGD(model.parameters(), lr=1.0))
    >>> progress, report = descent.step(Start(rows, loss.item(), data=2), Progress())
    >>> torch.allclose(model.weight, torch.ones(1, 2), atol=1e-2), progress.step, report.accepted
    (True, 1, True)
    """

    solver: Solver
    damping: Damping
    update: Optimizer
    trust_region: float | None = None

    def __post_init__(self) -> None:
        check_solver(self.solver)
        if self.trust_region is not None and not self.trust_region > 0:
            raise ValueError(f"trust_region must be positive, got {self.trust_region!r}")

    @property
    def line_search(self) -> LineSearch | None:
        """How the solver wants the length of the step found, if it does."""
        return getattr(self.solver, "line_search", None)

    @torch.no_grad()
    def step(self, start: Start, progress: Progress) -> tuple[Progress, StepReport]:
        """Try until a step stays.

        Parameters
        ----------
        start : Start
            Curvature, gradient and loss; the parameters are where they were taken.
        progress : Progress
            What the step before left, as it is afterwards.

        Returns
        -------
        progress : Progress
            For the next step.
        report : StepReport
        """
        rows = start.rows
        report = StepReport(progress.step, start.loss, start.data, rows.length, rows.shape[1], timings=start.timings)
        if rows.frozen:
            report.curvature = "approximate curvature: statistics of batches are taken for constants"
        held = {id(parameter) for parameter in rows.parameters}
        trained = tuple(place for place, parameter in enumerate(self._every_parameter) if id(parameter) in held)
        if progress.trained not in (None, trained):
            progress = replace(progress, solver=None)  # Another system: parameters have been added, frozen or freed.
        progress = replace(progress, step=progress.step + 1, trained=trained)
        damping = self.damping.at(report.step, progress.damping)
        report.damping, report.gradient_norm = damping, float(torch.linalg.vector_norm(start.gradient))
        if not math.isfinite(report.gradient_norm) or not (math.isfinite(report.loss) or not start.data):
            report.accepted, report.message = False, "the loss or its gradient is not finite"
            return progress, report
        for report.attempts in range(1, self.damping.attempts + 1):
            report.damping = damping
            progress = self._try(start, progress, report)
            damping = damping if report.ratio is None else self.damping.after(damping, report.ratio)
            if report.accepted:
                break
            start.go()
            # Momentum that led uphill would do so again.
            self.update.state.clear()
        return replace(progress, damping=damping), report

    @property
    def _every_parameter(self) -> list[Tensor]:
        return [parameter for group in self.update.param_groups for parameter in group["params"]]

    def _try(self, start: Start, progress: Progress, report: StepReport) -> Progress:
        """One attempt, which may be refused; returns what it leaves."""
        report.accepted, report.message = True, ""
        direction, state = self._direction(start, progress.solver, report)
        if not math.isfinite(report.direction_norm):
            _refuse(report, "the direction is not finite", -math.inf)
            return progress
        progress = replace(progress, solver=state)
        change = self._apply(start, report, direction)
        if not all(is_finite(parameter) for parameter in start.rows.parameters):
            _refuse(report, "the parameters would not be finite", -math.inf)
        elif change is not None and start.loss_again is not None:
            return self._judge(start, progress, report, change, start.loss_again)
        return progress

    def _direction(self, start: Start, state: State | None, report: StepReport) -> tuple[Tensor, State]:
        """The direction and the solver's state after it."""
        began = perf_counter()
        solver = self.solver if start.rows.formed else self.solver.by_products()
        if solver is None:
            raise RuntimeError(f"{self.solver.name} needs curvature rows, and products are all there is")
        rows, gradient, groups = start.rows, start.gradient, self.update.param_groups
        scaling = None
        if any("damping" in group for group in groups):
            check_group_damping(groups, self.damping, solver)
            scaling = Scaling(groups, rows.parameters, report.damping)
            rows, gradient = scaling.rows(rows), scaling.times(gradient)
        direction, state, report.solver = solver.direction(rows, gradient, report.damping, state)
        if scaling is not None:
            direction = scaling.times(direction)
        if start.rows.processes is not None:  # Noise of their own would lead them apart.
            direction = start.rows.processes.agreed(direction.contiguous())
        report.direction_norm = float(torch.linalg.vector_norm(direction))
        report.timings.solve += perf_counter() - began
        report.device_time += report.solver.device_time
        norms = report.gradient_norm * report.direction_norm
        report.cosine = float(start.gradient @ direction) / norms if norms else math.nan
        return direction, state

    def _apply(self, start: Start, report: StepReport, direction: Tensor) -> Tensor | None:
        """Change the parameters, no further than the trust region, and return by how much if anyone asks."""
        began = perf_counter()
        parameters = start.rows.parameters
        with gradients_replaced(self._every_parameter, direction, parameters), start.unseen():
            self.update.step()
        change = None
        if start.loss_again is not None or self.trust_region is not None:
            change = flat_values(parameters) - start.values
            report.divergence = start.divergence(change)
            if self.trust_region is not None and report.divergence > self.trust_region:
                change *= (self.trust_region / report.divergence) ** 0.5
                start.go(change)
                report.divergence, report.message = self.trust_region, "shortened to the trust region"
        report.timings.update += perf_counter() - began
        return change

    def _judge(
        self, start: Start, progress: Progress, report: StepReport, change: Tensor, loss_again: Callable[[], float]
    ) -> Progress:
        """Compare what the loss does with what the quadratic model promised, after a line search if there is one."""
        slope, share = float(start.gradient @ change), 1.0
        if self.line_search is not None:
            share = _share(self.line_search, start, slope, change, loss_again, progress.length)
            progress = replace(progress, length=share)
            if not share:
                _refuse(report, "no step length decreases the loss", math.nan)
                return progress
        new_loss = loss_again()
        report.new_loss, report.divergence = new_loss, share**2 * report.divergence
        predicted = share * slope + report.divergence
        report.ratio = reduction_ratio(report.loss, new_loss, predicted, spacing(start.rows.parameters))
        if not self.damping.accepts(report.ratio):
            _refuse(report, f"the loss would go from {report.loss:.4g} to {new_loss:.4g}", report.ratio)
        return progress


def _share(
    search: LineSearch,
    start: Start,
    slope: float,
    change: Tensor,
    loss_again: Callable[[], float],
    previous: float | None,
) -> float:
    """Share of the change that a line search takes, 0 for none."""

    def loss_at(share: float) -> float:
        start.go(share * change)
        return loss_again()

    return search.length(loss_at, loss=start.loss, slope=slope, longest=1.0, previous=previous) if slope < 0 else 0.0


def _refuse(report: StepReport, message: str, ratio: float) -> None:
    """Note that a step is taken back, and why."""
    report.accepted, report.message, report.ratio = False, message, ratio
