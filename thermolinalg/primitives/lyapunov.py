"""Lyapunov equations: a X + X aᴴ = q is what the covariance of a device with drift a and noise covariance q solves."""

from __future__ import annotations

import warnings
from typing import Any, Literal, overload

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg._info import Info, ThermodynamicWarning
from thermolinalg._validation import as_count, as_nonnegative, as_rng
from thermolinalg.devices import Schedule
from thermolinalg.devices.general import GeneralDevice
from thermolinalg.estimation.refinement import Refinement
from thermolinalg.estimation.refinement import refine as send_back
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_schedule
from thermolinalg.primitives._lyapunov import MOST_READINGS, LyapunovEquation, Relaxations, read_equation
from thermolinalg.primitives._system import MAXITER

__all__ = ["solve_continuous_lyapunov"]


@overload
def solve_continuous_lyapunov(a: Any, q: Any, *, return_info: Literal[False] = ..., **options: Any) -> Array: ...
@overload
def solve_continuous_lyapunov(a: Any, q: Any, *, return_info: Literal[True], **options: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix", "matrix"))
def solve_continuous_lyapunov(
    a: Any,
    q: Any,
    *,
    rtol: float | None = None,
    atol: float = 0.0,
    maxiter: int = MAXITER,
    refine: bool = True,
    schedule: Schedule | None = None,
    device: GeneralDevice | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Solve a X + X aᴴ = q on a simulated thermodynamic device.

    A device dx = −a x dt + B dW with B Bᴴ = q settles, from any start, to a Gaussian of covariance X: its sample
    covariance over N independent readings estimates X with the variances
    :math:`\mathrm{Var}\,\hat X_{ij} = (X_{ii}X_{jj} + X_{ij}^2)/N`. Any other q is a sum of such noises: its Hermitian
    and its skew-Hermitian part, each split into a positive and a negative semidefinite one.

    By default the residual q − a X − X aᴴ is computed digitally, split in the same way and sent back to the device
    until its Frobenius norm is at most rtol ‖q‖ + atol. With ``refine=False`` the answer is what one reading of each
    part returns.

    Parameters
    ----------
    a : array_like, shape (d, d) or (..., d, d)
        Real or complex, with all eigenvalues in Re > 0, or all in Re < 0 (both sides change sign then). Torch tensors
        give torch tensors.
    q : array_like, shape (d, d) or (..., d, d)
        Any square matrix.
    rtol, atol : float, optional
        Tolerances of the true residual. Default rtol: 1e-10 in double precision, 1e-5 in single.
    maxiter : int, optional
        Device runs at most.
    refine : bool, optional
        Whether to send residuals back to the device.
    schedule : Schedule, optional
        Timetable of every run: `readings` that are independent. Default: as many as make the residual contract
        tenfold per run, more where it does not; without refinement, as many as leave a share of `rtol` of X
        (1e-2 if not given).
    device : GeneralDevice, optional
        Default: an ideal one.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside X.

    Returns
    -------
    x : array, shape (d, d) or (..., d, d)
        Hermitian where q is.
    info : Info
        Only with ``return_info=True``: true residual, standard error, schedule, device time.

    Raises
    ------
    LinAlgError
        The eigenvalues of a are not all on one side of the imaginary axis; the message shows them.
    ValueError
        Shapes that do not fit, NaN or infinity, negative tolerances, readings that are not independent.
    TypeError
        Object, masked, sparse or matrix input; a device with symmetric couplings only.
    OverflowError
        X leaves the range of its precision.

    Warns
    -----
    ThermodynamicWarning
        The tolerance was not reached; `info.success` is False.

    See Also
    --------
    scipy.linalg.solve_continuous_lyapunov : the same equation by a Schur decomposition.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> a = np.array([[1.0, 5.0], [0.0, 2.0]])
    >>> tla.solve_continuous_lyapunov(a, 2 * np.eye(2)).round(6)
    array([[ 5.166667, -0.833333],
           [-0.833333,  0.5     ]])
    """
    schedule = as_schedule(schedule)
    equation = read_equation(a, q, GeneralDevice() if device is None else device)
    atol, maxiter, generator = as_nonnegative(atol, "atol"), as_count(maxiter, "maxiter"), as_rng(rng)
    if rtol is None:
        rtol = (1e-5 if equation.single else 1e-10) if refine else 1e-2
    rtol = as_nonnegative(rtol, "rtol")
    if equation.a.size == 0:
        x, info = equation.q, Info(success=True, status=0, message="an empty equation", n_runs=0, residual_norm=0.0)
    elif refine:
        x, info = _refined(equation, generator, rtol, atol, maxiter, schedule)
    else:
        x, info = _raw(equation, generator, rtol, schedule)
    x = equation.restore(x)
    return (x, info) if return_info else x


def _refined(
    equation: LyapunovEquation,
    rng: np.random.Generator,
    rtol: float,
    atol: float,
    maxiter: int,
    schedule: Schedule | None,
) -> tuple[np.ndarray, Info]:
    """The residual goes back to the device until it is small enough."""
    runs = Relaxations(equation)
    target = rtol * np.linalg.norm(equation.q) + np.ldexp(atol, -equation.exponents[1])

    def residual(x: np.ndarray, low: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        plain = equation.residual(runs.unpack(x))
        r = plain if low is None else equation.residual(runs.unpack(x), runs.unpack(low))
        if equation.hermitian:
            r = (r + r.conj().T) / 2
        return runs.pack(r), np.array([np.linalg.norm(plain)])

    outcome = send_back(
        runs,
        lambda x: runs.pack(equation.product(runs.unpack(x))),
        residual,
        np.zeros_like(runs.pack(equation.q)),
        np.array([target]),
        (lambda _: schedule) if schedule else runs.timetable,
        rng,
        maxiter=maxiter,
        definite=False,
    )
    x = runs.unpack(outcome.x)
    x = (x + x.conj().T) / 2 if equation.hermitian else x
    return x, _refined_report(equation, runs, outcome, x, target, rtol)


def _refined_report(
    equation: LyapunovEquation, runs: Relaxations, outcome: Refinement, x: np.ndarray, target: float, rtol: float
) -> Info:
    """The information object of a refined X; warns where it did not converge."""
    left = float(np.linalg.norm(equation.residual(equation.rounded(x))))
    norm, wanted = (float(np.ldexp(value, equation.exponents[1])) for value in (left, target))
    success = bool(left <= target)
    message = f"the true residual met its target in {outcome.n_runs} runs of the device"
    if not success:
        rounding = np.finfo(float).eps * np.linalg.norm(equation.a) * np.linalg.norm(x)
        remedy = "X is too large for less in double precision" if left <= 10 * rounding else "or a larger maxiter="
        message = (
            f"the true residual {norm:.3g} did not reach its target {wanted:.3g} in {outcome.n_runs} runs of the "
            f"device: pass a larger rtol= (now {rtol:g}); {remedy}"
        )
        warnings.warn(message, ThermodynamicWarning, stacklevel=5)
    # What stays of the last reading's noise has its shape, and the size that the residual tells.
    share = left / runs.error if runs.error else 0.0
    info = Info(
        success=success,
        status=0 if success else max(outcome.n_runs, 1),
        message=message,
        n_runs=outcome.n_runs,
        n_matvec=outcome.n_matvec,
        residual_norm=norm,
        standard_error=lambda: equation.restore(share * np.sqrt(runs.variance)),
    )
    return _with_device(info, runs, outcome.schedules[-1] if outcome.schedules else None)


def _raw(
    equation: LyapunovEquation, rng: np.random.Generator, rtol: float, schedule: Schedule | None
) -> tuple[np.ndarray, Info]:
    """One reading of each semidefinite part, and nothing else."""
    runs = Relaxations(equation)
    # E‖X̂ − X‖² = (‖X‖² + (tr X)²)/n ≤ (d + 1)‖X‖²/n
    readings = int(min((len(equation.a) + 1) / max(rtol, 1e-7) ** 2, MOST_READINGS))
    schedule = schedule or runs.independent_readings(readings)
    x, variance = runs.estimate(equation.q, schedule, rng)
    left = float(np.linalg.norm(equation.residual(equation.rounded(x))))
    info = Info(
        success=True,
        status=0,
        message="exactly what the device returned; pass refine=True to send the residual back to it",
        n_runs=runs.ledger.runs,
        n_matvec=1,
        residual_norm=float(np.ldexp(left, equation.exponents[1])),
        standard_error=lambda: equation.restore(np.sqrt(variance)),
    )
    return x, _with_device(info, runs, schedule)


def _with_device(info: Info, runs: Relaxations, schedule: Schedule | None) -> Info:
    """Add what concerns the device to a report."""
    info.update(
        runs.programs[0].describe(),
        schedule=schedule,
        ledger=runs.ledger,
        device_time=runs.ledger.device_time,
        autocorrelation_time=1 / runs.programs[0].rate(),
        effective_sample_size=schedule.readings if schedule else 0,
    )
    return info
