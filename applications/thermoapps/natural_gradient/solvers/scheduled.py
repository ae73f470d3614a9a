"""Choosing at every step among a direct solver, an iterative one and a device, from the condition of the system."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, as_column
from thermoapps.natural_gradient.solvers.conjugate_gradient import ConjugateGradient
from thermoapps.natural_gradient.solvers.thermodynamic import Thermodynamic
from thermoapps.natural_gradient.solvers.woodbury import Woodbury
from thermoapps.natural_gradient.timing import TimingModel
from thermolinalg.devices import Device
from thermolinalg.matrix_functions import largest_eigenvalue
from thermolinalg.operators import Dense

__all__ = ["CostModel", "Scheduled"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CostModel:
    """Predicted seconds of each way to a direction of relative accuracy ε, once the Gram matrix is known.

    Woodbury      r³/3 + 4rN operations
    CG            2r² operations for each of ½ √κ ln(2/ε) iterations, and 8rN
    device        ln(1/ε)/λ time constants, and what `timing` says of loading and reading

    Products with R are counted as for a stored matrix; both digital ways have them alike.

    Parameters
    ----------
    accuracy : float
        ε. Default 1e-2.
    operations_per_second : float
        Of the digital machine. Default 1e11, an assumption: measure yours.
    timing : TimingModel
        Of the device.

    Raises
    ------
    ValueError
        A setting out of range.

    See Also
    --------
    DeviceTiming, StepTiming, TimingModel, Timings : Time of a step.

    Examples
    --------
    >>> costs = CostModel().seconds(rows=5000, parameters=38_000, condition=1e3, damping=0.03)
    >>> min(costs, key=costs.get)
    'ConjugateGradient'
    """

    accuracy: float = 1e-2
    operations_per_second: float = 1e11
    timing: TimingModel = field(default_factory=TimingModel)

    def __post_init__(self) -> None:
        if not 0 < self.accuracy < 1:
            raise ValueError(f"accuracy must be between 0 and 1, got {self.accuracy!r}")
        if not 0 < self.operations_per_second < math.inf:
            raise ValueError(f"operations_per_second must be positive, got {self.operations_per_second!r}")

    def run_time(self, damping: float) -> float:
        """Time constants after which the slowest mode, of rate λ, is within ε of its end."""
        return math.log(1 / self.accuracy) / damping

    def seconds(self, *, rows: int, parameters: int, condition: float, damping: float) -> dict[str, float]:
        """Predicted time of each way.

        Parameters
        ----------
        rows, parameters : int
            r and N.
        condition : float
            κ of RᵀR + λI.
        damping : float
            λ > 0.

        Returns
        -------
        dict of str to float
            By name of the solver.
        """
        iterations = min(math.ceil(0.5 * condition**0.5 * math.log(2 / self.accuracy)), rows + 1)
        product = 2.0 * rows * parameters
        operations = {
            "Woodbury": rows**3 / 3 + 2 * product,
            "ConjugateGradient": iterations * 2.0 * rows**2 + 4 * product,
        }
        costs = {name: count / self.operations_per_second for name, count in operations.items()}
        return costs | {"Thermodynamic": self.timing.device(parameters, rows, self.run_time(damping)).total}


@dataclass(frozen=True)
class Scheduled(Solver):
    """Takes, step by step, the way that a cost model calls fastest: `Woodbury`, `ConjugateGradient` or `Thermodynamic`.

    The condition number is bounded by (λ + σ)/λ with σ the largest eigenvalue of the Gram matrix, found by a few
    Lanczos steps. Each decision is in the report's message and goes to the log ``thermoapps.natural_gradient.solvers.
    scheduled`` at level INFO.

    Parameters
    ----------
    cost : CostModel
        Default: the paper's device beside a machine of 1e11 operations per second.
    device : Device, optional
        As for `Thermodynamic`; the run time comes from the cost model's accuracy.
    rng : None, int, SeedSequence or numpy.random.Generator
        For the device.

    Raises
    ------
    ValueError
        In `direction`, no damping.

    See Also
    --------
    Dense, Woodbury, ConjugateGradient, Krylov : Solvers of the damped step.

    Notes
    -----
    The prediction for the device is of hardware. Its simulation costs an eigendecomposition.

    References
    ----------
    Q-Newton, arXiv:2405.00252, schedules between a classical and a quantum linear solver in this way.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import Scheduled, curvature_rows
    >>> model = torch.nn.Linear(3, 2)
    >>> rows, gradient, _ = curvature_rows(model, torch.eye(3), torch.tensor([0, 1, 1]), "cross_entropy")
    >>> direction, state, report = Scheduled().direction(rows, gradient, damping=0.1)
    >>> report.message.split(":")[0]
    'Woodbury'
    """

    cost: CostModel = field(default_factory=CostModel)
    device: Device | None = None
    rng: Any = None

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        as_column(rows, gradient, damping)
        if damping == 0:
            raise ValueError("without damping the condition number has no bound; pass damping > 0")
        known = _KnownGram(rows)
        condition = 1 + largest_eigenvalue(Dense(known.gram())) / damping
        costs = self.cost.seconds(rows=rows.shape[0], parameters=rows.shape[1], condition=condition, damping=damping)
        name = min(costs, key=costs.__getitem__)
        state = dict(state or {})
        direction, state[name], report = self._solver(name, damping).direction(
            known, gradient, damping, state.get(name)
        )
        predicted = ", ".join(f"{way} {seconds:.2g} s" for way, seconds in costs.items())
        report.message = f"{name}: condition at most {condition:.3g}, predicted {predicted}"
        logger.info(report.message)
        return direction, state, report

    def _solver(self, name: str, damping: float) -> Solver:
        if name == "Woodbury":
            return Woodbury()
        if name == "ConjugateGradient":
            return ConjugateGradient(space="rows")
        return Thermodynamic(time=self.cost.run_time(damping), device=self.device, rng=self.rng)


class _KnownGram:
    """Rows whose Gram matrix, once formed, is kept."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.shape, self.dtype, self.like = rows, rows.shape, rows.dtype, rows.like
        self._gram = rows.gram().to(torch.float64)

    def gram(self) -> Tensor:
        return self._gram

    def apply(self, block: Tensor) -> Tensor:
        return self.rows.apply(block)

    def apply_transposed(self, block: Tensor) -> Tensor:
        return self.rows.apply_transposed(block)
