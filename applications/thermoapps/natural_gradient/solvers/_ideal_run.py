"""One run of the ideal device, in the coordinates of the few vectors and the rows that its state is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._device_run import spectrum_report
from thermoapps.natural_gradient.solvers.base import Rows, SolverReport, State, as_column, begun
from thermolinalg import Overdamped
from thermolinalg.matrix_functions import LowRankEngine
from thermolinalg.operators import LowRankPlusIdentity

__all__ = ["IdealRun"]


@dataclass(frozen=True)
class IdealRun:
    """A run of an ideal overdamped device for a finite time, read once.

    Functions of RᵀR + λI on start, load and noise lie in the span of these and of the rows. There they are functions of
    R Rᵀ, and long vectors are touched by one product with R each and by one sum.

    Parameters
    ----------
    time, delay : float
        As for `DeviceRun`, finite.
    temperature : float
        Of the noise.
    start : {"previous", "rest", "gradient"}
        As for `Thermodynamic`.
    rng : None, int, SeedSequence or numpy.random.Generator
        Begins the stream of random numbers.
    """

    time: float
    delay: float
    temperature: float
    start: str
    rng: Any

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None, name: str
    ) -> tuple[Tensor, State, SolverReport]:
        """See `Solver.direction`."""
        load, rng = as_column(rows, gradient, damping), begun(self.rng, state)
        basis = [load[:, 0]]
        if state is not None and self.start != "gradient" and "voltages" in state:
            basis.append(state["voltages"].to(basis[0]))
        at_rest, device = self.start == "rest" and len(basis) == 1, Overdamped(self.temperature)
        start = len(basis) - 1
        if self.temperature:
            noise = torch.Generator(load.device).manual_seed(int(rng.integers(2**63 - 1)))
            for _ in range(2 if self.delay else 1):
                basis.append(torch.randn(load.shape[0], generator=noise, dtype=load.dtype, device=load.device))
        factor = _Coordinates(rows, basis)
        operator = LowRankPlusIdentity(factor, shift=damping, like=rows.like)
        engine = LowRankEngine(operator)

        def run(time: float, begin: Tensor, kick: int) -> Tensor:
            inputs = [begin, factor.unit(0), factor.unit(kick) if self.temperature else None]
            (end,) = engine.apply(device.step(time), inputs, ("state",))
            return torch.as_tensor(end)

        read = run(self.time, (not at_rest) * factor.unit(start), start + 1)
        direction = left = factor.vector(read)
        if self.delay:
            left = factor.vector(run(self.delay, read, start + 2))
        report = spectrum_report(name, operator, rows.shape, self.time + self.delay)
        return direction.to(gradient), {"voltages": left, "rng": rng.bit_generator.state}, report


class _Coordinates:
    """R on vectors Σ_i c_i b_i + Rᵀu, given as (c, u)."""

    def __init__(self, rows: Rows, basis: list[Tensor]) -> None:
        self.rows, self.basis, self._gram = rows, basis, rows.gram()
        images = torch.cat([rows.apply(vector[:, None]) for vector in basis], 1)
        self.matrix = torch.cat([images, self._gram.to(images)], 1)
        self.shape, self.dtype, self.like = tuple(self.matrix.shape), rows.dtype, rows.like

    def unit(self, index: int) -> Tensor:
        """The coordinates of one of the basis (m + r, 1)."""
        found = self.matrix.new_zeros(self.shape[1], 1)
        found[index] = 1
        return found

    def gram(self) -> Tensor:
        return self._gram

    def apply(self, block: Tensor) -> Tensor:
        return self.matrix @ block

    def apply_transposed(self, block: Tensor) -> Tensor:
        return torch.cat([block.new_zeros(len(self.basis), block.shape[1]), block])

    def vector(self, coordinates: Tensor) -> Tensor:
        """The vector itself (N,)."""
        count = len(self.basis)
        vector = self.rows.apply_transposed(coordinates[count:])[:, 0]
        for weight, one in zip(coordinates[:count, 0].tolist(), self.basis, strict=True):
            if weight:
                vector.add_(one, alpha=weight)
        return vector
