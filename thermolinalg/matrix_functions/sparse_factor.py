"""The one place where a sparse positive definite matrix is factorised: by CHOLMOD if that is there, else by SuperLU."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any, Protocol

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from thermolinalg._arrays import Array, as_array, on_host
from thermolinalg.matrix_functions.selected_inverse import inverse_diagonal
from thermolinalg.operators import Sparse

__all__ = ["SparseFactor", "cholmod", "sparse_factor", "symmetric_lu"]


PRECISE = 1e6
"""Ratio of pivots, the condition number but for a factor of d, up to which a solve takes roots: beyond it, rounding
would show in them."""


class SparseFactor(Protocol):
    """A = W⁻ᵀ W⁻¹ for sparse A, on the host, with W = Pᵀ L⁻ᵀ."""

    name: str

    @property
    def entries(self) -> int:
        """Numbers in L."""
        ...

    def solve(self, v: Array) -> Array:
        """A⁻¹ V for a block (d, k)."""
        ...

    def root(self, v: Array) -> Array:
        """W V, so that W z with white z has the covariance A⁻¹."""
        ...

    def inverse_diagonal(self) -> Iterator[Array | None]:
        """The diagonal of A⁻¹ as the last item; None while it works."""
        ...


@cache  # looking for what is not there takes as long as a few products
def cholmod() -> Any:
    """The module sksparse.cholmod of scikit-sparse 0.4; None where there is none."""
    try:
        from sksparse import cholmod
    except ImportError:
        return None
    # Release 0.5 has other names for everything.
    return cholmod if hasattr(cholmod, "analyze") else None


def sparse_factor(operator: Sparse) -> SparseFactor:
    """Factorise a symmetric positive definite sparse matrix.

    Parameters
    ----------
    operator : Sparse

    Returns
    -------
    SparseFactor

    Raises
    ------
    LinAlgError
        A is not positive definite, with the pivot that shows it.

    References
    ----------
    Chen, Davis, Hager and Rajamanickam, Algorithm 887: CHOLMOD, ACM Trans. Math. Softw. 35, 22 (2008); Li, An overview
    of SuperLU, ACM Trans. Math. Softw. 31, 302 (2005).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> factor = sparse_factor(Sparse(scipy.sparse.csr_array([[2.0, 1.0], [1.0, 2.0]])))
    >>> bool(np.allclose(factor.solve(np.array([[3.0], [3.0]])), 1.0))
    True
    """
    package = cholmod()
    if package is not None:
        try:
            return Cholmod(operator, package)
        except package.CholmodNotPositiveDefiniteError:
            pass  # SuperLU goes on, and says where A is singular or indefinite
    return SuperLDL(operator)


def symmetric_lu(matrix: Any) -> scipy.sparse.linalg.SuperLU:
    """L U of a symmetric sparse matrix, real or complex, without row exchanges; RuntimeError if a pivot is zero.

    Parameters
    ----------
    matrix : sparse array, shape (d, d)
        Definite, or with a definite imaginary part.

    Returns
    -------
    SuperLU

    References
    ----------
    George, Ikramov and Kucherov, On the growth factor in Gaussian elimination for generalized Higham matrices, Numer.
    Linear Algebra Appl. 9 (2002).
    """
    # The columns of a symmetric matrix are its rows, as they stand.
    return scipy.sparse.linalg.splu(
        scipy.sparse.csr_array(matrix).T,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )


class Cholmod:
    """P A Pᵀ = L Lᵀ by supernodes, which is dense algebra for most of the work."""

    name = "CHOLMOD"

    def __init__(self, operator: Sparse, package: Any) -> None:
        # In this mode a pivot that is not positive is an error.
        matrix = scipy.sparse.csc_matrix(operator.matrix.astype(np.float64, copy=False).T)
        self.factor, self.like = package.cholesky(matrix, mode="supernodal"), operator.like
        self.solve, self.root = on_host(self.factor.solve_A, self.like), on_host(self._root, self.like)

    @cached_property
    def _unit(self) -> tuple[Any, np.ndarray]:
        """L with a unit diagonal, and the pivots."""
        lower, pivots = self.factor.L_D()
        return lower, pivots.diagonal()

    @property
    def entries(self) -> int:
        return int(self._unit[0].nnz)

    def _root(self, v: np.ndarray) -> np.ndarray:
        return np.asarray(self.factor.apply_Pt(self.factor.solve_Lt(v, use_LDLt_decomposition=False)))

    def inverse_diagonal(self) -> Iterator[Array | None]:
        for found in inverse_diagonal(*self._unit):
            yield None if found is None else as_array(self.factor.apply_Pt(found), self.like)


class SuperLDL:
    """P A Pᵀ = L D Lᵀ by SuperLU in symmetric mode, from L U with U = D Lᵀ."""

    name = "SuperLU"

    def __init__(self, operator: Sparse) -> None:
        try:
            self.lu = symmetric_lu(operator.matrix.astype(np.float64, copy=False))
        except RuntimeError:
            raise np.linalg.LinAlgError(
                "A is singular: a pivot of its factorisation is exactly zero; "
                "use pinv or lstsq for the minimum-norm solution"
            ) from None
        self.like, self.pivots, self.order = operator.like, self.lu.U.diagonal(), self.lu.perm_c
        self.solve, self.root = on_host(self.lu.solve, self.like), on_host(self._root, self.like)
        if np.any(self.lu.perm_r != self.lu.perm_c) or np.any(self.pivots <= 0):
            raise np.linalg.LinAlgError(
                f"A is not positive definite: the smallest pivot of its factorisation is {self.pivots.min():.6g}; "
                "pass assume_a='gen'"
            )

    @property
    def entries(self) -> int:
        return int(self.lu.L.nnz)

    def _root(self, v: np.ndarray) -> np.ndarray:
        scaled = np.sqrt(self.pivots)[:, None] * v
        if self.pivots.max() > PRECISE * self.pivots.min():
            # L⁻ᵀ is U⁻¹ D.
            upper = self.lu.U.tocsr()
            return np.asarray(scipy.sparse.linalg.spsolve_triangular(upper, scaled, lower=False)[self.order])
        # A⁻¹ Pᵀ L D^{1/2} is the same, and SuperLU's own solves are ten times as fast as a triangular one by itself.
        return np.asarray(self.lu.solve((self.lu.L @ scaled)[self.order]))

    def inverse_diagonal(self) -> Iterator[Array | None]:
        for found in inverse_diagonal(self.lu.L, self.pivots):
            yield None if found is None else as_array(found[self.order], self.like)
