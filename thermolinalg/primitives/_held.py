"""A matrix held by a device, as a determinant protocol sees it: read on the way from aI to A, or driven along it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.special import expit

from thermolinalg._arrays import as_float64, eps, namespace, standard_normal, to_numpy
from thermolinalg.laws import EQUILIBRIUM_TIMES, LinearLaw
from thermolinalg.laws.work import Drive
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.operators import Dense, Sparse
from thermolinalg.simulation.drives import work_by_products, work_of_modes

__all__ = ["BATCHES", "Held"]

FORMABLE = 4096
"""Up to this size A is diagonalised once, which makes every reading cheap; larger ones only if dense or structured."""

BATCHES = 16
"""Groups of readings at each node: their scatter gives the error bar."""


@dataclass
class Held:
    """A matrix written into a device, as a determinant protocol sees it.

    Parameters
    ----------
    program : LangevinProgram
    temperature : float
        What the estimates take T for; the device's own may be off.
    """

    program: Any
    temperature: float
    engine: str = field(default="eigenvalues", init=False)

    @property
    def d(self) -> int:
        """Number of modes."""
        return int(self.program.effective.shape[0])

    @cached_property
    def modes(self) -> NDArray[np.float64] | None:
        """Eigenvalues of the matrix the device holds, where the simulator can have them."""
        operator = self.program.effective
        values = operator.eigenvalues()
        if values is None and (isinstance(operator, Dense) or self.d <= FORMABLE):
            matrix = as_float64(operator.dense())
            values = namespace(matrix).linalg.eigvalsh(matrix)
        if values is None:
            values = self.program.engines.choose(self.program.law.stationary(), ("state",)).engine.eigenvalues()
        return None if values is None else np.asarray(to_numpy(values), dtype=float)

    @cached_property
    def distinct(self) -> tuple[NDArray[np.float64], NDArray[np.int_]]:
        """Distinct eigenvalues and how often each occurs: a low-rank A has few, whatever its size."""
        assert self.modes is not None
        modes, multiplicity = np.unique(self.modes, return_counts=True)
        return modes, multiplicity

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue; LinAlgError if the matrix is not positive definite."""
        if self.modes is not None:
            lower, upper = float(self.modes.min()), float(self.modes.max())
        else:
            lower, upper = self.program.engines.interval()
        rounding = self.d * eps(self.program.effective.like) * max(abs(lower), abs(upper))
        if lower < -4 * rounding:
            raise np.linalg.LinAlgError(
                f"A is not positive definite: its smallest eigenvalue on the device is {lower:.6g}, its largest "
                f"{upper:.3g}; a device cannot see a sign, but logabsdet(A) gives log|det A| of any square A"
            )
        if lower <= rounding / 4:
            raise np.linalg.LinAlgError(
                f"A is singular to working precision: its eigenvalues on the device range from {lower:.3g} to "
                f"{upper:.3g}, so log|det A| is -inf or lost in rounding"
            )
        return lower, upper

    @cached_property
    def start(self) -> float:
        """The a of the known matrix aI to start from: the mean eigenvalue where the trace is known."""
        lower, upper = self.interval
        trace = self.program.effective.trace()
        mean = math.sqrt(lower * upper) if trace is None else float(trace) / self.d
        return min(max(mean, lower), upper)

    def softest(self, s: float) -> float:
        """Smallest eigenvalue of A_s."""
        return (1 - s) * self.start + s * self.interval[0]

    def relaxation_time(self, softest: float) -> float:
        """Time to reach equilibrium while `softest` is the smallest eigenvalue held, in units of τ."""
        return EQUILIBRIUM_TIMES / float(self.program.law.relaxation_rate(self.program.factor * softest))

    def excess_variance(self, stiffness: NDArray[np.float64]) -> NDArray[np.float64]:
        """Stationary variance of the device's own law, relative to the T/α that the estimates take it for."""
        held = self.program.factor * stiffness
        return np.asarray(self.program.law.stationary_variance(held) * held / self.temperature)

    @property
    def drivable(self) -> bool:
        """Whether the device settles to its temperature over α, as drives need (time stepping does not)."""
        heat = self.program.law.temperature / self.temperature
        return bool(np.allclose(self.excess_variance(np.array(self.interval)), heat))

    def readings(self, log_odds: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Means of BATCHES groups of n equilibrium readings of ds/du · xᵀ(A − aI)x/T at s = 1/(1 + e^{−u})."""
        s, left = float(expit(log_odds)), float(expit(-log_odds))
        if self.modes is not None:
            modes, multiplicity = self.distinct
            stiffness = left * self.start + s * modes
            weight = s * left * (modes - self.start) / stiffness * self.excess_variance(stiffness)
            # n readings of m equal modes are one draw of χ² with nm degrees of freedom.
            return np.asarray(rng.chisquare(n * multiplicity, (BATCHES, len(modes))) @ weight / n)
        engines, law = self._on_the_way(s, left)
        operator, columns, sums = self.program.effective, max(1, int(2**22 / self.d)), []
        for done in range(0, BATCHES * n, columns):
            z = standard_normal(rng, (self.d, min(columns, BATCHES * n - done)), operator.like)
            choice = engines.choose(law, ("state",), z.shape[1])
            # The load is zero and the start forgotten; the position needs one normal vector.
            inputs = [z if name in ("z", "z1") else None for name in law.inputs]
            (x,) = choice.engine.apply(law, inputs, ("state",))
            sums.append(to_numpy((x * (operator.apply(x) - self.start * x)).sum(0)))
        self.engine = choice.engine.name
        scale = s * left * self.program.factor / self.temperature
        return np.asarray(scale * np.concatenate(sums).reshape(BATCHES, n).mean(axis=1))

    def _on_the_way(self, s: float, left: float) -> tuple[Engines, LinearLaw]:
        """What draws equilibrium readings of A_s = left · aI + s A, s + left = 1."""
        law = self.program.law.stationary().rescaled(self.program.factor)
        operator = self.program.effective
        if isinstance(operator, Sparse):  # A_s is as sparse as A, and one factorisation of it serves all readings
            identity = scipy.sparse.eye_array(self.d, dtype=operator.dtype)
            return Engines(Sparse(s * operator.matrix + left * self.start * identity)), law
        return self.program.engines, Drive(self.start).along(law, s)

    def works(self, drive: Drive, steps: int, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Work of n forward and n reverse drives that settle after each jump, in units of the T of the estimates."""
        heat = self.program.law.temperature / self.temperature
        if self.modes is None:
            self.engine = "products"
            forward = work_by_products(self.program.engines, drive, steps, n, rng=rng, temperature=heat)
            reverse = work_by_products(self.program.engines, drive, steps, n, rng=rng, temperature=heat, reverse=True)
            return forward, reverse
        path = drive.path(self.modes, steps)
        forward = work_of_modes(path, n, rng=rng, temperature=heat)
        return forward, work_of_modes(path[::-1], n, rng=rng, temperature=heat)
