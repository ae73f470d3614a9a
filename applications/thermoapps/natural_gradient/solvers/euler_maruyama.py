"""The direction from a device simulated by time stepping, as the papers do it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_delay, check_time
from thermoapps.natural_gradient.solvers._device_run import DeviceRun
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, as_column, begun
from thermolinalg import AsWritten, LangevinDevice
from thermolinalg.laws import EulerMaruyama as EulerMaruyamaLaw

__all__ = ["EulerMaruyama"]


@dataclass(frozen=True)
class EulerMaruyama(Solver):
    """Directions from the Euler–Maruyama simulation of the device of `Thermodynamic`.

        x ← x − δ ((RᵀR + λI) x − g) + sqrt(2Tδ) z

    for n = t/δ steps with fresh standard normal z. By default the outcome is drawn from its law, in which
    (1 − δa)ⁿ stands for e^{−at} at each eigenvalue a, at the price of one step of `Thermodynamic`.

    Parameters
    ----------
    time : float
        t in units of the device's time constant τ, rounded to whole steps. Default 50.
    step_size : float
        δ in units of τ; stable below 2/(λ + largest eigenvalue of RᵀR). Default 0.1.
    delay : float
        As for `Thermodynamic`.
    temperature : float
        Noise strength T (κ₀ of the paper).
    stepped : bool
        Whether the steps are really taken, each with one product with the curvature matrix: the slow check.
    rng : None, int, SeedSequence or numpy.random.Generator
        Begins the stream of random numbers; the state carries it on.

    Raises
    ------
    ValueError
        A time, step or temperature out of range; in `direction`, a step that is too long for the curvature.

    See Also
    --------
    Scheduled, Dense, Woodbury, ConjugateGradient : Solvers of the damped step.

    References
    ----------
    Donatella et al., Thermodynamic Natural Gradient Descent, arXiv:2405.13817, whose experiments are simulated so.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import EulerMaruyama, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> rows, gradient, loss = curvature_rows(model, torch.eye(2), torch.ones(2, 1), "mse")
    >>> direction, state, report = EulerMaruyama(time=0.2, step_size=0.1).direction(rows, gradient, damping=0.0)
    >>> torch.allclose(direction, gradient)  # RᵀR is the identity: the start solves the system
    True
    """

    time: float = 50.0
    step_size: float = 0.1
    delay: float = 0.0
    temperature: float = 0.0
    stepped: bool = False
    rng: Any = None

    def __post_init__(self) -> None:
        check_time(self.time)
        check_delay(self.delay)
        if math.isinf(self.time):
            raise ValueError("time stepping takes a finite time")
        # The law knows what its step and temperature may be.
        self._law()

    def _law(self) -> EulerMaruyamaLaw:
        return EulerMaruyamaLaw(self.step_size, self.temperature)

    def by_products(self) -> EulerMaruyama:
        return replace(self, stepped=True)

    @property
    def most_products(self) -> int:
        return round((self.time + self.delay) / self.step_size)

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        if self.stepped:
            return self._stepped(rows, gradient, damping, state)
        device = LangevinDevice(law=self._law(), loading=AsWritten())
        run = DeviceRun(device, self.time, self.delay, 1, 1.0, start="previous", rng=self.rng)
        return run.direction(rows, gradient, damping, state, "EulerMaruyama")

    def _stepped(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None
    ) -> tuple[Tensor, State, SolverReport]:
        load, rng = as_column(rows, gradient, damping), begun(self.rng, state)
        noise = torch.Generator(load.device).manual_seed(int(rng.integers(2**63 - 1)))
        start = load if state is None else state["voltages"].to(load)[:, None]
        run, delay = round(self.time / self.step_size), round(self.delay / self.step_size)
        x = self._steps(rows, load, damping, start, run, noise)
        later = self._steps(rows, load, damping, x, delay, noise)
        if not bool(torch.isfinite(later).all()):
            raise ValueError(
                f"time stepping diverged: step_size={self.step_size:g} must stay below 2/(λ + largest eigenvalue of "
                "the curvature); pass a smaller step_size"
            )
        left = {"voltages": later[:, 0], "rng": rng.bit_generator.state}
        steps = run + delay
        report = SolverReport("EulerMaruyama", device_time=steps * self.step_size, iterations=steps, products=2 * steps)
        return x[:, 0].to(gradient), left, report

    def _steps(self, rows: Rows, load: Tensor, damping: float, x: Tensor, steps: int, noise: torch.Generator) -> Tensor:
        amplitude = math.sqrt(2 * self.temperature * self.step_size)
        for _ in range(steps):
            x = x - self.step_size * (rows.apply_transposed(rows.apply(x)) + damping * x - load)
            if amplitude:
                x = x + amplitude * torch.randn(x.shape, generator=noise, dtype=x.dtype, device=x.device)
        return x
