"""The system of a Gaussian process, loaded into a device."""

from __future__ import annotations

from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps._reading import read_number
from thermoapps.gaussian_process.structures import Structure, white_noise

__all__ = ["Loaded", "read_noise"]


class Loaded:
    """M = K + noise as a device holds it, whatever its form; vectors are in the order of the data.

    Parameters
    ----------
    structure : Structure
        Form of K.
    kernel : Kernel
        With its parameters.
    noise : float or array, shape (n,)
        Variance of the noise, to which the kernel's white noise is added.
    rtol : float
        Relative residual of linear systems, as far as rounding lets it fall.
    device : Device, optional
        As in `thermolinalg.solve`.
    rng : numpy.random.Generator
        Source of randomness.

    Attributes
    ----------
    shift : array, shape () or (n,)
        All of the noise.
    """

    def __init__(
        self, structure: Structure, kernel: Any, noise: Any, rtol: float, device: Any, rng: np.random.Generator
    ) -> None:
        self.structure, self.kernel, self.device, self.rng = structure, kernel, device, rng
        self.parts, self.order = structure.parts(kernel), structure.order
        self._back = np.argsort(self.order)
        self.shift = np.asarray(noise, dtype=float) + white_noise(kernel)
        self.matrix = structure.system(self.parts, self.shift[self.order] if self.shift.ndim else float(self.shift))
        self.rtol = rtol
        self._program = tla.program(self.matrix, assume_a="pos", device=device, rng=rng)

    @property
    def device_time(self) -> float:
        """Time that the device has run, in units of τ."""
        return self._program.ledger.device_time

    def solve(self, b: np.ndarray, rtol: float = 0.0) -> np.ndarray:
        """M⁻¹b for b of shape (n,) or (n, k), to a relative residual that may be larger than usual."""
        x = self._program.solve(b[self.order], rtol=max(self.rtol, rtol), rng=self.rng)
        return np.asarray(x)[self._back]

    def readings(self, count: int) -> np.ndarray:
        """Voltages (n, count) of covariance M⁻¹."""
        return np.asarray(self._program.sample(count, rng=self.rng)).T[self._back]

    def variances(self, cross: np.ndarray) -> np.ndarray:
        """Diagonal (m,) of C M⁻¹ Cᵀ for C of shape (m, n)."""
        return np.asarray(self._program.variance_of(cross[:, self.order], rtol=self.rtol, rng=self.rng))

    def times(self, V: np.ndarray) -> np.ndarray:
        """K V for V of shape (n, k), without noise."""
        return self.structure.times(self.parts, V[self.order])[self._back]

    def slopes(self, V: np.ndarray) -> list[np.ndarray]:
        """(∂K/∂θ_j) V for every logarithmic parameter of the kernel."""
        return [product[self._back] for product in self.structure.slopes(self.kernel, V[self.order])]

    def draws(self, count: int) -> np.ndarray:
        """Functions (n, count) drawn from the prior."""
        return self.structure.draws(self.parts, self._read, count)[self._back]

    def logdet(self, atol: float) -> tuple[float, float]:
        """Logarithm of the determinant as measured, and its standard error."""
        value, info = self._program.logdet(atol=atol, rng=self.rng, return_info=True)
        return float(value), float(info.standard_error)

    def _read(self, A: Any, count: int) -> np.ndarray:
        return np.asarray(tla.sample(A, count, device=self.device, rng=self.rng)).T


def read_noise(alpha: Any, n: int) -> Any:
    """Noise as one variance, or one for each sample.

    Parameters
    ----------
    alpha : float or array_like, shape (n,)
        As the user gave it.
    n : int
        Number of samples.

    Returns
    -------
    float or array, shape (n,)

    Raises
    ------
    ValueError
        Not positive and finite, or of another shape.
    """
    if np.ndim(alpha) == 0:
        return read_number(alpha, "alpha", positive=True)
    noise = np.asarray(alpha, dtype=float)
    if noise.shape != (n,):
        raise ValueError(f"alpha must be a number or an array of {n} entries, one for each sample, got {noise.shape}")
    if not (np.isfinite(noise).all() and (noise > 0).all()):
        raise ValueError("alpha must be finite and > 0 for every sample")
    return noise
