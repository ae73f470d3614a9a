"""One run of the ideal device, in the coordinates of the few vectors and the rows that its state is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thermoapps.natural_gradient.layers.base import thin_product
from thermoapps.natural_gradient.solvers._device_run import spectrum_report
from thermoapps.natural_gradient.solvers._lanczos import in_row_space
from thermoapps.natural_gradient.solvers.base import Rows, SolverReport, State, as_column, begun
from thermolinalg import Overdamped
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions import LowRankEngine
from thermolinalg.operators import LowRankPlusIdentity

__all__ = ["IdealRun"]

DECOMPOSED = 96
"""Rows up to which their Gram matrix is decomposed: that costs no more than iterating, and tells the whole spectrum."""

RTOL = 1.0
"""Of what rows add to a direction, in units of their precision. It is the error some steps before the last, and what is
left of it is a thousandth or less: stiff directions are small differences of large numbers."""


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
        space = _Coordinates(rows, basis, damping)

        def run(time: float, begin: Tensor, kick: int) -> Tensor:
            return space.after(device.step(time), begin, kick if self.temperature else None)

        read = run(self.time, (not at_rest) * space.unit(start), start + 1)
        direction = left = space.vector(read)
        if self.delay:
            left = space.vector(run(self.delay, read, start + 2))
        state = {"voltages": left, "rng": rng.bit_generator.state}
        return direction.to(gradient), state, space.report(name, self.time + self.delay)


class _Coordinates:
    """R on vectors Σ_i c_i b_i + Rᵀu, given as (c, u); the first b is the load."""

    def __init__(self, rows: Rows, basis: list[Tensor], damping: float) -> None:
        self.rows, self.basis, self.damping = rows, basis, damping
        self._gram = rows.gram()
        images = torch.cat([rows.apply(vector[:, None]) for vector in basis], 1)
        self.shape, self.dtype, self.like = (rows.shape[0], len(basis) + rows.shape[0]), rows.dtype, rows.like
        self._images, self._exact = images, self._gram.to(torch.float64)
        self._largest = 0.0

    def unit(self, index: int) -> Tensor:
        """The coordinates of one of the basis (m + r, 1)."""
        found = self._exact.new_zeros(self.shape[1], 1)
        found[index] = 1
        return found

    def gram(self) -> Tensor:
        return self._gram

    def apply(self, block: Tensor) -> Tensor:
        given, spread = block[: len(self.basis)], block[len(self.basis) :]
        return self._images.to(block) @ given + thin_product(self._exact.to(block), spread)

    def apply_transposed(self, block: Tensor) -> Tensor:
        return torch.cat([block.new_zeros(len(self.basis), block.shape[1]), block])

    def after(self, law: LinearLaw, begin: Tensor, kick: int | None) -> Tensor:
        """The end of a run of a law from a state, with one of the basis as noise."""
        if self.shape[0] > DECOMPOSED:
            # The deviation obeys the same law from rest, under the load g − (RᵀR + λI) x(0).
            load = self.unit(0) - self.damping * begin - self.apply_transposed(self.apply(begin))
            parts = [begin, self._of(law, 1, load)]
            if kick is not None:
                parts.append(self._of(law, 2, self.unit(kick)))
            found = [part for part in parts if part is not None]
            if len(found) == len(parts):
                return torch.stack(found).sum(0)
        inputs = [begin, self.unit(0), None if kick is None else self.unit(kick)]
        (end,) = self._engine.apply(law, [None if v is None else v.to(self.like) for v in inputs], ("state",))
        return torch.as_tensor(end).to(begin)

    def _of(self, law: LinearLaw, which: int, vector: Tensor) -> Tensor | None:
        """What a law makes of one of its inputs, if that takes a few products only."""

        def function(values: np.ndarray) -> np.ndarray:
            return np.asarray(law.functions(values)[0][which])

        rtol = max(RTOL * torch.finfo(self.dtype).eps, 1e-13)
        found = in_row_space(function, self.damping, self._exact, self.apply(vector)[:, 0], rtol)
        if found is None:
            return None
        self._largest = max(self._largest, found.largest)
        result = float(function(np.array([self.damping]))[0]) * vector
        result[len(self.basis) :, 0] += found.rows
        return result

    @cached_property
    def _engine(self) -> LowRankEngine:
        return LowRankEngine(LowRankPlusIdentity(self, shift=self.damping, like=self.like))

    def vector(self, coordinates: Tensor) -> Tensor:
        """The vector itself (N,)."""
        count = len(self.basis)
        vector = self.rows.apply_transposed(coordinates[count:].to(self.dtype))[:, 0]
        for weight, one in zip(coordinates[:count, 0].tolist(), self.basis, strict=True):
            if weight:
                vector.add_(one, alpha=weight)
        return vector

    def report(self, name: str, device_time: float) -> SolverReport:
        """What has been learnt of the spectrum of RᵀR + λI."""
        if "_engine" in vars(self):
            return spectrum_report(name, self._engine.operator, self.rows.shape, device_time)
        rows, size = self.rows.shape
        smallest = self.damping if rows < size else None
        largest = self.damping + self._largest
        return SolverReport(name, device_time, smallest_eigenvalue=smallest, largest_eigenvalue=largest)
