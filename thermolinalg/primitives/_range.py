"""Numbers of any size: powers of two bring A and b near one, so that no norm or product of theirs overflows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, as_array, namespace, to_numpy
from thermolinalg.operators import Dense, Operator, Sparse
from thermolinalg.operators.read import ReadMatrix
from thermolinalg.primitives._rhs import RightHandSide

__all__ = ["in_range", "matrix_exponent"]


def in_range(loadable: ReadMatrix, rhs: RightHandSide) -> tuple[ReadMatrix, RightHandSide]:
    """The same system in other units where its numbers are so large or small that squares of them would not fit.

    Scaling by powers of two makes no rounding errors; `RightHandSide.restore` goes back to the user's units.

    Parameters
    ----------
    loadable : ReadMatrix
    rhs : RightHandSide

    Returns
    -------
    ReadMatrix
    RightHandSide
    """
    if not rhs.block.shape[0] or not rhs.block.shape[1]:
        return loadable, rhs
    matrix = matrix_exponent(loadable.operator)
    columns = _column_exponents(rhs.block)
    if matrix == 0 and not columns.any():
        return loadable, rhs
    if matrix:
        loadable = replace(loadable, operator=loadable.operator.scaled(2.0**-matrix))
    block = rhs.block * as_array(np.ldexp(1.0, -columns), abs(rhs.block[:1, :]))
    return loadable, replace(rhs, block=block, exponents=columns, matrix_exponent=matrix)


def matrix_exponent(operator: Operator) -> int:
    """The power of two that brings A near one, 0 where its size is not extreme."""
    exponent = int(_exponent(np.array(_size(operator)), operator.like))
    diagonal = operator.diagonal() if exponent > 0 and isinstance(operator, Dense | Sparse) else None
    if diagonal is None:
        return exponent
    # Not so far down that a small diagonal entry, which scaling to a unit diagonal could still save, underflows.
    entries = abs(to_numpy(diagonal))
    smallest = math.frexp(float(np.min(entries, initial=1.0, where=entries > 0)))[1]
    lowest = math.frexp(float(namespace(operator.like).finfo(operator.like.dtype).smallest_normal))[1]
    return max(min(exponent, smallest - lowest - 8), 0)


def _column_exponents(block: Array) -> np.ndarray:
    xp = namespace(block)
    return _exponent(to_numpy(xp.max(abs(block), axis=0)), block)


def _exponent(sizes: np.ndarray, like: Array) -> np.ndarray:
    """Exponents of sizes beyond the fourth root of the largest number; never so large that 2^-e overflows itself."""
    largest = math.frexp(float(namespace(like).finfo(like.dtype).max))[1]
    exponents = np.frexp(np.where(np.isfinite(sizes), sizes, 1.0))[1]
    exponents = np.clip(exponents, 8 - largest, largest - 8)
    return np.where(abs(exponents) > largest // 4, exponents, 0)


def _size(operator: Operator) -> float:
    """The size of the entries of A, as cheaply as it can be had."""
    if isinstance(operator, Dense | Sparse):
        entries: Any = operator.matrix if isinstance(operator, Dense) else operator.matrix.data
        xp = namespace(entries)
        return max(float(xp.max(entries)), -float(xp.min(entries))) if math.prod(entries.shape) else 0.0
    with np.errstate(over="ignore"):
        bound = operator.norm_bound()
        if bound is None:
            signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(operator.shape[1], 1))
            product = operator.apply(as_array(signs, operator.like))
            bound = float(namespace(product).max(abs(product)))
    return bound
