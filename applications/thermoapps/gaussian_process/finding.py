"""The cheapest form of a covariance matrix."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from thermoapps.gaussian_process.kernels import Wendland
from thermoapps.gaussian_process.low_rank import LEFT_OUT, LowRank, Products, pivots_of
from thermoapps.gaussian_process.structures import Dense, Grid, Line, Sparse, Structure, factors_of
from thermoapps.gaussian_process.white import white_noise

__all__ = ["structure_of"]

REGULAR = 1e-9
"""Spacings of a regular grid differ by no more than this part of its length."""

LARGE = 6_000
"""Most data whose matrix is held entry by entry."""


def structure_of(kernel: Any, X: np.ndarray, noise: float | np.ndarray = 0.0) -> Structure:
    """The cheapest form of the covariance matrix of some data.

    Parameters
    ----------
    kernel : Kernel
        Of scikit-learn, or `Wendland`.
    X : array, shape (n, d)
        Where the data are.
    noise : float or array, shape (n,), optional
        Variance of the noise beside the kernel's; grids need the same for all data, and a low rank is one beside it.

    Returns
    -------
    Structure
    """
    factors = factors_of(kernel)
    kinds = [type(leaf) for leaf in factors if not isinstance(leaf, ConstantKernel)]
    if kinds == [Wendland]:
        (leaf,) = (leaf for leaf in factors if isinstance(leaf, Wendland))
        return Sparse(X, leaf.length_scale)
    form = _regular(kernel, X) if np.ndim(noise) == 0 and len(X) > 1 else None
    if form is not None:
        return form
    if len(X) <= LARGE:
        return Dense(X)
    least = float(np.min(noise + white_noise(kernel, X)))
    pivots, reached = pivots_of(kernel, X, LEFT_OUT * least)
    return LowRank(X, pivots) if reached else Products(X, pivots)


def _regular(kernel: Any, X: np.ndarray) -> Structure | None:
    """The form of data on a grid."""
    if X.shape[1] == 1:
        order = np.argsort(X[:, 0], kind="stable")
        axis = X[order, 0]
        steps = np.diff(axis)
        regular = np.ptp(steps) <= REGULAR * (axis[-1] - axis[0]) and steps[0] > 0
        return Line(axis, order) if regular and kernel.is_stationary() else None
    kinds = {type(leaf) for leaf in factors_of(kernel) if not isinstance(leaf, ConstantKernel)}
    found = _grid(X) if kinds == {RBF} else None
    return None if found is None else Grid(*found)


def _grid(X: np.ndarray) -> tuple[list[np.ndarray], np.ndarray] | None:
    """Axes of a full grid and the order of its points row by row, or None."""
    found = [np.unique(column, return_inverse=True) for column in X.T]
    axes, places = [axis for axis, _ in found], tuple(place for _, place in found)
    shape = tuple(len(axis) for axis in axes)
    if prod(shape) != len(X) or min(shape) < 2:
        return None
    flat = np.ravel_multi_index(places, shape)
    order = np.argsort(flat)
    return (axes, order) if np.array_equal(flat[order], np.arange(len(X))) else None
