"""One drift under many noises: how long it takes to forget its start, and the covariance it then settles to."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from thermolinalg.simulation._transition import Matrix, Transition, transition
from thermolinalg.simulation.doubling import FORGOTTEN, Doubling

__all__ = ["FORGOTTEN", "GeneralRelaxation", "Relaxation", "SymmetricRelaxation", "relaxation_of"]

ROUNDING = 10.0
"""Residuals of a covariance, entry by entry, up to so many eps (and √d for the sums in them) are rounding."""

ROUNDS = 3
"""Corrections of a covariance by eigenvectors before doubling, which needs none, takes over."""

ALIKE = 1e-6
"""Share of the largest variance that the smallest must have for eigenvectors to leave every node its digits."""


def relaxation_of(M: Matrix) -> Relaxation:
    """How M forgets: by its eigenvectors where it is symmetric, else by doubling."""
    return SymmetricRelaxation(M, *np.linalg.eigh(M)) if (M == M.T).all() else GeneralRelaxation(M)


class Relaxation(ABC):
    """How a drift M forgets, and what it settles to under a noise.

    Parameters
    ----------
    M : ndarray, shape (d, d)
        Drift; all its eigenvalues have positive real part where a time, a covariance or a transition is asked for.
    """

    def __init__(self, M: Matrix) -> None:
        self.M = M

    @property
    @abstractmethod
    def eigenvalues(self) -> np.ndarray:
        """Of M."""

    @property
    @abstractmethod
    def norm(self) -> float:
        """‖M‖₂."""

    @property
    @abstractmethod
    def time(self) -> float:
        """After which the start is forgotten, ‖e^{−Mt}‖ ≤ 1e-8; transient growth of a non-normal M is part of it.

        Raises
        ------
        LinAlgError
            If the start is not forgotten in any time that double precision can tell from for ever.
        """

    @abstractmethod
    def scaled(self, factor: float) -> Relaxation:
        """That of M times a factor."""

    @abstractmethod
    def covariance(self, D: Matrix) -> Matrix:
        """Stationary covariance X, M X + X Mᵀ = D.

        Parameters
        ----------
        D : ndarray, shape (d, d)
            Covariance of the noise per unit time, symmetric positive semidefinite.

        Returns
        -------
        ndarray, shape (d, d)
            Symmetric positive semidefinite to rounding.
        """

    def transition(self, D: Matrix, t: float) -> Transition:
        """The law of the state a time t after a known one, under the noise D."""
        return transition(self.M, D, t)


class GeneralRelaxation(Relaxation):
    """That of any drift.

    Examples
    --------
    >>> import numpy as np
    >>> GeneralRelaxation(np.array([[1.0, 5.0], [0.0, 2.0]])).covariance(2 * np.eye(2)).round(3)
    array([[ 5.167, -0.833],
           [-0.833,  0.5  ]])
    """

    @cached_property
    def eigenvalues(self) -> np.ndarray:
        return np.linalg.eigvals(self.M)

    @cached_property
    def norm(self) -> float:
        return float(np.linalg.norm(self.M, 2))

    @property
    def time(self) -> float:
        return self._doubling.time

    def scaled(self, factor: float) -> GeneralRelaxation:
        return GeneralRelaxation(self.M * factor)

    def covariance(self, D: Matrix) -> Matrix:
        return self._doubling.covariance(D)

    @cached_property
    def _doubling(self) -> Doubling:
        return Doubling(self.M)


class SymmetricRelaxation(Relaxation):
    """That of a symmetric drift M = V Λ Vᵀ: entries of Vᵀ D V are divided by λ_i + λ_j.

    Where one node is small beside another, eigenvectors keep none of its digits. The residual shows it, entry by entry,
    and doubling tells the law.

    Parameters
    ----------
    M : ndarray, shape (d, d)
    eigenvalues : ndarray, shape (d,)
        Ascending.
    vectors : ndarray, shape (d, d)

    Examples
    --------
    >>> import numpy as np
    >>> M = np.array([[2.0, 1.0], [1.0, 2.0]])
    >>> SymmetricRelaxation(M, *np.linalg.eigh(M)).covariance(2 * np.eye(2)).round(12)
    array([[ 0.66666667, -0.33333333],
           [-0.33333333,  0.66666667]])
    """

    def __init__(self, M: Matrix, eigenvalues: np.ndarray, vectors: Matrix) -> None:
        super().__init__(M)
        self._eigenvalues, self._vectors = eigenvalues, vectors

    @property
    def eigenvalues(self) -> np.ndarray:
        return self._eigenvalues

    @property
    def norm(self) -> float:
        return float(np.abs(self._eigenvalues).max(initial=0.0))

    @property
    def time(self) -> float:
        return -math.log(FORGOTTEN) / self._slowest()

    def _slowest(self) -> float:
        """The smallest eigenvalue, of a drift that forgets."""
        slowest = float(self._eigenvalues[0])
        if not slowest > np.finfo(float).eps * self.norm:
            raise np.linalg.LinAlgError(
                f"the start is never forgotten: the drift has the eigenvalue {slowest:.3g} beside {self.norm:.3g}, "
                "too close to unstable for double precision"
            )
        return slowest

    def scaled(self, factor: float) -> SymmetricRelaxation:
        order = slice(None, None, 1 if factor >= 0 else -1)
        return SymmetricRelaxation(self.M * factor, self._eigenvalues[order] * factor, self._vectors[:, order])

    def covariance(self, D: Matrix) -> Matrix:
        sums = self._sums()
        X = self._turned(D, sums)
        for _ in range(ROUNDS):
            half = self.M @ X
            residual = D - half - half.T
            sizes = np.abs(self.M) @ np.abs(X)
            rounding = (ROUNDING + math.sqrt(len(D))) * np.finfo(float).eps * (np.abs(D) + sizes + sizes.T)
            if (np.abs(residual) <= rounding).all():
                return X
            X = X + self._turned(residual, sums)
        return self._doubling.covariance(D)

    def transition(self, D: Matrix, t: float) -> Transition:
        sums, weights = self._sums(), self._eigenvalues
        spread = self._turned(D, sums / -np.expm1(-sums * t)) if t > 0 else np.zeros_like(D)
        variances = np.diag(spread)
        if not variances.min() > ALIKE * variances.max():
            return super().transition(D, t)
        gone = -np.expm1(-weights * t)
        decay, response = ((self._vectors * each) @ self._vectors.T for each in (np.exp(-weights * t), gone / weights))
        return Transition(decay, spread, response)

    @cached_property
    def _doubling(self) -> Doubling:
        return Doubling(self.M)

    def _sums(self) -> Matrix:
        """λ_i + λ_j; LinAlgError where one of them is no decay."""
        self._slowest()
        return np.asarray(self._eigenvalues[:, None] + self._eigenvalues)

    def _turned(self, F: Matrix, divisors: Matrix) -> Matrix:
        """F divided in the modes."""
        X = self._vectors @ ((self._vectors.T @ F @ self._vectors) / divisors) @ self._vectors.T
        return np.asarray((X + X.T) / 2)
