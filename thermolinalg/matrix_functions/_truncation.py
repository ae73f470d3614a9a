"""Polynomials as short as the noise of a law allows: what is far below the noise of a mode need not be exact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._blocks import function_table
from thermolinalg.matrix_functions._nodes import coefficients_of, values_of

__all__ = ["ROUGH_LOAD", "ROUGH_NOISE", "Truncation", "truncation"]

ROUGH_NOISE, ROUGH_LOAD = 0.1, 0.5
"""Errors of a mode, as shares of its noise, where the residual is sent back: of the noise itself, which error bars are
made of, and of the mean, where noise and error together leave a tenth more than noise alone."""

_FIRST_NODES = 64
_LEAST_NOISE = 1e-10
"""Amplitudes below this share of the largest count as if they were as large."""


class Truncation(NamedTuple):
    """Chebyshev expansions of a law's functions, cut where the noise of the law hides what is left out.

    Parameters
    ----------
    coefficients : tuple of ndarray, shape (outputs, degree + 1)
        Of T_n on the interval, one for each input, as long as that needs; a single one where there are `shares`.
    shares : ndarray, shape (inputs,), or None
        Where the functions of all inputs are one function but for factors: these; the inputs may then be added up
        before.
    """

    coefficients: tuple[np.ndarray, ...]
    shares: np.ndarray | None

    @property
    def degree(self) -> int:
        """The longest of them."""
        return max(int(c.shape[-1]) for c in self.coefficients) - 1

    @property
    def products(self) -> int:
        """Products with A for one column of every input."""
        return sum(int(c.shape[-1]) - 1 for c in self.coefficients)


def truncation(
    law: LinearLaw,
    outputs: Sequence[str],
    interval: tuple[float, float],
    sizes: np.ndarray,
    *,
    share: float,
    max_degree: int,
) -> Truncation | None:
    """The shortest expansion whose error is, in every mode, below a share of the noise there.

    With noise(λ)² = Σ_z f_z(λ)² it asks |p_j(λ) − f_j(λ)| size_j ≤ share · noise(λ) everywhere on the interval. Two
    expansions are tried: that of f_j, and (h(λ) − h(0) T_K(x)/T_K(x₀))/λ with h = λ f_j, which for f_j = 1/λ is the
    polynomial of Chebyshev's iteration, best in the measure of residuals.

    Parameters
    ----------
    law : LinearLaw
    outputs : sequence of str
    interval : tuple of float
        0 < lower < upper, around the spectrum.
    sizes : ndarray, shape (inputs,)
        Largest component of each input in any mode; 1 for normal ones, 0 for absent ones.
    share : float
    max_degree : int

    Returns
    -------
    Truncation or None
        None where the law has no noise, the interval is a point, or `max_degree` is not enough.
    """
    lower, upper = interval
    normal = np.array([name in law.normal_inputs() for name in law.inputs]) & (sizes > 0)
    if not 0 < lower < upper or not normal.any():
        return None
    present = np.flatnonzero(sizes > 0)
    count = _FIRST_NODES
    while True:
        x = np.cos(np.pi * (np.arange(count) + 0.5) / count)
        lam = (lower + upper) / 2 + (upper - lower) / 2 * x
        values = function_table(law, outputs, lam)
        noise = np.sqrt((values[:, normal] ** 2).sum(axis=1, keepdims=True))
        allowed = share * np.maximum(noise, _LEAST_NOISE * noise.max()) / np.where(sizes > 0, sizes, 1.0)[:, None]
        allowed[:, sizes == 0] = np.inf
        shortest = [_shortest(values[:, j], allowed[:, j], lam, interval) for j in range(len(sizes))]
        found = tuple(c for c in shortest if c is not None and c.shape[-1] - 1 <= max_degree)
        if len(found) == len(sizes):
            return _merged(found, values, allowed, present) or Truncation(found, None)
        if count > 2 * max_degree:
            return None
        count *= 2


def _shortest(
    values: np.ndarray, allowed: np.ndarray, lam: np.ndarray, interval: tuple[float, float]
) -> np.ndarray | None:
    """The shorter expansion of one input's functions; None where the nodes do not resolve them."""
    if np.isinf(allowed).all():  # an input that is not there
        return np.zeros((len(values), 1))
    candidates = [_plain(values, allowed), _as_residuals(values, allowed, lam, interval)]
    return min((c for c in candidates if c is not None), key=lambda c: c.shape[-1], default=None)


def _plain(values: np.ndarray, allowed: np.ndarray) -> np.ndarray | None:
    """The expansion of the functions themselves; None where the nodes do not resolve them."""
    count, coefficients = values.shape[-1], coefficients_of(values)
    low, high = 0, 3 * count // 4
    if not _fits(coefficients[..., : high + 1], values, allowed):
        return None
    while low < high:
        middle = (low + high) // 2
        if _fits(coefficients[..., : middle + 1], values, allowed):
            high = middle
        else:
            low = middle + 1
    return np.asarray(coefficients[..., : high + 1])


def _as_residuals(
    values: np.ndarray, allowed: np.ndarray, lam: np.ndarray, interval: tuple[float, float]
) -> np.ndarray | None:
    """The expansion with a numerator that vanishes at λ = 0."""
    lower, upper = interval
    head = _plain(lam * values, 0.25 * lam * allowed)
    if head is None:
        return None
    x0 = -(upper + lower) / (upper - lower)
    at_zero = abs(chebyshev.chebval(x0, np.moveaxis(head, -1, 0)))
    growth = math.acosh(-x0)
    # T_K(x₀) = cosh(K growth), and |T_K| ≤ 1 on the interval.
    needed = float((at_zero[..., None] / (0.5 * lam * allowed)).max())
    degree = max(math.ceil(math.acosh(max(needed, 1.0)) / growth), head.shape[-1], 1)
    count = len(lam)
    if degree > 3 * count // 4:
        return None
    x = (2 * lam - upper - lower) / (upper - lower)
    numerator = values_of(head, count)
    signed = chebyshev.chebval(x0, np.moveaxis(head, -1, 0))[..., None] / math.cosh(degree * growth)
    numerator -= signed * (-1.0) ** degree * np.cos(degree * np.arccos(x))
    short = coefficients_of(numerator / lam)[..., :degree]
    return short if _fits(short, values, allowed) else None


def _merged(
    found: tuple[np.ndarray, ...], values: np.ndarray, allowed: np.ndarray, present: np.ndarray
) -> Truncation | None:
    """One expansion for all inputs of a single output, where the noise allows to take it for each of them."""
    if values.shape[0] != 1 or len(present) < 2:
        return None
    longest = max(present, key=lambda j: found[j].shape[-1])
    if not values[0, longest].all():
        return None
    shares = np.zeros(values.shape[1])
    shares[present] = np.median(values[0, present] / values[0, longest], axis=-1)
    whole = shares[:, None] * values_of(found[longest], values.shape[-1])[0]
    fits = (abs(whole - values[0])[present] <= allowed[0, present]).all()
    return Truncation((found[longest],), shares) if fits else None


def _fits(coefficients: np.ndarray, values: np.ndarray, allowed: np.ndarray) -> bool:
    return bool((abs(values_of(coefficients, values.shape[-1]) - values) <= allowed).all())
