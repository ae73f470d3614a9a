"""How sure a fit is: covariance and draws of the errors of its parameters, from a device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

import thermolinalg as tla
from thermolinalg.devices import Device

__all__ = ["Spread"]

Vector = NDArray[np.float64]


class Spread:
    """Covariance and draws of the errors of parameters, from a device that holds the normal equations at the minimum.

    Parameters
    ----------
    result : OptimizeResult
        Of the search.
    free : array of bool, shape (n,)
        Which parameters are not fixed.
    noise : float
        Error of a column of J, relative to its norm.
    absolute : bool
        Whether residuals are in units of their standard deviation.
    n_samples, device, rng
        As `thermodynamic_curve_fit` takes them.
    """

    def __init__(
        self,
        result: OptimizeResult,
        free: NDArray[np.bool_],
        noise: float,
        absolute: bool,
        n_samples: int,
        device: Device | None,
        rng: np.random.Generator,
    ) -> None:
        self._free, self._n_samples, self._device, self._rng = free, n_samples, device, rng
        jacobian = result.jac.toarray() if hasattr(result.jac, "toarray") else np.asarray(result.jac)
        self._norms = np.linalg.norm(jacobian[:, free], axis=0)
        self._result, self._jacobian = result, jacobian[:, free] / np.where(self._norms > 0, self._norms, 1.0)
        self._freedom = None if absolute else result.fun.size - free.size
        cutoff = noise or max(jacobian.shape) * np.finfo(float).eps
        s = np.linalg.svd(self._jacobian, compute_uv=False)
        full = s.size == free.sum() and np.all(s > cutoff * s.max(initial=0.0))
        self.determined = bool(result.success and full and (self._freedom is None or self._freedom > 0))

    @property
    def _variance(self) -> float:
        return 1.0 if self._freedom is None else 2 * float(self._result.cost) / self._freedom

    def covariance(self) -> Vector:
        """s² (JᵀJ)⁻¹, from J⁺ on the device, so that nothing is squared; zero for what is fixed, or all infinite."""
        n = self._free.size
        if not self.determined:
            return np.full((n, n), np.inf)
        inverse, info = tla.pinv(self._jacobian, device=self._device, rng=self._rng, return_info=True)
        self._result.device_time += float(info.get("device_time", 0.0))
        rows = np.asarray(inverse) / self._norms[:, None]
        covariance = np.zeros((n, n))
        covariance[np.ix_(self._free, self._free)] = self._variance * rows @ rows.T
        return covariance

    def draw(self) -> Vector:
        """Errors of the parameters: voltages of the device, times s, drawn along where it is not known."""
        if not self.determined:
            raise np.linalg.LinAlgError("the data do not determine the parameters: fix some, or take more data")
        normal = self._jacobian.T @ self._jacobian
        draws, info = tla.sample(normal, self._n_samples, device=self._device, rng=self._rng, return_info=True)
        self._result.device_time += float(info.get("device_time", 0.0))
        spread = np.full((self._n_samples, 1), np.sqrt(self._variance))
        if self._freedom is not None:
            spread *= np.sqrt(self._freedom / self._rng.chisquare(self._freedom, size=spread.shape))
        errors = np.zeros((self._n_samples, self._free.size))
        errors[:, self._free] = spread * np.asarray(draws) / self._norms
        return errors
