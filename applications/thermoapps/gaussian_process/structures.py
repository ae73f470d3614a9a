"""How the covariance matrix of the data is held: dense, sparse, or by the structure of a grid.

A structure takes from a kernel the few arrays that its matrix K is made of, its parts: the matrix itself, the entries
of a sparse one, the factors of a Kronecker product, the first column of a Toeplitz matrix. K is linear in each of them.
White noise is kept apart, wherever it stands in the kernel: it adds to the diagonal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree
from sklearn.base import clone
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Product, WhiteKernel

from thermoapps.gaussian_process.kernels import Wendland
from thermoapps.gaussian_process.white import terms, white_noise
from thermolinalg.operators import Circulant, Kronecker, Toeplitz

__all__ = ["Dense", "Grid", "Line", "Sparse", "Structure", "factors_of"]

Parts = list[Any]

Read = Callable[[Any, int], np.ndarray]
"""``read(A, count)``: readings (n, count) of a device that holds A, of covariance A⁻¹."""

STEP = 3e-4
"""Step in logarithmic parameters of fourth-order differences: a shorter one lets rounding grow as 1/step, which kernels
with large exponents multiply (a rational quadratic near its Gaussian limit); a longer one truncation as step⁴."""

JITTER = 1e-8
"""What is added to the diagonal of a covariance before it is loaded, as a part of the variance."""


class Structure(ABC):
    """The covariance matrix of data in one form.

    Attributes
    ----------
    name : str
        Of the form.
    order : array, shape (n,)
        The data in the order of the form.
    place : array, shape (1, d)
        One of them, which has the white noise of all.
    rtol : float
        Least relative residual that is worth its products.
    """

    rtol: float = 0.0

    name: str
    order: np.ndarray
    place: np.ndarray

    @abstractmethod
    def parts(self, kernel: Any) -> Parts:
        """The arrays K is made of, without white noise."""

    @abstractmethod
    def system(self, parts: Parts, shift: float | np.ndarray) -> Any:
        """K + shift I, as `thermolinalg.solve` takes it."""

    def preconditioner(self, parts: Parts, shift: float | np.ndarray) -> Any:
        """An approximation of the inverse of that system, where simulated runs need one; else None."""
        return None

    @abstractmethod
    def times(self, parts: Parts, V: np.ndarray) -> np.ndarray:
        """K V (n, k)."""

    def draws(self, parts: Parts, read: Read, count: int) -> np.ndarray:
        """Functions (n, count) drawn from the prior: K x with x a reading of a device that holds K, of covariance K."""
        system = self.system(parts, JITTER * self.variance(parts))
        return np.asarray(system @ read(system, count))

    @abstractmethod
    def variance(self, parts: Parts) -> float:
        """Prior variance of one value."""

    def white(self, kernel: Any) -> float | np.ndarray:
        """Variance of the kernel's white noise, one number or (n,)."""
        return float(white_noise(kernel, self.place)[0])

    def slopes(self, kernel: Any, V: np.ndarray) -> list[np.ndarray]:
        """(∂K/∂θ_j) V for every logarithmic parameter θ_j of the kernel, white noise included."""
        parts, found = self.parts(kernel), []
        for j in range(kernel.n_dims):
            *changes, noise = self._differences(kernel, j)
            product = noise * V
            for i, change in enumerate(changes):
                if change.any():
                    product = product + self.times([*parts[:i], change, *parts[i + 1 :]], V)
            found.append(product)
        return found

    def _differences(self, kernel: Any, j: int) -> Parts:
        """Derivatives of the parts, and of the white noise, with respect to θ_j."""

        def at(steps: int) -> Parts:
            theta = kernel.theta.copy()
            theta[j] += steps * STEP
            moved = kernel.clone_with_theta(theta)
            return [*self.parts(moved), np.array(self.white(moved))]

        near = zip(at(1), at(-1), strict=True)
        far = zip(at(2), at(-2), strict=True)
        return [(8 * (a - b) - (c - d)) / (12 * STEP) for (a, b), (c, d) in zip(near, far, strict=True)]


class Dense(Structure):
    """Any kernel and any points.

    Parameters
    ----------
    X : array, shape (n, d)
        Where the data are.
    """

    name = "dense"

    def __init__(self, X: np.ndarray) -> None:
        self.X, self.order, self.place = X, np.arange(len(X)), X[:1]

    def white(self, kernel: Any) -> np.ndarray:
        return white_noise(kernel, self.X)

    def parts(self, kernel: Any) -> Parts:
        return [_raised(kernel(self.X), -self.white(kernel))]

    def system(self, parts: Parts, shift: float | np.ndarray) -> np.ndarray:
        return _raised(parts[0].copy(), shift)

    def times(self, parts: Parts, V: np.ndarray) -> np.ndarray:
        return np.asarray(parts[0] @ V)

    def variance(self, parts: Parts) -> float:
        return float(parts[0].diagonal().max())

    def slopes(self, kernel: Any, V: np.ndarray) -> list[np.ndarray]:
        return [change @ V for change in self.gradients(kernel)]

    def gradients(self, kernel: Any) -> list[np.ndarray]:
        """∂K/∂θ_j (n, n) for every logarithmic parameter, white noise included."""
        return list(np.ascontiguousarray(np.moveaxis(kernel(self.X, eval_gradient=True)[1], 2, 0)))


class Sparse(Structure):
    """Wendland's kernel times constants: what it says of each pair of points that it joins, and of each point.

    Parameters
    ----------
    X : array, shape (n, d)
        Where the data are.
    length : float
        Of the kernel, or little less than that.
    """

    name = "sparse"

    def __init__(self, X: np.ndarray, length: float) -> None:
        self.n, self.order, self.place = len(X), np.arange(len(X)), X[:1]
        self.pairs = cKDTree(X).query_pairs(length * (1 + 4 * STEP), output_type="ndarray")
        self.distances = np.linalg.norm(X[self.pairs[:, 0]] - X[self.pairs[:, 1]], axis=1)

    def parts(self, kernel: Any) -> Parts:
        leaves = factors_of(kernel)
        values = [leaf.of_distances(self.distances) for leaf in leaves if isinstance(leaf, Wendland)]
        return [_constant(leaves) * np.concatenate([*values, np.ones(1)])]

    def _matrix(self, parts: Parts) -> Any:
        *joined, diagonal = parts[0]
        upper = sp.coo_array((joined, self.pairs.T), shape=(self.n, self.n))
        return (upper + upper.T + diagonal * sp.eye_array(self.n)).tocsr()

    def system(self, parts: Parts, shift: float | np.ndarray) -> Any:
        return sp.csr_array(self._matrix(parts) + sp.diags_array(np.broadcast_to(shift, self.n)))

    def times(self, parts: Parts, V: np.ndarray) -> np.ndarray:
        return np.asarray(self._matrix(parts) @ V)

    def variance(self, parts: Parts) -> float:
        return float(parts[0][-1])


class Grid(Structure):
    """Products of kernels of one coordinate each, on a full grid: K = c K₁ ⊗ … ⊗ K_d.

    Parameters
    ----------
    axes : sequence of array
        Coordinates along each axis.
    order : array, shape (n,)
        The data row by row of the grid.
    """

    name = "Kronecker product"

    def __init__(self, axes: Sequence[np.ndarray], order: np.ndarray) -> None:
        self.axes, self.order = axes, order
        self.place = np.array([[axis[0] for axis in axes]])

    def parts(self, kernel: Any) -> Parts:
        leaves = factors_of(kernel)
        factors = []
        for j, axis in enumerate(self.axes):
            along = (_along(leaf, j)(axis[:, None]) for leaf in leaves if isinstance(leaf, RBF))
            factors.append(prod(along, start=np.ones((len(axis), len(axis)))))
        return [np.array(_constant(leaves)), *factors]

    def system(self, parts: Parts, shift: float | np.ndarray) -> Any:
        constant, *factors = parts
        return Kronecker(*factors, weight=float(constant), shift=float(shift))

    def times(self, parts: Parts, V: np.ndarray) -> np.ndarray:
        constant, *factors = parts
        product = V.reshape(*(len(axis) for axis in self.axes), -1)
        for j, factor in enumerate(factors):
            product = np.moveaxis(np.tensordot(factor, product, axes=(1, j)), 0, j)
        return float(constant) * product.reshape(V.shape)

    def variance(self, parts: Parts) -> float:
        return float(parts[0]) * prod(float(factor[0, 0]) for factor in parts[1:])


class Line(Structure):
    """Stationary kernels on a regular grid of one coordinate: K_ij depends on i − j only.

    Parameters
    ----------
    axis : array, shape (n,)
        The coordinates, ascending.
    order : array, shape (n,)
        The data in this order.
    """

    name = "Toeplitz"

    def __init__(self, axis: np.ndarray, order: np.ndarray) -> None:
        self.axis, self.order, self.place = axis[:, None], order, axis[:1, None]

    def parts(self, kernel: Any) -> Parts:
        column = kernel(self.axis, self.axis[:1])[:, 0]
        return [np.array(column)]

    def system(self, parts: Parts, shift: float | np.ndarray) -> Any:
        column = parts[0].copy()
        column[0] += shift
        return Toeplitz(column)

    def times(self, parts: Parts, V: np.ndarray) -> np.ndarray:
        return np.asarray(Toeplitz(parts[0]) @ V)

    def draws(self, parts: Parts, read: Read, count: int) -> np.ndarray:
        # On a ring of twice the size, of which the line is a part, the covariance is diagonal in Fourier modes.
        column = np.concatenate([parts[0], parts[0][-2:0:-1]])
        jitter = JITTER * self.variance(parts)
        if np.fft.rfft(column).real.min() < -jitter / 2:  # It does not fall off: there is no such ring.
            return super().draws(parts, read, count)
        column[0] += jitter
        ring = Circulant(column)
        return np.asarray(ring @ read(ring, count))[: len(parts[0])]

    def variance(self, parts: Parts) -> float:
        return float(parts[0][0])


def _raised(K: np.ndarray, shift: float | np.ndarray) -> np.ndarray:
    """K with something added to its diagonal, in place."""
    K[np.diag_indices_from(K)] += shift
    return K


def factors_of(kernel: Any) -> list[Any]:
    """The factors of the one term beside white noise; none if there are several."""
    found = [term for term in terms(kernel) if not isinstance(term, WhiteKernel)]

    def split(node: Any) -> list[Any]:
        return [*split(node.k1), *split(node.k2)] if isinstance(node, Product) else [node]

    return split(found[0]) if len(found) == 1 else []


def _constant(leaves: Sequence[Any]) -> float:
    return prod(float(leaf.constant_value) for leaf in leaves if isinstance(leaf, ConstantKernel))


def _along(leaf: Any, j: int) -> Any:
    """The factor of a Gaussian kernel that belongs to one coordinate."""
    length = leaf.length_scale[j] if leaf.anisotropic else leaf.length_scale
    return clone(leaf).set_params(length_scale=length)
