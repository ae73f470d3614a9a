"""The scaled problem on which the iterations run, and its certificates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from thermoapps.quadratic_program.problem import Problem, Vector
from thermoapps.quadratic_program.solution import Rows, support

__all__ = ["Scaled", "saddle"]

RUIZ = 15
"""Passes of equilibration at most; each halves the logarithm of what is left."""

ALIKE = 0.7
"""Rows and columns whose largest entries lie between this and one over it need no other pass: both are rounded."""

FORMED = 200
"""Unknowns up to which matrices are dense: sparse ones cost more to handle than their zeros save."""

FULL = 0.2
"""Share of entries that are not zero from which on larger matrices are dense, too."""

MARGIN = 1e3
"""A certificate of infeasibility excludes all points up to this many times the size of the iterates."""


@dataclass
class Scaled:
    """The problem min ½ xᵀPx + qᵀx with below ≤ Cx ≤ above, after x → D x, rows → E rows and cost → c cost.

    Parameters
    ----------
    problem : Problem
        As it was given.
    cost : sparse array, or array where the problem is small
        Its P; all other matrices are of that kind.
    rows : tuple
        All its rows, as `Problem.rows`.
    P, C : sparse array, or array
        Cost, shape (n, n), and constraints that constrain, shape (m, n).
    q, below, above : ndarray
        Linear cost and limits.
    D, E : ndarray
        Scales of columns and rows.
    c : float
        Scale of the cost.
    kept : ndarray
        Indices of these rows among all rows of the problem.
    """

    problem: Problem
    cost: Any
    rows: Rows
    P: Any
    q: Vector
    C: Any
    below: Vector
    above: Vector
    D: Vector
    E: Vector
    c: float
    kept: NDArray[np.intp]

    @classmethod
    def of(cls, problem: Problem) -> Scaled:
        """Equilibrated by Ruiz's method: rows and columns of [[P, Cᵀ], [C, 0]] get largest entries near 1, exactly."""
        below, above = problem.limits()
        kept, n = np.flatnonzero(np.isfinite(below) | np.isfinite(above)), problem.n
        if n + len(kept) <= FORMED:
            P, rows = problem.P.toarray(), np.vstack([problem.G.toarray(), problem.A.toarray(), np.eye(n)])
        else:
            P, rows = problem.P, problem.rows()[0]
        C = rows if len(kept) == len(below) else rows[kept]
        D, E = np.split(_equilibrated(P, C), [n])
        given, P, C, q = (P, (rows, below, above)), _scaled(P, D, D), _scaled(C, E, D), D * problem.q
        size = max(float(_largest(P).mean()), float(np.abs(q).max()))
        c = float(_binary(1 / size)) if size > 0 else 1.0
        return cls(problem, *given, c * P, c * q, C, E * below[kept], E * above[kept], D, E, c, kept)

    def with_vectors(self, problem: Problem) -> Scaled | None:
        """The same matrices and scales with the vectors of another problem; None where other rows have limits."""
        below, above = problem.limits()
        if not np.array_equal(np.flatnonzero(np.isfinite(below) | np.isfinite(above)), self.kept):
            return None
        limits: dict[str, Any] = {"below": self.E * below[self.kept], "above": self.E * above[self.kept]}
        rows = self.rows[0], below, above
        return replace(self, problem=problem, rows=rows, q=self.c * self.D * problem.q, **limits)

    @cached_property
    def pins(self) -> tuple[NDArray[np.intp], Vector]:
        """The column of the only entry of each row, and that entry; −1 and zero for rows of several."""
        if isinstance(self.C, np.ndarray):
            single, columns = np.count_nonzero(self.C, axis=1) == 1, np.abs(self.C).argmax(axis=1)
            entries = self.C[np.arange(len(single)), columns]
        else:
            single, first = np.diff(self.C.indptr) == 1, self.C.indptr[:-1]
            columns, entries = np.append(self.C.indices, 0)[first], np.append(self.C.data, 0.0)[first]
        return np.where(single, columns, -1), np.where(single, entries, 0.0)

    def from_user(self, x: Vector, v: Vector) -> tuple[Vector, Vector]:
        """Point and multipliers of all rows of the problem as given, scaled."""
        return x / self.D, v[self.kept] * self.c / self.E

    def x_to_user(self, x: Vector) -> Vector:
        """X of the problem as given."""
        return self.D * x

    def v_to_user(self, v: Vector) -> Vector:
        """Multipliers of all rows of the problem as given."""
        full = np.zeros(len(self.rows[1]))
        full[self.kept] = self.E * v / self.c
        return full

    def excess(self, x: Vector, v: Vector) -> float:
        """The tolerance to which the conditions of optimality are met, both as given and scaled.

        In the units given, a row of small numbers may be violated as a whole and not be seen beside the large ones.
        Powers of two make one the other without rounding.
        """
        Cx, Px, Cv = self.C @ x, self.P @ x, v @ self.C
        near = np.clip(Cx, self.below, self.above)
        rows, columns = np.stack([Cx - near, near]), np.stack([Px + self.q + Cv, Px, self.q, Cv])
        bend, slope = float(x @ Px), float(self.q @ x)
        gap = np.abs([bend + slope + support(self.below, self.above, v), bend / 2 + slope])
        shares = []
        for E, D, c in ((1.0, 1.0, 1.0), (self.E, self.D, self.c)):
            violated, limit = np.abs(rows / E).max(axis=1, initial=0.0)
            slack, *sizes = np.abs(columns / (c * D)).max(axis=1)
            shares += [violated / (1 + limit), slack / (1 + max(sizes)), gap[0] / (c + gap[1])]
        return float(np.max(shares))  # NumPy's maximum hands NaN on

    def violation(self, x: Vector) -> float:
        """Largest violation of a scaled constraint."""
        Cx = self.C @ x
        return float(np.abs(Cx - np.clip(Cx, self.below, self.above)).max(initial=0.0))

    def proves_primal_infeasible(self, v: Vector, x: Vector) -> bool:
        """Whether Cᵀv = 0 and support(v) < 0, so clearly that no x of up to MARGIN times this size is feasible.

        A feasible x has vᵀCx ≤ support(v) and vᵀCx ≥ −‖Cᵀv‖∞ ‖x‖₁.
        """
        size = np.abs(v).max(initial=0.0)
        if size == 0:
            return False
        v = np.where(np.abs(v) < 1e-12 * size, 0.0, v / size)
        reach = MARGIN * max(1.0, float(np.abs(x).sum()))
        value = support(self.below, self.above, v)
        return bool(value < -1e-9 and np.abs(self.C.T @ v).max() * reach <= -value)

    def proves_dual_infeasible(self, d: Vector, x: Vector, v: Vector) -> bool:
        """Whether the cost falls along d for ever, so clearly that no dual point up to MARGIN times this size exists.

        A dual feasible (x, v) has qᵀd ≥ −‖x‖₁ ‖Pd‖∞ − ‖v‖₁ × the largest violation of the limits by Cd.
        """
        size = np.abs(d).max(initial=0.0)
        if size == 0:
            return False
        d = d / size
        along = self.C @ d
        outside = np.where(np.isfinite(self.above), np.maximum(along, 0), 0)
        outside = outside + np.where(np.isfinite(self.below), np.maximum(-along, 0), 0)
        slack = np.abs(self.P @ d).max() * max(1.0, float(np.abs(x).sum()))
        slack += outside.max(initial=0.0) * max(1.0, float(np.abs(v).sum()))
        fall = -float(self.q @ d)
        return bool(fall > 1e-9 and MARGIN * slack <= fall)


def saddle(P: Any, C: Any, softness: Vector | None = None) -> Any:
    """The matrix [[P, Cᵀ], [C, −S]], dense where that is cheaper; S is diagonal, and zero by default."""
    n, m = P.shape[0], C.shape[0]
    if n + m <= FORMED or _count(P) + 2 * _count(C) > FULL * (n + m) ** 2:
        P, C = (part if isinstance(part, np.ndarray) else part.toarray() for part in (P, C))
        return np.block([[P, C.T], [C, np.zeros((m, m)) if softness is None else np.diag(-softness)]])
    if not m:
        return sp.csr_array(P)
    S = None if softness is None else sp.diags_array(-softness)
    return sp.block_array([[sp.csr_array(P), sp.csr_array(C).T], [sp.csr_array(C), S]], format="csr")


def _count(matrix: Any) -> int:
    """Entries that are not zero, for all that is known."""
    return int(matrix.size if isinstance(matrix, np.ndarray) else matrix.nnz)


def _entries(matrix: Any) -> tuple[Any, Any, Any]:
    """Rows, columns and values of all entries that are not zero."""
    if not isinstance(matrix, np.ndarray):
        matrix = matrix.tocoo()
        return matrix.row, matrix.col, matrix.data
    rows, columns = np.nonzero(matrix)
    return rows, columns, matrix[rows, columns]


def _equilibrated(P: Any, C: Any) -> Vector:
    """Scales of the columns and then the rows of C, found on the entries of [[P, Cᵀ], [C, 0]] alone."""
    n, scales = P.shape[0], np.ones(P.shape[0] + C.shape[0])
    (p_row, p_column, p), (c_row, c_column, c) = _entries(P), _entries(C)
    sizes = np.abs(np.concatenate([p, c, c]))
    row, column = np.concatenate([p_row, c_column, n + c_row]), np.concatenate([p_column, n + c_row, c_column])
    order = np.argsort(row, kind="stable")
    sizes, row, column = sizes[order], row[order], column[order]
    if not len(row):
        return scales
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    there = row[starts]
    for _ in range(RUIZ):
        largest = np.maximum.reduceat(sizes * scales[row] * scales[column], starts)
        scales[there] /= np.sqrt(largest)
        if largest.min() > ALIKE and largest.max() < 1 / ALIKE:
            break
    return np.asarray(_binary(scales))


def _binary(scales: Any) -> Any:
    """The nearest powers of two, which scale without rounding."""
    return np.exp2(np.round(np.log2(scales)))


def _largest(P: Any) -> Vector:
    """Size of the largest entry of each column."""
    largest = abs(P).max(axis=0)
    return largest if isinstance(P, np.ndarray) else np.asarray(largest.toarray(), dtype=float).ravel()


def _scaled(matrix: Any, rows: Vector, columns: Vector) -> Any:
    """Rows and columns of an array, or CSR array, times a number each."""
    if isinstance(matrix, np.ndarray):
        return rows[:, None] * matrix * columns
    data = matrix.data * np.repeat(rows, np.diff(matrix.indptr)) * columns[matrix.indices]
    return sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)
