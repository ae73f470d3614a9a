"""What engines share that know A by its products: they look for its spectrum once, and count."""

from __future__ import annotations

from thermolinalg._arrays import eps
from thermolinalg.matrix_functions.spectrum import SpectralInterval, spectral_interval
from thermolinalg.operators import Operator

__all__ = ["ByProducts"]


class ByProducts:
    """An operator known by its products, to a relative accuracy.

    Parameters
    ----------
    operator : Operator
        Symmetric positive semidefinite.
    interval : tuple of float or SpectralInterval, optional
        The ends of its spectrum, where they are known.
    rtol : float
        Accuracy asked for; no better than rounding.

    Attributes
    ----------
    converged : bool
        Whether the last call reached it.
    error : float
        Relative truncation error of the last call.
    n_matvec : int
        Products with blocks taken so far, those for the interval included.
    """

    def __init__(self, operator: Operator, interval: tuple[float, ...] | None, rtol: float) -> None:
        self.operator = operator
        self.rtol = max(rtol, 4 * eps(operator.like))
        self.converged = True
        self.error = 0.0
        self.n_matvec = 0
        self._spectrum = SpectralInterval.given(interval)

    def spectrum(self) -> SpectralInterval:
        """An interval that holds the spectrum, and its estimated ends within, from a random vector."""
        if self._spectrum is None:
            self._spectrum = spectral_interval(self.operator)
            self.n_matvec += self._spectrum.products
        return self._spectrum

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue, as far as products told (see `spectrum`)."""
        found = self.spectrum()
        return found.smallest, found.largest

    def eigenvalues(self) -> None:
        """Unknown: products give the ends of the spectrum, and not all that lies between."""
        return
