"""Residuals sent back to the device until the true one is small: flexible conjugate gradients on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array, eps, namespace
from thermolinalg.devices import Reading, Schedule

__all__ = ["NoisyInverse", "Refinement", "refine"]

Product = Callable[[Array], Array]

HISTORY = 20
"""Earlier directions kept for orthogonalisation."""

PATIENCE = 6
"""Runs without progress after which the residual counts as stagnant."""

PROGRESS = 0.7
"""A run that leaves more than this share of the best residual made no progress."""


class NoisyInverse(Protocol):
    """What refinement needs of a device's `Program`: a linear map is inverted, up to noise."""

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator) -> Reading:
        """An estimate of A⁻¹b for a block b (d, k)."""
        ...


ROUNDING = 10.0
"""A conjugated direction counts if its pᵀAp is so many times what rounding makes of it."""


@dataclass
class Refinement:
    """Where a refinement has got to.

    Parameters
    ----------
    x : array, shape (d, k)
        Best iterate so far, column by column.
    residual_norm : array, shape (k,)
        Its true residual norm ‖b − A x‖.
    target : array, shape (k,)
        rtol ‖b‖ + atol: what counts as converged.
    n_runs, n_matvec : int
        Device runs (of all columns at once), and products with A per column.
    reading : Reading, optional
        The last one, whose noise is what error is left.
    stopped : bool
        Whether a callback asked to stop.
    schedules : list of Schedule
        Timetable of each run.
    directions : list of tuple of array
        The latest directions P (d, k) and their products A P, conjugate column by column.
    """

    x: Array
    residual_norm: Array
    target: Array
    n_runs: int = 0
    n_matvec: int = 0
    reading: Reading | None = None
    stopped: bool = False
    schedules: list[Schedule] = field(default_factory=list)
    directions: list[tuple[Array, Array]] = field(default_factory=list)

    @property
    def converged(self) -> bool:
        """Whether every column met its target."""
        return bool((self.residual_norm <= self.target).all())

    def remaining(self, errors: Array, products: Array, column: int, definite: bool) -> tuple[Array, Array]:
        """What exact steps along the directions of one column leave of errors E (d, r) and of A E (d, r)."""
        xp = namespace(errors)
        for directions, images in self.directions:
            p, q = directions[:, column : column + 1], images[:, column : column + 1]
            left = p if definite else q
            curvature = xp.sum(left * q)
            if curvature > 0:
                weight = left.T @ products / curvature
                errors, products = errors - p * weight, products - q * weight
        return errors, products

    def times(self, unit: Array) -> Refinement:
        """The same for right-hand sides multiplied by `unit` (k,)."""
        return replace(self, x=self.x * unit, residual_norm=self.residual_norm * unit, target=self.target * unit)


def refine(
    program: NoisyInverse,
    apply: Product,
    residual: Callable[[Array, Array | None], tuple[Array, Array]],
    x0: Array,
    target: Array,
    schedule: Callable[[Array], Schedule],
    rng: np.random.Generator,
    *,
    maxiter: int,
    definite: bool = True,
    preconditioner: Product | None = None,
    callback: Callable[[Refinement], None] | None = None,
) -> Refinement:
    """Flexible conjugate directions on A x = b, preconditioned by the device.

    Each run loads the residual r, rescaled to full range, and reads z ≈ A⁻¹ r; z is made conjugate to the earlier
    directions and the step along it is exact, so that a biased device still converges as long as z has a component
    along the error. Residuals are recomputed as b − A x every time, never carried by recursion.

    With definite A the step minimises the energy norm of the error (flexible conjugate gradients); else the residual
    norm (generalised conjugate residuals).

    Parameters
    ----------
    program : Program or NoisyInverse
        The device with A on it.
    apply : callable
        Digital product A P of a block (d, k).
    residual : callable
        ``residual(x, low)`` gives (r, norms): the residual b − A (x + low) to send back (d, k), in extended precision
        unless `low` is None, and the norms (k,) of b − A x that `target` bounds.
    x0 : array, shape (d, k)
        Start; not overwritten.
    target : array, shape (k,)
        Norms that count as converged.
    schedule : callable
        ``schedule(r)`` gives the timetable of the run that loads r.
    rng : numpy.random.Generator
    maxiter : int
        Device runs at most.
    definite : bool, optional
        Whether A is symmetric positive definite.
    preconditioner : callable, optional
        A digital approximation of A⁻¹ whose direction is searched beside the device's.
    callback : callable, optional
        Called after each run with the `Refinement`; StopIteration ends the run cleanly.

    Returns
    -------
    Refinement

    Raises
    ------
    LinAlgError
        A direction of negative curvature: A is not positive definite.
    """
    xp = namespace(x0)
    r, norms = residual(x0, None)
    state = Refinement(x0, norms, target)
    state.n_matvec = 1
    # x is carried as the unevaluated sum x + low, so that rounding of the iterate never limits the residual.
    x, low, stale = x0, xp.zeros_like(x0), 0
    directions = state.directions
    least_gain = xp.full_like(norms, np.inf)
    while not state.converged and state.n_runs < maxiter and not state.stopped:
        timetable = schedule(r)
        reading = program.average(r, timetable, rng=rng)
        state.n_runs += 1
        state.reading = reading
        state.schedules.append(timetable)
        candidates = [reading.value] if preconditioner is None else [reading.value, preconditioner(r)]
        for z in candidates:
            directions.append(_conjugate(z, apply(z), directions, definite))
            del directions[:-HISTORY]
            state.n_matvec += 1
        # Earlier directions are stepped along again: the recomputed residual is orthogonal to them up to rounding only.
        gain = xp.zeros_like(norms)
        for p, q in directions:
            step = _step(p, q, r, definite)
            gain = gain + step**2 * xp.sum((p if definite else q) * q, axis=0)
            x, low = _two_sum(x, low + step * p)
            r = r - step * q
        # A stagnant residual has met the rounding of its own evaluation: from then on it is computed more precisely.
        r, norms = residual(x, low if stale else None)
        state.n_matvec += 1
        # On a badly scaled A residuals may rise for many runs; what a run takes from the error in the norm that the
        # steps minimise then shrinks all the same, until rounding stops it.
        shrinking = bool(xp.any((norms > target) & (gain < PROGRESS * least_gain)))
        least_gain = xp.minimum(least_gain, gain)
        stale = 0 if _improve(state, x, norms) or shrinking else stale + 1
        if callback is not None:
            try:
                callback(state)
            except StopIteration:
                state.stopped = True
        if stale >= PATIENCE or not bool(xp.all(xp.isfinite(norms))):
            break
    return state


def _two_sum(x: Array, y: Array) -> tuple[Array, Array]:
    """The rounded sum and its rounding error, exactly (Knuth's two-sum)."""
    total = x + y
    rest = total - x
    return total, (x - (total - rest)) + (y - rest)


def _conjugate(p: Array, q: Array, directions: list[tuple[Array, Array]], definite: bool) -> tuple[Array, Array]:
    """p, and its product q = A p, made conjugate to the earlier directions column by column."""
    xp = namespace(p)
    norm = xp.linalg.vector_norm
    reading, image = p, q
    whole_p, whole_q = norm(p, axis=0), norm(q, axis=0)
    whole = xp.sum(p * q, axis=0) if definite else whole_q
    if definite:
        _refuse_negative_curvature(whole, whole_p * whole_q, p.shape[0] * eps(p))
    for earlier, product in directions:
        left = earlier if definite else product
        curvature = xp.sum(left * product, axis=0)
        positive = curvature > 0
        overlap = xp.sum((p if definite else q) * product, axis=0)
        weight = xp.where(positive, overlap / xp.where(positive, curvature, 1.0), 0.0)
        p, q = p - weight * earlier, q - weight * product
    if not directions:
        return p, q
    # What conjugation leaves of a direction that was known already is rounding, and would grow from run to run: the
    # reading itself is the better direction then.
    size = xp.sum(p * q, axis=0) if definite else norm(q, axis=0)
    noise = whole_p * norm(q, axis=0) + norm(p, axis=0) * whole_q if definite else whole_q
    resolved = (size > ROUNDING * p.shape[0] * eps(p) * noise) & (size <= whole)
    return xp.where(resolved, p, reading), xp.where(resolved, q, image)


def _refuse_negative_curvature(curvature: Array, sizes: Array, rounding: float) -> None:
    """LinAlgError where zᵀAz < 0 for a reading z."""
    xp = namespace(curvature)
    if bool(xp.any(curvature < -rounding * sizes)):
        worst = float(xp.min(curvature / xp.where(sizes > 0, sizes, 1.0)))
        raise np.linalg.LinAlgError(
            f"A is not positive definite: a direction p with pᵀAp = {worst:.3g} ‖p‖‖Ap‖ was met; "
            "pass assume_a='gen' to use the normal operator"
        )


def _step(p: Array, q: Array, r: Array, definite: bool) -> Array:
    """Length of the exact step along p, column by column; zero where p vanishes."""
    xp = namespace(p)
    left = p if definite else q
    curvature = xp.sum(left * q, axis=0)
    positive = curvature > 0
    return xp.where(positive, xp.sum(left * r, axis=0) / xp.where(positive, curvature, 1.0), 0.0)


def _improve(state: Refinement, x: Array, norms: Array) -> bool:
    """Keep the better of the old and new columns; whether any unfinished one made real progress."""
    xp = namespace(x)
    unfinished = state.residual_norm > state.target
    progress = bool(xp.any(unfinished & (norms < PROGRESS * state.residual_norm)))
    better = norms < state.residual_norm
    state.x = xp.where(better, x, state.x) if not bool(xp.all(better)) else x
    state.residual_norm = xp.where(better, norms, state.residual_norm)
    return progress
