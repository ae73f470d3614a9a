"""A convex quadratic program, read and checked."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

__all__ = ["Problem", "Vector"]

Vector = NDArray[np.float64]

CONVEX = 1e-8
"""Eigenvalues of P down to this part of its largest entry below zero count as zero, in double precision."""

SYMMETRIC = 1e-10
"""Asymmetry of P, as a part of its largest entry, that counts as rounding in double precision."""


class Problem:
    r"""The problem min ½ xᵀPx + qᵀx with Gx ≤ h, Ax = b, lb ≤ x ≤ ub, as in qpsolvers.

    Parameters
    ----------
    P : array_like or sparse array, shape (n, n)
        Symmetric positive semidefinite, as far as its precision tells: eigenvalues down to −1e-8 of its largest entry
        count as zero, in single precision down to −4 n eps of it.
    q : array_like, shape (n,)
        Linear cost.
    G : array_like or sparse array, shape (m, n), optional
        Inequalities, together with `h`; one row may be a vector.
    h : array_like, shape (m,), optional
        Their right-hand side; +inf is no constraint.
    A : array_like or sparse array, shape (p, n), optional
        Equalities, together with `b`; one row may be a vector.
    b : array_like, shape (p,), optional
        Their right-hand side.
    lb, ub : array_like, shape (n,), optional
        Bounds; infinite entries are no bounds.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN or infinity where none may be, an asymmetric or indefinite P, half a pair.
    TypeError
        Entries that are not real numbers.

    See Also
    --------
    solve_problem, QPDevice, solve_qp, cvxpy_solver : Quadratic programs and who solves them.

    Examples
    --------
    >>> problem = Problem([[2.0, 0.0], [0.0, 2.0]], [-2.0, -5.0], lb=[0.0, 0.0], ub=[1.0, 1.0])
    >>> float(problem.objective([1.0, 1.0]))
    -5.0
    """

    def __init__(
        self,
        P: Any,
        q: Any,
        G: Any = None,
        h: Any = None,
        A: Any = None,
        b: Any = None,
        lb: Any = None,
        ub: Any = None,
    ) -> None:
        self.q = _vector(q, "q")
        n = self.n = len(self.q)
        self.P = _matrix(P, "P", n)
        if self.P.shape != (n, n):
            raise ValueError(f"P has shape {self.P.shape}, q has {n} entries: P must be ({n}, {n})")
        self.P = _convex(self.P, n * float(np.finfo(_precision(P)).eps))
        self.G, self.h = _pair(G, h, "G", "h", n)
        self.A, self.b = _pair(A, b, "A", "b", n)
        self.lb = np.full(n, -np.inf) if lb is None else _vector(lb, "lb", n, infinite=True)
        self.ub = np.full(n, np.inf) if ub is None else _vector(ub, "ub", n, infinite=True)
        self._check_limits()

    def _check_limits(self) -> None:
        """Refuse infinite limits that no x meets."""
        if (self.h == -np.inf).any():
            raise ValueError("h holds -inf, which no x satisfies")
        if np.isinf(self.b).any():
            raise ValueError("b holds infinity: equalities need finite right-hand sides")
        if (self.lb == np.inf).any() or (self.ub == -np.inf).any():
            raise ValueError("lb holds +inf or ub holds -inf, which no x satisfies; for 'no bound' swap the sign")

    def with_vectors(self, **vectors: Any) -> Problem:
        """The same matrices with other vectors.

        Parameters
        ----------
        **vectors : array_like or None
            Any of q, h, b, lb and ub; None leaves one as it is.

        Returns
        -------
        Problem
            Another problem, which shares its matrices with this one.

        Raises
        ------
        ValueError
            As for a new problem.
        """
        other = copy.copy(self)
        for name, value in vectors.items():
            if value is not None:
                before = getattr(self, name)
                if len(before) == 0:
                    raise ValueError(f"{name} belongs to a matrix that the problem does not have; make another Problem")
                setattr(other, name, _vector(value, name, len(before), infinite=name != "q"))
        other._check_limits()
        return other

    def objective(self, x: Any) -> np.float64:
        """½ xᵀPx + qᵀx.

        Parameters
        ----------
        x : array_like, shape (n,)
            Point.

        Returns
        -------
        float
            Cost there.
        """
        x = np.asarray(x, dtype=float)
        return np.float64(0.5 * x @ (self.P @ x) + self.q @ x)

    def rows(self) -> tuple[Any, Vector, Vector]:
        """All constraints as l ≤ Cx ≤ u, the rows of C being those of G, of A and of the identity.

        Returns
        -------
        tuple
            (C, l, u), C a sparse array of shape (m + p + n, n).
        """
        G, A, n = self.G, self.A, self.n
        data, columns = (
            np.concatenate([G.data, A.data, np.ones(n)]),
            np.concatenate([G.indices, A.indices, np.arange(n)]),
        )
        ends = np.concatenate([G.indptr, G.nnz + A.indptr[1:], G.nnz + A.nnz + np.arange(1, n + 1)])
        return sp.csr_array((data, columns, ends), shape=(len(ends) - 1, n)), *self.limits()

    def limits(self) -> tuple[Vector, Vector]:
        """The vectors l and u of `rows`.

        Returns
        -------
        tuple
            (l, u), of shape (m + p + n,) each.
        """
        below = np.concatenate([np.full(len(self.h), -np.inf), self.b, self.lb])
        return below, np.concatenate([self.h, self.b, self.ub])


def _real(value: Any, name: str) -> NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(float)


def _vector(value: Any, name: str, n: int | None = None, *, infinite: bool = False) -> Vector:
    vector = np.atleast_1d(_real(value, name))
    if vector.ndim == 2 and 1 in vector.shape:
        vector = vector.ravel()
    if vector.ndim != 1 or len(vector) == 0:
        raise ValueError(f"{name} must be a vector with at least one entry, got shape {vector.shape}")
    if n is not None and len(vector) != n:
        raise ValueError(f"{name} has {len(vector)} entries, expected {n}")
    if np.isnan(vector).any() or (not infinite and np.isinf(vector).any()):
        raise ValueError(f"{name} holds NaN" + ("" if infinite else " or infinity"))
    return vector


def _matrix(value: Any, name: str, n: int) -> Any:
    if sp.issparse(value):
        _real(np.zeros(0, value.dtype), name)
        matrix = sp.csr_array(value, dtype=float, copy=True)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    else:
        dense = np.atleast_2d(_real(value, name))
        if dense.ndim != 2:
            raise ValueError(f"{name} must be a matrix, got shape {dense.shape}")
        matrix = sp.csr_array(dense)
    if matrix.shape[1] != n:
        raise ValueError(f"{name} has {matrix.shape[1]} columns, expected {n}, one for each entry of q")
    if not np.isfinite(matrix.data).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return matrix


def _pair(matrix: Any, vector: Any, left: str, right: str, n: int) -> tuple[Any, Vector]:
    if matrix is None and vector is None:
        return sp.csr_array((0, n)), np.zeros(0)
    if matrix is None or vector is None:
        raise ValueError(f"{left} and {right} belong together: pass both or neither")
    rows = _matrix(matrix, left, n)
    if rows.shape[0] == 0:
        return rows, np.zeros(0)
    return rows, _vector(vector, right, rows.shape[0], infinite=True)


def _precision(value: Any) -> type[np.floating[Any]]:
    """The precision of what was given: numbers that are not floating ones are exact."""
    dtype = np.dtype(getattr(value, "dtype", np.float64))
    return dtype.type if dtype.kind == "f" else np.float64


def _convex(P: Any, rounding: float) -> Any:
    """P made symmetric; ValueError where it is not, or has a negative eigenvalue, by the signs of its LDLᵀ pivots."""
    largest = abs(P).max() if P.nnz else 0.0
    if largest == 0:
        return P
    if abs(P - P.T).max() > max(SYMMETRIC, rounding) * largest:
        raise ValueError("P is not symmetric; pass (P + P.T) / 2, which has the same cost")
    P = sp.csr_array((P + P.T) / 2)
    shifted = sp.csc_array(P / largest + max(CONVEX, 4 * rounding) * sp.eye_array(P.shape[0]))
    try:
        factors = splu(shifted, "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    except RuntimeError:  # an exact zero pivot: singular although shifted, hence indefinite
        pivots = np.array([-1.0])
    else:
        ordered = np.array_equal(factors.perm_r, factors.perm_c)
        pivots = factors.U.diagonal() if ordered else np.array([-1.0])
    if (pivots <= 0).any():
        raise ValueError("P has a negative eigenvalue: the problem is not convex")
    return P
