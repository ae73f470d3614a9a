"""The scaled problem on which the iterations run, and its certificates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from thermoapps.quadratic_program.problem import Problem, Vector
from thermoapps.quadratic_program.solution import support

__all__ = ["Scaled"]

RUIZ = 15
"""Passes of equilibration; each halves the logarithm of what is left."""

MARGIN = 1e3
"""A certificate of infeasibility excludes all points up to this many times the size of the iterates."""


@dataclass
class Scaled:
    """The problem min ½ xᵀPx + qᵀx with below ≤ Cx ≤ above, after x → D x, rows → E rows and cost → c cost.

    Parameters
    ----------
    P, C : sparse array
        Cost, shape (n, n), and constraints that constrain, shape (m, n).
    q, below, above : ndarray
        Linear cost and limits.
    D, E : ndarray
        Scales of columns and rows.
    c : float
        Scale of the cost.
    kept : ndarray
        Indices of these rows among all rows of the problem.
    n_rows : int
        Number of all rows of the problem.
    """

    P: Any
    q: Vector
    C: Any
    below: Vector
    above: Vector
    D: Vector
    E: Vector
    c: float
    kept: Any
    n_rows: int

    @classmethod
    def of(cls, problem: Problem) -> Scaled:
        """Equilibrated by Ruiz's method: rows and columns of [[P, Cᵀ], [C, 0]] get largest entries near 1."""
        C, below, above = problem.rows()
        kept = np.flatnonzero(np.isfinite(below) | np.isfinite(above))
        C, P, q = C[kept], problem.P, problem.q
        D, E = _equilibrated(P.tocoo(), C.tocoo())
        P, C = _scale(P, D, D), _scale(C, E, D)
        size = max(float(_largest(P, 0).mean()), float(np.abs(D * q).max()))
        c = 1 / size if size > 0 else 1.0
        n_rows = len(below)
        return cls(c * P, c * D * q, sp.csr_array(C), E * below[kept], E * above[kept], D, E, c, kept, n_rows)

    def with_vectors(self, q: Vector, below: Vector, above: Vector) -> Scaled:
        """The same matrices and scales with the linear cost and the limits of all rows of another problem."""
        limits = {"below": self.E * below[self.kept], "above": self.E * above[self.kept]}
        return replace(self, q=self.c * self.D * q, **limits)

    def x_to_user(self, x: Vector) -> Vector:
        """X of the problem as given."""
        return self.D * x

    def v_to_user(self, v: Vector) -> Vector:
        """Multipliers of all rows of the problem as given."""
        full = np.zeros(self.n_rows)
        full[self.kept] = self.E * v / self.c
        return full

    def violation(self, x: Vector) -> float:
        """Largest violation of a scaled constraint."""
        Cx = self.C @ x
        return float(np.abs(Cx - np.clip(Cx, self.below, self.above)).max(initial=0.0))

    def stationarity(self, x: Vector, v: Vector) -> float:
        """Largest entry of the scaled gradient of the Lagrangian."""
        return float(np.abs(self.P @ x + self.q + self.C.T @ v).max())

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


def _equilibrated(P: Any, C: Any) -> tuple[Vector, Vector]:
    """Scales of columns and rows after all passes, found on the entries alone."""
    D, E = np.ones(P.shape[1]), np.ones(C.shape[0])
    costs, rows = np.abs(P.data), np.abs(C.data)
    for _ in range(RUIZ):
        cost, row = costs * D[P.row] * D[P.col], rows * E[C.row] * D[C.col]
        columns, lines = np.zeros(len(D)), np.zeros(len(E))
        np.maximum.at(columns, P.col, cost)
        np.maximum.at(columns, C.col, row)
        np.maximum.at(lines, C.row, row)
        D, E = D * _inverse_root(columns), E * _inverse_root(lines)
    return D, E


def _largest(matrix: Any, axis: int) -> Vector:
    if 0 in matrix.shape:
        return np.zeros(matrix.shape[1 - axis])
    return np.asarray(abs(matrix).max(axis=axis).toarray(), dtype=float).ravel()


def _inverse_root(largest: Vector) -> Vector:
    return 1 / np.sqrt(np.where(largest > 0, largest, 1.0))


def _scale(matrix: Any, rows: Vector, columns: Vector) -> Any:
    return sp.csr_array(sp.diags_array(rows) @ matrix @ sp.diags_array(columns)) if len(rows) else matrix
