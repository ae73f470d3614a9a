"""The posterior of all states as one linear system, block tridiagonal, on a device.

With W_t = Q_t⁻¹ the precision of all states given all observations has the blocks

    A_tt = W_{t−1} + F_tᵀ W_t F_t + H_tᵀ R_t⁻¹ H_t,   A_{t,t+1} = −F_tᵀ W_t

with P_0⁻¹ in the place of W_{−1} (H. E. Rauch, F. Tung and C. T. Striebel, AIAA Journal 3 (1965); A. Aravkin, J. V.
Burke, L. Ljung, A. Lozano and G. Pillonetto, Automatica 86 (2017), section 2). Where a covariance is singular, or
nearly so, there is no W: then the system is augmented by the multipliers λ of the transitions and μ of the
observations,

    x_{t+1} − F_t x_t − Q_t λ_{t+1} = c_t,   H_t x_t − R_t μ_t = y_t,   λ_t − F_tᵀ λ_{t+1} + H_tᵀ μ_t = 0

(Å. Björck, Numerical Methods for Least Squares Problems, SIAM (1996), section 4.3, for problems of this form), which
holds covariances as they are; an infinite variance is a multiplier that is left out.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

import thermolinalg as tla
from thermoapps._reading import naming
from thermoapps.state_space._batches import solve, symmetric, times, transposed
from thermoapps.state_space.model import Model

__all__ = ["Augmented", "Mode", "Precision", "Rows", "advice", "mode_of", "residuals"]

REGULAR = 1e-4
"""Reciprocal condition of a covariance, in units of its variances, from which on it is inverted."""

RTOL = 1e-10
ROUNDS = 12
SETTLED = 4 * np.finfo(float).eps
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What belongs to x_0 (k, d), to transitions (k, n − 1, d) and to observations (k, n, m), or without the first axis."""


def advice(model: Model) -> str:
    """What to do about a system that is singular."""
    if model.diffuse.any():
        return "the observations do not determine all diffuse states; give those a finite initial variance"
    if _regular(model.R):
        return "variances or growth differ by more than rounding; bring the smallest variances nearer to the largest"
    return "some observations without noise repeat others; give R a small variance there"


def residuals(model: Model, x: np.ndarray) -> Rows:
    """What x (…, n, d) leaves of the initial mean, of all transitions and of all observations, in x's precision."""
    H, _, y = model.observations
    F, c = model.transitions(model.F), model.transitions(model.offsets[0])
    start = np.where(model.diffuse, 0.0, model.mean - x[..., 0, :])
    predicted = np.sum(F * x[..., :-1, None, :], axis=-1)
    return start, (c - x[..., 1:, :]) + predicted, y - np.sum(H * x[..., None, :], axis=-1)


class Precision:
    """The precision of all states, for covariances that have inverses.

    Parameters
    ----------
    model : Model
    device : Device or None
    rng : numpy.random.Generator
    """

    def __init__(self, model: Model, device: Any, rng: np.random.Generator) -> None:
        self.model = model
        self.held = tla.program(self._matrix(), assume_a="pos", device=device, rng=rng)
        self.device_time = 0.0

    @staticmethod
    def exists(model: Model) -> bool:
        """Whether every covariance is far enough from singular."""
        return _regular(model.Q) and _regular(model.R) and _regular(_proper(model)[None])

    @cached_property
    def weights(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inverses of the covariances of x_0 (with zeros where diffuse), w and v."""
        model = self.model
        start = np.zeros_like(model.covariance)
        chosen = np.ix_(~model.diffuse, ~model.diffuse)
        start[chosen] = _inverse(model.covariance[chosen])
        Q = np.broadcast_to(_inverse(model.Q), (max(len(model.Q), 1), *model.Q.shape[1:]))
        R = _inverse(model.R) if len(model.R) == 1 and model.observed.all() else _inverse(model.observations[1])
        return start, model.transitions(Q), np.broadcast_to(R, (model.sizes[0], *R.shape[1:]))

    def multipliers(self, rows: Rows, known: Rows | None = None) -> Rows:
        """Weights times rows, whatever was known."""
        start, Q, R = self.weights
        return rows[0] @ start, times(Q, rows[1]), times(R, rows[2])

    def step(self, rows: Rows, known: Rows | None = None) -> tuple[np.ndarray, Rows | None]:
        """The change of the states that minimises the weighted squares of the rows."""
        model, (start, along, seen) = self.model, self.multipliers(rows)
        load = _balance_of_forces(model, start, along, seen)
        columns = np.asarray(load, dtype=float).reshape(-1, self.held.shape[0]).T
        with naming("the precision of all states", advice(model)):
            x = _answer(self, columns)
        return x.T.reshape(load.shape), None

    def sample(self, size: int, rng: Any) -> np.ndarray:
        """Readings of the device in equilibrium: deviations from the posterior mean, (size, n, d)."""
        n, d, _ = self.model.sizes
        return np.asarray(self.held.sample(size, rng=rng)).reshape(size, n, d)

    def _matrix(self) -> Any:
        """A as a sparse array."""
        model = self.model
        n, d, _ = model.sizes
        start, W, V = self.weights
        F, H = model.transitions(model.F), model.observations[0]
        FW = transposed(F) @ W
        diagonal = symmetric(transposed(H) @ V @ H)
        diagonal[0] += start
        diagonal[1:] += W
        diagonal[:-1] += symmetric(FW @ F)
        t = np.arange(n)
        entries = [_block(t * d, t * d, diagonal), _block(t[:-1] * d, t[1:] * d, -FW)]
        entries.append(_block(t[1:] * d, t[:-1] * d, -transposed(FW)))
        return _sparse(entries, n * d)


class Augmented:
    """The augmented system, for any covariances.

    Parameters
    ----------
    model : Model
    device : Device or None
    rng : numpy.random.Generator
    """

    def __init__(self, model: Model, device: Any, rng: np.random.Generator) -> None:
        self.model = model
        n, d, m = model.sizes
        self.places = np.ones((n, 2 * d + m), dtype=bool)  # of (λ, x, μ) at each time
        self.places[0, :d] = ~model.diffuse
        self.held = tla.program(self._matrix(), assume_a="sym", device=device, rng=rng)
        self.device_time = 0.0

    def multipliers(self, rows: Rows, known: Rows | None = None) -> Rows:
        """Those that are known from the steps, zeros at first."""
        if known is not None:
            return known
        return np.zeros_like(rows[0]), np.zeros_like(rows[1]), np.zeros_like(rows[2])

    def step(self, rows: Rows, known: Rows | None = None) -> tuple[np.ndarray, Rows | None]:
        """The change of the states that minimises the rows in their covariances, and the rows' multipliers after it."""
        model = self.model
        n, d, m = model.sizes
        start, along, seen = known = self.multipliers(rows, known)
        load = np.zeros((*rows[0].shape[:-1], n, 2 * d + m), dtype=rows[0].dtype)
        load[..., 0, :d] = rows[0] - times(model.covariance, start)
        load[..., 1:, :d] = rows[1] - times(model.transitions(model.Q), along)
        load[..., d : 2 * d] = _balance_of_forces(model, start, along, seen)
        load[..., 2 * d :] = rows[2] - times(model.observations[1], seen)
        columns = np.asarray(load[..., self.places], dtype=float).reshape(-1, self.held.shape[0]).T
        with naming("the augmented system of all states", advice(model)):
            found = _answer(self, columns)
        full = np.zeros(load.shape)
        full[..., self.places] = found.T.reshape(*load.shape[:-2], -1)
        # Its unknowns are minus the multipliers of the rows that a step leaves.
        new = (start - full[..., 0, :d], along - full[..., 1:, :d], seen - full[..., 2 * d :])
        return full[..., d : 2 * d], new

    def sample(self, size: int, rng: Any) -> np.ndarray:
        """Deviations from the posterior mean: draws of the model less what their own observations tell of them.

        The simulation smoother of J. Durbin and S. J. Koopman, Biometrika 89 (2002); one run for all draws.
        """
        model = self.model
        n, d, m = model.sizes
        rng = np.random.default_rng(rng)
        draws = [rng.standard_normal((size, *shape)) for shape in ((d,), (max(n - 1, 0), d), (n, m))]
        roots = (_root(model.covariance), model.transitions(_root(model.Q)), _root(model.observations[1]))
        rows = tuple(times(root, draw) for root, draw in zip(roots, draws, strict=True))
        # With states at zero the rows' noise is all that is left; the step fits it, and what it leaves is the draw.
        return -self.step((rows[0], rows[1], rows[2]))[0]

    def _matrix(self) -> Any:
        """K as a sparse array, without the multipliers of diffuse coordinates."""
        model = self.model
        n, d, m = model.sizes
        H, R, _ = model.observations
        F = model.transitions(model.F)
        covariances = np.concatenate([model.covariance[None], model.transitions(model.Q)])
        t = np.arange(n) * (2 * d + m)
        ones = np.broadcast_to(np.eye(d), (n, d, d))
        entries = [_block(t, t, -covariances), _block(t + 2 * d, t + 2 * d, -R)]
        for rows, columns, blocks in ((t, t + d, ones), (t[1:], t[:-1] + d, -F), (t + 2 * d, t + d, H)):
            entries += [_block(rows, columns, blocks), _block(columns, rows, transposed(blocks))]
        kept = np.flatnonzero(self.places.ravel())
        return sp.csr_array(_sparse(entries, n * (2 * d + m))[kept][:, kept])


@dataclass(frozen=True)
class Mode:
    """The states of largest posterior density, which are the posterior means.

    Parameters
    ----------
    x : array, shape (n, d)
    rest : array, shape (n, d)
        What x lacks by its rounding.
    error : float
        Size of the last correction, relative to the largest state.
    energy : float
        Squares of all residuals, weighted.
    """

    x: np.ndarray
    rest: np.ndarray
    error: float
    energy: float


def mode_of(system: Precision | Augmented) -> Mode:
    """The states at which no step is left: residuals in extended precision, steps from the device."""
    model = system.model
    x = np.zeros(model.sizes[:2], dtype=np.longdouble)
    known: Rows | None = None
    before = now = np.inf
    for _ in range(ROUNDS):
        change, known = system.step(residuals(model, x), known)
        x = x + change
        before, now = now, float(np.abs(change).max(initial=0.0))
        if now <= SETTLED * float(np.abs(x).max(initial=0.0)) or now > before / 2:
            break
    rows = residuals(model, x)
    multipliers = system.multipliers(rows, known)
    energy = sum(float(np.sum(a * b)) for a, b in zip(rows, multipliers, strict=True))
    size = float(np.abs(x).max(initial=0.0))
    rounded = x.astype(float)
    rest = (x - rounded).astype(float)
    return Mode(rounded, rest, now / size if size else 0.0, energy)


def _balance_of_forces(model: Model, start: np.ndarray, along: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """What multipliers of the rows pull at each state, (…, n, d)."""
    load = times(transposed(model.observations[0]), seen)
    load[..., 0, :] += start
    load[..., 1:, :] += along
    load[..., :-1, :] -= times(transposed(model.transitions(model.F)), along)
    return load


def _answer(system: Precision | Augmented, columns: np.ndarray) -> np.ndarray:
    """The device's answer to the loads (N, k), of powers of two near one."""
    if not columns.any():
        return np.zeros_like(columns)
    with warnings.catch_warnings():
        # What a step leaves, the next one corrects, and the last one's size is told.
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        x, info = system.held.solve(columns, rtol=RTOL, return_info=True)
    system.device_time += float(info.device_time)
    return np.asarray(x)


def _proper(model: Model) -> np.ndarray:
    """Covariance of the coordinates of x_0 that are not diffuse."""
    return np.asarray(model.covariance[np.ix_(~model.diffuse, ~model.diffuse)])


def _regular(covariances: np.ndarray) -> bool:
    """Whether all can be inverted without losing more than a few digits."""
    variances = np.einsum("tii->ti", covariances)
    if not variances.size:
        return True
    if not (variances > 0).all():
        return False
    sizes = np.sqrt(variances)
    values = np.linalg.eigvalsh(covariances / (sizes[:, :, None] * sizes[:, None, :]))
    return bool((values[:, 0] > REGULAR * values[:, -1]).all())


def _inverse(covariances: np.ndarray) -> np.ndarray:
    """Symmetric inverses."""
    return symmetric(solve(covariances, np.broadcast_to(np.eye(covariances.shape[-1]), covariances.shape)))


def _root(covariances: np.ndarray) -> np.ndarray:
    """B with BBᵀ = C, for semidefinite C."""
    values, vectors = np.linalg.eigh(covariances)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0))[..., None, :])


def _block(rows: np.ndarray, columns: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of blocks (k, p, q) whose upper left corners are at (rows, columns)."""
    _, p, q = blocks.shape
    i = np.broadcast_to(rows[:, None, None] + np.arange(p)[:, None], blocks.shape)
    j = np.broadcast_to(columns[:, None, None] + np.arange(q), blocks.shape)
    here = blocks != 0
    return i[here], j[here], blocks[here]


def _sparse(entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]], size: int) -> Any:
    """The sum of blocks as a CSR array."""
    i, j, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    return sp.csr_array((values, (i, j)), shape=(size, size))
