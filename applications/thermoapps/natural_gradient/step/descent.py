"""One step: find the direction, apply it, judge it, and take it back where it must not stay."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.autograd.grad_mode import _unsafe_preserve_version_counter
from torch.optim import Optimizer

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.curvature.precision import is_finite, spacing
from thermoapps.natural_gradient.solvers import LineSearch, Solver, State
from thermoapps.natural_gradient.solvers.base import check_solver
from thermoapps.natural_gradient.step.accumulation import flat_gradient, flat_values, gradients_replaced, write
from thermoapps.natural_gradient.step.damping import Damping, reduction_ratio
from thermoapps.natural_gradient.step.group_damping import Scaling, check_group_damping
from thermoapps.natural_gradient.step.report import StepReport

__all__ = ["Descent", "Start"]


class Start:
    """Where a step starts from; the gradient is what stands in ``.grad``.

    Parameters
    ----------
    rows : CurvatureFactor
        Curvature of the batch.
    loss_again : callable, optional
        Evaluates the loss on the same batch with the parameters as they are.
    """

    def __init__(self, rows: CurvatureFactor, loss_again: Callable[[], float] | None) -> None:
        self.rows, self.loss_again = rows, loss_again
        self.gradient, self.values = flat_gradient(rows.parameters), flat_values(rows.parameters)

    @contextmanager
    def unseen(self) -> Iterator[None]:
        """Within it parameters change unseen by graphs that products go through, for which they are put back."""
        with ExitStack() as stack:
            for parameter in () if self.rows.formed else self.rows.parameters:
                stack.enter_context(_unsafe_preserve_version_counter(parameter))
            yield

    def divergence(self, change: Tensor) -> float:
        """½ ‖R p‖² for a change p (N,) of the parameters that they have made."""
        if self.rows.formed:
            return float(self.rows.matvec(change).square().sum()) / 2
        reached = flat_values(self.rows.parameters)
        self.go()
        # Rᵀ adds up what several processes have.
        divergence = float(change @ self.rows.rmatvec(self.rows.matvec(change))) / 2
        write(reached, self.rows.parameters)
        return divergence

    def go(self, change: Tensor | None = None) -> None:
        """Set the parameters to the start, or away from it by a flat vector (N,)."""
        write(self.values if change is None else self.values + change, self.rows.parameters)


@dataclass
class Descent:
    """Steps of a solver's direction through an update rule, and what one step leaves for the next.

    Parameters
    ----------
    solver : Solver
    damping : Damping
    update : Optimizer
        Applies the direction.
    trust_region : float, optional
        Largest ½ pᵀRᵀR p of the change p of the parameters.
    state : dict, optional
        The solver's.
    left : float, optional
        λ that the step before left.
    length : float, optional
        Share of the change that the last line search took.
    """

    solver: Solver
    damping: Damping
    update: Optimizer
    trust_region: float | None = None
    state: State | None = None
    left: float | None = None
    length: float | None = None

    def __post_init__(self) -> None:
        check_solver(self.solver)
        if self.trust_region is not None and not self.trust_region > 0:
            raise ValueError(f"trust_region must be positive, got {self.trust_region!r}")
        self._trained: list[int] | None = None

    @property
    def line_search(self) -> LineSearch | None:
        """How the solver wants the length of the step found, if it does."""
        return getattr(self.solver, "line_search", None)

    def step(self, start: Start, report: StepReport) -> None:
        """Try until a step stays.

        Parameters
        ----------
        start : Start
        report : StepReport
            Knows the number of the step and its loss, and learns the rest.
        """
        trained = [id(parameter) for parameter in start.rows.parameters]
        if self._trained not in (None, trained):
            self.state = None  # Another system: parameters have been added, frozen or freed.
        self._trained = trained
        damping = self.damping.at(report.step, self.left)
        report.damping, report.gradient_norm = damping, float(torch.linalg.vector_norm(start.gradient))
        if not math.isfinite(report.loss) or not math.isfinite(report.gradient_norm):
            report.accepted, report.message = False, "the loss or its gradient is not finite"
            return
        for report.attempts in range(1, self.damping.attempts + 1):
            report.damping = damping
            self._try(start, report)
            damping = damping if report.ratio is None else self.damping.after(damping, report.ratio)
            if report.accepted:
                break
            start.go()
            # Momentum that led uphill would do so again.
            self.update.state.clear()
        self.left = damping

    def __getstate__(self) -> dict[str, Any]:
        """A copy is of a step of other parameters, in the same order."""
        return self.__dict__ | {"_trained": None}

    def state_dict(self) -> dict[str, Any]:
        """What one step leaves for the next, but for the state of the update."""
        return {
            "solver": self.solver.name,
            "solver_state": self.state,
            "damping": self.left,
            "length": self.length,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up what `state_dict` gave.

        Raises
        ------
        ValueError
            It is of a run with another solver.
        """
        solver = self.solver.name
        if state_dict["solver_state"] is not None and state_dict["solver"] != solver:
            raise ValueError(f"state_dict is of a run with solver={state_dict['solver']}, this one has {solver}")
        self.state = copy.deepcopy(state_dict["solver_state"])
        self.left, self.length = state_dict["damping"], state_dict["length"]
        self._trained = None

    def _try(self, start: Start, report: StepReport) -> None:
        report.accepted, report.message = True, ""
        direction = self._direction(start, report)
        if not math.isfinite(report.direction_norm):
            _refuse(report, "the direction is not finite", -math.inf)
            return
        change = self._apply(start, report, direction)
        if not all(is_finite(parameter) for parameter in start.rows.parameters):
            _refuse(report, "the parameters would not be finite", -math.inf)
        elif change is not None and start.loss_again is not None:
            self._judge(start, report, change, start.loss_again)

    def _direction(self, start: Start, report: StepReport) -> Tensor:
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
        direction, state, report.solver = solver.direction(rows, gradient, report.damping, self.state)
        if scaling is not None:
            direction = scaling.times(direction)
        if start.rows.processes is not None:  # Noise of their own would lead them apart.
            direction = start.rows.processes.agreed(direction.contiguous())
        report.direction_norm = float(torch.linalg.vector_norm(direction))
        report.timings.solve += perf_counter() - began
        report.device_time += report.solver.device_time
        norms = report.gradient_norm * report.direction_norm
        report.cosine = float(start.gradient @ direction) / norms if norms else math.nan
        if math.isfinite(report.direction_norm):
            self.state = state
        return direction

    def _apply(self, start: Start, report: StepReport, direction: Tensor) -> Tensor | None:
        """Change the parameters, no further than the trust region, and return by how much if anyone asks."""
        began = perf_counter()
        parameters = start.rows.parameters
        every = [parameter for group in self.update.param_groups for parameter in group["params"]]
        with gradients_replaced(every, direction, parameters), start.unseen():
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

    def _judge(self, start: Start, report: StepReport, change: Tensor, loss_again: Callable[[], float]) -> None:
        """Compare what the loss does with what the quadratic model promised, after a line search if there is one."""
        slope, share = float(start.gradient @ change), 1.0
        if self.line_search is not None:
            share = self.length = self._share(self.line_search, start, report.loss, slope, change, loss_again)
            if not share:
                _refuse(report, "no step length decreases the loss", math.nan)
                return
        new_loss = loss_again()
        report.new_loss, report.divergence = new_loss, share**2 * report.divergence
        predicted = share * slope + report.divergence
        report.ratio = reduction_ratio(report.loss, new_loss, predicted, spacing(start.rows.parameters))
        if not self.damping.accepts(report.ratio):
            _refuse(report, f"the loss would go from {report.loss:.4g} to {new_loss:.4g}", report.ratio)

    def _share(
        self,
        search: LineSearch,
        start: Start,
        loss: float,
        slope: float,
        change: Tensor,
        loss_again: Callable[[], float],
    ) -> float:
        """Share of the change that a line search takes, 0 for none."""

        def loss_at(share: float) -> float:
            start.go(share * change)
            return loss_again()

        return search.length(loss_at, loss=loss, slope=slope, longest=1.0, previous=self.length) if slope < 0 else 0.0


def _refuse(report: StepReport, message: str, ratio: float) -> None:
    report.accepted, report.message, report.ratio = False, message, ratio
