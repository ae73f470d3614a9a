"""Matérn fields on a grid, as solutions of a stochastic differential equation in finite elements."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.sparse as sp
from scipy.integrate import quad
from scipy.sparse.linalg import LinearOperator
from scipy.special import i0e

from thermoapps.random_field.grid import Grid

__all__ = ["Matern"]

ROUGHEST = 0.5
"""Smoothness ν that sets the range of fields that are rougher than that."""


@dataclass(frozen=True)
class Matern:
    r"""The stationary field of (κ² − Δ)^{α/2} x = W/τ on a grid, with lumped mass and no flux through the edges.

    Its precision is τ² K (C⁻¹K)^{α−1} with K = κ²C + G (Lindgren, Rue and Lindström 2011, equation 10). With the
    smoothness ν = α − d/2, κ is √(8ν)/range, so that the correlation at the range is about 0.14, and τ gives the
    standard deviation on an infinite grid of the same spacing:

    .. math:: \sigma^2 = \frac{1}{\tau^2 V \Gamma(\alpha)} \int_0^\infty t^{\alpha - 1} e^{-\kappa^2 t}
              \prod_j e^{-2 t / h_j^2} I_0(2 t / h_j^2)\, dt,

    V the volume of a cell. In the limit of a fine grid this is Γ(ν)/(Γ(α)(4π)^{d/2} κ^{2ν} τ²).

    Parameters
    ----------
    grid : Grid
        Where.
    range : float
        In units of the coordinates.
    standard_deviation : float
        Of the field far from the edges.
    alpha : int
        Order α ≥ 1.
    """

    grid: Grid
    range: float
    standard_deviation: float
    alpha: int

    @property
    def smoothness(self) -> float:
        """ν = α − d/2."""
        return self.alpha - self.grid.dimensions / 2

    @property
    def kappa(self) -> float:
        """κ, in inverse units of the coordinates."""
        return math.sqrt(8 * max(self.smoothness, ROUGHEST)) / self.range

    @property
    def scale(self) -> float:
        """τ² κ^{2α}: the precision for each unit of mass where the field is constant."""
        widths = 2 / (self.kappa * self.grid.spacing) ** 2

        def integrand(s: float) -> float:
            t = math.exp(s)
            return math.exp(self.alpha * s - t) * float(np.prod(i0e(widths * t)))

        # Beyond these ends the integrand is below rounding of what it is at its top, s of about log α.
        low = -40 / self.alpha - math.log1p(widths.max())
        value = quad(integrand, low, 5 + math.log(self.alpha), epsabs=0, epsrel=1e-10, limit=500)[0]
        volume = float(np.prod(self.grid.spacing))
        return float(value) / math.gamma(self.alpha) / volume / self.standard_deviation**2

    def precision(self) -> sp.csr_array:
        """Q, (n, n); ValueError where it leaves the range of numbers."""
        try:
            with np.errstate(all="ignore"):
                Q = self._assembled()
        except (OverflowError, ZeroDivisionError):
            Q = sp.csr_array([[np.nan]])
        if not (np.isfinite(Q.data).all() and (Q.diagonal() > 0).all()):
            raise ValueError(
                "range, standard_deviation and the grid's spacing are too large, too small or too far apart: the "
                "precision leaves the range of numbers; choose other units"
            )
        return Q

    def _assembled(self) -> sp.csr_array:
        """Q, wherever it leads."""
        mass = self.grid.mass
        K = sp.diags_array(mass) + self.grid.stiffness() / self.kappa**2
        Q = K
        for _ in range(self.alpha - 1):
            Q = K @ sp.diags_array(1 / mass) @ Q
        return sp.csr_array((Q + Q.T) * (self.scale / 2))

    # -- the field in cosines -----------------------------------------------------------------------------------------

    def log_determinant(self) -> float:
        """log det Q."""
        return float(np.log(self.grid.mass).sum() + np.log(self._spectrum()).sum())

    def inverse(self, shift: float) -> LinearOperator:
        """(Q + shift C)⁻¹ with the mass C, by discrete cosine transforms; shift is a density of information."""
        spectrum, roots = self._spectrum() + shift, np.sqrt(self.grid.mass)
        axes = [j for j, length in enumerate(self.grid.shape) if length > 1]

        def apply(v: np.ndarray) -> np.ndarray:
            columns = v.reshape(len(roots), -1) / roots[:, None]
            shaped = columns.reshape(*self.grid.shape, -1)
            waves = scipy.fft.dctn(shaped, type=1, axes=axes, norm="ortho") if axes else shaped
            waves /= spectrum[..., None]
            back = scipy.fft.dctn(waves, type=1, axes=axes, norm="ortho") if axes else waves
            return np.asarray((back.reshape(columns.shape) / roots[:, None]).reshape(v.shape))

        n = len(roots)
        return LinearOperator((n, n), matvec=apply, matmat=apply, rmatvec=apply, rmatmat=apply, dtype=float)

    def _spectrum(self) -> np.ndarray:
        """Eigenvalues of C^{-1/2} Q C^{-1/2}, in the shape of the grid; its eigenvectors are cosines."""
        total = np.ones(self.grid.shape)
        for j, (length, step) in enumerate(zip(self.grid.shape, self.grid.spacing, strict=True)):
            angles = np.pi * np.arange(length) / max(length - 1, 1)
            along = (2 * np.sin(angles / 2) / (self.kappa * step)) ** 2
            total = total + along.reshape([-1 if i == j else 1 for i in range(self.grid.dimensions)])
        return np.asarray(self.scale * total**self.alpha)
