"""Residuals sent back to the device until the true one is small: iterative refinement with a device as the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg.devices import Reading, Schedule
from thermolinalg.estimation.directions import Directions
from thermolinalg.systems import Equation

__all__ = ["Goal", "NoisyInverse", "State", "refine"]

Product = Callable[[Array], Array]

PROGRESS = 0.7
"""A run that leaves more than this share of the residual made no progress."""

NEAR_FLOOR = 30.0
"""A residual within so many times its rounding is from then on computed in extended precision."""

UNSEEN = 0.5
"""Contraction taken for granted after a first run, when none has been seen."""

FASTEST = 0.01
"""Contraction at least that is believed of one pair of corrections: the next run may be less lucky."""

SLOWEST = 0.95
"""Contraction at most: what corrections that do not shrink say about the error is twenty times themselves."""


class NoisyInverse(Protocol):
    """What refinement needs of a device: a linear map is inverted, up to noise and bias."""

    definite: bool
    """Whether A is symmetric positive definite, as far as the device has been told."""

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator) -> Reading:
        """An estimate of A⁻¹b for a block b (m, k)."""
        ...


@dataclass
class State:
    """Where a refinement has got to.

    Parameters
    ----------
    x : array, shape (n, k)
        The iterate, rounded.
    residual : array, shape (m, k)
        b − A x, of the unevaluated sum x + low once `low` is there.
    norms : tuple of array, shape (k,)
        Of the residual, in every measure of the equation.
    low : array, shape (n, k), optional
        What rounding took from x; there as soon as residuals are computed in extended precision.
    correction : array, shape (n, k), optional
        What the last run changed.
    contraction : array, shape (k,), optional
        Share of the error that the last run left, as its correction tells beside the one before.
    conjugate : bool
        Whether runs are made conjugate to earlier ones, as a biased device needs.
    n_runs, n_matvec : int
        Device runs (of all columns at once), and products with A per column.
    stalled : int
        Runs in a row without progress: neither the residual nor the correction fell clearly below its best.
    best : tuple of array, shape (k,)
        Least residual and correction so far, in the balanced measure.
    reading : Reading, optional
        The last one.
    schedules : list of Schedule
        Timetable of each run.
    """

    x: Array
    residual: Array
    norms: tuple[Array, ...]
    low: Array | None = None
    correction: Array | None = None
    contraction: Array | None = None
    conjugate: bool = False
    n_runs: int = 0
    n_matvec: int = 1
    stalled: int = 0
    best: tuple[Array, Array] | None = None
    reading: Reading | None = None
    schedules: list[Schedule] = field(default_factory=list)

    def error(self, norm: Callable[[Array], Array]) -> Array | None:
        """Norm (k,) of the error that is left: the last correction times θ/(1 − θ); None before the first run."""
        if self.correction is None or self.contraction is None:
            return None
        return norm(self.correction) * self.contraction / (1 - self.contraction)


@dataclass(frozen=True)
class Goal:
    """When a refinement is done: its residual *and* its error are small in every measure.

    A small residual does not make a small error where A is ill-conditioned, and the device's corrections tell the
    error at no cost.

    Parameters
    ----------
    targets : tuple of array, shape (k,)
        Norms of the residual that count as converged, one for each measure of the equation.
    forward : array, shape (k,)
        Relative errors of x that count as converged; infinity asks for none.
    """

    targets: tuple[Array, ...]
    forward: Array

    def reached(self, equation: Equation, state: State) -> bool:
        """Whether every column is done."""
        pairs = zip(state.norms, self.targets, strict=True)
        if not all(bool((norms <= target).all()) for norms, target in pairs):
            return False
        if state.correction is None:
            return True
        asked = equation.xp.isfinite(self.forward)
        relative = equation.xp.where(asked, self.forward, 0.0)
        return all(
            bool((~asked | (state.error(measure.solution) <= relative * measure.solution(state.x))).all())
            for measure in equation.measures
        )


def refine(
    equation: Equation,
    inverse: NoisyInverse,
    x: Array,
    schedule: Callable[[Array], Schedule],
    rng: np.random.Generator,
    *,
    preconditioner: Product | None = None,
) -> Iterator[State]:
    """States of x ← x + z with z ≈ A⁻¹(b − A x) read from a device, without end.

    Each run loads the true residual, rescaled to full range. Where the device is as good as its law says, the error
    shrinks by the precision of a reading in every run. Where a run makes no progress (a device that is biased, or
    noisier than it knows), readings become directions: each is made conjugate to the earlier ones and the step along
    all of them is exact, so that anything with a component along the error converges (flexible conjugate gradients for
    definite A, generalised conjugate residuals else).

    Residuals are recomputed as b − A x every time; near their rounding floor, in extended precision and of an iterate
    kept as the unevaluated sum of two numbers.

    Parameters
    ----------
    equation : Equation
    inverse : NoisyInverse
        The device with A on it.
    x : array, shape (n, k)
        Start; not overwritten.
    schedule : callable
        ``schedule(r)`` gives the timetable of the run that loads r.
    rng : numpy.random.Generator
    preconditioner : callable, optional
        A digital approximation of A⁻¹ whose direction is searched beside the device's.

    Yields
    ------
    State
        The same object, brought up to date after each run.

    Raises
    ------
    LinAlgError
        A direction of negative curvature: A is not positive definite.

    References
    ----------
    Y. Notay, Flexible conjugate gradients, SIAM J. Sci. Comput. 22, 1444 (2000), doi:10.1137/S1064827599362314;
    Higham, Accuracy and Stability of Numerical Algorithms, SIAM (2002), chapter 12.
    """
    r = equation.residual(x)
    state = State(x, r, equation.norms(r), conjugate=preconditioner is not None)
    directions = Directions(equation, inverse.definite)
    yield state
    while True:
        timetable = schedule(state.residual)
        reading = inverse.average(state.residual, timetable, rng=rng)
        state.n_runs += 1
        state.reading = reading
        state.schedules.append(timetable)
        before, correction = state.norms[-1], state.correction
        if state.conjugate:
            directions.add(reading.value, equation.product(reading.value))
            state.n_matvec += 1
            if preconditioner is not None:
                z = preconditioner(state.residual)
                directions.add(z, equation.product(z))
                state.n_matvec += 1
            _move(equation, state, directions.step(state.residual))
        else:
            start = state.x, state.low, state.residual
            # Where nothing is left to load, what is read is noise.
            z = equation.xp.where(before > 0, reading.value, 0.0)
            _move(equation, state, z)
            image = start[2] - state.residual
            directions.refuse_negative(z, image)
            if not _progress(state, before, PROGRESS) and state.low is None and _resolved(equation, state):
                state.x, state.low, state.residual = start
                state.conjugate = True
                directions.add(z, image)
                _move(equation, state, directions.step(state.residual))
        _look_back(equation, state, correction)
        yield state


def _move(equation: Equation, state: State, step: Array) -> None:
    """x + step, its true residual and norms; from near the floor on in extended precision."""
    state.correction = step
    if state.low is None:
        state.x = state.x + step
        state.residual = equation.residual(state.x)
        if not _resolved(equation, state):
            low = equation.xp.zeros_like(state.x)
            extended = equation.extended(state.x, low)
            if extended is not None:
                state.low, state.residual = low, extended
                state.n_matvec += 1
    else:
        state.x, low = _two_sum(state.x, state.low + step)
        state.low = low
        extended = equation.extended(state.x, low)
        assert extended is not None
        state.residual = extended
    state.n_matvec += 1
    state.norms = equation.norms(state.residual)


def _resolved(equation: Equation, state: State) -> bool:
    """Whether the residuals stand well above their rounding."""
    norms = equation.balanced.residual(state.residual)
    return not bool((norms <= NEAR_FLOOR * equation.eps * equation.floor(state.x)).any())


def _progress(state: State, before: Array, share: float) -> bool:
    """Whether every column of the residual shrank to less than a share."""
    return bool(((state.norms[-1] < share * before) | (before == 0)).all())


def _look_back(equation: Equation, state: State, correction: Array | None) -> None:
    """How much of the error the run left, and whether it made progress."""
    assert state.correction is not None
    xp, norm = equation.xp, equation.balanced.solution
    now = norm(state.correction)
    if correction is None:
        state.contraction = xp.full_like(now, UNSEEN)
    else:
        last = norm(correction)
        ratio = xp.where(last > 0, now / xp.where(last > 0, last, 1.0), UNSEEN)
        state.contraction = xp.clip(ratio, UNSEEN if state.conjugate else FASTEST, SLOWEST)
    if state.best is None:
        state.best = state.norms[-1], now
        return
    residual, change = state.best
    progress = (state.norms[-1] < PROGRESS * residual) | (now < PROGRESS * change) | (state.norms[-1] == 0)
    state.stalled = 0 if bool(progress.any()) else state.stalled + 1
    state.best = xp.minimum(residual, state.norms[-1]), xp.minimum(change, now)


def _two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """The rounded sum and its rounding error, exactly (Knuth's two-sum)."""
    total = x + y
    rest = total - x
    return total, (x - (total - rest)) + (y - rest)
