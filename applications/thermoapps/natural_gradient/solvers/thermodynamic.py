"""The direction from a thermodynamic device, by its exact law."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_delay, check_readings, check_start, check_time
from thermoapps.natural_gradient.solvers._device_run import DeviceRun
from thermoapps.natural_gradient.solvers._ideal_run import IdealRun
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State
from thermoapps.natural_gradient.solvers.krylov import Krylov
from thermolinalg import AsWritten, LangevinDevice, Overdamped
from thermolinalg.devices import Device

__all__ = ["Thermodynamic"]


@dataclass(frozen=True)
class Thermodynamic(Solver):
    """Directions read from a Langevin device: thermodynamic natural gradient descent.

    The device obeys

        dx = −((RᵀR + λI) x − g) dt + sqrt(2T) dW

    and the direction is its state x(t). It starts from the voltages that the run before left, noise included; the
    first run starts from the gradient. Short times give directions near the start, so that ``start="gradient"`` goes
    from the gradient (t = 0) to the natural gradient (t = ∞). The law is exact for every t, T and start; it costs one
    product with R, one with Rᵀ and one decomposition of R Rᵀ.

    Parameters
    ----------
    time : float
        Analog run time t ≥ 0 in units of the device's time constant τ; infinity reads in equilibrium. Default 50.
    delay : float
        Time t_d for which the device goes on with the old problem, old curvature and old gradient, after its reading
        has been taken and before the next problem is written; the next run starts there. It pulls the start closer to
        the old solution and so acts like momentum.
    temperature : float, optional
        Noise strength T (κ₀ of the paper) of the ideal device; default 0, no noise.
    readings : int, optional
        Number of readings averaged, the first one after `time`; default one.
    spacing : float
        Time between readings.
    start : {"previous", "rest", "gradient"}
        Where runs start: from the state before, and the first one from the gradient or, with "rest", from zero, which
        makes short runs gradient descent with momentum from their first step on; or every one from the gradient.
    device : Device, optional
        Any device of ``thermolinalg.devices``, with its own temperature, loading and imperfections. By default an
        ideal overdamped one into which the matrix goes as it is. Errors of a `LangevinDevice`'s matrix are taken for
        those of an array that holds the r × N elements of R, which are then formed.
    rng : None, int, SeedSequence or numpy.random.Generator
        Begins the stream of random numbers; the state carries it on.

    Raises
    ------
    ValueError
        A time or temperature out of range, an unknown start, a delay without memory of the run before, or a
        temperature beside a device that has its own.

    See Also
    --------
    EulerMaruyama, Scheduled, Dense, Woodbury : Solvers of the damped step.

    References
    ----------
    Donatella et al., Thermodynamic Natural Gradient Descent, arXiv:2405.13817.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import Thermodynamic, curvature_rows
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> rows, gradient, loss = curvature_rows(model, torch.eye(2), torch.ones(2, 1), "mse")
    >>> direction, state, report = Thermodynamic(time=50).direction(rows, gradient, damping=0.5)
    >>> torch.allclose(1.5 * direction, gradient)  # here RᵀR is the identity
    True
    >>> report.device_time
    50.0
    """

    time: float = 50.0
    delay: float = 0.0
    temperature: float | None = None
    readings: int | None = None
    spacing: float = 1.0
    start: str = "previous"
    device: Device | None = None
    rng: Any = None

    def __post_init__(self) -> None:
        check_time(self.time)
        check_delay(self.delay)
        check_readings(self.readings, self.spacing)
        check_start(self.start, self.delay)
        if self.device is not None and self.temperature is not None:
            raise ValueError("the device has a temperature of its own; give it one there, or drop device")
        if self.temperature is not None and not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature must be finite and not negative, got {self.temperature!r}")

    def by_products(self) -> Krylov | None:
        if self.device is not None or (self.readings or 1) > 1:
            return None
        return Krylov(self.time, self.delay, self.temperature or 0.0, start=self.start, rng=self.rng)

    @property
    def most_products(self) -> int | None:
        alike = self.by_products()
        return None if alike is None else alike.max_products

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None = None
    ) -> tuple[Tensor, State, SolverReport]:
        device = self.device
        temperature, readings = self.temperature or 0.0, self.readings or 1
        if device is None and readings == 1 and math.isfinite(self.time):
            ideal = IdealRun(self.time, self.delay, temperature, self.start, self.rng)
            return ideal.direction(rows, gradient, damping, state, "Thermodynamic")
        if device is None:
            device = LangevinDevice(law=Overdamped(temperature), loading=AsWritten())
        run = DeviceRun(device, self.time, self.delay, readings, self.spacing, self.start, self.rng)
        return run.direction(rows, gradient, damping, state, "Thermodynamic")
