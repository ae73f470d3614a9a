"""Determinants: the free energy of a device, measured by driving it or by reading it on the way."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from thermolinalg._arrays import Array, dtype_name, namespace, to_numpy
from thermolinalg._info import Info, ThermodynamicWarning
from thermolinalg._validation import as_count, as_positive, as_rng
from thermolinalg.devices import Device, LangevinDevice, LangevinProgram
from thermolinalg.operators import Normal, Operator
from thermolinalg.operators.loadable import Loadable, as_loadable
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._held import Held
from thermolinalg.primitives._log_determinant import Measured, by_integration, by_work, choose_protocol

__all__ = ["SlogdetResult", "det", "logabsdet", "slogdet"]

METHODS = (None, "work", "integration")


class SlogdetResult(NamedTuple):
    """Sign and logarithm of a determinant, as `numpy.linalg.slogdet` returns them."""

    sign: Any
    logabsdet: Any


@batched(core=("matrix",))
def slogdet(
    A: Any,
    *,
    atol: float = 1e-2,
    method: str | None = None,
    max_readings: int | None = None,
    check_finite: bool = True,
    device: Device | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    """Sign and logarithm of the determinant of a positive definite matrix, measured on a device.

    The free energy of a device that holds A is (T/2) log det A and a constant. So log det A − d log a is the free
    energy of going from the known matrix aI to A, along A_s = (1 − s) aI + s A, in units of T/2. There is no residual
    that could correct an estimate: the device runs until its standard error is below `atol`.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive definite. Torch tensors give torch tensors.
    atol : float, optional
        Standard error of the logarithm to reach.
    method : {None, 'work', 'integration'}, optional
        'work' drives the device from aI to A and back in jumps, records the work, and takes the estimate from
        Bennett's acceptance ratio. 'integration' reads the device in equilibrium at points on the way and integrates
        tr A_s⁻¹(A − aI) over s. None takes 'work' where that is cheap to simulate; the readings it needs grow as
        Σ ln²(λ_i/a)/atol², and drives cannot share them among trajectories.
    max_readings : int, optional
        Most readings to take by integration. Default: no limit where A can be diagonalised, else about 5e7/d.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`. Of its imperfections, those of A and of the temperature act.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside the result.

    Returns
    -------
    SlogdetResult
        Named tuple of `sign`, which is 1, and `logabsdet`, in the precision of A.
    info : Info
        Only with ``return_info=True``: standard_error, method and reason, a as `start`, and for 'work' the predicted
        and measured dissipation in units of T, the overlap and Jarzynski's estimate of log det A.

    Raises
    ------
    LinAlgError
        A is not symmetric, not positive definite, or singular to working precision.
    ValueError
        A is not square or not finite, atol ≤ 0, or an unknown method.
    TypeError
        Object, masked or matrix input; a device that cannot be driven.

    Warns
    -----
    ThermodynamicWarning
        The standard error is above `atol`; `info.success` is False.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660. Both protocols: docs/determinant.md.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> (sign, logabsdet), info = slogdet(A, rng=0, return_info=True)
    >>> bool(sign == 1 and abs(logabsdet - np.log(11)) < 5 * info.standard_error)
    True
    >>> info.method
    'work'
    """
    loadable = as_loadable(A, check_finite=check_finite)
    if not loadable.symmetric:
        raise np.linalg.LinAlgError(
            "A is not symmetric (Hermitian): a device relaxes by the symmetric positive definite matrix it holds and "
            "cannot see the sign of a determinant; logabsdet(A) gives log|det A| of any square A"
        )
    value, info = _measure(loadable, 1.0, atol, method, max_readings, device, rng)
    sign = _as_scalar(1.0, loadable.operator, is_complex=loadable.is_complex)
    result = SlogdetResult(sign, _as_scalar(value, loadable.operator))
    return (result, info) if return_info else result


@batched(core=("matrix",))
def logabsdet(
    A: Any,
    *,
    atol: float = 1e-2,
    method: str | None = None,
    max_readings: int | None = None,
    check_finite: bool = True,
    device: Device | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    """log|det A| of any square A, through its normal operator: ½ log det AᵀA.

    Parameters
    ----------
    A : array_like, sparse array or LinearOperator, shape (d, d) or (..., d, d)
        Need not be symmetric. Its condition number enters squared.
    atol, method, max_readings, check_finite, device, rng, return_info
        As for `slogdet`.

    Returns
    -------
    logabsdet : scalar or array
        In the precision of A. The sign stays unknown: AᵀA has lost it.
    info : Info
        Only with ``return_info=True``.

    Raises
    ------
    LinAlgError
        A is singular to working precision.

    Warns
    -----
    ThermodynamicWarning
        The standard error is above `atol`; `info.success` is False.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 2.0], [-3.0, 1.0]])
    >>> value, info = logabsdet(A, rng=0, return_info=True)
    >>> bool(abs(value - np.log(6)) < 5 * info.standard_error)
    True
    """
    loadable = as_loadable(A, assume_a="gen", check_finite=check_finite)
    value, info = _measure(loadable, 0.5, atol, method, max_readings, device, rng)
    result = _as_scalar(value, loadable.operator)
    return (result, info) if return_info else result


@batched(core=("matrix",))
def det(
    A: Any,
    *,
    rtol: float = 1e-2,
    method: str | None = None,
    max_readings: int | None = None,
    check_finite: bool = True,
    device: Device | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    """Determinant of a positive definite matrix, measured on a device.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive definite.
    rtol : float, optional
        Relative standard error to reach: the `atol` of `slogdet`.
    method, max_readings, check_finite, device, rng, return_info
        As for `slogdet`.

    Returns
    -------
    det : scalar or array
        In the precision of A.
    info : Info
        Only with ``return_info=True``; its standard error is that of the determinant.

    Raises
    ------
    OverflowError
        The determinant is too large or too small for its dtype: `slogdet` gives its logarithm.
    LinAlgError, ValueError, TypeError
        As for `slogdet`.

    Examples
    --------
    >>> import numpy as np
    >>> value, info = det(np.diag([2.0, 3.0, 0.5]), rng=0, return_info=True)
    >>> bool(abs(value - 3.0) < 5 * info.standard_error)
    True
    """
    rtol = as_positive(rtol, "rtol")
    (sign, logabsdet), info = slogdet(
        A,
        atol=rtol,
        method=method,
        max_readings=max_readings,
        check_finite=check_finite,
        device=device,
        rng=rng,
        return_info=True,
    )
    xp = namespace(logabsdet)
    limits = xp.finfo(logabsdet.dtype)
    if not math.log(limits.smallest_normal) < float(logabsdet) < math.log(limits.max):
        raise OverflowError(
            f"det A = exp({float(logabsdet):.6g}) does not fit {dtype_name(logabsdet)}; slogdet(A) gives its logarithm"
        )
    value = sign * xp.exp(logabsdet)
    info.standard_error = abs(float(xp.real(value))) * info.standard_error
    return (value, info) if return_info else value


def _measure(
    loadable: Loadable,
    power: float,
    atol: float,
    method: str | None,
    max_readings: int | None,
    device: Device | None,
    rng: Any,
) -> tuple[float, Info]:
    """log det of the matrix a device holds, times `power`, and the report."""
    atol, generator = as_positive(atol, "atol"), as_rng(rng)
    if method not in METHODS:
        raise ValueError(f"method must be None, 'work' or 'integration', got {method!r}")
    if max_readings is not None:
        max_readings = as_count(max_readings, "max_readings")
    if loadable.shape[0] == 0:
        return 0.0, Info(success=True, status=0, message="the empty determinant is 1", standard_error=0.0, n_runs=0)
    if loadable.is_complex:
        power /= 2  # the real form of twice the size has every eigenvalue twice
    operator = loadable.operator if loadable.symmetric else Normal(loadable.operator)
    device = LangevinDevice() if device is None else device
    program = device.program(operator, rng=generator)
    if not isinstance(program, LangevinProgram):
        raise TypeError(f"a determinant needs a device that can be driven, such as LangevinDevice; got {device!r}")
    held = Held(program, program.device.law.temperature)
    protocol, reason = (method, "as asked") if method else choose_protocol(held, atol / power)
    if protocol == "work":
        measured = by_work(held, atol / power, generator)
    else:
        measured = by_integration(held, atol / power, generator, max_readings)
    known = held.d * math.log(held.start)
    if program.scaling is not None:
        known -= 2 * float(np.log(to_numpy(program.scaling).astype(float)).sum())
    info = _report(held, measured, protocol, reason, atol, power)
    if protocol == "work":
        info.jarzynski = info.jarzynski.rescaled(2 * power, power * known)
    return power * (known + measured.value), info


def _report(held: Held, measured: Measured, protocol: str, reason: str, atol: float, power: float) -> Info:
    error = power * measured.standard_error
    success = error <= atol
    ledger = held.program.ledger
    if success:
        message = f"the standard error {error:.2g} is below atol={atol:g}"
    else:
        remedy = "method='integration'" if protocol == "work" else "a larger max_readings="
        message = (
            f"log det has the standard error {error:.2g}, above atol={atol:g}, after {ledger.runs} runs; "
            f"pass a larger atol=, or {remedy}"
        )
        warnings.warn(message, ThermodynamicWarning, stacklevel=5)
    return Info(
        success=success,
        status=0 if success else ledger.runs,
        message=message,
        standard_error=error,
        method=protocol,
        reason=reason,
        start=held.start * held.program.factor,
        condition_number=held.interval[1] / held.interval[0],
        engine=held.engine,
        device_time=ledger.device_time,
        ledger=ledger,
        **measured.report,
    )


def _as_scalar(value: float, operator: Operator, *, is_complex: bool = False) -> Array:
    """A scalar of the operator's namespace, device and precision."""
    xp, like = namespace(operator.like), operator.like
    kinds = {"float32": xp.complex64, "float64": xp.complex128}
    dtype = kinds[dtype_name(like)] if is_complex else like.dtype
    return xp.asarray(value, dtype=dtype, device=like.device)[()]
