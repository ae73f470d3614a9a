"""The evidence of some data as a function of the kernel's parameters, and the ways to its maximum."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.optimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from thermoapps._reading import read_number
from thermoapps.gaussian_process.ascent import fisher_scoring
from thermoapps.gaussian_process.evidence import Slope, log_evidence, slope_of
from thermoapps.gaussian_process.finding import structure_of
from thermoapps.gaussian_process.loaded import Loaded
from thermoapps.gaussian_process.structures import Dense, Structure

__all__ = ["Evidence", "Optimum", "maximum"]

READINGS, MANY = 16, 1_000
"""Readings from which traces are measured where M is not dense, and the number of data from which they are."""

FAR = 400
"""Number of data from which readings take an ascent to where an inverse is worth its price."""

ATOL = 1e-2
"""Standard error of an evidence that is compared with others."""


class Evidence:
    """The evidence of data, as kernels go on a device one after the other.

    Parameters
    ----------
    X : array, shape (n, d)
        Where the data are.
    y : array, shape (n, k)
        Targets.
    noise : float or array, shape (n,)
        Variance of the noise.
    structure : {"auto", "dense"}
        Whether to look for a cheaper form of the matrix.
    readings : int or None
        From which traces are measured.
    rtol : float
        Relative residual of linear systems.
    device : Device, optional
        As in `thermolinalg.solve`.
    seed : int
        The same noise at every kernel: what is measured is a smooth function of the parameters.

    Attributes
    ----------
    kernels : int
        How many were on the device.

    Raises
    ------
    ValueError
        A setting out of range.
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        noise: Any,
        *,
        structure: Any,
        readings: Any,
        rtol: Any,
        device: Any,
        seed: int,
    ) -> None:
        if structure not in ("auto", "dense"):
            raise ValueError(f"structure must be 'auto' or 'dense', got {structure!r}")
        self.X, self.y, self.noise, self.structure = X, y, noise, structure
        self.readings = None if readings is None else int(read_number(readings, "n_readings", positive=True))
        self.rtol, self.device, self.seed = read_number(rtol, "rtol"), device, seed
        self._latest: Loaded | None = None
        self._ledgers: list[Any] = []

    @property
    def kernels(self) -> int:
        return len(self._ledgers)

    @property
    def device_time(self) -> float:
        """Time that the device has run for all of them, in units of τ."""
        return float(sum(ledger.device_time for ledger in self._ledgers))

    def load(self, kernel: Any, *, dense: bool = False) -> Loaded:
        """The kernel's matrix on the device; the one that is there if it is the same."""
        structure = Dense(self.X) if dense else self._structure(kernel)
        there = self._latest
        if there is not None and type(there.structure) is type(structure) and there.kernel == kernel:
            return there
        # One device at a time: what the one before holds may be as large as this.
        self._latest = None
        self._latest = Loaded(
            structure, clone(kernel), self.noise, self.rtol, self.device, np.random.default_rng(self.seed)
        )
        self._ledgers.append(self._latest.ledger)
        return self._latest

    def _structure(self, kernel: Any) -> Structure:
        return structure_of(kernel, self.X, self.noise) if self.structure == "auto" else Dense(self.X)

    def slope(self, kernel: Any) -> Slope:
        """The slope and information at a kernel's parameters."""
        return self._slope(kernel, READINGS if self.readings is None and self._cheap(kernel) else self.readings)

    def outline(self, kernel: Any) -> Callable[[Any], Slope] | None:
        """Slopes of such a kernel to the standard error of a few readings, where inverses are dear; else None."""
        if self.readings is not None or len(self.X) < FAR or self._cheap(kernel):
            return None
        return lambda moved: self._slope(moved, READINGS).measured(READINGS, self.y.shape[1])

    def _slope(self, kernel: Any, readings: int | None) -> Slope:
        loaded = self.load(kernel, dense=readings is None)
        loaded.rng = np.random.default_rng(self.seed)
        return slope_of(loaded, self.y, readings)

    def _cheap(self, kernel: Any) -> bool:
        """Whether so many data have products that cost much less than an inverse."""
        return len(self.X) > MANY and not isinstance(self._structure(kernel), Dense)

    def value(self, kernel: Any, atol: float) -> tuple[float, float]:
        """The evidence as measured, and its standard error."""
        loaded = self.load(kernel)
        return log_evidence(loaded, self.y, loaded.solve(self.y), atol)


@dataclass(frozen=True)
class Optimum:
    """Where an ascent of the evidence has ended.

    Parameters
    ----------
    theta : array, shape (p,)
        Logarithmic parameters.
    slope : Slope
        There.
    iterations : int
        Kernels on the way, the last one included.
    """

    theta: np.ndarray
    slope: Slope
    iterations: int


class Climbed(Protocol):
    """What an ascent asks of an evidence."""

    @property
    def kernels(self) -> int:
        """How many were on the device."""

    def slope(self, kernel: Any) -> Slope:
        """The slope at a kernel's parameters."""

    def outline(self, kernel: Any) -> Callable[[Any], Slope] | None:
        """Slopes that are measured roughly, where that is much cheaper."""

    def value(self, kernel: Any, atol: float) -> tuple[float, float]:
        """The evidence as measured, and its standard error."""


def maximum(
    evidence: Climbed,
    kernel: Any,
    optimizer: Any,
    *,
    restarts: Any,
    limits: tuple[Any, Any],
    rng: np.random.Generator,
) -> Optimum:
    """The largest evidence found from a kernel's own parameters and further starts.

    Parameters
    ----------
    evidence : Climbed
        Of a regression or a classification.
    kernel : Kernel
        To start with, and whose bounds hold.
    optimizer : {"fisher_scoring", "fmin_l_bfgs_b"} or callable
        The way up; a callable is scikit-learn's, ``optimizer(objective, theta, bounds=bounds)``.
    restarts : int
        Further starts, uniform within the bounds.
    limits : tuple of float and int
        Largest slope to reach by Fisher scoring, and most steps of it: `tol` and `max_iter`.
    rng : numpy.random.Generator
        Draws the starts.

    Returns
    -------
    Optimum

    Raises
    ------
    ValueError
        Restarts without finite bounds, another name of an optimiser, or a setting out of range.
    """
    if optimizer not in ("fisher_scoring", "fmin_l_bfgs_b") and not callable(optimizer):
        raise ValueError(f"optimizer must be 'fisher_scoring', 'fmin_l_bfgs_b', None or a function, got {optimizer!r}")
    tol, most = read_number(limits[0], "tol"), int(read_number(limits[1], "max_iter"))
    bounds, starts, restarts = kernel.bounds, [kernel.theta], int(read_number(restarts, "n_restarts_optimizer"))
    if restarts:
        if not np.isfinite(bounds).all():
            raise ValueError("n_restarts_optimizer > 0 needs finite bounds of all parameters of the kernel")
        starts += list(rng.uniform(bounds[:, 0], bounds[:, 1], (restarts, len(bounds))))

    def slope_at(theta: np.ndarray) -> Slope:
        return evidence.slope(kernel.clone_with_theta(theta))

    def objective(theta: np.ndarray, eval_gradient: bool = True) -> Any:
        moved = kernel.clone_with_theta(theta)
        value = -evidence.value(moved, ATOL)[0]
        return (value, -evidence.slope(moved).gradient) if eval_gradient else value

    def outlined(start: np.ndarray) -> tuple[np.ndarray, int]:
        """Where measured slopes lead, and their number."""
        rough = evidence.outline(kernel.clone_with_theta(start))
        if rough is None:
            return start, 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # The ascent by exact slopes goes on from wherever.
            near, _, steps = fisher_scoring(
                lambda theta: rough(kernel.clone_with_theta(theta)), start, bounds, tol=tol, max_iter=most
            )
        return near, steps + 1

    def climbed(start: np.ndarray) -> Optimum:
        if optimizer == "fisher_scoring":
            near, before = outlined(start)
            theta, slope, steps = fisher_scoring(slope_at, near, bounds, tol=tol, max_iter=most)
            return Optimum(theta, slope, before + steps + 1)
        before = evidence.kernels
        if optimizer == "fmin_l_bfgs_b":
            theta = scipy.optimize.minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds).x
        else:
            theta = optimizer(objective, start, bounds=bounds)[0]
        return Optimum(np.asarray(theta, dtype=float), slope_at(theta), evidence.kernels - before)

    ends = [climbed(start) for start in starts]
    if len(ends) == 1:
        return ends[0]
    return max(ends, key=lambda end: evidence.value(kernel.clone_with_theta(end.theta), ATOL)[0])
