"""RᵀR + ridge·I on a device: the precision matrix of the coefficients of a linear model, up to a factor."""

from __future__ import annotations

from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps._design import CentredRows, row_space
from thermoapps._reading import naming

__all__ = ["LoadedPrecision", "Precision"]

COARSE = 1e-6
"""Relative residual of a mean beside which there are readings only."""

OF_INVERSE = 1e-10
"""Relative residual of the inverse: variances need no more."""

ADVICE = "scale the features to one unit and drop those that repeat others"


class Precision:
    """RᵀR + ridge·I for any ridge, in coordinates of the space of the rows where R is wide, or repeats itself.

    Parameters
    ----------
    rows : CentredRows
        R, and one target.
    rtol : float
        Relative residual of the linear systems to reach.
    device : thermolinalg.devices.Device or None
    rng : numpy.random.Generator
    """

    def __init__(self, rows: CentredRows, rtol: float, device: Any, rng: np.random.Generator) -> None:
        self.rows, self.rtol = rows, rtol
        self.options: dict[str, Any] = {"device": device, "rng": rng}
        self.basis: np.ndarray | None = None
        self.gram, self.load = np.zeros((0, 0)), rows.transposed(rows.y)[:, 0]
        self._inverse: Inverse | None = None
        if not (rows.wide and self._reduced()):
            self.gram = rows.gram()

    def at(self, ridge: float, *, coarse: bool = False) -> LoadedPrecision:
        """The device with this ridge, and its mean; coarse where readings decide what comes next."""
        rtol = max(self.rtol, COARSE) if coarse else self.rtol
        try:
            return LoadedPrecision(self, ridge, rtol)
        except tla.SingularError:
            if self.basis is not None or not self._reduced():
                raise
            return LoadedPrecision(self, ridge, rtol)

    def near(self, ridge: float) -> tuple[np.ndarray, float] | None:
        """Mean and trace where an inverse at hand reaches this ridge: nothing has to run for them."""
        if self._inverse is None or not self._inverse.reaches(ridge):
            return None
        return self.outside(self._inverse.times(self.load, ridge)), self._inverse.trace(ridge)

    def outside(self, within: np.ndarray) -> np.ndarray:
        """Coefficients (p,) from those in the space of the rows."""
        return within if self.basis is None else self.basis @ within

    def inverse(self, loaded: LoadedPrecision) -> Inverse:
        """The inverse at a ridge close enough to this one, solved for if there is none yet."""
        if self._inverse is None or not self._inverse.reaches(loaded.ridge):
            self._inverse = Inverse(self.gram, loaded.solved_inverse(), loaded.ridge)
        return self._inverse

    def _reduced(self) -> bool:
        """Take coordinates of the space of the rows, if it is smaller; the ridge alone acts outside of it."""
        rows = self.rows.dense()
        basis = row_space(rows)
        if not 0 < basis.shape[1] < len(basis):
            return False
        within = rows @ basis
        self.basis, self.gram, self.load = basis, within.T @ within, basis.T @ self.load
        return True


class LoadedPrecision:
    """RᵀR + ridge·I, written.

    Parameters
    ----------
    precision : Precision
    ridge : float
        > 0.
    rtol : float
        Relative residual of the mean.

    Attributes
    ----------
    matrix : array, shape (p, p) or (k, k)
        What is written.
    mean : array, shape (p,)
        (RᵀR + ridge I)⁻¹ Rᵀy.

    Raises
    ------
    thermolinalg.SingularError
        The matrix is singular to working precision.
    """

    def __init__(self, precision: Precision, ridge: float, rtol: float) -> None:
        self.ridge, self._of = ridge, precision
        self.matrix = precision.gram + ridge * np.eye(len(precision.gram))
        self._held = tla.program(self.matrix, assume_a="pos", **precision.options)
        with naming("XᵀX + (lambda/alpha)·I", ADVICE):
            within = np.asarray(self._held.solve(precision.load, rtol=rtol))
        self.mean = precision.outside(within)

    @property
    def device_time(self) -> float:
        """Time the device has run, in units of its time constant."""
        return float(self._held.ledger.device_time)

    def solved_inverse(self) -> np.ndarray:
        """Inverse of the matrix that is written, column by column."""
        inverse = np.asarray(self._held.inv(rtol=max(self._of.rtol, OF_INVERSE)))
        return np.asarray((inverse + inverse.T) / 2)

    def determined(self) -> float:
        """tr (RᵀR + ridge I)⁻¹RᵀR from the inverse."""
        return self._of.inverse(self).trace(self.ridge)

    def read_determined(self, size: int) -> tuple[float, float]:
        """tr (RᵀR + ridge I)⁻¹RᵀR as the mean of xᵀRᵀR x over readings in equilibrium, with its standard error."""
        readings = np.asarray(self._held.sample(size))
        forms = np.sum((readings @ self._of.gram) * readings, axis=1)
        return float(forms.mean()), float(forms.std(ddof=1) / np.sqrt(size))

    def logdet(self, atol: float) -> tuple[float, float]:
        """log det (RᵀR + ridge I) of p × p, measured to a standard error, and that error."""
        logdet, info = self._held.logdet(atol=atol, return_info=True)
        outside = len(self.mean) - len(self._of.gram)
        return float(logdet) + outside * float(np.log(self.ridge)), float(info.standard_error)

    def factor(self) -> np.ndarray:
        """F with FᵀF = (RᵀR + ridge I)⁻¹, so that variances are sums of squares: (p, p), or (k + p, p) for rank k."""
        lower = np.linalg.cholesky(self._of.inverse(self).at(self.ridge))
        basis = self._of.basis
        if basis is None:
            return lower.T
        outside = np.eye(len(basis)) - basis @ basis.T
        return np.vstack([lower.T @ basis.T, outside / np.sqrt(self.ridge)])


class Inverse:
    """(G + ridge I)⁻¹ near a ridge r₀ at which it is M: Σ_k (r₀ − ridge)ᵏ Mᵏ⁺¹, four terms of it.

    Parameters
    ----------
    gram : array, shape (d, d)
        G.
    inverse : array, shape (d, d)
        M.
    ridge : float
        r₀.
    """

    def __init__(self, gram: np.ndarray, inverse: np.ndarray, ridge: float) -> None:
        self._inverse, self._square, self._ridge = inverse, inverse @ inverse, ridge
        self._norm = float(np.linalg.norm(inverse))
        once = gram @ inverse
        products = ((gram, inverse), (once, inverse), (once, self._square), (once @ inverse, self._square))
        self._moments = [float(np.sum(a * b)) for a, b in products]

    def reaches(self, ridge: float) -> bool:
        """Whether what is left out is below 1e-8 of the whole."""
        return abs(ridge - self._ridge) * self._norm < 0.01

    def trace(self, ridge: float) -> float:
        """tr (G + ridge I)⁻¹G, and not d − ridge tr (G + ridge I)⁻¹, which cancels where the data tell little."""
        return float(np.polynomial.polynomial.polyval(self._ridge - ridge, self._moments))

    def times(self, load: np.ndarray, ridge: float) -> np.ndarray:
        """(G + ridge I)⁻¹ load, for a load (d,)."""
        shift = self._ridge - ridge
        term = total = self._inverse @ load
        for _ in range(3):
            term = shift * (self._inverse @ term)
            total = total + term
        return np.asarray(total)

    def at(self, ridge: float) -> np.ndarray:
        """(G + ridge I)⁻¹."""
        shift = self._ridge - ridge
        if shift == 0:
            return self._inverse
        even = self._inverse + shift * self._square
        return np.asarray(even + shift**2 * (self._square @ even))
