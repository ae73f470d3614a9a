"""A simulated device on the way from aI to the matrix it holds: read in equilibrium, or driven in jumps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thermolinalg._arrays import Array, as_array, as_float64, eps, namespace, standard_normal, to_numpy
from thermolinalg._progress import watched
from thermolinalg.devices.reading import Spectrum
from thermolinalg.devices.simulated import Simulated, SingularError
from thermolinalg.laws import EQUILIBRIUM_TIMES, LinearLaw
from thermolinalg.laws.work import Drive, logistic
from thermolinalg.matrix_functions.condensed import CondensedSpectrum, condensed_spectrum
from thermolinalg.operators import Dense, Normal, Operator, Sparse
from thermolinalg.simulation.drives import work_by_products, work_of_modes

__all__ = ["GROUPS", "Driven"]

FORMABLE = 4096
"""Up to this size A is diagonalised once, which makes every reading cheap; larger ones only if dense or structured."""

GROUPS = 16
"""Groups of readings at each point, whose scatter gives the error bar: more make it sharper, each of them noisier."""

COLUMNS = 2**22
"""Numbers of one block of readings drawn by products: larger blocks share more, and take more memory."""


@dataclass(frozen=True)
class Eigenvalues:
    """The eigenvalues of the matrix a device holds, as a simulator computes them.

    Parameters
    ----------
    values : ndarray, shape (d,)
    rounding : float
        Bound on what their rounding moves Σ log λ by.
    negligible : float
        Below this share of the largest an eigenvalue is lost in rounding.
    """

    values: NDArray[np.float64]
    rounding: float
    negligible: float


@dataclass
class Driven:
    """What the drives and readings of one program share.

    Parameters
    ----------
    program : Simulated
    """

    program: Simulated

    @property
    def d(self) -> int:
        """Number of modes."""
        return int(self.program.effective.shape[0])

    @cached_property
    def modes(self) -> Eigenvalues | None:
        """Eigenvalues of the matrix the device holds, where the simulator can have them."""
        operator = self.program.effective
        values = operator.eigenvalues()
        if values is None and (isinstance(operator, Dense) or self.d <= FORMABLE):
            if isinstance(operator, Normal) and isinstance(operator.ridge, float) and operator.ridge == 0:
                return _of_normal(operator)
            matrix = as_float64(operator.dense())
            values = namespace(matrix).linalg.eigvalsh(matrix)
        if values is None:
            values = self.program.engines.choose(self.program.law.stationary(), ("state",)).engine.eigenvalues()
        return None if values is None else _of_symmetric(operator, to_numpy(values).astype(np.float64))

    @cached_property
    def condensed(self) -> CondensedSpectrum | None:
        """A few modes in the place of all, where A is sparse and a factor of it can be had."""
        operator, engines = self.program.effective, self.program.engines
        if self.modes is not None or not isinstance(operator, Sparse):
            return None
        ends = engines.interval()
        return condensed_spectrum(operator, ends) if ends[0] > 0 else None

    @cached_property
    def spectrum(self) -> Spectrum:
        """What is known of the matrix held; LinAlgError if it is not positive definite."""
        program, operator = self.program, self.program.effective
        program.refuse_lifted()
        precision = eps(operator.like)
        if self.modes is not None:
            lower, upper = float(self.modes.values.min()), float(self.modes.values.max())
            rounding, negligible = self.modes.rounding, self.modes.negligible
        else:
            lower, upper = program.engines.interval()
            # As if every √d-th mode were as soft as the softest, which few matrices outdo.
            negligible = operator.order * precision
            # Sparse factors are of double precision whatever A has.
            unit = precision if self.condensed is None else float(np.finfo(np.float64).eps)
            rounding = (operator.order * self.d) ** 0.5 * unit * upper / lower if lower > 0 else math.inf
        self._refuse(lower, upper, negligible)
        few = self.condensed
        rounding += 0.0 if few is None else few.residual
        values = self.modes if few is None else few
        trace, scaling = operator.trace(), program.scaling
        ends = program.factor * np.array([lower, upper])
        settles = program.settles_to(program.law.temperature, ends)
        exact = settles and program.imperfections.is_perfect
        squares = operator.column_squares() if exact and trace is not None else None
        return Spectrum(
            order=self.d,
            smallest=lower,
            largest=upper,
            mean=math.sqrt(lower * upper) if trace is None else float(trace) / self.d,
            offset=0.0 if scaling is None else -2 * float(np.log(to_numpy(scaling).astype(float)).sum()),
            eigenvalues=None if values is None else values.values,
            multiplicity=None if few is None else few.multiplicity,
            rounding=rounding,
            systematic=0.0 if exact else None,
            settles=settles,
            traces=None if squares is None or trace is None else (float(trace), float(to_numpy(squares).sum())),
        )

    def _refuse(self, lower: float, upper: float, negligible: float) -> None:
        """LinAlgError where the spectrum is not that of a positive definite matrix."""
        with self.program.imperfections.blamed():
            self._check(lower, upper, negligible)

    def _check(self, lower: float, upper: float, negligible: float) -> None:
        if lower < -4 * self.d * eps(self.program.effective.like) * max(abs(lower), abs(upper)):
            raise np.linalg.LinAlgError(
                f"A is not positive definite: its smallest eigenvalue on the device is {lower:.6g}, its largest "
                f"{upper:.3g}; a device cannot see a sign"
            )
        if lower > negligible * upper:
            return
        if isinstance(self.program.effective, Normal) and self.modes is None:
            raise np.linalg.LinAlgError(
                f"A is too ill-conditioned for its normal operator by products: the eigenvalues of AᵀA range from "
                f"{lower:.3g} to {upper:.3g}; pass A as an array of up to {FORMABLE} rows"
            )
        raise SingularError(
            f"A is singular to working precision: its eigenvalues on the device range from {lower:.3g} to "
            f"{upper:.3g}, so log|det A| is -inf or lost in rounding",
            smallest=lower,
            largest=upper,
        )

    # -- readings -----------------------------------------------------------------------------------------------------

    def readings_along(self, start: float, log_odds: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `LangevinProgram.readings_along`."""
        s, left = float(logistic(log_odds)), float(logistic(-log_odds))
        self.program.ledger.record(self.d, GROUPS * n, self._relaxation_time(start, s, left))
        if self.spectrum.modes is not None:
            self.program.drawn = self._known("readings are sums over its modes")
            modes, multiplicity = self.spectrum.modes
            stiffness = left * start + s * modes
            weight = s * left * (modes - start) / stiffness * self._excess_variance(stiffness)
            # n readings of m equal modes are one draw of χ² with nm degrees of freedom.
            return np.asarray(rng.chisquare(n * multiplicity, (GROUPS, len(modes))) @ weight / n)
        product, scale = self.program.effective.apply, s * left * self.program.factor / self.program.temperature
        sums = [to_numpy((x * (product(x) - start * x)).sum(0)) for x in self._drawn_along(start, s, n, rng)]
        return np.asarray(scale * np.concatenate(sums).reshape(GROUPS, n).mean(axis=1))

    def energies_along(self, start: float, log_odds: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """See `LangevinProgram.energies_along`."""
        s, left = float(logistic(log_odds)), float(logistic(-log_odds))
        self.program.ledger.record(self.d, GROUPS * n, self._relaxation_time(start, s, left))
        product, blocks = self.program.effective.apply, []
        for x in self._drawn_along(start, s, n, rng):
            held = product(x)
            terms = (x * x, x * held, held * held, held * product(held))
            blocks.append(np.stack([to_numpy(term.sum(0)) for term in terms]))
        # xᵀHᵏx for k = 0 … 3, and H_s = (1 − s) aI + s H.
        powers, c = np.concatenate(blocks, axis=1).reshape(4, GROUPS, n).mean(axis=2), left * start
        energies = [
            s * left * (powers[1] - start * powers[0]),
            c * powers[0] + s * powers[1],
            c**2 * powers[0] + 2 * c * s * powers[1] + s**2 * powers[2],
            c**3 * powers[0] + 3 * c**2 * s * powers[1] + 3 * c * s**2 * powers[2] + s**3 * powers[3],
        ]
        return np.asarray(self.program.factor / self.program.temperature * np.array(energies))

    def _drawn_along(self, start: float, s: float, n: int, rng: np.random.Generator) -> Iterator[Array]:
        """Readings of H_s in equilibrium, in blocks (d, k), n for each group."""
        engines, law = self.program.engines, Drive(start).along(self._stationary, s).noise()
        columns = max(1, COLUMNS // self.d)
        for done in watched(range(0, GROUPS * n, columns), "block of readings"):
            z = standard_normal(rng, (self.d, min(columns, GROUPS * n - done)), self.program.effective.like)
            choice = self.program.told(engines.choose(law, ("state",), z.shape[1]))
            # The position needs one normal vector.
            inputs = [z if name in ("z", "z1") else None for name in law.inputs]
            yield choice.engine.apply(law, inputs, ("state",))[0]

    @cached_property
    def _stationary(self) -> LinearLaw:
        """The law in equilibrium, for the matrix as it is written."""
        return self.program.law.stationary().rescaled(self.program.factor)

    def _excess_variance(self, stiffness: NDArray[np.float64]) -> NDArray[np.float64]:
        """Stationary variance of the device's own law, relative to the T/α that the estimates take it for."""
        held = self.program.factor * stiffness
        return np.asarray(self.program.law.stationary_variance(held) * held / self.program.temperature)

    def _relaxation_time(self, start: float, s: float, left: float) -> float:
        """Time to reach equilibrium of H_s, in units of τ."""
        rates = [
            self.program.law.relaxation_rate(self.program.factor * (left * start + s * end))
            for end in (self.spectrum.smallest, self.spectrum.largest)
        ]
        return EQUILIBRIUM_TIMES / float(min(rates))

    # -- drives -------------------------------------------------------------------------------------------------------

    def work(
        self, drive: Drive, steps: int, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """See `LangevinProgram.work`."""
        if not self.spectrum.settles:
            raise ValueError(
                "the law of this device does not settle to N(0, T A_s^-1), so its work tells no free energy; "
                "pass method='integration' to see by how much it is off"
            )
        progress = drive.progress(np.linspace(0, 1, steps + 1))
        time_each = sum(self._relaxation_time(drive.start, float(s), 1 - float(s)) for s in progress)
        self.program.ledger.record(self.d, 2 * n, time_each, steps)
        heat = self.program.law.temperature / self.program.temperature
        if self.spectrum.modes is None:
            self.program.drawn = ("products", "A is known by its products only")
            forward, reverse = (
                work_by_products(self.program.engines, drive, steps, n, rng=rng, temperature=heat, reverse=back)
                for back in (False, True)
            )
            return forward, reverse
        self.program.drawn = self._known("the work is a sum over its modes")
        modes, counts = self.spectrum.modes
        path, multiplicity = drive.path(modes, steps), None if np.all(counts == 1) else counts
        forward, reverse = (
            work_of_modes(way, n, rng=rng, temperature=heat, multiplicity=multiplicity) for way in (path, path[::-1])
        )
        return forward, reverse

    def _known(self, therefore: str) -> tuple[str, str]:
        """Engine and reason where the spectrum is known."""
        few = self.condensed
        if few is None:
            return "eigenvalues", f"the spectrum of A is at hand: {therefore}"
        return (
            "factorised (sparse LDLᵀ)",
            f"the pivots of A + zI tell its spectrum, as {len(few.values)} modes: {therefore}",
        )


def _of_symmetric(operator: Operator, values: NDArray[np.float64]) -> Eigenvalues:
    """Equal eigenvalues are one number and err together, entries of a diagonal not at all."""
    lost = 0.0 if operator.order == 1 else _lost(np.unique(values), operator.order)
    rounding = float(np.finfo(np.float64).eps) * (lost + len(values))
    return Eigenvalues(values, rounding, operator.order * eps(operator.like))


def _of_normal(operator: Normal) -> Eigenvalues:
    """Eigenvalues of XᵀX as squares of the singular values of X: κ is not squared."""
    factor = operator.factor
    x = as_float64(factor.apply(as_array(np.eye(operator.shape[0]), operator.like)))
    singular = np.asarray(to_numpy(namespace(x).linalg.svdvals(x)), dtype=np.float64)
    d = operator.shape[0]
    sigma = np.concatenate([singular, np.zeros(d - len(singular))])
    rounding = 2 * float(np.finfo(np.float64).eps) * (_lost(sigma, d) + d)
    return Eigenvalues(operator.weight * sigma**2, rounding, (d * eps(operator.like)) ** 2)


def _lost(values: NDArray[np.float64], order: int) -> float:
    """Bound on the error of Σ log λ, over eps: each λ errs by √d eps λ_max, the smallest by as much as d eps λ_max."""
    positive = values[values > 0]
    if not positive.size:
        return 0.0
    return float(positive.max() * max(order**0.5 * (1 / positive).sum(), order / positive.min()))
