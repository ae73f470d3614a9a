"""The evidence of Bayesian ridge regression as a function of its two precisions, and MacKay's steps on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thermoapps.least_squares._precision import LoadedPrecision

__all__ = ["Evidence", "Trace"]


@dataclass
class Evidence:
    """Noise of precision α, prior N(0, I/λ), Gamma priors on both.

    Parameters
    ----------
    alpha, lam : float
        α and λ at present.
    priors : tuple of float
        Shape and inverse scale of the prior on α, then on λ.
    count : float
        Sum of the weights of the samples.
    """

    alpha: float
    lam: float
    priors: tuple[float, float, float, float]
    count: float

    @property
    def ridge(self) -> float:
        """λ/α."""
        return self.lam / self.alpha

    def maximise(self, mean: np.ndarray, determined: float, errors: float) -> None:
        """One of MacKay's steps, from the mean, the number of determined coefficients and the squared errors.

        Raises
        ------
        ValueError
            The weights sum to less than the data determine.
        """
        alpha_1, alpha_2, lambda_1, lambda_2 = self.priors
        free = self.count - determined + 2 * alpha_1
        if free <= 0:
            raise ValueError(
                f"the weights sum to {self.count:.3g}, below the {determined:.3g} coefficients that the data determine,"
                " and nothing is left to tell the noise by; scale sample_weight up"
            )
        self.lam = (determined + 2 * lambda_1) / (float(mean @ mean) + 2 * lambda_2)
        self.alpha = free / (errors + 2 * alpha_2)

    def score(self, loaded: LoadedPrecision, errors: float, atol: float) -> tuple[float, float]:
        """Log evidence, up to the normalisation of the priors, and its standard error."""
        alpha_1, alpha_2, lambda_1, lambda_2 = self.priors
        alpha, lam, p = self.alpha, self.lam, len(loaded.mean)
        logdet, error = loaded.logdet(atol)
        priors = lambda_1 * math.log(lam) - lambda_2 * lam + alpha_1 * math.log(alpha) - alpha_2 * alpha
        fit = p * math.log(lam) + self.count * math.log(alpha / (2 * math.pi)) - alpha * errors
        posterior = lam * float(loaded.mean @ loaded.mean) + logdet + p * math.log(alpha)
        return priors + (fit - posterior) / 2, error / 2


@dataclass
class Trace:
    """The number of determined coefficients: by readings, until they tell no change any more, then by the inverse.

    Parameters
    ----------
    exact : bool
        Whether to take the inverse.
    size : int
        Readings.
    """

    exact: bool
    size: int
    _before: float = math.inf

    def of(self, loaded: LoadedPrecision) -> float:
        """tr (RᵀR + ridge I)⁻¹RᵀR."""
        if self.exact:
            return loaded.determined()
        value, error = loaded.read_determined(self.size)
        self.exact = abs(value - self._before) < 3 * math.sqrt(2) * error
        self._before = value
        return value
