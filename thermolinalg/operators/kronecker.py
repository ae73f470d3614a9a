"""Kronecker products and Kronecker sums of small symmetric matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from thermolinalg._arrays import Array, as_array, eigh, namespace, same_place
from thermolinalg._validation import as_nonnegative, as_positive
from thermolinalg.operators.base import Operator
from thermolinalg.operators.read import symmetric_operator

__all__ = ["Kronecker", "KroneckerSum"]


class _Factor:
    """A symmetric matrix that is decomposed at most once, however often its operator is scaled."""

    def __init__(self, matrix: Array) -> None:
        self.matrix = matrix

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors."""
        return eigh(self.matrix)


class _OfKroneckerFactors(Operator):
    """An operator whose eigenvectors are Kronecker products of those of its factors A₁, …, A_m."""

    def __init__(self, factors: Sequence[_Factor], shift: float, weight: float) -> None:
        n = math.prod(f.matrix.shape[0] for f in factors)
        like = factors[0].matrix
        super().__init__(like.dtype, (n, n), like)
        self.factors, self.shift, self.weight = tuple(factors), shift, weight
        self.sizes = tuple(int(f.matrix.shape[0]) for f in factors)

    @property
    def order(self) -> int:
        return sum(self.sizes)

    def rotate(self, block: Array, *, transposed: bool) -> Array:
        """(Q₁ ⊗ … ⊗ Q_m) V, or its transpose times V: from eigenvector coordinates to vectors, and back."""
        rotations = [f.spectrum[1] for f in self.factors]
        return self._along_axes([q.T if transposed else q for q in rotations], block)

    def _along_axes(self, matrices: Sequence[Array], block: Array) -> Array:
        x = self._folded(block)
        for axis, matrix in enumerate(matrices):
            x = _along_axis(matrix, x, axis)
        return namespace(x).reshape(x, block.shape)

    def _folded(self, block: Array) -> Array:
        """A block (n, k) as a tensor (n₁, …, n_m, k)."""
        return namespace(block).reshape(block, (*self.sizes, block.shape[1]))

    def _combined(self, values: Sequence[Array]) -> Array:
        """One value per product of eigenvectors (n₁, …, n_m) from one vector of values per factor."""
        raise NotImplementedError

    def apply(self, block: Array) -> Array:
        return self._product([f.matrix for f in self.factors], block)

    def extended_product(self, block: Array) -> Array:
        return self._product([as_array(f.matrix, block) for f in self.factors], block)

    def absolute(self, block: Array) -> Array:
        return self._product([abs(f.matrix) for f in self.factors], block)

    def _product(self, matrices: Sequence[Array], block: Array) -> Array:
        """The product with a block, from the factors' matrices."""
        raise NotImplementedError

    def diagonal(self) -> Array:
        return self._spread([namespace(f.matrix).linalg.diagonal(f.matrix) for f in self.factors])

    def eigenvalues(self) -> Array:
        return self._spread([f.spectrum[0] for f in self.factors])

    def _spread(self, values: Sequence[Array]) -> Array:
        m = len(values)
        broadcast = [v.reshape((1,) * i + (-1,) + (1,) * (m - i - 1)) for i, v in enumerate(values)]
        return self.shift + self.weight * self._combined(broadcast).reshape(-1)

    def norm_bound(self) -> float:
        xp = namespace(self.like)
        return float(xp.max(xp.abs(self.eigenvalues())))

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        if diagonal is not None:
            return super().scaled(factor, diagonal)
        scaled = type(self).__new__(type(self))
        _OfKroneckerFactors.__init__(scaled, self.factors, factor * self.shift, factor * self.weight)
        return scaled

    def __repr__(self) -> str:
        sizes = " × ".join(map(str, self.sizes))
        return f"<{self.shape[0]}x{self.shape[0]} {self.structure} operator of sizes {sizes}, {self.dtype}>"


class Kronecker(_OfKroneckerFactors):
    """A = w (A₁ + a₁I) ⊗ … ⊗ (A_m + a_m I) + λI with small symmetric A_i.

    Costs one eigendecomposition per factor; products never form A. A vector is read row by row: with m = 2 and
    v = vec of the n₁ × n₂ matrix V, (A₁ ⊗ A₂) v is A₁ V A₂ᵀ.

    Parameters
    ----------
    *factors : array_like, sparse array or Operator, shape (n_i, n_i)
        Symmetric.
    damping : float or sequence of float, optional
        a ≥ 0, one for all factors or one for each.
    shift : float, optional
        λ ≥ 0.
    weight : float, optional
        w > 0.

    Raises
    ------
    TypeError
        A factor is complex, or factors live in different namespaces.
    ValueError
        A factor is not square, symmetric and finite; a negative damping or shift; weight ≤ 0.

    See Also
    --------
    KroneckerSum, Toeplitz, BlockDiagonal, Circulant : Matrices by their structure.

    Examples
    --------
    >>> import numpy as np
    >>> A = Kronecker(np.array([[2.0, 1.0], [1.0, 2.0]]), np.diag([1.0, 3.0]), shift=0.5)
    >>> A
    <4x4 Kronecker product operator of sizes 2 × 2, float64>
    >>> A.diagonal()
    array([2.5, 6.5, 2.5, 6.5])
    >>> A.eigenvalues().round(12)
    array([1.5, 3.5, 3.5, 9.5])
    """

    structure = "Kronecker product"

    def __init__(
        self, *factors: Any, damping: float | Sequence[float] = 0.0, shift: float = 0.0, weight: float = 1.0
    ) -> None:
        super().__init__(_checked(factors, damping), as_nonnegative(shift, "shift"), as_positive(weight, "weight"))

    def _product(self, matrices: Sequence[Array], block: Array) -> Array:
        return self.shift * block + self.weight * self._along_axes(matrices, block)

    def trace(self) -> float:
        traces = [float(namespace(f.matrix).linalg.trace(f.matrix)) for f in self.factors]
        n: int = self.shape[0]
        return self.shift * n + self.weight * math.prod(traces)

    def _combined(self, values: Sequence[Array]) -> Array:
        return math.prod(values[1:], start=values[0])


class KroneckerSum(_OfKroneckerFactors):
    """A = w (A₁ ⊕ … ⊕ A_m) + λI with A₁ ⊕ A₂ = A₁ ⊗ I + I ⊗ A₂: the matrix of a grid.

    Parameters
    ----------
    *factors : array_like, sparse array or Operator, shape (n_i, n_i)
        Symmetric; one per axis of the grid.
    shift : float, optional
        λ ≥ 0.
    weight : float, optional
        w > 0.

    Raises
    ------
    TypeError
        A factor is complex, or factors live in different namespaces.
    ValueError
        A factor is not square, symmetric and finite; shift < 0; weight ≤ 0.

    See Also
    --------
    Toeplitz, BlockDiagonal, Circulant, Kronecker : Matrices by their structure.

    Examples
    --------
    The Laplacian of a 2 × 3 grid:

    >>> import numpy as np
    >>> path = lambda n: 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    >>> A = KroneckerSum(path(2), path(3))
    >>> A @ np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    array([ 4., -1.,  0., -1.,  0.,  0.])
    """

    structure = "Kronecker sum"

    def __init__(self, *factors: Any, shift: float = 0.0, weight: float = 1.0) -> None:
        super().__init__(_checked(factors, 0.0), as_nonnegative(shift, "shift"), as_positive(weight, "weight"))

    def _product(self, matrices: Sequence[Array], block: Array) -> Array:
        x = self._folded(block)
        total = sum(_along_axis(matrix, x, axis) for axis, matrix in enumerate(matrices))
        return self.shift * block + self.weight * namespace(block).reshape(total, block.shape)

    def trace(self) -> float:
        n: int = self.shape[0]
        means = sum(float(namespace(f.matrix).linalg.trace(f.matrix)) / len(f.matrix) for f in self.factors)
        return n * (self.shift + self.weight * means)

    def _combined(self, values: Sequence[Array]) -> Array:
        return sum(values[1:], start=values[0])


def _along_axis(matrix: Array, x: Array, axis: int) -> Array:
    """Product of a matrix with one axis of a tensor."""
    xp = namespace(x)
    return xp.moveaxis(xp.tensordot(matrix, x, axes=((1,), (axis,))), 0, axis)


def _checked(factors: Sequence[Any], damping: float | Sequence[float]) -> list[_Factor]:
    if not factors:
        raise ValueError("factors must not be empty: pass at least one symmetric matrix")
    matrices = [symmetric_operator(x, f"factors[{i}]").dense() for i, x in enumerate(factors)]
    if not all(same_place(matrices[0], matrix) for matrix in matrices):
        raise TypeError("factors must all be NumPy arrays or all be torch tensors on one device")
    dampings = [damping] * len(matrices) if isinstance(damping, (int, float)) else list(damping)
    if len(dampings) != len(matrices):
        raise ValueError(f"damping must have one entry per factor ({len(matrices)}), got {len(dampings)}")
    xp = namespace(*matrices)
    like = xp.empty(0, dtype=xp.result_type(*matrices), device=matrices[0].device)
    return [
        _Factor(_damped(as_array(matrix, like), as_nonnegative(a, "damping")))
        for matrix, a in zip(matrices, dampings, strict=True)
    ]


def _damped(matrix: Array, damping: float) -> Array:
    if damping == 0:
        return matrix
    xp = namespace(matrix)
    return matrix + damping * xp.eye(matrix.shape[0], dtype=matrix.dtype, device=matrix.device)
