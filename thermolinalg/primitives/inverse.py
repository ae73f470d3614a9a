"""The inverse: the covariance of the device's readings, or many refined right-hand sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

from thermolinalg._arrays import Array, namespace, to_numpy
from thermolinalg._info import Info, warn
from thermolinalg._progress import showing
from thermolinalg._validation import as_count, as_nonnegative, as_relative, as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.estimation.covariance import effective_readings, readings_for, standard_error
from thermolinalg.estimation.health import EXAMINED, covariance_health
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_schedule
from thermolinalg.primitives._gradients import of_inverse
from thermolinalg.primitives._readings import declare, readings_report
from thermolinalg.primitives._report import once
from thermolinalg.primitives._rhs import identity
from thermolinalg.primitives._tolerance import MAXITER, read_rtol
from thermolinalg.primitives.solver import Solver
from thermolinalg.systems import Rescaled

__all__ = ["inv"]

RAW_RTOL = 1e-2
"""Relative error of a raw inverse where none is asked for."""

ASKED = 1.5
"""Error bars up to so many of the error asked for are what was asked for: those of noise are known to a few per cent,
and rounding that adds half as much as it is still small beside it."""


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
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
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
    callback : callable, optional
        Called after each run with the iterate, ``callback(xk)``; as ``callback(intermediate_result=info)`` where its
        parameter has that name, with `x`, `residual_norm` and `n_runs`. StopIteration ends the call with what there is;
        columns that no run has reached are zero.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
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

    See Also
    --------
    inv_diagonal : The diagonal alone, for large A.
    solve : A⁻¹b without A⁻¹.
    numpy.linalg.inv : By factors.

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
    read = read_matrix(a, assume_a=assume_a, lower=lower, check_finite=check_finite, gradients=True, name="a")
    timetable = as_schedule(schedule)
    prepared = Solver(read, device, as_rng(rng))
    prepared.anticipate(None if refine else timetable)
    as_nonnegative(atol, "atol")
    as_count(maxiter, "maxiter")
    if refine or 0 in read.shape:
        asked: dict[str, Any] = {"rtol": rtol, "atol": atol, "maxiter": maxiter, "schedule": timetable}
        return prepared.inv(**asked, callback=callback, progress=progress, return_info=return_info)
    with showing(progress):
        if prepared.held.kind in ("definite", "negative"):
            x, info = _covariance(prepared, RAW_RTOL if rtol is None else as_relative(rtol, "rtol"), timetable)
        else:  # the spread of other devices is not the inverse: their means are, a run for every column
            rtol, columns = read_rtol(rtol, refine=False), identity(read).block
            x, info = prepared.answer(columns, rtol=rtol, refine=False, schedule=timetable, rng=prepared.rng)
    x = of_inverse(x, prepared, read.graph, prepared.rng, exact=False, maxiter=maxiter)
    return (x, info) if return_info else x


def _covariance(prepared: Solver, rtol: float, schedule: Schedule | None) -> tuple[Array, Info]:
    """The covariance of one run, and nothing else."""
    read, held, rng = prepared.read, prepared.held, prepared.rng
    program: Any = prepared.program
    condition, copies = held.condition, 2 if read.is_complex else 1
    count = readings_for(rtol, held.matrix.shape[0], copies=copies)
    timetable = schedule or Schedule.for_covariance(count, program.rate())
    reading = program.covariance(timetable, rng=rng)
    sign = -1.0 if held.kind == "negative" else 1.0
    value = sign * (_from_real_form(reading.value) if read.is_complex else reading.value)
    unit, columns = Rescaled(matrix_exponent=held.exponent), identity(read)
    x = unit.back(value)

    def residual_norm() -> Array:
        outer = prepared.outer(held, columns.block)
        equation = held.equation(outer.into(columns.block))
        norms = equation.norms(equation.residual(outer.start(x)))[0]
        return outer.norms(to_numpy(norms))

    @once
    def noise() -> Array:
        whole = standard_error(reading, circular=read.is_complex)
        return unit.back_error(whole[: columns.size, : columns.size])

    @once
    def rounding() -> Array:
        return (0.0 if condition is None else condition.eps * condition.number) * abs(x)

    message = "exactly what the device returned; pass refine=True to send the residual back to it"
    info = readings_report(program, timetable, 2.0, message)
    ideal = getattr(program, "ideal", False)
    if not ideal:
        info["message"] = f"the error bar holds noise only: this device errs in ways that it does not tell; {message}"
    if condition is not None and condition.poor:
        warn(f"{condition.warning}; one run of the device may not have resolved it")
        largest, norm = abs(x).max(), namespace(x).linalg.vector_norm
        info["success"] = bool(norm((noise() + rounding()) / largest) <= ASKED * rtol * norm(x / largest))
        info["status"] = 0 if info["success"] else 1
    info.update(
        residual_norm=residual_norm,
        backward_error=None,
        condition=None if condition is None else condition.number,
        noise=noise,
        rounding=rounding,
        systematic=(lambda: 0.0 * noise()) if ideal else None,
        standard_error=lambda: info["noise"] + info["rounding"],
        reason="; ".join(filter(None, (held.reason, info.get("reason", "")))),
    )
    if not program.vouched:
        written = read.operator.scaled(2.0**-held.exponent) if held.exponent else read.operator
        written = written.negated() if held.kind == "negative" else written
        # One degree of freedom goes for the mean.
        worth = effective_readings(timetable, program.rate()) - 1
        health = covariance_health(reading.value, written, worth)
        if worth < EXAMINED - 1:
            more = program.covariance(Schedule.for_covariance(EXAMINED, program.rate()), rng=rng)
            health = health.add(covariance_health(more.value, written, EXAMINED - 1))
            info["device_time"] = program.ledger.device_time
        declare(info, health)
    return x, info


def _from_real_form(x: Array) -> Array:
    """The complex matrix whose real form [[Re, −Im], [Im, Re]] is estimated by x: the mean of both copies."""
    d = x.shape[0] // 2
    return (x[:d, :d] + x[d:, d:]) / 2 + 1j * ((x[d:, :d] - x[:d, d:]) / 2)
