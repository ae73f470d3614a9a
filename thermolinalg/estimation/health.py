"""Health of a device by its own readings: what must hold in equilibrium, whatever A⁻¹ is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thermolinalg._arrays import Array, as_array, to_numpy
from thermolinalg.estimation.deviation import FEWEST, Deviation, chi_square
from thermolinalg.operators import Operator

__all__ = ["EXAMINED", "LIMIT", "Examination", "Health", "correlation_health", "covariance_health", "residual_health"]

LIMIT = 6.0
"""Standard errors off that no healthy device shows: 2e-9 for each number looked at."""

EXAMINED = 1024
"""Readings at least in which a device is looked at that nobody vouches for, however few the answer takes: a spread that
is off by a third shows in them, and a temperature that is off by 27 % over the root of the nodes."""

PROBES = 8
"""Random directions in which readings are looked at."""

SOFT = 3
"""Directions in which the readings spread most, found from the first ones and looked at in the others."""

FIRST = 1024
"""Readings at most from which these are found; a quarter of all, where there are fewer."""

FEW, ENOUGH, MANY = FEWEST, 256, 1000
"""Readings from which on sums of squares are near enough to their law, sums of products, and of fourth powers."""

POWERS = 8
"""Steps of subspace iteration towards the soft directions."""


@dataclass(frozen=True)
class Health:
    """What the readings of a device told of it.

    Parameters
    ----------
    scores : dict
        Largest deviation of each check, in standard errors.
    readings : int
        That were looked at.
    """

    scores: dict[str, float] = field(default_factory=dict)
    readings: int = 0

    @property
    def failed(self) -> list[str]:
        """Checks beyond `LIMIT`, worst first."""
        return sorted((name for name, z in self.scores.items() if z > LIMIT), key=lambda name: -self.scores[name])

    @property
    def complaint(self) -> str:
        """What a message says of a sick device; '' of a healthy one."""
        if not self.failed:
            return ""
        told = ", ".join(f"{name} ({self.scores[name]:.2g} standard errors off)" for name in self.failed)
        fail = "reading fails" if self.readings == 1 else f"{self.readings} readings fail"
        return f"the device is not healthy: its {fail} {told}"

    def add(self, other: Health) -> Health:
        """What readings of two matrices told."""
        names = self.scores.keys() | other.scores.keys()
        worst = {name: max(self.scores.get(name, 0.0), other.scores.get(name, 0.0)) for name in names}
        return Health(worst, self.readings + other.readings)

    def note(self, check: str, z: NDArray[np.float64] | float) -> None:
        """Deviations in standard errors; what is not a number is infinite."""
        off = np.abs(np.asarray(z, dtype=float))
        worst = float(off.max(initial=0.0)) if np.isfinite(off).all() else math.inf
        self.scores[check] = max(self.scores.get(check, 0.0), worst)


@dataclass
class Examination:
    r"""Readings of N(A⁻¹b, T A⁻¹), looked at as they come.

    With the residual :math:`r = A x - b` of a reading, equilibrium means :math:`r \sim N(0, T A)`, a law that is known
    without A⁻¹, and :math:`E\,x r^T = T I`, the Lyapunov equation AΣ + ΣA = 2T I. Both are looked at node by node and
    in a few directions, those in which the readings spread most among them, and over all directions together
    (`Deviation`); and whether readings are normal, the same in both halves, and independent (or, of a schedule,
    reversible). Sums over many nodes are normal whatever the nodes are, so that normality is looked at node by node as
    well, by E|r|/sqrt(E r²) = sqrt(2/π), whose scatter is 1 − 3/π over the number of readings (Geary 1935).

    Parameters
    ----------
    matrix : Operator, shape (d, d)
        A, symmetric positive definite.
    load : array, shape (d, 1), optional
        b; default zero.
    temperature : float, optional
        T in the units of the readings.
    share : float, optional
        Independent readings that the readings are worth, over their number; 1 where they are independent.
    centred : bool, optional
        Whether only the spread about the mean is wanted, so that an offset does no harm.
    allowed : float, optional
        Relative error of a variance that the device admits.
    """

    matrix: Operator
    load: Array | None = None
    temperature: float = 1.0
    share: float = 1.0
    centred: bool = False
    allowed: float = 0.0

    def __post_init__(self) -> None:
        d = self.matrix.shape[0]
        rng, diagonal = np.random.default_rng(d), self.matrix.diagonal()
        self._diagonal = None if diagonal is None else to_numpy(diagonal).astype(float)
        self._directions = rng.choice([-1.0, 1.0], size=(d, min(PROBES, d)))
        self._stiffness = self._forms(self._directions)
        self._random, self._first, self._count = self._directions.shape[1], 0, 0
        self._nodes, self._sizes = np.zeros((5, d)), np.zeros((2, d))
        self._whole = Deviation(d, self.temperature, self.allowed)
        self._centre: NDArray[np.float64] | None = np.zeros(d)
        self._along: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []

    def _forms(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """wᵀA w of every direction."""
        products = to_numpy(self.matrix.apply(as_array(directions, self.matrix.like))).astype(float)
        return np.asarray(np.sum(directions * products, axis=0))

    def take(self, readings: Array) -> None:
        """Look at readings (n, d)."""
        x = to_numpy(readings).astype(float)
        columns = as_array(np.ascontiguousarray(x.T), self.matrix.like)
        r = to_numpy(self.matrix.apply(columns)).T.astype(float)
        if self.load is not None:
            r = r - to_numpy(self.load).astype(float)[:, 0]
        with np.errstate(all="ignore"):  # of a sick device they may be anything
            if not self._count:
                self._add_soft_directions(x)
            if self._diagonal is not None:
                if self.centred and not self._count:  # of fewer readings a mean is no centre
                    self._centre = r.mean(axis=0) if len(r) >= ENOUGH else None
                if self._centre is not None:
                    off = np.abs(r - self._centre)
                    self._sizes += np.stack([off.sum(0), (off * off).sum(0)])
                self._nodes += np.stack([x.sum(0), r.sum(0), (r * r).sum(0), (x * r).sum(0), (x * x).sum(0)])
            self._whole.take(x, r)
            self._along.append((x @ self._directions, r @ self._directions))
        self._count += len(x)

    def _add_soft_directions(self, x: NDArray[np.float64]) -> None:
        """The directions in which the first readings spread most; they themselves are not looked at along these."""
        first, d = min(FIRST, len(x) // 4), x.shape[1]
        if first < FEW or d < 2:
            return
        centred = x[:first] - x[:first].mean(axis=0)
        w = np.random.default_rng(1).standard_normal((d, min(SOFT, d)))
        for _ in range(POWERS):
            w = centred.T @ (centred @ w)
            if not np.isfinite(w).all() or not w.any():
                return
            w = np.linalg.qr(w)[0]
        self._first = first
        self._directions = np.hstack([self._directions, w])
        self._stiffness = np.concatenate([self._stiffness, self._forms(w)])

    def verdict(self) -> Health:
        """What all readings together say."""
        health = Health(readings=self._count)
        if self._count:
            with np.errstate(all="ignore"):
                if self._diagonal is not None:
                    self._judge_nodes(health)
                health.note("energy", self._whole.energy(self.share))
                if self.share == 1.0:
                    health.note("covariance", self._whole.distance())
                p, q = (np.concatenate([pair[k] for pair in self._along]) for k in (0, 1))
                if self.centred:
                    p, q = p - p.mean(axis=0), q - q.mean(axis=0)
                self._judge_directions(health, p, q, slice(0, self._random))
                self._judge_directions(health, p[self._first :], q[self._first :], slice(self._random, None))
                scale = np.sqrt(self.temperature * self._stiffness[: self._random])
                self._judge_order(health, q[:, : self._random] / scale)
        return health

    def _judge_nodes(self, health: Health) -> None:
        x, r, squares, products, spread = self._nodes / self._count
        T, worth = self.temperature, self._count * self.share
        variance = T * np.asarray(self._diagonal)
        if self.centred:
            squares, products, spread = squares - r**2, products - x * r, spread - x**2
        else:
            health.note("mean", r * np.sqrt(worth / variance))
        if worth >= FEW:
            health.note("spread", chi_square(squares / variance, worth))
        if worth >= ENOUGH:
            health.note("equipartition", (products - T) * np.sqrt(worth / (spread * variance + T**2)))
        if worth >= MANY and self._centre is not None:
            modulus, square = self._sizes / self._count
            off = modulus / np.sqrt(square) - math.sqrt(2 / math.pi)
            health.note("normality", off * math.sqrt(worth / (1 - 3 / math.pi)))

    def _judge_directions(self, health: Health, p: NDArray[np.float64], q: NDArray[np.float64], which: slice) -> None:
        """Readings and residuals along some directions, as `_judge_nodes`; and whether they are normal."""
        T, worth, w = self.temperature, len(p) * self.share, self._directions[:, which]
        variance, size, p, q = T * self._stiffness[which], np.sum(w * w, axis=0), p[:, which], q[:, which]
        u = q / np.sqrt(variance)
        health.note("mean", u.mean(axis=0) * math.sqrt(worth))  # nothing where it is centred
        if worth >= FEW:
            health.note("spread", chi_square(np.mean(u * u, axis=0), worth))
        if worth >= ENOUGH:
            own = np.mean(p * p, axis=0) * variance + (T * size) ** 2
            health.note("equipartition", (np.mean(p * q, axis=0) - T * size) * np.sqrt(worth / own))
        if worth >= MANY:
            health.note("normality", (np.mean(u**4, axis=0) - 3) * math.sqrt(worth / 96))

    def _judge_order(self, health: Health, u: NDArray[np.float64]) -> None:
        """Standard normal series: both halves, and what readings know of the ones before."""
        worth, half = len(u) * self.share, len(u) // 2
        if worth < ENOUGH:
            return
        early, late = u[:half], u[len(u) - half :]
        health.note("drift", (late.mean(axis=0) - early.mean(axis=0)) * math.sqrt(worth / 4))
        if worth >= MANY:
            health.note("drift", (np.mean(late**2, axis=0) - np.mean(early**2, axis=0)) * math.sqrt(worth / 8))
        if self.share == 1.0:
            health.note("independence", np.mean(u[1:] * u[:-1], axis=0) * math.sqrt(worth))
        elif u.shape[1] > 1:  # detailed balance: no direction leads another
            forth, back = np.mean(u[:-1, :-1] * u[1:, 1:], axis=0), np.mean(u[:-1, 1:] * u[1:, :-1], axis=0)
            health.note("reversibility", (forth - back) * math.sqrt(worth / 2))


def covariance_health(covariance: Array, matrix: Operator, worth: float) -> Health:
    """What a sample covariance C tells: A C = I and A C A = A, node by node and in the directions of `Examination`.

    Parameters
    ----------
    covariance : array, shape (d, d)
        Of readings without a load, at T = 1.
    matrix : Operator, shape (d, d)
        A.
    worth : float
        Degrees of freedom.

    Returns
    -------
    Health
    """
    C, d, health = to_numpy(covariance).astype(float), matrix.shape[0], Health(readings=math.ceil(worth))

    def times(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return to_numpy(matrix.apply(as_array(v, matrix.like))).astype(float)

    def judge(w: NDArray[np.float64], bias: float) -> None:
        Aw = times(w)
        size, stiffness, Cw = np.sum(w * w, axis=0), np.sum(w * Aw, axis=0), C @ w
        own = np.sum(w * Cw, axis=0) * stiffness + size**2
        off = np.abs(np.sum(Cw * Aw, axis=0) - size)
        health.note("equipartition", np.maximum(off - bias * size, 0.0) * np.sqrt(worth / own))
        if worth >= FEW and not bias:
            health.note("spread", chi_square(np.sum(Aw * (C @ Aw), axis=0) / stiffness, worth))

    with np.errstate(all="ignore"):
        if not np.isfinite(C).all():
            health.note("finiteness", math.inf)
            return health
        health.note("symmetry", np.abs(C - C.T) / (1e-6 * np.abs(C).max() / LIMIT + 1e-300))
        judge(np.eye(d), 0.0)
        judge(np.random.default_rng(d).choice([-1.0, 1.0], size=(d, PROBES)), 0.0)
        vectors = np.linalg.eigh((C + C.T) / 2)[1]
        # Found in C itself they are biased, by up to the edge of Marchenko and Pastur's law.
        judge(vectors[:, -SOFT:], 2 * (d / worth) ** 0.5 + 2 * d / worth)
    return health


def correlation_health(
    covariance: NDArray[np.float64], half: NDArray[np.float64], whole: NDArray[np.float64], n: int
) -> Health:
    """What a device tells that settles to N(0, I): its covariance, and P(½)² = P(1) of its lagged ones.

    Parameters
    ----------
    covariance, half, whole : array, shape (d, d)
        Averages of x xᵀ and of x(t + lag) x(t)ᵀ, lags ½ and 1, over n readings or pairs each.
    n : int

    Returns
    -------
    Health
    """
    d, health = len(covariance), Health(readings=3 * n)
    with np.errstate(all="ignore"):
        health.note("equipartition", (covariance - np.eye(d)) * np.sqrt(n / (1 + np.eye(d))))
        # Of a lagged covariance P of a device that settles to N(0, I) the entries of error E covary as
        # ⟨E_ik E_jl⟩ = (δ_ij δ_kl + P_il P_jk)/n; E P + P E has the two spreads below at most, and E² is of order d/n.
        square, sizes = half @ half, half**2
        spreads = (np.sqrt(sizes.sum(axis, keepdims=True) + square**2) for axis in (0, 1))
        scatter = np.hypot(sum(spreads), np.sqrt(1 + whole**2))
        health.note("semigroup", np.maximum(np.abs(square - whole) - d / n, 0.0) / scatter * math.sqrt(n))
    return health


def residual_health(residual: Array, noise: Array, rounding: Array) -> Health:
    """Whether the residual of one run is what the noise of further runs leaves.

    Parameters
    ----------
    residual : array, shape (m, k)
        b − A x.
    noise : array, shape (m, r)
        A times the noise of r runs, in the units of the residual.
    rounding : array, shape (k,)
        What rounding may leave of an entry of the residual.

    Returns
    -------
    Health
    """
    r, z, floor = (to_numpy(part).astype(float) for part in (residual, noise, rounding))
    health, (m, n) = Health(readings=1), z.shape
    with np.errstate(all="ignore"):
        scale = np.sqrt(np.mean(z**2, axis=1, keepdims=True))
        off = np.maximum(np.abs(r) - floor, 0.0)
        t = np.where(off > 0, off / scale, 0.0)
        # Student's t as a normal number (Wallace), and F, of as many degrees as the noise has, likewise (Paulson).
        health.note("residual", np.sqrt(n * np.log1p(t**2 / n)) * (8 * n + 1) / (8 * n + 3))
        total = np.mean((z / scale) ** 2, axis=0)
        scatter = float(np.var(total))  # none of a single run
        degrees = min(float(m), 2 / scatter) if m > 1 and scatter > 0 else float(m)
        root = np.cbrt(np.mean(t**2, axis=0))
        mean, spread = (1 - 2 / (9 * n)) * root - (1 - 2 / (9 * degrees)), 2 / (9 * n) * root**2 + 2 / (9 * degrees)
        health.note("residual", np.maximum(mean, 0.0) / np.sqrt(spread))
    return health
