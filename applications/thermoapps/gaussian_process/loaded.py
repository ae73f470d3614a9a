"""The system of a Gaussian process, loaded into a device."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps._inverse import Inverse, in_slices
from thermoapps._reading import read_number
from thermoapps.gaussian_process.low_rank import Products
from thermoapps.gaussian_process.structures import Dense, Structure

__all__ = ["Loaded", "read_noise"]

COARSE = 1e-2
"""Relative residual of solves whose own residuals are sent back."""

SECOND_ORDER = 1e-6
"""Part of a variance that these terms may be."""

CORRECTIONS = 20
"""Runs that correct a variance before it is taken as it is."""

LEFT = 0.1
"""Residual that one run leaves at most, relative to its load."""

SIGNS = 1e-3
"""Relative residual of the solutions that measure traces."""

DOUBTED = 0.2
"""Part of a variance beyond which its rounding is told."""

WEIGHTS = 1e-6
"""Part of the weights of the data beyond which their error is told."""

RAISES = 6
"""Powers of ten through which noise below rounding is raised."""


class Loaded:
    """M = K + noise as a device holds it, whatever its form; vectors are in the order of the data.

    Where M is singular to working precision, the noise is raised to what rounding leaves of K.

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
    raised : float
        What was added to it.

    Raises
    ------
    LinAlgError
        M is not positive definite with any such noise.
    """

    def __init__(
        self, structure: Structure, kernel: Any, noise: Any, rtol: float, device: Any, rng: np.random.Generator
    ) -> None:
        self.structure, self.kernel, self.device, self.rng = structure, kernel, device, rng
        self.parts, self.order = structure.parts(kernel), structure.order
        self._back = np.argsort(self.order)
        self.rtol = max(rtol, structure.rtol)
        self.shift = np.asarray(np.asarray(noise, dtype=float) + structure.white(kernel))
        self._inverse: Inverse | None = None
        self.raised = 0.0
        n = len(self.order)
        least = np.finfo(float).eps * n**2 / 10 * max(structure.variance(self.parts), np.finfo(float).tiny)
        for power in range(RAISES + 1):
            try:
                self._write()
                return
            except np.linalg.LinAlgError as refusal:
                if power == RAISES:
                    raise np.linalg.LinAlgError(
                        "the covariance matrix that kernel makes of X is not positive definite; pass a positive "
                        "definite kernel, or a larger alpha"
                    ) from refusal
                more = least * 10.0**power
                self.shift, self.raised = self.shift + (more - self.raised), more

    def _write(self) -> None:
        """Put M on the device, at once."""
        shift = self.shift[self.order] if self.shift.ndim else float(self.shift)
        self.matrix = self.structure.system(self.parts, shift)
        inverse = self.structure.preconditioner(self.parts, shift)
        self._program = tla.program(self.matrix, assume_a="pos", M=inverse, device=self.device, rng=self.rng)
        _ = self._program.held

    @property
    def ledger(self) -> Any:
        """What the device has been asked to do."""
        return self._program.ledger

    def tell(self) -> None:
        """Warn where the noise had to be raised."""
        if self.raised:
            _warn(
                f"alpha is below what rounding leaves of a kernel of variance "
                f"{self.structure.variance(self.parts):.2g} on these X, and {self.raised:.2g} was added to it; pass a "
                "larger alpha, or a smaller kernel"
            )

    # -- solves -----------------------------------------------------------------------------------------------------

    def solve(self, b: np.ndarray, rtol: float = 0.0) -> np.ndarray:
        """M⁻¹b for b of shape (n,) or (n, k), to a relative residual that may be larger than usual."""
        loads, target = b[self.order], max(self.rtol, rtol)
        if self._inverse is not None:
            x, within = self._inverse.solve(loads.reshape(len(loads), -1), target)
            if within:
                return np.asarray(x.reshape(loads.shape)[self._back])
        if rtol > self.rtol or self.structure.rtol:
            return np.asarray(self._rough(loads, target)[self._back])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            x, info = self._program.solve(loads, rtol=target, rng=self.rng, return_info=True)
        if not info.success and not self.raised:
            error = np.linalg.norm(info.standard_error) / max(np.linalg.norm(x), np.finfo(float).tiny)
            if error > max(WEIGHTS, self.rtol):
                _warn(
                    f"the weights of the data are known to {min(error, 1.0):.1g} of themselves only: alpha is small "
                    "beside the kernel, whose matrix is ill-conditioned on these X; pass a larger alpha, or a larger "
                    "rtol"
                )
        return np.asarray(x)[self._back]

    def inverse(self) -> Inverse:
        """M⁻¹, read off the device once; of dense matrices, which are in the order of the data."""
        if self._inverse is None:
            self._inverse = Inverse(self.matrix, in_slices(self._coarse))
        return self._inverse

    def explained(self, cross: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the data say of functions C x: M⁻¹Cᵀ roughly, and the residual that this leaves.

        With R = Cᵀ − M X, the form C M⁻¹ Cᵀ is C X + XᵀR + RᵀM⁻¹R. What is left out is at most |R|² over the noise, and
        residuals are sent back until it is small beside the variance that remains.

        Parameters
        ----------
        cross : array, shape (m, n)
            C.
        prior : array, shape (m,)
            Variances without data.

        Returns
        -------
        X, R : array, shape (n, m)
            In the order of the form.
        """
        b, scale = cross[:, self.order].T, float(np.min(self.shift))
        x, r, size = np.zeros_like(b), b.copy(), np.linalg.norm(b, axis=0)
        apply = self._applied(b.shape[1])
        for _ in range(CORRECTIONS):
            variance = prior - np.einsum("ij,ij->j", x, b + r)
            open_ = np.flatnonzero(size**2 > SECOND_ORDER * scale * np.maximum(variance, 0))
            if not len(open_):
                break
            every = len(open_) == b.shape[1]
            load, loads, found = (r, b, x) if every else (r[:, open_], b[:, open_], x[:, open_])
            moved = found + apply(load)
            left = loads - np.asarray(self.matrix @ moved)
            fresh = np.linalg.norm(left, axis=0)
            better = fresh < size[open_] / 2
            if every and better.all():
                x, r, size = moved, left, fresh
            elif better.any():
                places = open_[better]
                x[:, places], r[:, places], size[places] = moved[:, better], left[:, better], fresh[better]
            elif apply == self._run:
                apply = self._coarse
            else:
                self._doubt(variance, x, size)
                break
        return x, r

    def _doubt(self, variance: np.ndarray, x: np.ndarray, residual: np.ndarray) -> None:
        """Warn where the rounding of residuals that no longer fall shows in variances."""
        share = np.linalg.norm(x, axis=0) * residual / np.maximum(variance, np.finfo(float).tiny)
        if (share > DOUBTED).any():
            _warn(
                f"rounding may be {min(share.max(), 1.0):.0%} of a predicted variance: alpha is small beside the "
                "kernel, whose matrix is ill-conditioned on these X; pass a larger alpha"
            )

    def _applied(self, columns: int) -> Callable[[np.ndarray], np.ndarray]:
        """M⁻¹ roughly: by the inverse, where it is there or so many columns are worth one."""
        many = isinstance(self.structure, Dense) and 2 * columns >= len(self.order)
        return self.inverse().times if self._inverse is not None or many else self._run

    def _run(self, b: np.ndarray) -> np.ndarray:
        """M⁻¹b (n, k) as one run of the device leaves it, whose residual the caller measures."""
        held = self._program.held
        units = self._program.outer(held, b)
        load = units.into(b)
        schedule = replace(held.inverse.timetable(load, LEFT), rough=True)
        return np.asarray(units.back(held.inverse.average(load, schedule, rng=self.rng).value))

    def _coarse(self, b: np.ndarray) -> np.ndarray:
        """M⁻¹b (n, k) roughly, by runs of the device."""
        return self._rough(b, COARSE)

    def _rough(self, b: np.ndarray, rtol: float) -> np.ndarray:
        """M⁻¹b (n, k) by runs of the device to a relative residual, whatever the error of the solution then is."""
        size = np.linalg.norm(b, axis=0)
        size = np.where(size > 0, size, 1.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            # An absolute tolerance asks for the residual alone.
            return np.array(size * self._program.solve(b / size, rtol=0.0, atol=rtol, rng=self.rng))

    # -- readings and products --------------------------------------------------------------------------------------

    def probes(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Vectors u, v (n, count) with E uvᵀ = M⁻¹: readings of the device, twice, or signs and what solves them."""
        if not isinstance(self.structure, Products):
            readings = np.asarray(self._program.sample(count, rng=self.rng)).T[self._back]
            return readings, readings
        signs = self.rng.choice([-1.0, 1.0], (len(self.order), count))
        return self.solve(signs, SIGNS), signs

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            value, info = self._program.logdet(atol=atol, rng=self.rng, return_info=True)
        error = float(info.standard_error)
        if not info.success:
            _warn(
                f"the log evidence is measured to {error:.2g} only, where atol asks for {atol:.2g}; pass a larger "
                "atol, or a larger alpha"
            )
        return float(value), error

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
        Negative or not finite, or of another shape.
    """
    if np.ndim(alpha) == 0:
        return read_number(alpha, "alpha")
    noise = np.asarray(alpha, dtype=float)
    if noise.shape == (1,):
        return read_number(noise[0], "alpha")
    if noise.shape != (n,):
        raise ValueError(f"alpha must be a number or an array of {n} entries, one for each sample, got {noise.shape}")
    if not (np.isfinite(noise).all() and (noise >= 0).all()):
        raise ValueError("alpha must be finite and ≥ 0 for every sample")
    return noise


def _warn(message: str) -> None:
    warnings.warn(f"Gaussian process: {message}", tla.ThermodynamicWarning, stacklevel=4)
