"""A matrix in a simulated device: loaded, with a law of motion, and the engines that draw from it."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array, namespace, standard_normal, to_numpy
from thermolinalg.devices.drawn import Drawn
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.loading import AsWritten, Equilibrated
from thermolinalg.devices.reading import Ledger
from thermolinalg.devices.recent_laws import Dynamics
from thermolinalg.matrix_functions.base import Diagonalising
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.operators import Operator

__all__ = ["Law", "Simulated", "SingularError"]

SETTLED = 1e-5
"""Share of its variance to which a mode has to settle."""

SHOWN = 3
"""Entries of a null vector that an error message names."""


class Law(Dynamics, Protocol):
    """Dynamics of a device with symmetric couplings, as scalar functions of an eigenvalue."""

    def relaxation_rate(self, lam: float) -> float:
        """Rate at which a mode forgets its start."""
        ...

    def stationary_variance(self, lam: Array) -> Array:
        """Variance of a mode in equilibrium."""
        ...

    def decay(self, lam: Array, t: float) -> Array:
        """Memory of the start after t."""
        ...


class SingularError(np.linalg.LinAlgError):
    """A matrix that is singular to working precision.

    Attributes
    ----------
    null_vector : array, shape (d,), or None
        Its null vector in the user's units, largest entry 1, where the engine has it.
    smallest, largest : float or None
        Ends of its spectrum (singular values, where A is not symmetric) as the device is balanced for it.

    See Also
    --------
    solve : Raises it.
    lstsq : Answers instead.
    """

    def __init__(
        self,
        message: str,
        null_vector: Array | None = None,
        smallest: float | None = None,
        largest: float | None = None,
    ) -> None:
        super().__init__(message)
        self.null_vector, self.smallest, self.largest = null_vector, smallest, largest


class Simulated(Drawn):
    """A matrix written into a simulated device, with its law and its engines.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        The user's A, symmetric.
    law : Law
        As designed; `law` is the one the imperfections leave.
    loading : Equilibrated or AsWritten
    imperfections : Imperfections
    rng : numpy.random.Generator
        Draws this copy's imperfections.

    Attributes
    ----------
    largest : float or None
        Largest eigenvalue of S A S as it was written, where c is taken from it.

    Raises
    ------
    TypeError
        A is not symmetric.
    """

    law: Law
    engines: Engines
    largest: float | None

    def __init__(
        self,
        operator: Operator,
        law: Law,
        loading: Equilibrated | AsWritten,
        imperfections: Imperfections,
        rng: np.random.Generator,
    ) -> None:
        if not operator.symmetric:
            raise TypeError("the couplings of a LangevinDevice are symmetric, and A is not: pass a GeneralDevice")
        super().__init__(operator, loading, imperfections, rng)
        self.temperature, self.law = law.temperature, imperfections.dynamics(law)
        self.engines, self.largest = Engines(self.effective), None
        if isinstance(loading, Equilibrated) and operator.shape[0]:
            with imperfections.blamed():
                self.largest = self.engines.largest_eigenvalue()
            self.factor = 1.0 / self.largest if self.largest > 0 else 1.0
        self.engines.largest = self.largest
        self.ledger = Ledger.of(operator)

    # -- what it is ---------------------------------------------------------------------------------------------------

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue of A_dev."""
        return self._interval

    @cached_property
    def _interval(self) -> tuple[float, float]:
        """`interval`, found once."""
        with self.imperfections.blamed():
            lower, upper = self.engines.interval()
        return self.factor * lower, self.factor * upper

    @property
    def condition(self) -> float:
        """Condition number of A_dev."""
        lower, upper = self.interval()
        return upper / lower if lower > 0 else math.inf

    @cached_property
    def ideal(self) -> bool:
        """Whether it settles to N(A⁻¹b, T A⁻¹) exactly: no imperfections, no time stepping."""
        return self.imperfections.is_perfect and self.settles_to(self.temperature, np.array(self.interval()))

    def settles_to(self, temperature: float, ends: Array) -> bool:
        """Whether the variance of a mode in equilibrium is temperature/α at the ends of the spectrum of A_dev."""
        off = self.law.stationary_variance(ends) * ends - temperature
        return bool((abs(off) <= SETTLED * temperature).all())

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ; in time stepping that may be the stiffest one.

        Raises
        ------
        LinAlgError
            A is singular to working precision, λ_min ≤ min(d, 200) · eps · λ_max: its slowest mode never relaxes. The
            error has the null vector as `null_vector`, where the engine knows it.
        """
        return self._rate

    def rate_above(self, value: float) -> float:
        """Relaxation rate of the slowest mode, in 1/τ, of those with an eigenvalue of S A S of `value` at least."""
        ends = (self.factor * value, self.interval()[1])
        return min(float(self.law.relaxation_rate(end)) for end in ends)

    @cached_property
    def _rate(self) -> float:
        """`rate`, found once."""
        lower, upper = self.interval()
        rounding = self.effective.rounding * upper
        if lower <= rounding:
            raise self._singular(lower, upper, rounding)
        return min(float(self.law.relaxation_rate(end)) for end in (lower, upper))

    def _singular(self, lower: float, upper: float, rounding: float) -> SingularError:
        vector = self._null_vector()
        where = ""
        if vector is not None:
            sizes = np.abs(to_numpy(vector))
            entries = np.argsort(-sizes, kind="stable")[:SHOWN]
            where = f", its null vector is largest at {[int(i) for i in entries if sizes[i] > 0]}"
        return SingularError(
            f"A is singular to working precision: its smallest eigenvalue on the device is {lower:.3g} where the "
            f"largest is {upper:.3g} and rounding {rounding:.3g}{where}; use lstsq or pinv for the minimum-norm "
            "solution",
            vector,
            lower,
            upper,
        )

    def _null_vector(self) -> Array | None:
        """The eigenvector of the smallest eigenvalue in the user's units (d,), where an engine is at hand for it."""
        engine, like = self.engines.choose(self.law.stationary(), ("state",)).engine, self.operator.like
        vector: Array
        if isinstance(engine, Diagonalising):
            values: Array = engine.eigenvalues()
            xp = namespace(values)
            mode = xp.zeros((values.shape[0], 1), dtype=like.dtype, device=like.device)
            mode[int(xp.argmin(values)), 0] = 1
            vector = engine.from_modes(mode)
        elif isinstance(engine, Factorised):
            # Two steps of inverse iteration: each multiplies what is not in the null space by λ_min/λ.
            vector = standard_normal(np.random.default_rng(0), (self.operator.shape[0], 1), like)
            for _ in range(2):
                vector = engine.solve(vector)
                vector = vector / namespace(vector).max(abs(vector))
        else:
            return None
        vector = self.to_user(vector, 1.0)[:, 0]
        return vector / namespace(vector).max(abs(vector))
