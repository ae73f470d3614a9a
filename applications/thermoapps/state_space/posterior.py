"""What is known of all states given all observations: one system on a device, and one chain."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps._reading import naming
from thermoapps.state_space._batches import transposed
from thermoapps.state_space.chain import links_of, smoothed
from thermoapps.state_space.model import Model
from thermoapps.state_space.system import Augmented, Mode, Precision, Rows, advice, mode_of, residuals

__all__ = ["Posterior"]


class Posterior:
    """Means from the device, covariances and determinants from the chain about them, each when first asked for.

    Parameters
    ----------
    model : Model
        In the user's units.
    device : Device or None
    rng : None, int or numpy.random.Generator
    """

    def __init__(self, model: Model, device: Any, rng: Any) -> None:
        self.model = model
        self.states, self.observations = model.units
        self.inner = model.in_units(self.states, self.observations)
        self._device, self._rng = device, np.random.default_rng(rng)

    @cached_property
    def solved(self) -> tuple[Precision | Augmented, Mode]:
        """The system that is written, and its mode: the precision where it is regular, else the augmented system."""
        ways: list[Callable[[], Precision | Augmented]] = [self._augmented, self._augmented_in_deviations]
        if Precision.exists(self.inner):
            ways.insert(0, self._precision)
        refusals = []
        for way in ways:
            try:
                system = way()
                return system, mode_of(system)
            except tla.SingularError as error:
                refusals.append(error)
        raise refusals[-2]  # of the augmented system in the model's own units

    @property
    def system(self) -> Precision | Augmented:
        """What the device holds."""
        return self.solved[0]

    @property
    def mode(self) -> Mode:
        """The posterior means, in the units of the model."""
        return self.solved[1]

    def _precision(self) -> Precision:
        return Precision(self.inner, self._device, self._rng)

    def _augmented(self) -> Augmented:
        with naming("the augmented system of all states", advice(self.inner)):
            return Augmented(self.inner, self._device, self._rng)

    def _augmented_in_deviations(self) -> Augmented:
        """The same, each state in a unit near its posterior deviation, where noise is much smaller than that."""
        deviations = np.sqrt(np.median(np.einsum("tii->ti", self.moments[0]), axis=0))
        units = 2.0 ** np.round(np.log2(np.where(deviations > 0, deviations, self.states)))
        self.inner, self.states = self.model.in_units(units, self.observations), units
        del self.__dict__["moments"]  # whose determinants are those of the units before
        return self._augmented()

    @cached_property
    def remaining(self) -> Rows:
        """What the means leave of the initial mean, transitions and observations."""
        x = self.mode.x.astype(np.longdouble) + self.mode.rest
        start, along, seen = residuals(self.inner, x)
        return np.asarray(start, float), np.asarray(along, float), np.asarray(seen, float)

    @cached_property
    def moments(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Covariances, those of neighbours in the user's units, and −2 log density of residuals around the means."""
        n, d, m = self.inner.sizes
        # Without residuals, of which the device's energy is the better sum, the chain's evidence is determinants.
        nothing = np.zeros(d), np.zeros((n - 1, d)), np.zeros((n, m))
        links = links_of(self.inner, (nothing[1], nothing[2]))
        P, X, evidence = smoothed(links, self.inner, nothing)
        scales = self.states * self.states[:, None]
        return P * scales, X * scales, evidence

    @property
    def means(self) -> np.ndarray:
        """(n, d), in the user's units."""
        return np.asarray(self.mode.x * self.states)

    @property
    def log_likelihood(self) -> float:
        """log p(y); without log of infinite variances, for diffuse states."""
        seen = self.model.observed
        units = float(np.sum(np.where(seen, np.log(self.observations), 0.0)))
        # A diffuse coordinate in a unit s counts as if its variance were s² times as large.
        units -= float(np.sum(np.log(self.states[self.model.diffuse])))
        constant = np.count_nonzero(seen) * np.log(2 * np.pi)
        return -0.5 * (float(constant) + self.moments[2] + self.mode.energy) - units

    def sample(self, size: int, rng: Any) -> np.ndarray:
        """Trajectories (size, n, d) in the user's units."""
        deviations = self.system.sample(size, self._rng if rng is None else rng)
        return np.asarray((self.mode.x + deviations) * self.states)

    def transitions_covariance(self) -> np.ndarray:
        """Cov(x_{t+1} − F_t x_t | y), (n − 1, d, d)."""
        P, X, _ = self.moments
        F = self.model.transitions(self.model.F)
        FX = F @ X
        return np.asarray(P[1:] - FX - transposed(FX) + F @ P[:-1] @ transposed(F))
