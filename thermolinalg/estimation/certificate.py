"""What a refined answer is worth: its true residual, its backward error, and the error that is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from thermolinalg._arrays import Array, column_norms, random_signs, to_numpy
from thermolinalg.devices import Reading, Schedule
from thermolinalg.estimation.refinement import Goal, NoisyInverse, State
from thermolinalg.systems import Equation

__all__ = ["AT_FLOOR", "Certificate", "ErrorBar", "error_bar", "rounding_bound", "unit"]

AT_FLOOR = 8.0
"""Backward errors up to (8 + √d) eps stand at the rounding floor: what a stable direct solver leaves."""

PROBES = 8
"""Loads of random signs that tell how the inverse spreads rounding: their scatter is a quarter of what they say."""

LEFT = 4.0
"""Errors up to so many eps of the whole answer may be left in each of its entries."""

NEGLIGIBLE = 2.0**-90
"""Residuals more precise than this leave no rounding in any answer that is not singular to double precision."""

LONGER = 16
"""Times that the further run of a conjugate iteration is longer than the others: its noise is a quarter of theirs."""

AGREEMENT = 2.9
"""An error bar is widened where the error that a further run sees is more than so many of it."""


@dataclass(frozen=True)
class Certificate:
    """The true residual of the rounded answer, judged.

    Parameters
    ----------
    residual : array, shape (m, k)
        b − A x, in extended precision where the iteration came near its rounding.
    norms : ndarray, shape (k,)
        In the user's measure.
    targets : ndarray, shape (k,)
        What was asked for.
    backward_error : ndarray, shape (k,)
        ‖b − A x‖/(‖A‖‖x‖ + ‖b‖) in the balanced units.
    floor : float
        Backward errors up to it are rounding.
    reached : ndarray of bool, shape (k,)
        Whether the residuals of a column met their targets in every measure.
    doubted : ndarray of bool, shape (k,), optional
        Whether they may leave a larger error than was asked for all the same.
    """

    residual: Array
    norms: np.ndarray
    targets: np.ndarray
    backward_error: np.ndarray
    floor: float
    reached: np.ndarray
    doubted: np.ndarray | bool = False

    @classmethod
    def of(cls, equation: Equation, state: State, goal: Goal) -> Certificate:
        """Judge the answer of a state."""
        residual = None if state.low is None else equation.extended(state.x, equation.rounded(state.low))
        if residual is None:
            residual = state.residual if state.low is None else equation.residual(state.x)
        every = equation.norms(residual)
        scale = to_numpy(equation.floor(state.x)).astype(float)
        balanced = to_numpy(every[-1]).astype(float)
        backward = np.divide(balanced, scale, out=np.zeros_like(balanced), where=scale > 0)
        norms, targets = to_numpy(every[0]).astype(float), to_numpy(goal.targets[0]).astype(float)
        floor = (AT_FLOOR + max(equation.matrix.shape) ** 0.5) * equation.eps
        reached = np.all([to_numpy(n) <= to_numpy(t) for n, t in zip(every, goal.targets, strict=True)], axis=0)
        return cls(
            residual, norms, targets, backward, floor, reached, to_numpy(goal.doubted(state)) if goal.gain else False
        )

    @property
    def met(self) -> bool:
        """Whether every column is as good as was asked for."""
        return bool(np.all(self.reached & np.logical_not(self.doubted)))

    @property
    def success(self) -> bool:
        """Whether every column is as good as was asked for, or as its precision allows."""
        return bool(np.all((self.reached & np.logical_not(self.doubted)) | (self.backward_error <= self.floor)))


@dataclass(frozen=True)
class ErrorBar:
    """One standard deviation of an answer, by where it comes from (n, k each).

    Parameters
    ----------
    noise : array
        The device's spread that refinement has not yet taken out.
    rounding : array
        Of the answer where residuals are extended; else the bound |A⁻¹| eps (|A||x| + |b|).
    """

    noise: Array
    rounding: Array

    @property
    def total(self) -> Array:
        """Their sum."""
        return self.noise + self.rounding


def error_bar(
    equation: Equation,
    inverse: NoisyInverse,
    state: State,
    certificate: Certificate,
    schedule: Schedule,
    rng: np.random.Generator,
    inaccuracy: float = 0.0,
    gain: float = 0.0,
) -> ErrorBar:
    """The error of a refined answer, by further runs of the device.

    What a run leaves is its own noise, whose size further runs without a load tell. One run more loads the true
    residual of the answer: what it reads is the error itself, to the precision of a reading, and widens the bar where
    that is too small for it (a biased device, or rounding in few dimensions).

    Parameters
    ----------
    equation, inverse, state, certificate
        Of the refinement.
    schedule : Schedule
        Of the further runs.
    rng : numpy.random.Generator
    inaccuracy : float, optional
        Share of a correction that the rounding of the simulated device itself, eps times its condition, may leave.
    gain : float, optional
        As of the goal.

    Returns
    -------
    ErrorBar
    """
    xp = equation.xp
    noise = xp.zeros_like(state.x)
    if state.reading is not None and not state.conjugate:
        noise = cast(Array, noise + state.reading.standard_error)
    if bool((certificate.residual != 0).any()):
        # Directions leave less than a reading resolves: there the further run is a long one.
        longer = schedule.lengthened(LONGER) if state.conjugate else schedule
        seen = inverse.average(certificate.residual, longer, rng=rng)
        if state.conjugate or state.reading is None:
            noise = xp.hypot(seen.value, seen.standard_error)
        else:
            # What the further run sees beyond its own noise is error.
            noise = xp.maximum(noise, (abs(seen.value) - 2 * seen.standard_error) / AGREEMENT)
    if gain:
        noise = xp.maximum(noise, gain * state.norms[-1] * unit(equation))
    if state.correction is not None and not state.conjugate:
        noise = xp.maximum(noise, getattr(inverse, "bias", 0.0) * abs(state.correction))
    if state.low is None:
        return ErrorBar(noise, rounding_bound(equation, inverse, state.x, schedule, rng, equation.eps))
    rounding = equation.eps * abs(state.x)
    if state.correction is not None and not state.conjugate:
        rounding = xp.maximum(rounding, inaccuracy * equation.balanced.solution(state.correction) * unit(equation))
    if state.correction is not None and state.left is not None:
        left = abs(state.correction) * xp.where(state.left < 1.0, state.left, 1.0)
        # Corrections far above rounding leave noise, which is told already; the others rounding, and little of it.
        size = equation.balanced.solution
        little = size(equation.asked(left)) <= LEFT * equation.eps * size(equation.asked(state.x))
        rounding = xp.where(little | (state.stalled > 0), xp.maximum(rounding, left), rounding)
    extended = equation.matrix.extended_eps
    if extended > NEGLIGIBLE:
        rounding = xp.maximum(rounding, rounding_bound(equation, inverse, state.x, schedule, rng, extended))
    else:  # but in unknowns so small beside the others that twice the precision does not see them
        lost = extended * max(1.0, inaccuracy / equation.eps)
        rounding = xp.maximum(rounding, lost * equation.balanced.solution(equation.asked(state.x)) * unit(equation))
    return ErrorBar(noise, rounding)


def unit(equation: Equation) -> Array | float:
    """One of every unknown (n, 1), in balanced units."""
    columns = equation.balanced.columns
    return 1.0 if columns is None else 1 / columns


def rounding_bound(
    equation: Equation,
    inverse: NoisyInverse,
    x: Array,
    schedule: Schedule,
    rng: np.random.Generator,
    eps: float,
    even: float = 0.0,
) -> Array:
    """|A⁻¹| eps (|A||x| + |b|) (n, k): how far the rounding of a residual can move the answer.

    Random signs s on w = eps (|A||x| + |b|) make A⁻¹(s w) scatter by the root of Σ_j (A⁻¹)_ij² w_j², which is what
    independent rounding errors of size w amount to; the device itself applies the inverse.

    Parameters
    ----------
    equation : Equation
    inverse : NoisyInverse
    x : array, shape (n, k)
    schedule : Schedule
        Of the further runs.
    rng : numpy.random.Generator
    eps : float
        Of the precision in which residuals are computed.
    even : float, optional
        Share of ‖A‖‖x‖/√n, in balanced units, that is lost of every residual besides: 1 where factors of A mix them.

    Returns
    -------
    array, shape (n, k)
    """
    xp = equation.xp
    sizes = equation.matrix.absolute(abs(x))
    alike = xp.zeros_like(equation.rhs) + equation.size * equation.balanced.solution(x) / x.shape[0] ** 0.5
    if equation.balanced.rows is not None:
        alike = alike / equation.balanced.rows
    weights = abs(equation.rhs) + (alike if sizes is None else sizes + even * alike)
    columns = []
    for j in range(x.shape[1]):
        signs = random_signs(rng, (weights.shape[0], PROBES), x)
        spread = eps * _mean_square(inverse.average(signs * weights[:, j : j + 1], schedule, rng=rng))
        columns.append(xp.maximum(spread, equation.eps * abs(x[:, j])))
    return xp.stack(columns, axis=1)


def _mean_square(reading: Reading) -> Array:
    """Root mean square (n,) over the columns of a reading."""
    return column_norms(reading.value.T) / reading.value.shape[1] ** 0.5
