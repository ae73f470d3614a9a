"""RᵀR + ridge·I on a device: the precision matrix of the coefficients of a linear model, up to a factor."""

from __future__ import annotations

from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps._design import CentredRows, row_space
from thermoapps._inverse import Inverse
from thermoapps._reading import naming

__all__ = ["LoadedPrecision", "Precision"]

COARSE = 1e-6
"""Relative residual of a mean beside which there are readings only."""

OF_INVERSE = 1e-10
"""Relative residual of the inverse where rounding leaves it rough: variances need no more."""

ROUGH = 1e-2
"""Residual of the inverse as the device gives it, before its own residual sharpens it."""

SHARP = 1e-8
"""Residual of an inverse that is sharp."""

TERMS, LEFT_OUT = 16, 1e-8
"""Terms of the series of an inverse, and the part of the whole that what they leave out may be."""

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
        self._inverse: _Series | None = None
        self._written: tuple[float, tla.PreparedDevice] | None = None
        self._ledgers: list[Any] = []
        if not (rows.wide and self._reduced()):
            self.gram = rows.gram()

    @property
    def device_time(self) -> float:
        """Time the device has run for all ridges, in units of its time constant."""
        return float(sum(ledger.device_time for ledger in self._ledgers))

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

    def inverse(self, loaded: LoadedPrecision) -> _Series:
        """The inverse at a ridge close enough to this one, solved for if there is none yet."""
        if self._inverse is None or not self._inverse.reaches(loaded.ridge):
            self._inverse = _Series(self.gram, loaded.solved_inverse(), loaded.ridge)
        return self._inverse

    def written(self, ridge: float) -> tla.PreparedDevice:
        """The device with this ridge: the couplings are written once, and a ridge is a conductance at every node."""
        if self._written is None:
            device = tla.program(self.gram + ridge * np.eye(len(self.gram)), assume_a="pos", **self.options)
            device.anticipate(shifts=True)
            self._written = ridge, device
        first, device = self._written
        return device if ridge == first else device.shifted(ridge - first)

    def count(self, ledger: Any) -> None:
        """Count what a device has been asked to do; ridges on the same couplings share their ledger."""
        if not any(ledger is known for known in self._ledgers):
            self._ledgers.append(ledger)

    def _reduced(self) -> bool:
        """Take coordinates of the space of the rows, if it is smaller; the ridge alone acts outside of it."""
        rows = self.rows.dense()
        basis = row_space(rows)
        if not 0 < basis.shape[1] < len(basis):
            return False
        within = rows @ basis
        self.basis, self.gram, self.load = basis, within.T @ within, basis.T @ self.load
        self._written = None
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
    mean : array, shape (p,)
        (RᵀR + ridge I)⁻¹ Rᵀy.

    Raises
    ------
    thermolinalg.SingularError
        The matrix is singular to working precision.
    """

    def __init__(self, precision: Precision, ridge: float, rtol: float) -> None:
        self.ridge, self._of = ridge, precision
        with naming("XᵀX + (lambda/alpha)·I", ADVICE):
            self._held = precision.written(ridge)
            within = np.asarray(self._held.solve(precision.load, rtol=rtol))
        precision.count(self._held.ledger)
        self.mean = precision.outside(within)

    @property
    def matrix(self) -> np.ndarray:
        """What is written, (p, p) or (k, k)."""
        return np.asarray(self._of.gram + self.ridge * np.eye(len(self._of.gram)))

    def solved_inverse(self) -> np.ndarray:
        """Inverse of the matrix that is written: roughly from the device, and sharpened by its own residual."""
        rough = Inverse(self.matrix, lambda _: np.asarray(self._held.inv(rtol=0.0, atol=ROUGH))).sharpened()
        sharp = rough.residual <= SHARP
        inverse = rough.X if sharp else np.asarray(self._held.inv(rtol=max(self._of.rtol, OF_INVERSE)))
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


class _Series:
    """(G + ridge I)⁻¹ near a ridge r₀ at which it is M: M Σ_k (1 − ridge/r₀)ᵏ (r₀M)ᵏ, sixteen terms of it.

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
        self._inverse, self._ridge, self._once = inverse, ridge, ridge * inverse
        square = self._once @ self._once
        fourth = square @ square
        # Σ λ⁸ bounds the eighth power of the norm, closer than Σ λ² does its square.
        self._norm = float(np.linalg.norm(fourth)) ** 0.25
        lower = [gram, gram @ self._once]
        lower += [part @ square for part in lower]
        upper = [inverse, fourth @ inverse]
        upper += [(fourth @ fourth) @ part for part in upper]
        self._moments = [float(np.sum(a * b)) for b in upper for a in lower]

    def reaches(self, ridge: float) -> bool:
        """Whether what is left out is a small enough part of the whole."""
        return self._left_out(ridge, TERMS) < LEFT_OUT

    def trace(self, ridge: float) -> float:
        """tr (G + ridge I)⁻¹G, and not d − ridge tr (G + ridge I)⁻¹, which cancels where the data tell little."""
        return float(np.polynomial.polynomial.polyval(1 - ridge / self._ridge, self._moments))

    def times(self, load: np.ndarray, ridge: float) -> np.ndarray:
        """(G + ridge I)⁻¹ load, for a load (d,)."""
        term = total = self._inverse @ load
        for _ in range(TERMS - 1):
            term = (1 - ridge / self._ridge) * (self._once @ term)
            total = total + term
        return np.asarray(total)

    def at(self, ridge: float) -> np.ndarray:
        """(G + ridge I)⁻¹, by as many terms as that takes."""
        found, power, terms = self._inverse, (1 - ridge / self._ridge) * self._once, 1
        while self._left_out(ridge, terms) >= LEFT_OUT:
            power = power if terms == 1 else power @ power
            found, terms = found + power @ found, 2 * terms
        return found

    def _left_out(self, ridge: float, terms: int) -> float:
        """Norm of the first term that is left out, at most, as a part of the whole."""
        return float(abs((1 - ridge / self._ridge) * self._norm) ** terms)
