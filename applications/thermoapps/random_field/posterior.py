"""A Gaussian field given observations: mean, draws, standard deviations, evidence, predictions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

import thermolinalg as tla
from thermoapps._reading import read_number
from thermoapps.random_field.constraints import solved_for
from thermoapps.random_field.determinants import AFFORDABLE, Logarithm, holding, log_determinant
from thermoapps.random_field.observing import Observations, read_functionals
from thermoapps.random_field.rounding import rounding_of_data, sharpness

__all__ = ["Posterior"]

OPEN = "the observations leave the field free along a direction; observe more of it, or pass a proper field (kappa > 0)"

SHARP = "noise is so small beside the field that rounding hides it; pass 0 for it, which observes exactly"

ROUNDED = 1e-11
"""Squared noise of functions of several nodes, relative to their conditional variance, that rounding hides."""

SHARPER = 1e3
"""Information of data, in units of what a node's neighbours have, from which the mean is refined."""

REFINEMENTS, SETTLED = 6, 1e-11
"""Further solves for the mean at most, and the relative correction after which there are no more."""

FUNCTIONALS = 256
"""Linear functions whose variances are solved for at a time."""


class Posterior:
    r"""x ~ N(mean, P⁻¹) with P = Q + Hᵀ R⁻¹ H, held by a device; made by `GaussianField.condition`.

    Nodes that exact observations fix are left out: x = T u + c with u the free nodes, and the device holds Tᵀ P T.

    Parameters
    ----------
    field : GaussianField
        The prior.
    observed : Observations
        What is known.
    device, M, rng, callback : optional
        As for `GaussianField.condition`.

    See Also
    --------
    GaussianField, Grid : Fields, where they live, and what is known of them.
    """

    def __init__(
        self,
        field: Any,
        observed: Observations,
        *,
        device: Any = None,
        M: Any = None,
        rng: Any = None,
        callback: Callable[..., Any] | None = None,
    ) -> None:
        self.field, self.observed = field, observed
        self._device, self._M, self._callback = device, M, callback
        self._rng = np.random.default_rng(rng)
        total = field.size + field.covariates
        H = sp.csr_array((observed.H.data, observed.H.indices, observed.H.indptr), shape=(len(observed), total))
        # A part of the data that the null space explains is taken off first: it may be far larger than the field.
        seen = H @ field.null_space
        known = np.linalg.lstsq(seen, observed.y, rcond=None)[0] if seen.size else np.zeros(seen.shape[1])
        self._shift = field.null_space @ known
        centred = Observations(H, observed.y - seen @ known, observed.noise)
        exact = observed.noise == 0
        self._exact = centred.where(exact)
        self._free = solved_for(self._exact, total)
        self._noisy = centred.where(~exact)

    # -- the device ---------------------------------------------------------------------------------------------------

    @cached_property
    def precision(self) -> Any:
        """Tᵀ P T (f, f) of the free nodes."""
        T, weighted = self._free.T, self._weighted
        P = self.field.precision + weighted.T @ weighted
        P = sp.csr_array(T.T @ P @ T)
        return sp.csr_array((P + P.T) / 2)

    @cached_property
    def device(self) -> tla.PreparedDevice:
        """The prepared device that holds the precision of the free nodes."""
        return tla.program(self.precision, assume_a="pos", M=self._M, device=self._device, rng=self._rng)

    @property
    def _advice(self) -> str:
        """What works where the precision is singular to working precision."""
        several = np.diff(self._noisy.H.indptr) > 1
        sharpness = (self._noisy.H**2 @ self.field.precision.diagonal()) * self._noisy.noise**2
        return SHARP if (several & (sharpness < ROUNDED)).any() else OPEN

    @cached_property
    def _weighted(self) -> Any:
        """R^{-1/2} H of the noisy observations."""
        return sp.csr_array(sp.diags_array(1 / self._noisy.noise) @ self._noisy.H)

    # -- mean ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _solved(self) -> tuple[np.ndarray, Any]:
        """The mean of all nodes less the shift, and the report of its solve."""
        T, x, noisy, Q = self._free.T, self._free.c, self._noisy, self.field.precision

        def residual(x: np.ndarray) -> np.ndarray:
            """Of the equation of the mean, with the sum of its matrix not formed."""
            return np.asarray(T.T @ (self._weighted.T @ (noisy.y / noisy.noise - self._weighted @ x) - Q @ x))

        if not T.shape[1]:
            return x, None
        with holding("the precision of the posterior", self._advice):
            u, info = self.device.solve(residual(x), callback=self._callback, return_info=True)
            x = np.asarray(T @ u) + x
            # Where data are far sharper than the field, the sum has lost digits of it that the residual has.
            for _ in range(REFINEMENTS if sharpness(self._weighted, Q) > SHARPER else 0):
                u = self.device.solve(residual(x))
                x = x + T @ u
                if np.abs(u).max() <= SETTLED * np.abs(x).max():
                    break
        return x, info

    @property
    def info(self) -> Any:
        """The report of the solve for the mean: its true residual certifies it; None where nothing was solved."""
        return self._solved[1]

    @property
    def mean(self) -> np.ndarray:
        """Of the nodes, (n,), the trend included."""
        return self._mean[: self.field.size]

    @property
    def coefficients(self) -> np.ndarray:
        """Mean of the coefficients of the trend, (p,)."""
        return np.asarray(self.field.to_coefficients @ self._mean[self.field.size :])

    def coefficient_covariance(self) -> np.ndarray:
        """Covariance of the coefficients of the trend, (p, p)."""
        n, p = self.field.size, self.field.covariates
        rows = sp.csr_array(self._free.T[n:])
        if not p or not rows.nnz:
            return np.zeros((p, p))
        with holding("the precision of the posterior", self._advice):
            solved = self.device.solve(rows.T.toarray())
        S = self.field.to_coefficients
        covariance = S @ (rows @ solved) @ S.T
        return np.asarray((covariance + covariance.T) / 2)

    @property
    def _mean(self) -> np.ndarray:
        return np.asarray(self._solved[0] + self._shift)

    # -- spread -------------------------------------------------------------------------------------------------------

    def sample(self, size: int | None = None, *, rng: Any = None) -> np.ndarray:
        """Draws of the nodes: readings of the device, around the mean.

        Parameters
        ----------
        size : int, optional
            How many; None gives one, of shape (n,).
        rng : None, int or numpy.random.Generator, optional
            Default: the source of the posterior.

        Returns
        -------
        array, shape (size, n) or (n,)
        """
        T, free = self._free.T, len(self._free.nodes)
        count = 1 if size is None else size
        if not free:
            return self.mean.copy() if size is None else np.tile(self.mean, (count, 1))
        with holding("the precision of the posterior", self._advice):
            u = self.device.sample(count, rng=rng)
        x: np.ndarray = self.mean + np.asarray(T @ u.T).T[:, : self.field.size]
        return x[0] if size is None else x

    def standard_deviation(
        self,
        *,
        method: str | None = None,
        rtol: float = 0.05,
        rng: Any = None,
        callback: Callable[..., Any] | None = None,
        return_error: bool = False,
    ) -> Any:
        """Of each node: from the readings of the device, or by selected inversion of a factor.

        Parameters
        ----------
        method : {None, 'factor', 'readings'}, optional
            'factor' is digital and exact, and the default up to 60 000 nodes; 'readings' asks the device.
        rtol : float, optional
            Relative standard error of readings.
        rng : None, int or numpy.random.Generator, optional
        callback : callable, optional
            Of readings, as for `thermolinalg.inv_diagonal`: sees variances of the free nodes.
        return_error : bool, optional
            Whether to return the standard errors as well: noise and rounding.

        Returns
        -------
        array, shape (n,); and the errors, of the same shape, with return_error=True
        """
        method, n = self._method(method), self.field.size
        rtol = read_number(rtol, "rtol", positive=True)
        free = self._free
        found, error = np.zeros(free.T.shape[0]), np.zeros(free.T.shape[0])
        if len(free.nodes):
            with holding("the precision of the posterior", self._advice):
                variance, info = self._variances(method, rtol, rng, callback)
            found[free.nodes] = np.sqrt(variance)
            error[free.nodes] = info.standard_error / (2 * found[free.nodes])
            # Nodes that exact observations tie to others are functions of these.
            tied = np.setdiff1d(np.flatnonzero(np.diff(free.T.indptr)), free.nodes)
            if len(tied):
                found[tied] = np.sqrt(self._variance_of_rows(free.T[tied]))
                error[tied] = 1e-8 * found[tied]
        return (found[:n], error[:n]) if return_error else found[:n]

    def _variances(self, method: str, rtol: float, rng: Any, callback: Any) -> tuple[np.ndarray, Any]:
        """Variances of the free nodes, and the report."""
        if method == "factor":
            found: Any = tla.inv_diagonal(self.precision, method="factor", assume_a="pos", return_info=True)
        else:
            found = self.device.diagonal(rtol=2 * rtol, callback=callback, rng=rng, return_info=True)
        return found  # type: ignore[no-any-return]

    def variance_of(self, L: Any) -> np.ndarray:
        """Variances of linear functions L x of the nodes, each by a solve to rounding.

        Parameters
        ----------
        L : array_like, sparse array or LinearOperator, shape (n,) or (k, n)
            One row for each; or whatever `GaussianField.condition` takes as `at`.

        Returns
        -------
        array, shape () or (k,)
        """
        single = not sp.issparse(L) and np.ndim(L) == 1 and np.asarray(L).dtype.kind == "f" and np.size(L)
        rows = self._rows(np.atleast_2d(L) if single and np.size(L) == self.field.size else L, "L")
        value = self._variance_of_rows(rows @ self._free.T)
        return value[0] if single and rows.shape[0] == 1 else value

    def predict(self, at: Any, *, return_std: bool = False) -> Any:
        """Mean of linear functions of the nodes, such as values at points of the grid, without noise.

        Parameters
        ----------
        at : array_like, sparse array or LinearOperator
            As for `GaussianField.condition`.
        return_std : bool, optional
            Whether to return standard deviations as well, each by a solve to rounding.

        Returns
        -------
        array, shape (m,); and the standard deviations with return_std=True
        """
        rows = self._rows(at, "at")
        mean = np.asarray(rows @ self._mean)
        return (mean, np.sqrt(self._variance_of_rows(rows @ self._free.T))) if return_std else mean

    def _rows(self, at: Any, name: str) -> Any:
        rows = read_functionals(at, self.field.size, self.field.grid, name)
        return sp.csr_array((rows.data, rows.indices, rows.indptr), shape=(rows.shape[0], self._free.T.shape[0]))

    def _variance_of_rows(self, rows: Any) -> np.ndarray:
        """Variances of functions of the free nodes, a block at a time."""
        rows = sp.csr_array(rows)
        found = np.zeros(rows.shape[0])
        used = np.flatnonzero(np.diff(rows.indptr))
        with holding("the precision of the posterior", self._advice):
            for block in np.split(used, range(FUNCTIONALS, len(used), FUNCTIONALS)):
                if len(block):
                    found[block] = self.device.variance_of(rows[block])
        return found

    # -- evidence -----------------------------------------------------------------------------------------------------

    def log_evidence(
        self, *, method: str | None = None, atol: float = 0.1, rng: Any = None, return_std: bool = False
    ) -> Any:
        r"""log p(y), the logarithm of the density of the observations.

        .. math:: \log p(y) = \tfrac12 \log|Q|_+ - \tfrac12 \log|P| - \sum_i \log σ_i - \tfrac{m - r}{2} \log 2π
                  - \tfrac12 \left(\hat x^\top Q \hat x + \sum_i (y - H \hat x)_i^2 / σ_i^2\right)

        with the mean x̂. Improper directions and coefficients of a trend (r together) have a flat prior of density 1, so
        that this is a restricted likelihood. Exact observations are a change of variables; those that follow from
        others are left out.

        Parameters
        ----------
        method : {None, 'factor', 'readings'}, optional
            Of the determinants: a sparse factor, or the device; None takes the factor up to 60 000 nodes.
        atol : float, optional
            Standard error of the logarithm that readings are to reach.
        rng : None, int or numpy.random.Generator, optional
        return_std : bool, optional
            Whether to return the standard error, noise and rounding, as well.

        Returns
        -------
        float; and its standard error with return_std=True

        Raises
        ------
        LinAlgError
            An improper field whose null space is not known, or is not fixed by the observations.
        """
        method = self._method(method)
        atol = read_number(atol, "atol", positive=True)
        free, noisy, Q = self._free, self._noisy, self.field.precision
        rank = self.field.null_space.shape[1]
        m = len(free.rows) + len(noisy)
        if not m and not rank:
            return (0.0, 0.0) if return_std else 0.0
        source = self._rng if rng is None else np.random.default_rng(rng)
        options: dict[str, Any] = {"atol": math.sqrt(2) * atol, "device": self._device, "rng": source}
        prior = self.field.log_determinant(method, **options)
        with holding("the precision of the posterior", self._advice):
            determinant = log_determinant(self.precision, method, **options)
        x, _ = self._solved
        misfit = (noisy.y - noisy.H @ x) / noisy.noise
        energy = float(x @ (Q @ x) + misfit @ misfit)
        logs = Logarithm(0.0).plus(prior, 0.5).plus(determinant, -0.5)
        constant = free.log_volume + float(np.log(noisy.noise).sum()) + (m - rank) / 2 * math.log(2 * math.pi)
        value = logs.value - constant - energy / 2
        rounding = np.finfo(float).eps * (float(np.abs(x) @ (abs(Q) @ np.abs(x))) + energy + abs(constant))
        moved = rounding_of_data(Q, noisy, self._exact.rows(free.rows), free.solved, x)
        return (value, logs.error + rounding + moved) if return_std else value

    def _method(self, method: str | None) -> str:
        """How variances and determinants are found."""
        if method not in (None, "factor", "readings"):
            raise ValueError(f"method must be 'factor' or 'readings', got {method!r}")
        fits = len(self._free.nodes) <= AFFORDABLE and self._device is None
        return method or ("factor" if fits else "readings")
