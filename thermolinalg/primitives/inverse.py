"""The inverse: the covariance of the device's readings, or many refined right-hand sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np

from thermolinalg._arrays import Array, as_array, namespace, to_numpy
from thermolinalg._info import Info
from thermolinalg._validation import as_count, as_nonnegative, as_positive, as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.estimation.covariance import readings_for, standard_error
from thermolinalg.operators.read import ReadMatrix, read_matrix, realify
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_schedule
from thermolinalg.primitives._normal import device_for, refuse_inconsistent, through_normal_operator_if_needed
from thermolinalg.primitives._range import in_range
from thermolinalg.primitives._readings import readings_report
from thermolinalg.primitives._rhs import RightHandSide, read_rhs
from thermolinalg.primitives._system import (
    MAXITER,
    System,
    default_rtol,
    gram_operator,
    refined_report,
    solve_to_tolerance,
)

__all__ = ["inv"]

COLUMNS = 512
"""Columns of the identity refined side by side: bounds the memory that earlier directions take."""

RAW_RTOL = 1e-2
"""Relative error of a raw inverse where none is asked for."""


@overload
def inv(a: Any, *args: Any, return_info: Literal[False] = ..., **kwargs: Any) -> Array: ...
@overload
def inv(a: Any, *args: Any, return_info: Literal[True], **kwargs: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix",))
def inv(
    a: Any,
    overwrite_a: bool = False,  # noqa: ARG001 - SciPy's
    check_finite: bool = True,
    *,
    assume_a: str | None = None,
    lower: bool = False,
    rtol: float | None = None,
    atol: float = 0.0,
    maxiter: int = MAXITER,
    refine: bool = True,
    schedule: Schedule | None = None,
    device: Device | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Invert A on a simulated thermodynamic device.

    Without a load the device's voltages relax to N(0, T A⁻¹): the covariance of its readings, over the temperature,
    estimates A⁻¹ with the error :math:`E\|C - A^{-1}\|_F^2 = (\|A^{-1}\|_F^2 + (\mathrm{tr}\,A^{-1})^2)/(N - 1)` for N
    independent readings.

    By default the columns of the identity are loaded instead and the residuals I − A X sent back to the device until
    each column of ‖I − A X‖ ≤ rtol + atol. With ``refine=False`` the answer is the covariance of one run.

    Parameters
    ----------
    a : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive definite, unless `assume_a` says otherwise. Torch tensors give torch tensors.
    overwrite_a : bool, optional
        Accepted for SciPy's sake; nothing is ever overwritten.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    assume_a : str, optional
        As in `solve`. Where the device holds AᵀA, a raw inverse is its covariance times Aᵀ.
    lower : bool, optional
        Which triangle is read when `assume_a` names a symmetric structure.
    rtol, atol : float, optional
        Tolerances of the true residual; default rtol 1e-10 in double precision, 1e-5 in single. With ``refine=False``
        and no `schedule`, rtol is the relative error in the Frobenius norm (default 1e-2) that sets the readings,
        N − 1 = (d + 1)/rtol².
    maxiter : int, optional
        Device runs at most, for each block of columns.
    refine : bool, optional
        Whether to load the identity and send residuals back.
    schedule : Schedule, optional
        Timetable of a run; raw, with ``readings``. Default raw: independent readings.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside the inverse.

    Returns
    -------
    ainv : array, shape of a
        Dense, in the namespace and dtype of the input.
    info : Info
        Only with ``return_info=True``: true residual of every column, standard error of every entry, engine, schedule,
        device time.

    Raises
    ------
    LinAlgError
        A is singular, or not positive definite where it has to be; the message holds the evidence.
    ValueError
        A is not square, NaN or infinity, negative tolerances, a raw schedule without readings.
    TypeError
        Object, masked or matrix input.

    Warns
    -----
    ThermodynamicWarning
        The tolerance was not reached; `info.success` is False.

    Notes
    -----
    Raw covariances are those of NumPy: about the mean of the readings, divided by N − 1. Readings from a device that
    has not yet relaxed underestimate a mode's variance by e^{−2λt₀}, correlated ones by its share in the mean's.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> np.allclose(tla.inv(A), np.linalg.inv(A))
    True
    >>> X, info = tla.inv(A, refine=False, rtol=0.01, rng=0, return_info=True)
    >>> bool(np.all(abs(X - np.linalg.inv(A)) < 5 * info.standard_error))
    True
    """
    loadable = read_matrix(a, assume_a=assume_a, lower=lower, check_finite=check_finite, name="a")
    identity = _identity(loadable)
    atol, maxiter, schedule = as_nonnegative(atol, "atol"), as_count(maxiter, "maxiter"), as_schedule(schedule)
    rtol = rtol if rtol is None else as_nonnegative(rtol, "rtol")
    generator = as_rng(rng)
    device = device_for(loadable, device)
    if identity.size == 0:
        x, info = identity.empty_solution()
    elif refine:
        rtol = default_rtol(identity.block) if rtol is None else rtol
        x, info = _refined(loadable, identity, device, generator, rtol, atol, maxiter, schedule)
    else:
        x, info = _raw(loadable, identity, device, generator, rtol, schedule)
    return (x, info) if return_info else x


def _identity(loadable: ReadMatrix) -> RightHandSide:
    like = loadable.operator.like
    return read_rhs(loadable, as_array(np.eye(loadable.shape[0]), like))


def _refined(
    loadable: ReadMatrix,
    identity: RightHandSide,
    device: Device,
    rng: np.random.Generator,
    rtol: float,
    atol: float,
    maxiter: int,
    schedule: Schedule | None,
) -> tuple[Array, Info]:
    """The columns of the identity, block by block on one program."""
    loadable, identity = in_range(loadable, identity)

    def attempt(normal: bool) -> tuple[Array, Info]:
        parts, infos = [], []
        program: Any = None
        for begin in range(0, identity.size, COLUMNS):
            system = System(loadable, identity.block[:, begin : begin + COLUMNS], device, rng, normal, program)
            program = system.program
            outcome = solve_to_tolerance(system, None, rtol, atol, maxiter, schedule)
            refuse_inconsistent(system, outcome.x, outcome.converged)
            infos.append(refined_report(system, outcome, rtol, lambda x: x))
            parts.append(system.restore(outcome.x))

        def side_by_side(blocks: list[Array]) -> Array:
            return namespace(blocks[0]).concat(blocks, axis=1)

        info = _joined(infos, lambda errors: identity.error_to_user(side_by_side(errors)))
        return identity.to_user(side_by_side(parts)), info

    return through_normal_operator_if_needed(loadable, attempt)


def _joined(infos: list[Info], side_by_side: Callable[[list[Array]], Array]) -> Info:
    """One report for all blocks of columns: that of the worst one, with sums and all columns."""
    worst = min(infos, key=lambda info: bool(info.success))
    return Info(
        worst
        | dict(
            n_runs=sum(info.n_runs for info in infos),
            n_matvec=sum(info.n_matvec for info in infos),
            residual_norm=np.concatenate([np.atleast_1d(info.residual_norm) for info in infos]),
            standard_error=lambda: side_by_side([info.standard_error for info in infos]),
            device_time=infos[-1].device_time,
        )
    )


def _raw(
    loadable: ReadMatrix,
    identity: RightHandSide,
    device: Device,
    rng: np.random.Generator,
    rtol: float | None,
    schedule: Schedule | None,
) -> tuple[Array, Info]:
    """The covariance of one run, and nothing else."""
    rtol = RAW_RTOL if rtol is None else as_positive(rtol, "rtol")
    matrix, copies = loadable.operator, 2 if loadable.is_complex else 1

    def attempt(normal: bool) -> tuple[Array, Info]:
        program = device.program(gram_operator(matrix) if normal else matrix, rng=rng)
        count = readings_for(rtol, matrix.shape[0], copies=copies)
        timetable = schedule or Schedule.for_covariance(count, program.rate())
        reading = program.covariance(timetable, rng=rng)
        value = matrix.apply(reading.value).T if normal else reading.value
        x = _from_real_form(value) if loadable.is_complex else value

        def residual_norm() -> Array:
            real_form = realify if loadable.is_complex else (lambda block: block)
            r = real_form(identity.block) - matrix.apply(real_form(x))
            return to_numpy(namespace(r).linalg.vector_norm(r, axis=0))

        def error() -> Array:
            right = matrix.dense().T if normal else None
            whole = standard_error(reading, right, circular=loadable.is_complex)
            return whole[: identity.size, : identity.size]

        message = "exactly what the device returned; pass refine=True to send the residual back to it"
        info = readings_report(program, timetable, 2.0, message)
        info.update(residual_norm=residual_norm, standard_error=error)
        return x, info

    return through_normal_operator_if_needed(loadable, attempt)


def _from_real_form(x: Array) -> Array:
    """The complex matrix whose real form [[Re, −Im], [Im, Re]] is estimated by x: the mean of both copies."""
    d = x.shape[0] // 2
    return (x[:d, :d] + x[d:, d:]) / 2 + 1j * ((x[d:, :d] - x[:d, d:]) / 2)
