"""Quadratic forms of the inverse with the determinant beside them: what the density of a Gaussian needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import scipy.sparse

from thermolinalg._arrays import Array, dtype_name, eps, is_torch, namespace
from thermolinalg._autograd import detached, wants_gradients, with_gradient_of
from thermolinalg._info import Info
from thermolinalg._validation import checked_array
from thermolinalg.operators.read import ReadMatrix, complexify, realify
from thermolinalg.primitives._rhs import read_rhs

__all__ = ["QuadraticForm", "form_of", "variances_of"]


class QuadraticForm(NamedTuple):
    """A quadratic form of the inverse, and the determinant that goes with it in a Gaussian density.

    Parameters
    ----------
    value : scalar or array, shape (k,)
        bᴴA⁻¹b.
    logdet : scalar
        log|det A|.
    """

    value: Any
    logdet: Any


def form_of(
    read: ReadMatrix, b: Any, solved: tuple[Array, Info], measured: tuple[Any, Info]
) -> tuple[QuadraticForm, Info]:
    """The form of b, from x = A⁻¹b and log|det A| as they were found, and its report."""
    (given, solution), (logdet, determinant) = solved, measured
    rhs, x = read_rhs(read, detached(b)), detached(given)
    block, columns = rhs.block, x[:, None] if rhs.is_vector else x
    xp = namespace(block)
    value = xp.sum(xp.conj(block) * columns, axis=0)
    if read.symmetric:
        # xᴴr more makes it right to second order in the error of x.
        value = value + xp.sum(xp.conj(columns) * (block - _product(read, columns)), axis=0)
        value = xp.real(value) if "complex" in dtype_name(value) else value

    precision = eps(abs(block))

    def of_solution() -> Any:
        error = solution.standard_error[:, None] if rhs.is_vector else solution.standard_error
        bound = xp.sum(abs(block) * error, axis=0) * (precision if read.symmetric else 1.0)
        return bound[0] if rhs.is_vector else bound

    def of_sum() -> Any:
        return precision * abs(value[0] if rhs.is_vector else value)

    info = Info(solution)
    info.update(
        success=bool(solution.success and determinant.success),
        status=max(solution.status, determinant.status),
        message=f"form: {solution.message}; log det: {determinant.message}",
        noise=of_solution,
        rounding=of_sum,
        systematic=lambda: 0.0 * of_sum(),
        standard_error=lambda: of_solution() + of_sum(),
        solve=solution,
        logdet=determinant,
    )
    form = value[0] if rhs.is_vector else value
    if wants_gradients(given):
        loads = b.to(given.dtype) if is_torch(b) else rhs.given
        history = (loads.conj() * given).sum(dim=0)
        form = with_gradient_of(form, history.real if read.symmetric else history)
    return QuadraticForm(form, logdet), info


def variances_of(read: ReadMatrix, L: Any, solve: Callable[[Array], tuple[Array, Info]]) -> tuple[Array, Info]:
    """diag(L A⁻¹ Lᴴ) for rows L, from solutions of the columns of Lᴴ, and its report."""
    rows = L.toarray() if scipy.sparse.issparse(L) else checked_array(detached(L), "L", ndim=(1, 2))
    matrix = rows[None, :] if rows.ndim == 1 else rows
    xp = namespace(matrix)
    numbers = read_rhs(read, xp.conj(matrix).T, name="Lᴴ").block
    loads = L.reshape(matrix.shape).mH.to(numbers.dtype) if wants_gradients(L) else numbers
    x, info = solve(loads)
    variances = xp.sum(xp.conj(loads) * x, axis=0)
    if read.symmetric:
        variances = xp.real(variances) if "complex" in dtype_name(variances) else variances

    def weighed(part: str) -> Any:
        sums = xp.sum(abs(numbers) * info[part], axis=0)
        return sums[0] if rows.ndim == 1 else sums

    told = Info(info)
    told.update({part: partial(weighed, part) for part in ("noise", "rounding", "systematic", "standard_error")})
    return variances[0] if rows.ndim == 1 else variances, told


def _product(read: ReadMatrix, x: Array) -> Array:
    """A x in the user's numbers."""
    operator = read.operator
    if read.is_complex:
        return complexify(operator.apply(realify(x)))
    if "complex" in dtype_name(x):
        xp = namespace(x)
        return operator.apply(xp.real(x)) + 1j * operator.apply(xp.imag(x))
    return operator.apply(x)
