"""Quadratic forms of the inverse with the determinant beside them: what the density of a Gaussian needs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thermolinalg._arrays import Array, dtype_name, eps, namespace
from thermolinalg._info import Info
from thermolinalg._validation import is_finite
from thermolinalg.operators.read import ReadMatrix, complexify, realify
from thermolinalg.primitives._rhs import RightHandSide, read_rhs

__all__ = ["QuadraticForm", "form_of"]

SMALL = 0.1
"""Share of a form up to which a correction of it is one."""


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
    with np.errstate(over="ignore", invalid="ignore"):
        form, info = _form_of(read, rhs, x, logdet, solution, determinant)
    if not is_finite(namespace(x).asarray(form.value)):
        raise ValueError(f"the quadratic form leaves the range of {dtype_name(abs(x))}; scale A or b")
    return form, info


def _form_of(
    read: ReadMatrix, rhs: RightHandSide, x: Array, logdet: Any, solution: Info, determinant: Info
) -> tuple[QuadraticForm, Info]:
    """The same, infinite where it leaves the range."""
    block, columns = rhs.block, x[:, None] if rhs.is_vector else x
    xp = namespace(block)
    value, weights = xp.sum(xp.conj(block) * columns, axis=0), abs(block)
    residual = _residual(read, block, columns) if read.symmetric else None
    if residual is not None:
        # xᴴr more makes it right to second order in the error of x; the rounding of a plain residual would not.
        correction = xp.sum(xp.conj(columns) * residual, axis=0)
        # What is not small beside the form comes of a residual whose products left the range, or of a crude x.
        if bool(xp.all(abs(correction) <= SMALL * abs(value))):
            value, weights = value + correction, abs(residual)
    if read.symmetric and "complex" in dtype_name(value):
        value = xp.real(value)

    def of_solution() -> Any:
        error = solution.standard_error[:, None] if rhs.is_vector else solution.standard_error
        bound = xp.sum(weights * error, axis=0)
        return bound[0] if rhs.is_vector else bound

    def of_sum() -> Any:
        bound = eps(abs(block)) * xp.sum(abs(block) * abs(columns), axis=0)
        return bound[0] if rhs.is_vector else bound

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


def _residual(read: ReadMatrix, b: Array, x: Array) -> Array | None:
    """b − A x in the user's numbers, in extended precision; None where there is none, or they are too large for it."""
    operator, xp = read.operator, namespace(b)

    def extended(b: Array, x: Array) -> Array | None:
        if 0 in x.shape:
            return None
        with np.errstate(over="ignore", invalid="ignore"):
            r = operator.extended_residual(b, x, xp.zeros_like(x))
        return r if r is not None and is_finite(r) else None

    if read.is_complex:
        r = extended(realify(b), realify(x))
        return None if r is None else complexify(r)
    if "complex" not in dtype_name(x):
        return extended(b, x)
    parts = extended(xp.real(b), xp.real(x)), extended(xp.imag(b), xp.imag(x))
    return None if parts[0] is None or parts[1] is None else parts[0] + 1j * parts[1]
