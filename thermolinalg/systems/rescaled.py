"""Numbers of any size: powers of two bring rows, columns and right-hand sides near one, without a rounding error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, as_array, column_maxima, dtype_name, namespace, random_signs, to_numpy
from thermolinalg.operators import Dense, Operator, Sparse
from thermolinalg.systems.base import System

__all__ = ["Rescaled", "Unscaled", "column_exponents", "matrix_exponent", "times_two_to"]


@dataclass(frozen=True)
class Rescaled(System):
    """A x = b as (2^−e R A C) y = 2^−f R b, x = 2^(f − e) C y, with R, C diagonal and all factors powers of two.

    Parameters
    ----------
    rows, columns : array, shape (m,) and (n,), optional
        Diagonals of R and C; None is the identity.
    matrix_exponent : int, optional
        e.
    exponents : ndarray of int, shape (k,), optional
        f, one for each right-hand side; None is zero.

    See Also
    --------
    NormalEquations, Embedded, System, Chain : Systems around a device.
    """

    rows: Array | None = None
    columns: Array | None = None
    matrix_exponent: int = 0
    exponents: np.ndarray | None = None

    def into(self, b: Array) -> Array:
        if self.exponents is None:
            return b if self.rows is None else self.rows[:, None] * b
        if self.rows is None:
            return times_two_to(-self.exponents, b)
        # Rows between two halves: what a small entry of b lost on the way, they could not bring back.
        half = -self.exponents // 2
        return times_two_to(-self.exponents - half, self.rows[:, None] * times_two_to(half, b))

    def back(self, x: Array) -> Array:
        """Outer solutions; ValueError where they leave the range of the dtype."""
        outer = self.back_error(x)
        if self._exponent is not None or self.columns is not None:
            _refuse_out_of_range(x, outer)
        return outer

    def back_error(self, e: Array) -> Array:
        exponent = self._exponent
        if self.columns is not None:
            with np.errstate(over="ignore", under="ignore"):
                e = self.columns[:, None] * e
        return e if exponent is None else times_two_to(exponent, e)

    def start(self, x: Array) -> Array:
        """Inner guesses of outer ones x (n, k)."""
        exponent = self._exponent
        if exponent is not None:
            x = times_two_to(-exponent, x)
        return x if self.columns is None else x / self.columns[:, None]

    def tolerance(self, t: Array) -> Array:
        """Norms in the outer units over 2^f; `rows` is left to who measures residuals."""
        if self.exponents is None:
            return t
        with np.errstate(over="ignore"):
            return as_array(np.ldexp(to_numpy(t), -self.exponents), t)

    def norms(self, norms: np.ndarray) -> np.ndarray:
        """Norms (k,) of outer residuals from the same over 2^f."""
        if self.exponents is None:
            return norms
        with np.errstate(over="ignore"):
            return np.asarray(np.ldexp(norms, self.exponents))

    @property
    def _exponent(self) -> np.ndarray | None:
        if self.exponents is None:
            return None if self.matrix_exponent == 0 else np.array([-self.matrix_exponent])
        return self.exponents - self.matrix_exponent


@dataclass(frozen=True)
class Unscaled(System):
    """Balanced (S A S) y = S b as A x = b, for a device that has been given A as it is.

    Residuals are measured in the units of A x = b already, as those of `Rescaled`.

    Parameters
    ----------
    weights : array, shape (n, 1)
        Diagonal of 1/S, powers of two.
    """

    weights: Array

    def into(self, b: Array) -> Array:
        return self.weights * b

    def back(self, x: Array) -> Array:
        return self.weights * x

    def back_error(self, e: Array) -> Array:
        return self.weights * e

    def start(self, x: Array) -> Array:
        return x / self.weights


def matrix_exponent(operator: Operator, *, squared: bool = False) -> int:
    """The power of two that brings A near one, 0 where it is not extreme; `squared`: AᵀA has to be in range."""
    size = _size(operator)
    if _all_near_one([size], operator.like):
        return 0
    exponent = int(_exponent(np.array(size), operator.like))
    if exponent <= 0 or not isinstance(operator, Dense | Sparse):
        return exponent
    # Not so far down that a small entry, which balancing rows and columns could still save, underflows: any entry while
    # squares stay in range; one of the diagonal, which scaling that to one needs, whatever becomes of squares.
    limits = namespace(operator.like).finfo(operator.like.dtype)
    lowest, highest = (math.frexp(float(limit))[1] for limit in (limits.smallest_normal, limits.max))
    entries = operator.matrix if isinstance(operator, Dense) else operator.matrix.data
    saved = max(_smallest(entries) - lowest - 8, exponent - highest // 4)
    return max(min(exponent, saved, exponent if squared else _smallest(operator.diagonal()) - lowest - 8), 0)


def _smallest(entries: Array) -> int:
    """Exponent of the smallest entry that is not zero, at most that of one."""
    sizes = abs(to_numpy(entries))
    return math.frexp(float(np.min(sizes, initial=1.0, where=sizes > 0)))[1]


def column_exponents(block: Array, rows: Array | None = None) -> np.ndarray | None:
    """The powers of two that bring the columns of a block near one; None where no column is extreme.

    Where `rows` (m,) that will scale it are extreme themselves, midway between the sizes before and after.
    """
    if rows is not None and not _all_near_one([float(rows.max()), float(rows.min())], block):
        return _midway(to_numpy(abs(block)), to_numpy(rows), _largest_exponent(namespace(block), block.dtype))
    sizes = to_numpy(column_maxima(block))
    if _all_near_one(sizes.tolist(), block):
        return None
    exponents = _exponent(sizes, block)
    return exponents if exponents.any() else None


def _midway(sizes: np.ndarray, rows: np.ndarray, largest: int) -> np.ndarray:
    """Exponents midway between those of the columns of a block and of the same with its rows scaled."""
    before = np.frexp(sizes)[1]
    after = before + np.frexp(rows)[1][:, None]
    high = [np.max(e, axis=0, initial=-4 * largest, where=sizes > 0) for e in (before, after)]
    return np.where((sizes > 0).any(axis=0), np.clip((high[0] + high[1]) // 2, 8 - largest, largest - 8), 0)


def times_two_to(exponents: np.ndarray, x: Array) -> Array:
    """x (n, k) times 2^exponents, in two halves so that only the result can leave the range."""
    real, half = abs(x[:1, :]), exponents // 2
    with np.errstate(over="ignore", under="ignore"):
        return x * as_array(np.ldexp(1.0, half), real) * as_array(np.ldexp(1.0, exponents - half), real)


def _refuse_out_of_range(x: Array, scaled: Array) -> None:
    """ValueError if scaling x (n, k) made a column overflow, or vanish although it is not zero."""
    xp = namespace(x)
    before, after = xp.max(abs(x), axis=0), xp.max(abs(scaled), axis=0)
    if not bool(xp.all(xp.isfinite(after) & ((after > 0) | (before == 0)))):
        raise ValueError(f"the solution leaves the range of {dtype_name(after)}; scale A or b")


def _all_near_one(sizes: list[float], like: Array) -> bool:
    """Whether every size is zero or between the fourth root of the largest number and its inverse."""
    root = math.ldexp(1.0, _largest_exponent(namespace(like), like.dtype) // 4)
    return all(0.5 / root <= size < root or size == 0 for size in sizes)


@lru_cache(maxsize=16)
def _largest_exponent(xp: Any, dtype: Any) -> int:
    """That of the largest number of a dtype: finfo takes as long as a small product."""
    return math.frexp(float(xp.finfo(dtype).max))[1]


def _exponent(sizes: np.ndarray, like: Array) -> np.ndarray:
    """Exponents of sizes beyond the fourth root of the largest number; never so large that 2^-e overflows itself."""
    largest = _largest_exponent(namespace(like), like.dtype)
    exponents = np.frexp(np.where(np.isfinite(sizes), sizes, 1.0))[1]
    exponents = np.clip(exponents, 8 - largest, largest - 8)
    return np.where((abs(exponents) > largest // 4) & (sizes > 0), exponents, 0)


def _size(operator: Operator) -> float:
    """The size of the entries of A, as cheaply as it can be had."""
    if isinstance(operator, Dense | Sparse):
        entries: Any = operator.matrix if isinstance(operator, Dense) else operator.matrix.data
        xp = namespace(entries)
        return max(float(xp.max(entries)), -float(xp.min(entries))) if math.prod(entries.shape) else 0.0
    with np.errstate(over="ignore"):
        bound = operator.norm_bound()
        return _size_of_products(operator) if bound is None else bound


def _size_of_products(operator: Operator) -> float:
    """The size of A v for a v of random signs, at most the largest number there is."""
    xp, like = namespace(operator.like), operator.like
    signs = random_signs(np.random.default_rng(0), (operator.shape[1], 1), like)
    unit, most = math.ldexp(1.0, -_largest_exponent(xp, like.dtype) // 2), float(xp.finfo(like.dtype).max)
    try:
        product, unit = operator.apply(signs), 1.0
    except ValueError:  # it overflows
        product = operator.apply(signs * unit)
    return min(float(xp.max(abs(product))) / unit, most)
