"""Balancing a map that is known by its products: what products with random vectors tell of its rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from thermolinalg._arrays import Array, as_array, column_norms, namespace, standard_normal, to_numpy

__all__ = ["even_rows"]

WIDTH = 8
"""Vectors a sweep: of a million rows the least lucky one is then seen eight times too small."""

EVEN = 3.0
"""Bits by which a row may differ from the median one and pass for even, as much as luck may do."""

SWEEPS = 5
"""Sweeps at most; each halves what is missing in the exponents."""


def even_rows(apply: Callable[[Array], Array], d: int, like: Array) -> Array | None:
    """Powers of two S that bring rows of S A S of a symmetric A within a factor of eight of the median one.

    For a random z the entries of A z are of the size of the norms of the rows. Where A is positive definite and its
    diagonal dominates, that is what a unit diagonal does.

    Parameters
    ----------
    apply : callable
        V (d, k) → A V.
    d : int
    like : array
        An array of the namespace, dtype and device of its vectors.

    Returns
    -------
    array, shape (d,), or None
        None where the rows are even already.

    References
    ----------
    A. M. Bradley, Algorithms for the equilibration of matrices and their application to limited-memory quasi-Newton
    methods, PhD thesis, Stanford (2010): equilibration by products only.
    """
    rng, exponents = np.random.default_rng(d), np.zeros(d)
    for _ in range(SWEEPS):
        scaling = as_array(np.exp2(exponents), like)
        y = to_numpy(apply(scaling[:, None] * _of_even_size(standard_normal(rng, (d, WIDTH), like))))
        largest = abs(y).max()
        sizes = column_norms(np.ascontiguousarray((y / (largest or 1)).T, dtype=np.float64))
        with np.errstate(divide="ignore"):
            bits = np.log2(sizes) + exponents
        seen = np.isfinite(bits)
        bits = np.where(seen, bits - (np.median(bits[seen]) if seen.any() else 0.0), 0.0)
        if abs(bits).max() <= EVEN:
            break
        exponents -= np.round(bits / 2)
    return as_array(np.exp2(exponents), like) if exponents.any() else None


def _of_even_size(normal: Array) -> Array:
    """Normal numbers moved away from zero by two: of such, single large entries of a row tell its norm better."""
    return normal + 2.0 * namespace(normal).sign(normal)
