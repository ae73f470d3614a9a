"""What nodes with inertia and coloured noise settle to, mode by mode, in matrices of the order of the voltages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from thermolinalg.simulation._transition import Matrix

__all__ = ["Modes", "Spread", "slowest_rate"]

ROUNDING = 10.0
"""Residuals of covariances, entry by entry, up to so many eps (and √d for the sums in them) are rounding."""

ROUNDS = 4
"""Corrections of a covariance before modes count as too far from normal to tell it."""


@dataclass(frozen=True)
class Spread:
    """Covariances (d, d) of the voltages x with themselves, with their rates v, and with the noise n of each node.

    Parameters
    ----------
    xx, vx, nx : ndarray, shape (d, d)
    """

    xx: Matrix
    vx: Matrix
    nx: Matrix


class Modes:
    """Modes of ẋ = v, v̇ = ω(−v − H x + n), ṅ = −n/τ + white noise of intensity W/τ², where H = C⁻¹G and W = C⁻¹DC⁻¹.

    All blocks of this drift are functions of H, so that each of its eigenvalues λ has two rates, μ² − ωμ + ωλ = 0, and
    1/τ is the third. Without inertia (ω = ∞) it is ẋ = −H x + n; without memory (τ = 0) n is white noise.

    Parameters
    ----------
    G : ndarray, shape (d, d)
    C : ndarray, shape (d,)
    bandwidth : float
        ω.
    correlation_time : float
        τ.

    Examples
    --------
    >>> modes = Modes(np.diag([1.0, 3.0]), np.ones(2), math.inf, 0.5)
    >>> modes.spread(2 * np.eye(2)).xx.diagonal().round(12)  # 1/λ times 1/(1 + λτ)
    array([0.66666667, 0.13333333])
    """

    def __init__(self, G: Matrix, C: Matrix, bandwidth: float, correlation_time: float) -> None:
        self.H, self.inertia, self.tau = G / C[:, None], 1 / bandwidth, correlation_time
        self._symmetric, self._root = bool((G == G.T).all()), np.sqrt(C)
        self._like = G / self._root / self._root[:, None] if self._symmetric else self.H

    @cached_property
    def decomposed(self) -> tuple[Matrix, Matrix, Matrix]:
        """Eigenvalues of H, its eigenvectors, and their inverse."""
        if self._symmetric:
            weights, vectors = np.linalg.eigh(self._like)
            return weights, vectors / self._root[:, None], vectors.T * self._root
        weights, vectors = np.linalg.eig(self.H)
        return weights, vectors, np.linalg.inv(vectors)

    @cached_property
    def slowest(self) -> complex:
        """The rate with the smallest real part, of all states."""
        return slowest_rate(self.decomposed[0], self.inertia, self.tau)

    def spread(self, W: Matrix) -> Spread | None:
        """Covariances in equilibrium; None where modes so far from normal do not tell them to rounding.

        With S = ⟨x vᵀ⟩ = (H X − X Hᵀ)/2 + A, where A is the skew part of ⟨x nᵀ⟩, one equation is left for X = ⟨x xᵀ⟩:
        H X + X Hᵀ + (H² X − 2 H X Hᵀ + X H²ᵀ)/(2ω) = F, of which the modes divide each entry by
        λ_i + λ_j + (λ_i − λ_j)²/(2ω).

        Parameters
        ----------
        W : ndarray, shape (d, d)
            Intensity of the noise, symmetric positive semidefinite.

        Returns
        -------
        Spread or None
        """
        if not self.slowest.real > 0:
            return None
        H, F, skew = self.H, W, np.zeros_like(W)
        xn = np.zeros_like(W)
        if self.tau:
            rate = 1 / self.tau
            shifted = H + rate * (1 + self.inertia * rate) * np.eye(len(H))
            xn = np.asarray(np.linalg.solve(shifted, W / (2 * self.tau)), dtype=np.float64)
            skew = (xn - xn.T) / 2
            turned = H @ skew
            F = np.asarray((xn + xn.T) * (1 + self.inertia * rate) - self.inertia * (turned + turned.T))
        X = self._solved(F)
        for _ in range(ROUNDS):
            half = H @ X
            turn = half - half.T
            bent = H @ turn
            residual = F - half - half.T - self.inertia / 2 * (bent + bent.T)
            sizes = np.abs(H) @ np.abs(X)
            sizes = sizes + self.inertia * (np.abs(H) @ np.abs(turn))
            rounding = (ROUNDING + math.sqrt(len(H))) * np.finfo(float).eps * (np.abs(F) + sizes + sizes.T)
            if (np.abs(residual) <= rounding).all():
                return Spread(X, -(turn / 2 + skew), xn.T)
            X = np.asarray(X + self._solved(residual))
        return None

    def _solved(self, F: Matrix) -> Matrix:
        """The equation of `spread`, as well as the modes solve it."""
        weights, vectors, inverse = self.decomposed
        sums = weights[:, None] + weights.conj() + self.inertia / 2 * (weights[:, None] - weights.conj()) ** 2
        X = (vectors @ ((inverse @ F @ inverse.conj().T) / sums) @ vectors.conj().T).real
        return np.asarray((X + X.T) / 2)

    def window(self, spread: Spread, duration: float) -> tuple[Matrix, Matrix]:
        """Covariances of an average over a long window with the state at its end, and with itself.

        With M the drift of all states and Σ their covariance, K = M⁻¹Σ: K/T_w, and
        (K + Kᵀ)/T_w − (M⁻¹K + KᵀM⁻ᵀ)/T_w².

        Parameters
        ----------
        spread : Spread
        duration : float
            T_w.

        Returns
        -------
        with_end, average : ndarray, shape (d, d)
        """
        factor = scipy.linalg.lu_factor(self.H)
        once = scipy.linalg.lu_solve(factor, self.inertia * spread.vx + spread.xx + self.tau * spread.nx)
        twice = scipy.linalg.lu_solve(factor, once - self.inertia * spread.xx + self.tau**2 * spread.nx)
        return once / duration, (once + once.T) / duration - (twice + twice.T) / duration**2


def slowest_rate(weights: Matrix, inertia: float, correlation_time: float) -> complex:
    """The rate with the smallest real part, of all that nodes have.

    Parameters
    ----------
    weights : ndarray
        Eigenvalues of H; see `Modes`.
    inertia : float
        1/ω.
    correlation_time : float
        τ.

    Returns
    -------
    complex
    """
    rates = weights.astype(complex)
    if inertia:
        half = 0.5 / inertia
        root = np.sqrt(half**2 - weights / inertia + 0j)
        fast = half + root
        rates = np.append(weights / (inertia * fast), fast)  # the small one without cancellation
    if correlation_time:
        rates = np.append(rates, 1 / correlation_time)
    return complex(rates[np.argmin(rates.real)])
