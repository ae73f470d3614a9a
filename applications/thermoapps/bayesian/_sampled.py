"""What posteriors that are sampled share as estimators: the run, its draws, and the evidence."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from thermoapps._reading import naming, read_number, read_rng
from thermoapps.bayesian._design import Columns, read_precision
from thermoapps.bayesian.chains import Chains
from thermoapps.bayesian.evidence import measured_bridge
from thermoapps.bayesian.likelihoods import Likelihood
from thermoapps.bayesian.posterior import Posterior, Whitened
from thermoapps.bayesian.propriety import is_proper
from thermoapps.bayesian.walk import Walk
from thermolinalg.estimation import FreeEnergy
from thermolinalg.simulation import nonlinear

__all__ = ["SampledPosterior"]

Vector = NDArray[np.float64]

SPACING = 1.0
"""Between readings, in relaxation times of Laplace's Gaussian."""

BURN_IN = 20
"""Readings that are left out at the start, from draws of Laplace's Gaussian on."""


class SampledPosterior(BaseEstimator):  # type: ignore[misc]
    """Base of the estimators; see these."""

    def __init__(
        self,
        *,
        prior_precision: Any = 1.0,
        fit_intercept: bool = True,
        intercept_precision: float = 0.0,
        draws: int = 250,
        chains: int = 16,
        integrator: Any = None,
        tolerance: float = 1e-2,
        progress: bool = False,
        device: Any = None,
        rng: Any = None,
        random_state: Any = None,
    ) -> None:
        self.prior_precision = prior_precision
        self.fit_intercept = fit_intercept
        self.intercept_precision = intercept_precision
        self.draws = draws
        self.chains = chains
        self.integrator = integrator
        self.tolerance = tolerance
        self.progress = progress
        self.device = device
        self.rng = rng
        self.random_state = random_state

    def draw_more(self, draws: int, *, progress: bool = False) -> Any:
        """Go on from the last reading: after an interrupt, or for smaller error bars; bit for bit as in one run.

        Parameters
        ----------
        draws : int
            Readings of each chain.
        progress : bool, optional
            Whether to show a progress bar.

        Returns
        -------
        object
            The estimator itself.

        Warns
        -----
        ThermodynamicWarning
            The draws are too correlated for error bars that hold.
        """
        check_is_fitted(self, "walk_")
        self.walk_.draw(_count(draws, "draws", 1), progress=progress)
        if len(self.walk_) >= 4:
            self.chains_.vouched()
        return self

    @property
    def chains_(self) -> Chains:
        """Draws of (β, b), or of β where there is no intercept, with their error bars: (chains, draws, d)."""
        check_is_fitted(self, "walk_")
        return self.walk_.chains

    @property
    def coef_(self) -> Vector:
        """Posterior means of β, (p,)."""
        return self.chains_.mean[: self.n_features_in_]

    @property
    def intercept_(self) -> float:
        """Posterior mean of b."""
        return float(self.chains_.mean[self.n_features_in_ :].sum())

    def log_evidence(self, *, drives: int = 1000, atol: float = 0.05, rng: Any = None) -> FreeEnergy:
        """ln p(y): Laplace's approximation, and the work of driving a device from there to the posterior.

        Parameters
        ----------
        drives : int, optional
            Side by side.
        atol : float, optional
            Standard error to reach.
        rng : None, int or numpy.random.Generator, optional
            Default: that of the estimator.

        Returns
        -------
        FreeEnergy
            `value` and `standard_error`. A flat prior counts with density one: then differences between models that
            share it mean something, and the value alone does not.

        Warns
        -----
        ThermodynamicWarning
            The standard error is above `atol`.
        """
        check_is_fitted(self, "walk_")
        generator = np.random.default_rng(rng) if rng is not None else read_rng(self.rng, self.random_state)
        number = _count(drives, "drives", 2)
        free = measured_bridge(
            self._energy, number, read_number(atol, "atol", positive=True), step=self._metropolis_step, rng=generator
        )
        known = self._energy.laplace + self._columns.log_prior
        return FreeEnergy(known - free.value, free.standard_error, free.effective_size, free.bias)

    def _run(self, X: Vector, likelihood: Likelihood, start: float, improper: str) -> None:
        """Sample the posterior of a likelihood."""
        draws, chains = _count(self.draws, "draws", 4), _count(self.chains, "chains", 1)
        precision = read_precision(self.prior_precision, X.shape[1])
        own = read_number(self.intercept_precision, "intercept_precision")
        generator = read_rng(self.rng, self.random_state)
        columns = Columns(X, precision, intercept=bool(self.fit_intercept), intercept_precision=own)
        if not is_proper(likelihood, columns.flat):
            raise ValueError(f"{improper}, and under a flat prior the posterior has no end; pass prior_precision > 0")
        posterior = Posterior(likelihood, columns.rows, columns.prior)
        first = np.zeros(len(columns.prior))
        first[X.shape[1] :] = start
        with naming("the information of the posterior", "pass a larger prior_precision="):
            mode = posterior.mode(first, device=self.device, rng=generator)
        self._columns, self._energy = columns, Whitened(posterior, mode)
        equation = nonlinear.Equation(self._energy)
        integrator = nonlinear.MALA() if self.integrator is None else self.integrator
        u = generator.standard_normal((len(mode), chains))
        metropolis = nonlinear.chosen_step(equation, u, integrator=nonlinear.MALA(), rng=generator)
        self._metropolis_step = min(metropolis, SPACING)
        step = self._metropolis_step
        if not isinstance(integrator, nonlinear.MALA):
            step = nonlinear.chosen_step(equation, u, integrator=integrator, tolerance=self.tolerance, rng=generator)
        options: dict[str, Any] = {"time": SPACING, "step": step, "integrator": integrator}
        burn_in = options | {"time": BURN_IN * SPACING, "readings": BURN_IN}
        burnt = nonlinear.simulate(equation, u, rng=generator, **burn_in)
        self.walk_ = Walk(burnt, partial(_onwards, equation, options), self._read, generator)
        self.draw_more(draws, progress=bool(self.progress))

    def _read(self, reading: nonlinear.Trajectory) -> Vector:
        """Coefficients of every replica, (k, d)."""
        beta, intercept = self._columns.coefficients(self._energy.theta(reading.last))
        return np.vstack([beta, intercept[None, :]] if self._columns.intercept else [beta]).T

    def _scores(self, X: Vector) -> Vector:
        """Linear scores of samples by every draw, (n, draws)."""
        flat, p = self.chains_.flat, self.n_features_in_
        return np.asarray(X @ flat[:, :p].T + flat[:, p:].sum(axis=1))


def _onwards(
    equation: nonlinear.Equation, options: dict[str, Any], reading: nonlinear.Trajectory, rng: np.random.Generator
) -> nonlinear.Trajectory:
    """The next reading."""
    return nonlinear.simulate(equation, reading.checkpoint, rng=rng, **options)


def _count(value: Any, name: str, least: int) -> int:
    """An integer that is large enough."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} must be an integer ≥ {least}, got {value!r}")
    return int(value)
