"""What A x = b and its relatives have for an answer, and how far a given one is from it."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property

import numpy as np

from . import rational

SWEEPS = 14


class Truth:
    """A matrix of rational numbers, in its real form where it is complex.

    Parameters
    ----------
    A : ndarray, shape (m, n)
        Of floating-point numbers, or of fractions.
    is_complex : bool
        Whether the real form is wanted.
    """

    def __init__(self, A, is_complex=False):
        self.is_complex = bool(is_complex or np.iscomplexobj(A))
        self.A = rational.real_form(A, matrix=True) if self.is_complex and A.dtype.kind != "O" else rational.exact(A)

    @classmethod
    def readings(cls, A, is_complex=False, assume_a=None, lower=False, transposed=False):
        """All that a matrix may stand for: the triangle that is read, else itself; its symmetric part if nearly so."""
        if assume_a in ("pos", "sym", "her") and A.dtype.kind != "O" and A.shape[0] == A.shape[1]:
            whole, half = A, np.tril(A, -1) if lower else np.triu(A, 1)
            hermitian, diagonal = assume_a != "sym", np.diag(A)
            A = half + (half.conj().T if hermitian else half.T) + np.diag(diagonal.real if hermitian else diagonal)
            found = [A, whole / 2 + whole.conj().T / 2] if assume_a == "pos" and nearly_symmetric(whole) else [A]
        else:
            found = [A]
            if A.dtype.kind != "O" and nearly_symmetric(A):
                found.append(A / 2 + A.conj().T / 2)
                if is_single(A):  # then the mean is rounded to that
                    found.append(found[-1].astype(np.complex64 if np.iscomplexobj(A) else np.float32).astype(A.dtype))
        return [cls(a.T if transposed else a, is_complex) for a in found]

    def block(self, b):
        """Vectors as columns of fractions."""
        b = b[:, None] if b.ndim == 1 else b
        return rational.real_form(b, matrix=False) if self.is_complex else rational.exact(b)

    def bar(self, b):
        """Error bars as columns of fractions; those of complex numbers beside nothing."""
        b = b[:, None] if b.ndim == 1 else b
        b = rational.exact(np.asarray(b, dtype=float))
        return np.concatenate([b, 0 * b]) if self.is_complex else b

    def sizes(self, x):
        """Absolute values of the entries of a block over `unit`, and that; complex pairs taken together."""
        unit = max((abs(v) for v in x.ravel()), default=Fraction(0)) or Fraction(1)
        y = np.array([float(v / unit) for v in x.ravel()]).reshape(x.shape)
        n = len(x) // 2
        return (np.hypot(y[:n], y[n:]) if self.is_complex else abs(y)), unit

    @cached_property
    def exponents(self):
        """Of powers of two that balance rows and columns (Ruiz)."""
        with np.errstate(divide="ignore"):
            logs = np.array([[rational.log2(a) for a in row] for row in self.A]).reshape(self.A.shape)
        rows, columns = np.zeros(len(self.A)), np.zeros(self.A.shape[1])
        for _ in range(SWEEPS if self.A.size else 0):
            now = logs + rows[:, None] + columns
            r, c = now.max(axis=1), now.max(axis=0)
            rows -= np.where(np.isfinite(r), r, 0) / 2
            columns -= np.where(np.isfinite(c), c, 0) / 2
        return np.round(rows).astype(int), np.round(columns).astype(int)

    @cached_property
    def balanced(self):
        """The balanced matrix, in double precision."""
        rows, columns = self.exponents
        two = Fraction(2)
        return np.array(
            [
                [float(a * two ** int(r + c)) for a, c in zip(line, columns, strict=True)]
                for line, r in zip(self.A, rows, strict=True)
            ]
        ).reshape(self.A.shape)

    @cached_property
    def singular_values(self):
        return np.linalg.svd(self.balanced, compute_uv=False)

    @property
    def rcond(self):
        s = self.singular_values
        return float(s[-1] / s[0]) if len(s) and s[0] > 0 else (1.0 if not len(s) else 0.0)

    def scaled(self, x, *, side):
        """Rows of unknowns ('columns') or of residuals ('rows') in balanced units."""
        rows, columns = self.exponents
        powers = rows if side == "rows" else -columns
        return np.array([Fraction(2) ** int(p) for p in powers], dtype=object)[:, None] * x if len(powers) else x

    # -- answers ------------------------------------------------------------------------------------------------------

    def residual(self, x, b):
        return b - self.A @ x

    def backward_error(self, x, b):
        """‖b − A x‖/(‖A‖‖x‖ + ‖b‖) for each column, balanced."""
        r, y, c = (
            self.scaled(self.residual(x, b), side="rows"),
            self.scaled(x, side="columns"),
            self.scaled(b, side="rows"),
        )
        size = float(self.singular_values[0]) if len(self.singular_values) else 0.0
        against_x, against_b = rational.quotients(r, y) / (size or 1.0), rational.quotients(r, c)
        with np.errstate(divide="ignore"):
            return 1 / (1 / against_x + 1 / against_b)

    @cached_property
    def log_determinant(self):
        """log|det| of the matrix itself (not of its real form) and its sign; −∞ where it is singular."""
        det = rational.determinant(self.A)
        log = rational.log2(det) * math.log(2) / (2 if self.is_complex else 1)
        return (0 if det == 0 else 1 if det > 0 else -1), log


def nearly_symmetric(A):
    """The criterion of docs/contract.md."""
    if A.shape[0] != A.shape[1]:
        return False
    with np.errstate(all="ignore"):
        size = np.sqrt(abs(np.diag(A)))
        bound = np.outer(size, size) + np.maximum(abs(A), abs(A.T))
        eps = 2.0**-23 if is_single(A) else 2.0**-52
        return bool(np.all(abs(A - A.conj().T) <= 101 * len(A) * eps * bound))


def is_single(A):
    """Whether single precision holds all entries."""
    with np.errstate(all="ignore"):
        return np.array_equal(A, A.astype(np.complex64))
