"""The ends of a spectrum from products only: where A begins and ends, and whether it is positive at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from thermolinalg._arrays import Array, eps, namespace, product, standard_normal
from thermolinalg.matrix_functions._krylov import Krylov
from thermolinalg.matrix_functions._recurrence import Recurrence
from thermolinalg.matrix_functions.base import check_positive
from thermolinalg.operators.base import Operator

__all__ = [
    "LARGE",
    "LargeSpectrum",
    "SpectralInterval",
    "largest_eigenvalue",
    "negative_curvature",
    "refuse_negative",
    "rounding",
    "smallest_eigenvalue",
    "spectral_interval",
    "steps_to_show",
]

LARGE = 4096
"""Order from which on no basis is kept."""

_CHECK_EVERY = 4
_LEAST = 16
"""Products before ends count as settled: a start that happens to miss a direction shows it some steps late."""
_MARGIN = 1.04
"""Factor by which ends found by iteration are moved out: Ritz values lie inside the spectrum."""
_EFFORT = 1e9
"""Steps squared times dimension to spend on the ends of a spectrum: about a second of orthogonalisation."""


class SpectralInterval(NamedTuple):
    """Where the spectrum of A begins and ends, and what it cost to find.

    Parameters
    ----------
    lower, upper : float
        Interval that holds the spectrum, in the units of A; `lower` is 0 where products could not settle it.
    smallest, largest : float
        Best estimates of the extreme eigenvalues, inside of that interval; exact where they are its ends.
    settled : bool
        Whether `smallest` is good to the tolerance; if not, it is too large.
    products : int
        Products with A taken.
    """

    lower: float
    upper: float
    smallest: float
    largest: float
    settled: bool = True
    products: int = 0

    @classmethod
    def given(cls, interval: tuple[float, ...] | None) -> SpectralInterval | None:
        """The interval a caller knows, (lower, upper) or one that was estimated before; None if there is none."""
        if interval is None or isinstance(interval, cls):
            return interval
        lower, upper = map(float, interval)
        if not 0 <= lower <= upper < np.inf:
            raise ValueError(f"interval must be (lower, upper) with 0 <= lower <= upper, not {tuple(interval)}")
        return cls(lower, upper, lower, upper)


def rounding(dimension: int, largest: float, precision: float) -> float:
    """Size below which an eigenvalue cannot be told from zero: √d · eps · ‖A‖."""
    return float(dimension**0.5 * precision * largest)


def refuse_negative(krylov: Krylov, values: np.ndarray, vectors: np.ndarray) -> None:
    """Raise if a Ritz vector v shows negative curvature, vᵀAv < 0 beyond rounding.

    Parameters
    ----------
    krylov : Krylov
        Bases of Krylov spaces of A.
    values : ndarray, shape (columns, steps)
        Their Ritz values, ascending.
    vectors : ndarray, shape (columns, steps, steps)
        Their Ritz vectors in the bases.

    Raises
    ------
    LinAlgError
        With the value of vᵀAv/vᵀv, computed from v by one more product.
    """
    column = int(np.argmin(values[:, 0]))
    largest = float(np.abs(values).max())
    if values[column, 0] >= -4 * krylov.dimension * eps(krylov.start) * largest:
        return
    coordinates = np.zeros((krylov.columns, 1, krylov.steps))
    coordinates[column, 0] = vectors[column, :, 0]
    v = krylov.combine(coordinates)[column].T
    curvature = float(namespace(v).sum(v * krylov.product(v)) / namespace(v).sum(v * v))
    if curvature < 0:
        raise negative_curvature(curvature, largest)


def negative_curvature(curvature: float, largest: float) -> np.linalg.LinAlgError:
    """The error that a Rayleigh quotient below zero makes."""
    return np.linalg.LinAlgError(
        f"A is not positive semidefinite: a vector v has vᵀAv/vᵀv = {curvature:.6g} "
        f"(largest Ritz value in size {largest:.3g}); pass assume_a='gen'"
    )


def spectral_interval(operator: Operator, *, rtol: float = 0.1, max_steps: int | None = None) -> SpectralInterval:
    """Interval that holds the eigenvalues of a symmetric positive semidefinite operator, from products with it.

    Runs Lanczos from a random vector, the same one for every operator of that size, until the residual bounds of the
    extreme Ritz values are below `rtol`, and widens the interval by those bounds. The error of a Ritz value is of
    second order in its residual, so the ends are usually much closer than `rtol`.

    Parameters
    ----------
    operator : Operator
        Symmetric.
    rtol : float, optional
        Bound of the residuals at both ends, relative to the eigenvalues there.
    max_steps : int, optional
        Most products to take (default: between 64 and 1000, fewer for larger A). If they do not settle the lower end
        it is given as 0, which holds for every positive semidefinite A.

    Returns
    -------
    SpectralInterval
        The ends, and what it cost to find them.

    Raises
    ------
    LinAlgError
        If A has negative curvature, with the vector's Rayleigh quotient as evidence, or a product is not finite.

    See Also
    --------
    largest_eigenvalue : Ends of a spectrum.

    References
    ----------
    Kuczyński and Woźniakowski, Estimating the largest eigenvalue by the power and Lanczos algorithms with a random
    start, SIAM J. Matrix Anal. Appl. 13 (1992).

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.operators import Dense
    >>> found = spectral_interval(Dense(np.diag([1.0, 2.0, 5.0])))
    >>> round(found.smallest, 12), round(found.largest, 12), found.products
    (1.0, 5.0, 3)
    """
    known = _known_ends(operator)
    if known is not None:
        return SpectralInterval(*known, *known)
    d = operator.shape[1]
    if max_steps is None:
        max_steps = int(np.clip((_EFFORT / d) ** 0.5, 64, 1000))
    if d >= LARGE:
        return LargeSpectrum(operator).interval(rtol, max_steps)
    krylov = Krylov(operator.apply, _random_start(d, operator.like))
    while True:
        krylov.extend(min(max(_CHECK_EVERY, krylov.steps // 8), max_steps - krylov.steps))
        values, vectors, residuals = krylov.ritz()
        refuse_negative(krylov, values, vectors)
        smallest, largest = float(values[0, 0]), float(values[0, -1])
        below, above = float(residuals[0, 0]), float(residuals[0, -1])
        settled = krylov.complete() or (krylov.steps >= _LEAST and below <= rtol * smallest)
        if krylov.complete() or krylov.steps >= max_steps or (settled and above <= rtol * largest):
            break
    ends, bounds = (smallest, largest), (below, above)
    return _bracketed(ends, bounds, krylov.complete(), settled, krylov.steps, rounding(d, largest, eps(krylov.start)))


class LargeSpectrum:
    """The ends of the spectrum of a large A from one recurrence, each looked for when it is asked for.

    No basis is kept, which would take as many vectors of memory as products, and as many products again of time.

    Parameters
    ----------
    operator : Operator
        Symmetric.
    """

    def __init__(self, operator: Operator) -> None:
        # The softest mode of a grid or a graph has one sign: a start that leans to such vectors finds it sooner.
        self.krylov = Recurrence(operator.apply, 1.0 + _random_start(operator.shape[1], operator.like))

    def largest(self, rtol: float = 0.05, max_steps: int = 12) -> float:
        """The largest Ritz value, as `largest_eigenvalue` has it."""
        previous = 0.0
        while True:
            self.krylov.extend(1 if previous or not self.krylov.steps else 0)
            (_, largest), (_, above) = self._ends()
            settled = above <= rtol**0.5 * largest and largest - previous <= 0.1 * rtol * largest
            if settled or self.krylov.complete() or self.krylov.steps >= max_steps:
                return float(largest)
            previous = float(largest)

    def interval(self, rtol: float, max_steps: int, worth: Callable[[float], bool] = bool) -> SpectralInterval:
        """Both ends, as `spectral_interval` has them, or no further than a condition number is worth it."""
        krylov, before, needed = self.krylov, 0.0, 0.0
        while True:
            more = max(_CHECK_EVERY, krylov.steps // 8, int(needed) - krylov.steps - _CHECK_EVERY)
            krylov.extend(min(more, max_steps - krylov.steps))
            (smallest, largest), (below, above) = self._ends()
            rests = abs(before - smallest) <= rtol**2 * abs(smallest)
            needed = steps_to_show(2 * krylov.dimension, smallest, largest)  # half of the start is the same for all
            settled = bool(krylov.complete() or (below <= rtol * smallest and rests and krylov.steps >= needed))
            before, done = smallest, settled and above <= rtol * largest
            condition = largest / max(smallest, eps(krylov.start) * largest)
            if done or krylov.complete() or krylov.steps >= max_steps or not (settled or worth(condition)):
                break
        ends, bounds = (float(smallest), float(largest)), (float(below), float(above))
        zero = rounding(krylov.dimension, ends[1], eps(krylov.start))
        return _bracketed(ends, bounds, krylov.complete(), settled, krylov.steps, zero)

    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of the recurrence; LinAlgError where they show negative curvature."""
        krylov, (values, bounds) = self.krylov, self.krylov.ends()
        size = float(abs(values).max())
        if values[0] < -4 * krylov.dimension * eps(krylov.start) * size:
            v = krylov.softest()
            curvature = float(product(v.T, krylov.product(v))[0, 0] / product(v.T, v)[0, 0])
            raise negative_curvature(curvature, size)
        return values, bounds


def steps_to_show(d: int, smallest: float, largest: float) -> float:
    """Steps after which an eigenvalue of half the smallest Ritz value, apart from all others, would have been found.

    A random vector has 1/√d of its mode, and a step multiplies that by e^√(2/κ) beside the others.
    """
    return float(np.log(10 * d**0.5) * (0.5 * (largest / smallest - 1)) ** 0.5) if 0 < smallest < largest else 0.0


def _bracketed(
    ends: tuple[float, float], bounds: tuple[float, float], complete: bool, settled: bool, products: int, zero: float
) -> SpectralInterval:
    """The interval that Ritz values and the bounds of their residuals tell; what is below `zero` counts as zero."""
    smallest, largest = ends[0] if ends[0] > zero else 0.0, ends[1]
    if complete:
        return SpectralInterval(smallest, largest, smallest, largest, products=products)
    lower = max(smallest - bounds[0], 0.0) / _MARGIN if settled else 0.0
    return SpectralInterval(lower, _MARGIN * (largest + bounds[1]), smallest, largest, settled, products)


def largest_eigenvalue(operator: Operator, *, rtol: float = 0.05, max_products: int = 12) -> float:
    """Largest eigenvalue of a symmetric positive semidefinite operator, from a few products with it.

    Parameters
    ----------
    operator : Operator
        Symmetric.
    rtol : float, optional
        Relative accuracy to stop at, judged by the residual bound and by the last change.
    max_products : int, optional
        Most products to take.

    Returns
    -------
    float
        In the units of A, never above the largest eigenvalue.

    Raises
    ------
    LinAlgError
        If A has negative curvature, or a product is not finite.

    See Also
    --------
    spectral_interval : Ends of a spectrum.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.operators import Dense
    >>> round(largest_eigenvalue(Dense(np.diag([1.0, 2.0, 5.0]))), 12)
    5.0
    """
    known = _known_ends(operator)
    if known is not None:
        return known[1]
    if operator.shape[1] >= LARGE:
        return LargeSpectrum(operator).largest(rtol, max_products)
    return _largest_ritz(operator.apply, operator.shape[1], operator.like, rtol, max_products)


def smallest_eigenvalue(
    solve: Callable[[Array], Array], d: int, like: Array, *, rtol: float = 0.01, max_solves: int = 12
) -> float:
    """Smallest eigenvalue of a positive definite A, from a few solves with it.

    Lanczos on A⁻¹ from a random vector, the same one for every A of that size; it returns the inverse of the largest
    Ritz value, which is never below the smallest eigenvalue.

    Parameters
    ----------
    solve : callable
        b (d, 1) → A⁻¹ b.
    d : int
        Order of A.
    like : array
        An array of the namespace, dtype and device that `solve` takes.
    rtol : float, optional
        Relative accuracy to stop at, judged by the residual bound and by the last change.
    max_solves : int, optional
        Most solves to take.

    Returns
    -------
    float
        In the units of A.

    Raises
    ------
    LinAlgError
        If A⁻¹ has negative curvature, or a solve returns NaN or infinity.

    Examples
    --------
    >>> import numpy as np
    >>> round(smallest_eigenvalue(lambda b: b / np.array([[0.5], [2.0], [8.0]]), 3, np.empty(0)), 12)
    0.5
    """
    return 1 / _largest_ritz(solve, d, like, rtol, max_solves)


def _largest_ritz(apply: Callable[[Array], Array], d: int, like: Array, rtol: float, max_products: int) -> float:
    krylov = Krylov(apply, _random_start(d, like))
    previous = 0.0
    while True:
        krylov.extend(1)
        values, vectors, residuals = krylov.ritz()
        largest = float(values[0, -1])
        settled = residuals[0, -1] <= rtol**0.5 * largest and largest - previous <= 0.1 * rtol * largest
        if krylov.complete() or krylov.steps >= max_products or settled:
            refuse_negative(krylov, values, vectors)
            return largest
        previous = largest


def _known_ends(operator: Operator) -> tuple[float, float] | None:
    """Extreme eigenvalues where the operator knows them all."""
    values = operator.eigenvalues()
    if values is None:
        return None
    values = check_positive(values)
    return float(values.min()), float(values.max())


def _random_start(d: int, like: Array) -> Array:
    return standard_normal(np.random.default_rng(d), (d, 1), like)
