"""Quadratic forms of the inverse with the determinant beside them: what the density of a Gaussian needs."""

from __future__ import annotations

from typing import Any, NamedTuple

from thermolinalg._arrays import Array, dtype_name, eps, namespace
from thermolinalg._info import Info
from thermolinalg.operators.read import ReadMatrix, complexify, realify
from thermolinalg.primitives._rhs import read_rhs

__all__ = ["QuadraticForm", "form_of"]


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
    (x, solution), (logdet, determinant) = solved, measured
    rhs = read_rhs(read, b)
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
    return QuadraticForm(value[0] if rhs.is_vector else value, logdet), info


def _product(read: ReadMatrix, x: Array) -> Array:
    """A x in the user's numbers."""
    operator = read.operator
    if read.is_complex:
        return complexify(operator.apply(realify(x)))
    if "complex" in dtype_name(x):
        xp = namespace(x)
        return operator.apply(xp.real(x)) + 1j * operator.apply(xp.imag(x))
    return operator.apply(x)
