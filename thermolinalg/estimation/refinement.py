"""Residuals sent back to the device until the true one is small: iterative refinement with a device as the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array, all_true, any_true, namespace
from thermolinalg.devices import Reading, Schedule
from thermolinalg.estimation.directions import Directions
from thermolinalg.systems import Equation

__all__ = ["PROGRESS", "SLOW", "Goal", "NoisyInverse", "State", "refine"]

Product = Callable[[Array], Array]

PROGRESS = 0.7
"""A run that leaves more than this share of the residual made no progress."""

SLOW = 0.4
"""The same of a device that says it is biased: directions then take fewer runs, for one product more in each."""

NEAR_FLOOR = 30.0
"""A residual within so many times its rounding is from then on computed in extended precision."""

PROBED = 3
"""First runs whose readings are probed for negative curvature; a direction that is there shows itself at once."""

UNSEEN = 0.5
"""Contraction taken for granted after a first run, when none has been seen."""

FASTEST = 0.01
"""Contraction at least that is believed of one pair of corrections: the next run may be less lucky."""

SLOWEST = 0.95
"""Contraction at most: what corrections that do not shrink say about the error is twenty times themselves."""


class NoisyInverse(Protocol):
    """What refinement needs of a device: a linear map is inverted, up to noise and bias."""

    @property
    def definite(self) -> bool:
        """Whether A is symmetric positive definite, as far as the device has been told."""
        ...

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
    norms, sizes : array, shape (q, k)
        Of the residual and of x, in every measure of the equation.
    low : array, shape (n, k), optional
        What rounding took from x; there as soon as residuals are computed in extended precision.
    correction : array, shape (n, k), optional
        What the last run changed.
    changes : array, shape (q, k), optional
        Its norms.
    contraction : array, shape (k,), optional
        Share of the error that the last run left, as its correction tells beside the one before.
    conjugate : bool
        Whether runs are made conjugate to earlier ones, as a biased device needs.
    n_runs, n_matvec : int
        Device runs (of all columns at once), and products with A per column.
    stalled : int
        Runs in a row without progress: neither the residual nor the correction fell clearly below its best.
    best : tuple of array, shape (k,)
        Residual and correction, in the balanced measure, below which a run makes progress: the least so far, or along
        directions, where many short steps are progress too, those of the last run that made some.
    reading : Reading, optional
        The last one.
    schedules : list of Schedule
        Timetable of each run.
    """

    x: Array
    residual: Array
    norms: Array
    sizes: Array
    low: Array | None = None
    correction: Array | None = None
    changes: Array | None = None
    contraction: Array | None = None
    conjugate: bool = False
    n_runs: int = 0
    n_matvec: int = 0
    stalled: int = 0
    best: tuple[Array, Array] | None = None
    reading: Reading | None = None
    schedules: list[Schedule] = field(default_factory=list)

    @property
    def left(self) -> Array | None:
        """θ/(1 − θ) (k,): times the last correction it is the error that is left; None before the first run."""
        return None if self.contraction is None else self.contraction / (1 - self.contraction)


@dataclass(frozen=True)
class Goal:
    """When a refinement is done: its residual *and* its error are small in every measure.

    A small residual does not make a small error where A is ill-conditioned, and the device's corrections tell the
    error at no cost.

    Parameters
    ----------
    targets : sequence of array, shape (k,)
        Norms of the residual that count as converged, one for each measure of the equation.
    forward : array, shape (k,)
        Relative errors of x that count as converged, far above one where none is asked for; infinity everywhere asks
        for none at all.
    inaccuracy : float, optional
        Share of a correction that the rounding of the device's simulation may leave, whatever corrections say.
    gain : float, optional
        Error of x over the residual at most, in balanced units, where corrections do not tell it; zero where they do.
    """

    targets: Sequence[Array]
    forward: Array
    inaccuracy: float = 0.0
    gain: float = 0.0

    def reached(self, equation: Equation, state: State) -> bool:
        """Whether every column is done."""
        if not all_true(state.norms <= self._bounds) or (self.gain and any_true(self.doubted(state))):
            return False
        left = state.left
        if left is None or state.changes is None or not self.asks_for_x:
            return True
        if self.inaccuracy > FASTEST:
            left = equation.xp.where(left > self.inaccuracy, left, self.inaccuracy)
        return all_true(state.changes * left <= self.forward * state.sizes)

    def doubted(self, state: State) -> Array:
        """Columns (k,) whose residual, though small, may leave a larger error than was asked for."""
        with np.errstate(invalid="ignore"):  # infinite: none is asked for
            return self.gain * state.norms[-1] > self.forward * state.sizes[-1]

    @cached_property
    def _bounds(self) -> Array:
        return namespace(self.targets[0]).stack(self.targets)

    @cached_property
    def asks_for_x(self) -> bool:
        """Whether the error of some column has to be small, too."""
        return any_true(self.forward < np.inf)


def refine(
    equation: Equation,
    inverse: NoisyInverse,
    x: Array | None,
    schedule: Callable[[Array], Schedule],
    rng: np.random.Generator,
    *,
    preconditioner: Product | None = None,
    slow: float = PROGRESS,
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
    x : array, shape (n, k), or None
        Start; not overwritten. None is zero, whose residual takes no product.
    schedule : callable
        ``schedule(r)`` gives the timetable of the run that loads r.
    rng : numpy.random.Generator
    preconditioner : callable, optional
        A digital approximation of A⁻¹ whose direction is searched beside the device's.
    slow : float, optional
        Share of the residual from which on a run made no progress; `SLOW` for a device that is known to be biased.

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
    r = equation.rhs if x is None else equation.residual(x)
    n_matvec, x = (0, equation.zero()) if x is None else (1, x)
    norms, sizes = equation.measured(r, x)
    state = State(x, r, norms, sizes, conjugate=preconditioner is not None, n_matvec=n_matvec)
    directions = Directions(equation, inverse.definite)
    yield state
    while True:
        timetable = schedule(state.residual)
        reading = inverse.average(state.residual, timetable, rng=rng)
        state.n_runs += 1
        state.reading = reading
        state.schedules.append(timetable)
        before, change = state.norms[-1], state.changes
        # Where nothing is left to load, what is read is noise.
        z = reading.value if all_true(before > 0) else equation.xp.where(before > 0, reading.value, 0.0)
        if not state.conjugate:
            start = state.x, state.residual, state.sizes
            plain = state.low is None
            _move(equation, state, z)
            if plain and state.n_runs <= PROBED:
                directions.refuse_negative(z, start[1] - state.residual)
            # An iteration near its rounding makes no progress either, and has no use for directions.
            if plain and state.low is None and not _progress(state, before, slow):
                state.conjugate = True
                directions.add(z, start[1] - state.residual)
                state.x, state.residual, state.sizes = start
                _move_along(equation, state, directions)
        else:
            directions.add(z, equation.product(z))
            state.n_matvec += 1
            if preconditioner is not None:
                z = preconditioner(state.residual)
                directions.add(z, equation.product(z))
                state.n_matvec += 1
            _move_along(equation, state, directions)
        _look_back(equation, state, change)
        yield state


def _move(equation: Equation, state: State, step: Array) -> None:
    """x + step, its true residual and norms; from near the floor on in extended precision."""
    state.correction = step
    state.n_matvec += 1
    if state.low is None:
        x = state.x = state.x + step
        r = state.residual = equation.residual(x)
        state.norms, state.sizes, state.changes = equation.measured(r, x, step)
        floor = equation.size * state.sizes[-1] + equation.loads[-1]
        # A column without a load is solved from the start, and says nothing of the others.
        if not any_true((state.norms[-1] <= NEAR_FLOOR * equation.eps * floor) & (floor > 0)):
            return
        low = equation.xp.zeros_like(x)
        extended = equation.extended(x, low)
        if extended is None:
            return
        state.low, state.residual = low, extended
        state.norms = equation.norms(extended)
        state.n_matvec += 1
    else:
        state.x, state.low = _two_sum(state.x, state.low + step)
        extended = equation.extended(state.x, state.low)
        assert extended is not None
        state.residual = extended
        state.norms, state.sizes, state.changes = equation.measured(extended, state.x, step)


def _move_along(equation: Equation, state: State, directions: Directions) -> None:
    """The exact step along all directions; they begin anew where it fails by more than there was to correct.

    Below the rounding floor steps are made of noise, and old directions would amplify it from run to run.
    """
    before = state.norms[-1]
    step, foretold = directions.step(state.residual)
    _move(equation, state, step)
    if any_true(equation.norms(state.residual - foretold)[-1] > before):
        directions.pairs.clear()


def _progress(state: State, before: Array, slow: float) -> bool:
    """Whether every column of the residual shrank."""
    shrank = state.norms[-1] < slow * before
    return all_true(shrank) or all_true(shrank | (before == 0))


def _look_back(equation: Equation, state: State, change: Array | None) -> None:
    """How much of the error the run left, and whether it made progress."""
    assert state.changes is not None
    xp, now, norms = equation.xp, state.changes[-1], state.norms[-1]
    if change is None:
        state.contraction = UNSEEN + 0 * now
    else:
        last = change[-1]
        ratio = now / (last + (last == 0))
        state.contraction = xp.minimum(xp.maximum(ratio, UNSEEN if state.conjugate else FASTEST), SLOWEST)
    if state.best is None:
        state.best = norms, now
        return
    residual, least = state.best
    progress = any_true(norms < PROGRESS * residual) or any_true(now < PROGRESS * least) or any_true(norms == 0)
    state.stalled = 0 if progress else state.stalled + 1
    if progress or not state.conjugate:
        state.best = xp.minimum(norms, residual), xp.minimum(now, least)


def _two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """The rounded sum and its rounding error, exactly (Knuth's two-sum)."""
    total = x + y
    rest = total - x
    return total, (x - (total - rest)) + (y - rest)
