"""Coordinates in which the exponential of a non-normal matrix takes a small shift, and how often it is halved."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from thermolinalg._info import warn
from thermolinalg.systems.balance import balancing_exponents

__all__ = ["Coordinates", "Plan", "numerical_abscissa", "plan", "spectral_abscissa"]

WORTH = 0.5
"""A change of coordinates, or a squaring, has to save a factor e in device time, e^0.5 in the error."""

LARGEST_CONDITION = 1e5
"""Of T: beyond it the coordinates cost more than any shift that can be read."""

MOST_SQUARINGS = 40
"""The error grows with each, so that more are never worth it."""

CANDIDATES = 6
"""Shifts between the spectral and the numerical abscissa that are looked at."""

SECONDS = 3e-8
"""That the search takes on one core, over the cube of the order."""

PATIENCE = 20.0
"""Seconds that are announced."""

LARGEST_SHIFT = 600.0
"""e to this power and its products with readings are in range; above it A has to be halved."""


@dataclass(frozen=True)
class Coordinates:
    """A held as T⁻¹ A T.

    Parameters
    ----------
    A : ndarray, shape (d, d)
        Real.
    T, inverse : ndarray, shape (d, d)
        The change of coordinates, and T⁻¹.
    """

    A: np.ndarray
    T: np.ndarray
    inverse: np.ndarray

    @cached_property
    def changed(self) -> bool:
        """Whether T is not the identity."""
        return not np.array_equal(self.T, np.eye(len(self.T)))

    @cached_property
    def held(self) -> np.ndarray:
        """T⁻¹ A T."""
        if not self.changed:
            return self.A
        return np.asarray(self.inverse @ self.A @ self.T)

    @cached_property
    def abscissa(self) -> float:
        """Numerical abscissa of what is held."""
        return numerical_abscissa(self.held)

    @cached_property
    def size(self) -> float:
        """The largest sum of products that made an entry of `held`: its rounding is eps of that."""
        return float((np.abs(self.inverse) @ np.abs(self.A) @ np.abs(self.T)).max())

    @cached_property
    def amplification(self) -> np.ndarray:
        """By how much T N T⁻¹ spreads, entry by entry, for white noise N: sqrt(Σ_ii (Σ⁻¹)_jj) with Σ = T Tᵀ."""
        return np.outer(np.linalg.norm(self.T, axis=1), np.linalg.norm(self.inverse, axis=0))


@dataclass(frozen=True)
class Plan:
    """How an exponential is read: (T e^{H/2ᵏ} T⁻¹)^{2ᵏ}, H = T⁻¹ A T.

    Parameters
    ----------
    coordinates : Coordinates
    squarings : int
        k.
    before : float
        Numerical abscissa of A.
    """

    coordinates: Coordinates
    squarings: int
    before: float

    @property
    def step(self) -> np.ndarray:
        """H/2ᵏ, whose exponential the device shows."""
        return np.asarray(np.ldexp(self.coordinates.held, -self.squarings))

    @property
    def abscissa(self) -> float:
        """Numerical abscissa of the step."""
        return math.ldexp(self.coordinates.abscissa, -self.squarings)

    @property
    def reason(self) -> str:
        """What was chosen, for the report."""
        parts = []
        if self.coordinates.changed:
            parts.append(
                f"held as T⁻¹ A T: the largest eigenvalue of the symmetric part falls from {self.before:.4g} to "
                f"{self.coordinates.abscissa:.4g}"
            )
        if self.squarings:
            parts.append(f"e^(A/2**{self.squarings}) is read and squared {self.squarings} times by digital products")
        return "; ".join(parts) or "held as it is"


def plan(A: np.ndarray) -> Plan:
    """The coordinates and squarings with the smallest predicted error for a given device time.

    The error of a reading is e^{α}, with α the numerical abscissa, times the amplification of T. Lags of squared ones
    are shorter by N = 2ᵏ, so that N times as many pairs fit in, and N coherent errors leave √N times as much: e^{α/N}
    for the step itself, and what the other N − 1 make of it, which lies between e^{s} and e^{α} with s the spectral
    abscissa, and is taken in the middle.
    """
    plain = Coordinates(A, np.eye(len(A)), np.eye(len(A)))
    best, least = Plan(plain, 0, plain.abscissa), math.inf
    spectral = plain.abscissa if (A == A.T).all() else spectral_abscissa(A)
    for coordinates in [plain, *_candidates(plain, spectral)]:
        shift, amplification = coordinates.abscissa, math.log(coordinates.amplification.max())
        for k in range(MOST_SQUARINGS):
            if k == 0 and shift > LARGEST_SHIFT:
                continue
            others = (1 - 0.5**k) * (shift + spectral) / 2
            price = shift * 0.5**k + others + k * math.log(2) / 2 + amplification
            if price < least - WORTH - 8 * float(np.finfo(float).eps) * abs(shift):
                best, least = Plan(coordinates, k, plain.abscissa), price
    return best


def _candidates(plain: Coordinates, spectral: float) -> Iterator[Coordinates]:
    """Coordinates that take the numerical abscissa near the spectral one: of A, and of A balanced by powers of two."""
    rounding = 8 * len(plain.A) * float(np.finfo(float).eps) * float(np.abs(plain.A).max())
    if plain.abscissa - spectral <= WORTH + rounding:
        return
    if (seconds := SECONDS * len(plain.A) ** 3) > PATIENCE:
        warn(
            f"coordinates for a matrix of order {len(plain.A)} that is far from normal take about {seconds:.0f} s; "
            "expm_multiply gives its action on vectors sooner"
        )
    S = np.ldexp(1.0, balancing_exponents(plain.A))
    bases = [plain]
    if (S[0] != S).any():
        bases.append(Coordinates(plain.A, np.diag(S), np.diag(1 / S)))
        yield bases[1]
    for base in bases:
        if (gap := base.abscissa - spectral) <= WORTH:
            continue
        triangle, axes = scipy.linalg.schur(base.held)
        for margin in np.geomspace(WORTH / 2, gap, CANDIDATES if len(plain.A) <= 128 else CANDIDATES // 2):
            roots = _settled_root(triangle, spectral + float(margin))
            if roots is not None:
                T, inverse = (axes @ root @ axes.T for root in roots)
                yield Coordinates(plain.A, base.T @ T, inverse @ base.inverse)


def _settled_root(triangle: np.ndarray, shift: float) -> tuple[np.ndarray, np.ndarray] | None:
    """T = Σ^½ and its inverse; Σ is the covariance of the drift M = αI − R under the noise 2(M Mᵀ)^½.

    Of a normal M this noise is M + Mᵀ and Σ = I. R is a real Schur form. None where M does not settle or T is too
    ill-conditioned.
    """
    drift = shift * np.eye(len(triangle)) - triangle
    drift = drift / np.abs(drift).max()
    left, rates, _ = np.linalg.svd(drift)
    (trsyl,) = scipy.linalg.get_lapack_funcs(("trsyl",), (drift,))
    covariance, scale, failed = trsyl(drift, drift, 2 * (left * rates) @ left.T, tranb="T")
    if failed or not np.isfinite(covariance).all():
        return None
    variances, axes = np.linalg.eigh((covariance + covariance.T) / 2)
    if scale <= 0 or variances[0] * LARGEST_CONDITION**2 <= variances[-1]:
        return None
    roots = np.sqrt(variances)
    return (axes * roots) @ axes.T, (axes / roots) @ axes.T


def numerical_abscissa(A: np.ndarray) -> float:
    """Largest eigenvalue of the symmetric part."""
    half = A / 2
    return float(np.linalg.eigvalsh(half + half.conj().T)[-1])


def spectral_abscissa(A: np.ndarray) -> float:
    """Largest real part of an eigenvalue; of A over its size, whose sums do not overflow."""
    size = float(np.abs(A).max(initial=0.0)) or 1.0
    if (A == A.conj().T).all():
        return numerical_abscissa(A)
    return float(np.linalg.eigvals(A / size).real.max() * size)
