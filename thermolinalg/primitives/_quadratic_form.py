"""Quadratic forms of the inverse with the determinant beside them: what the density of a Gaussian needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, dtype_name, eps, is_sparse_tensor, is_torch, namespace
from thermolinalg._autograd import detached, wants_gradients, with_gradient_of
from thermolinalg._info import Info
from thermolinalg._validation import checked_array, is_finite
from thermolinalg.operators.read import ReadMatrix, complexify, realify
from thermolinalg.primitives._report import with_budget
from thermolinalg.primitives._rhs import RightHandSide, read_rhs

__all__ = ["QuadraticForm", "form_of", "variances_of"]

SMALL = 0.1
"""Share of a form up to which a correction of it is one."""

EVEN = 2.0**30
"""Unknowns whose sizes differ by no more are even enough for residuals of twice the precision."""


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
    with np.errstate(over="ignore", invalid="ignore"):
        value, info = _value_of(read, rhs, x, solution, determinant)
    if not is_finite(namespace(x).asarray(value)):
        raise ValueError(f"the quadratic form leaves the range of {dtype_name(abs(x))}; scale A or b")
    if wants_gradients(given):
        loads = b.to(given.dtype) if is_torch(b) else rhs.given
        history = (loads.conj() * given).sum(dim=0)
        value = with_gradient_of(value, history.real if read.symmetric else history)
    return QuadraticForm(value, logdet), info


def _value_of(read: ReadMatrix, rhs: RightHandSide, x: Array, solution: Info, determinant: Info) -> tuple[Array, Info]:
    """bᴴx made as good as the residual allows, and the report; infinite where it leaves the range."""
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
    return value[0] if rhs.is_vector else value, with_budget(info)


def variances_of(read: ReadMatrix, L: Any, solve: Callable[[Array], tuple[Array, Info]]) -> tuple[Array, Info]:
    """diag(L A⁻¹ Lᴴ) for rows L, from solutions of the columns of Lᴴ, and its report."""
    L = L.to_dense() if is_sparse_tensor(L) else L
    rows = L.toarray() if scipy.sparse.issparse(L) else checked_array(detached(L), "L", ndim=(1, 2))
    matrix = rows[None, :] if rows.ndim == 1 else rows
    xp = namespace(matrix)
    numbers = read_rhs(read, xp.conj(matrix).T, name="Lᴴ").block
    loads = L.reshape(matrix.shape).mH.to(numbers.dtype) if wants_gradients(L) else numbers
    x, info = solve(loads)
    xp = namespace(x)  # L may be NumPy's beside a tensor A
    variances = xp.sum(xp.conj(loads) * x, axis=0)
    if read.symmetric:
        variances = xp.real(variances) if "complex" in dtype_name(variances) else variances

    def weighed(part: str) -> Any:
        sums = xp.sum(abs(numbers) * info[part], axis=0)
        return sums[0] if rows.ndim == 1 else sums

    told = Info(info)
    told.update({part: partial(weighed, part) for part in ("noise", "rounding", "systematic", "standard_error")})
    return variances[0] if rows.ndim == 1 else variances, with_budget(told)


def _residual(read: ReadMatrix, b: Array, x: Array) -> Array | None:
    """b − A x in the user's numbers, in extended precision; None where there is none, or they are too large for it."""
    xp = namespace(b)

    def extended(b: Array, x: Array) -> Array | None:
        if 0 in x.shape:
            return None
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            # The unknowns near one: twice the precision of the largest says nothing of one that is smaller by more.
            sizes = 2.0 ** xp.round(xp.log2(xp.max(xp.where(x == 0, 1.0, abs(x)), axis=1)))
            even = bool(sizes.max() <= EVEN * sizes.min())
            operator = read.operator if even else read.operator.rescaled(None, sizes)
            x = x if even else x / sizes[:, None]
            r = operator.extended_residual(b, x, xp.zeros_like(x))
        return r if r is not None and is_finite(r) else None

    if read.is_complex:
        r = extended(realify(b), realify(x))
        return None if r is None else complexify(r)
    if "complex" not in dtype_name(x):
        return extended(b, x)
    parts = extended(xp.real(b), xp.real(x)), extended(xp.imag(b), xp.imag(x))
    return None if parts[0] is None or parts[1] is None else parts[0] + 1j * parts[1]
