"""K-FAC whose factors are inverted on thermodynamic devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._checks import check_time
from thermoapps.natural_gradient.solvers._factors import balance
from thermoapps.natural_gradient.solvers.base import State, begun
from thermoapps.natural_gradient.solvers.kronecker_factored import Kept, KroneckerFactored
from thermolinalg import LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import Device
from thermolinalg.operators import Dense

__all__ = ["ThermodynamicKFAC"]


@dataclass(frozen=True)
class ThermodynamicKFAC(KroneckerFactored):
    """`KroneckerFactored` with the damped factors loaded into devices.

    Two ways are offered. "inverse" reads each device so often, without a load, and takes the covariance of the
    readings over the temperature for the inverse: over M independent readings its relative error is about
    √((n + 1)/M) for a factor of order n, and the draw is exactly Wishart's. "solve" loads the columns of the gradient
    and reads the voltages after a time: first with the factor of the inputs, then with that of the outputs.

    Parameters
    ----------
    approximation, decay, period
        As for `KroneckerFactored`; factored damping is the only one that factors can carry.
    method : {"inverse", "solve"}
        See above.
    readings : int
        M ≥ 2, for "inverse". Default 10 000.
    time : float
        Run time for "solve" in units of τ; infinity reads in equilibrium.
    device : Device, optional
        Its imperfections round what is written and read; by default an ideal `LangevinDevice` at temperature 1 for
        "inverse" and 0 for "solve".
    rng : None, int, SeedSequence or numpy.random.Generator
        Begins the stream of random numbers; the state carries it on.

    Raises
    ------
    ValueError
        A setting out of range; in `direction`, no damping.

    See Also
    --------
    NaturalGradient, TNGD : Optimisers.

    References
    ----------
    Thermodynamic K-FAC, arXiv:2502.08603 (the idea; protocol and settings are ours).

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import KroneckerFactored, ThermodynamicKFAC, curvature_rows
    >>> model = torch.nn.Linear(3, 2)
    >>> rows, gradient, _ = curvature_rows(model, torch.randn(5, 3), torch.zeros(5, 2), "mse")
    >>> direction, state, report = ThermodynamicKFAC(method="solve").direction(rows, gradient, damping=0.1)
    >>> torch.allclose(direction, KroneckerFactored().direction(rows, gradient, damping=0.1)[0], atol=1e-5)
    True
    """

    method: str = "inverse"
    readings: int = 10_000
    time: float = float("inf")
    device: Device | None = None
    rng: Any = None
    damping_rule: str = field(default="factored", init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_time(self.time)
        if self.method not in ("inverse", "solve"):
            raise ValueError(f"method must be 'inverse' or 'solve', got {self.method!r}")
        if self.readings != int(self.readings) or self.readings < 2:
            raise ValueError(f"readings must be an integer of at least 2, got {self.readings!r}")

    def _begun(self) -> State:
        return super()._begun() | {"rng": begun(self.rng, None).bit_generator.state}

    def _decomposed(self, layer: Kept, damping: float, state: State) -> Kept:
        if self.method == "solve":
            return {}
        inverses, rng = {}, begun(None, state)
        for name, shift in zip(("A", "B"), balance(layer["A"], layer["B"], damping), strict=True):
            program = self._device(1.0).program(_damped(layer[name], shift), rng=rng)
            reading = program.covariance(Schedule.for_covariance(self.readings, program.rate()), rng=rng)
            inverses[f"inverse {name}"] = reading.value
            state["device_time"] = state.get("device_time", 0.0) + reading.device_time
        state["rng"] = rng.bit_generator.state
        return inverses

    def _solved(self, layer: Kept, G: Tensor, damping: float, state: State) -> Tensor:
        if self.method == "inverse":
            return layer["inverse B"] @ G @ layer["inverse A"]
        rng = begun(None, state)
        for name, shift in zip(("A", "B"), balance(layer["A"], layer["B"], damping), strict=True):
            program = self._device(0.0).program(_damped(layer[name], shift), rng=rng)
            reading = program.settle(G.T, self.time, rng=rng)
            # (o, i) → (i, o) with A⁻¹ on the left → (o, i) with B⁻¹ on the left.
            G = reading.value
            state["device_time"] = state.get("device_time", 0.0) + reading.device_time
        state["rng"] = rng.bit_generator.state
        return G

    def _device(self, temperature: float) -> Device:
        if self.device is not None:
            return self.device
        return LangevinDevice(law=Overdamped(temperature))


def _damped(factor: Tensor, shift: float) -> Dense:
    return Dense(factor + shift * torch.eye(len(factor), dtype=factor.dtype, device=factor.device))
