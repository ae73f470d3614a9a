"""Averages of nodes over long windows, from one factor of their couplings: no covariance of the states is needed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, eigs, eigsh, splu, svds

from thermolinalg.simulation._transition import Matrix
from thermolinalg.simulation.disturbances import PinkNoise
from thermolinalg.simulation.settling import slowest_rate

__all__ = ["NodeAverages", "NodeNoise"]

SOFTEST = 6
"""Eigenvalues nearest to zero that are found where couplings are not symmetric."""


@dataclass(frozen=True)
class NodeNoise:
    """Noise currents of the covariance D_ij = √(p_i p_j) (ρ + (1 − ρ) δ_ij) per unit time.

    Parameters
    ----------
    power : ndarray, shape (d,)
        p.
    correlation : float
        ρ in [0, 1).
    """

    power: Matrix
    correlation: float

    @property
    def covariance(self) -> Matrix:
        """D (d, d)."""
        rho = self.correlation
        return np.asarray(np.sqrt(self.power[:, None] * self.power) * (rho + (1 - rho) * np.eye(len(self.power))))

    @property
    def root(self) -> Matrix:
        """B (d, sources), D = B Bᵀ: a source for each node, and where ρ > 0 one that all of them share."""
        sizes = np.sqrt(self.power)[:, None]
        own = math.sqrt(1 - self.correlation) * np.diag(sizes[:, 0])
        return np.hstack([own, math.sqrt(self.correlation) * sizes]) if self.correlation else own

    def sample(self, columns: int, rng: np.random.Generator) -> Matrix:
        """Draws (d, columns) from N(0, D)."""
        own = rng.standard_normal((len(self.power), columns))
        if self.correlation:
            shared = rng.standard_normal(columns)
            own = math.sqrt(1 - self.correlation) * own + math.sqrt(self.correlation) * shared
        return np.asarray(np.sqrt(self.power)[:, None] * own)


class NodeAverages:
    """Averages of C ẋ = −(G x − b) + noise over windows T_w in equilibrium, G of any storage.

    Integrated over the window, G x̄ = b + w/√T_w − C (x_end − x_begin)/T_w with w ~ N(0, D): the average is G⁻¹ of the
    load with white noise on it, whatever capacitors, inertia and memory of the noise are. What the two ends add to the
    covariance is left out, a share of `ends` at most.

    Parameters
    ----------
    G : ndarray or sparse array, shape (d, d)
        With a positive definite symmetric part.
    capacity : ndarray, shape (d,)
        C.
    noise : NodeNoise
    lower : float
        Bound > 0 of the eigenvalues of (G + Gᵀ)/2 from below.
    bandwidth, correlation_time : float, optional
        As for `NodeProcess`.
    pink : PinkNoise, optional
        As for `FlickeringProcess`: its average over the window is a part of w, and the ends are less of its variance.

    Examples
    --------
    >>> import numpy as np
    >>> averages = NodeAverages(np.diag([1.0, 3.0]), np.ones(2), NodeNoise(2 * np.ones(2), 0.0), 1.0)
    >>> x = averages.sample(np.array([[1.0], [6.0]]), 1e12, np.random.default_rng(0))
    >>> x[:, 0].round(4), averages.ends(1e3)
    (array([1., 2.]), 0.001)
    """

    def __init__(
        self,
        G: Any,
        capacity: Matrix,
        noise: NodeNoise,
        lower: float,
        bandwidth: float = math.inf,
        correlation_time: float = 0.0,
        pink: PinkNoise | None = None,
    ) -> None:
        self.G, self.capacity, self.noise, self.pink = G, capacity, noise, pink
        self.inertia, self.correlation_time = 1 / bandwidth, correlation_time
        self.lower = lower / float(capacity.max())

    def __getstate__(self) -> dict[str, Any]:
        # Factors do not pickle; they are soon made again.
        return {name: value for name, value in vars(self).items() if name != "_solve"}

    def sample(self, load: Matrix, duration: float, rng: np.random.Generator) -> Matrix:
        """Draw averages.

        Parameters
        ----------
        load : ndarray, shape (d, k)
        duration : float
            T_w.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (d, k)
        """
        slow = 0.0 if self.pink is None else self.pink.variance_of_average(duration, None)
        return self._solve(load + math.sqrt(1 / duration + slow) * self.noise.sample(load.shape[1], rng))

    def ends(self, duration: float) -> float:
        """Share of the variance that the ends of a window make, at most: 1/(λ T_w) of the slowest mode."""
        return 1 / (self.lower * duration)

    @cached_property
    def slowest(self) -> complex:
        """The rate with the smallest real part, or a bound from below.

        The eigenvalues of H = C^{-½}GC^{-½} that are not found are farther from zero than those that are, right of the
        smallest eigenvalue of its symmetric part, and no farther from the real axis than the norm of its skew part
        (Bendixson).
        """
        root, d = np.sqrt(self.capacity), len(self.capacity)
        start = np.random.default_rng(0).standard_normal(d)
        inverse = LinearOperator((d, d), matvec=lambda v: root * self._solve(root * np.ravel(v)), dtype=np.float64)
        scaled = scipy.sparse.diags_array(1 / root)
        skew = scaled @ ((self.G - self.G.T) / 2) @ scaled
        if not abs(skew).max() > 0:
            nearest = 1 / eigsh(inverse, k=1, v0=start, return_eigenvectors=False)
            return slowest_rate(nearest, self.inertia, self.correlation_time)
        height = float(svds(skew, k=1, v0=start, return_singular_vectors=False, random_state=0)[0])
        nearest = 1 / eigs(inverse, k=min(SOFTEST, d - 2), v0=start, return_eigenvectors=False)
        beyond = math.sqrt(max(float(np.abs(nearest).max()) ** 2 - height**2, 0.0))
        bounds = np.append(nearest, max(self.lower, beyond) + 1j * height)
        return slowest_rate(bounds, self.inertia, self.correlation_time)

    @cached_property
    def _solve(self) -> Callable[[Matrix], Matrix]:
        """Solves G x = v."""
        if scipy.sparse.issparse(self.G):
            # A positive definite symmetric part needs no row exchanges.
            options = {"SymmetricMode": True}
            ordered = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": options}
            factor = splu(scipy.sparse.csc_array(self.G), **ordered)
            return lambda v: np.asarray(factor.solve(v))
        lu = scipy.linalg.lu_factor(self.G, check_finite=False)
        return lambda v: np.asarray(scipy.linalg.lu_solve(lu, v, check_finite=False))
