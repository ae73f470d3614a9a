"""Determinants: the free energy of a device, measured by driving it or by reading it on the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from thermolinalg._arrays import dtype_name, namespace
from thermolinalg._autograd import detached
from thermolinalg._progress import showing
from thermolinalg._validation import as_relative, as_rng
from thermolinalg.devices import Device
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._gradients import of_log_determinant
from thermolinalg.primitives._log_determinant import Asked, as_scalar, is_negative, measure
from thermolinalg.primitives._refusals import require_symmetric

__all__ = ["SlogdetResult", "det", "logabsdet", "slogdet"]

GENERAL = "a device cannot see the sign of a determinant, but logabsdet(A) gives log|det A| of any square A"
"""What works where a matrix is not definite."""


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
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    device: Device | None = None,
    rng: Any = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    return_info: bool = False,
) -> Any:
    """Sign and logarithm of the determinant of a definite matrix, measured on a device.

    The free energy of a device that holds A is (T/2) log det A and a constant. So log det A − d log a is the free
    energy of going from the known matrix aI to A, along A_s = (1 − s) aI + s A, in units of T/2. There is no residual
    that could correct an estimate: the device runs until its standard error is below `atol`. A negative definite A is
    held as −A.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive or negative definite. Torch tensors give torch tensors.
    atol : float, optional
        Standard error of the logarithm to reach.
    method : {None, 'work', 'integration'}, optional
        'work' drives the device from aI to A and back in jumps, records the work, and takes the estimate from
        Bennett's acceptance ratio. 'integration' reads the device in equilibrium at points on the way and integrates
        tr A_s⁻¹(A − aI) over s. None takes 'work' where that is cheap to simulate; the readings it needs grow as
        Σ ln²(λ_i/a)/atol², and drives cannot share them among trajectories.
    max_readings : int, optional
        Most readings, or drives both ways, to take. Default: of readings no limit where A can be diagonalised or has a
        sparse factor, else about 5e7/d; of drives 2e8 normal numbers, which take about ten seconds. Never more than a
        million drives each way are kept, in 0.1 GB: what is allowed beyond goes into slower drives.
    assume_a : str, optional
        As in `solve`: 'pos', 'sym' or 'her' reads one triangle.
    lower : bool, optional
        Which triangle is read when `assume_a` names a symmetric structure.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`. Of its imperfections, those of A and of the temperature act.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    callback : callable, optional
        Shown the estimate of log|det A| so far, as ``callback(xk)``, or as ``callback(intermediate_result=info)`` where
        its parameter has that name. StopIteration ends the call with that.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    return_info : bool, optional
        Whether to return an `Info` beside the result.

    Returns
    -------
    SlogdetResult
        Named tuple of `sign`, which is 1, or −1 for a negative definite A of odd order, and `logabsdet`, in the
        precision of A.
    info : Info
        Only with ``return_info=True``: `noise`, the standard deviation of the readings; `rounding`, a bound on what
        d eigenvalues known to eps · ‖A‖ move the logarithm by; `standard_error`, their sum (and `systematic`, what an
        imperfect device adds: None where that is unknown, or what looking at a device cannot tell where that is more
        than the noise); `condition`; method and reason, a as `start`, and for
        'work' the predicted and measured dissipation in units of T, the overlap and Jarzynski's estimate of log|det A|.

    Raises
    ------
    LinAlgError
        A is not symmetric, not definite, or singular to working precision.
    ValueError
        A is not square or not finite, atol ≤ 0, or an unknown method.
    TypeError
        Object, masked or matrix input; a device that cannot be driven.

    Warns
    -----
    ThermodynamicWarning
        The standard error is above `atol`; `info.success` is False.

    See Also
    --------
    logabsdet : The logarithm alone.
    det : The determinant where it fits a number.
    numpy.linalg.slogdet : By factors.

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
    read = read_matrix(A, assume_a=assume_a, lower=lower, check_finite=check_finite, gradients=True)
    negative = is_negative(require_symmetric(read, "the sign of a determinant", GENERAL))
    asked = Asked(atol, method, max_readings, device, as_rng(rng))
    with showing(progress, callback, "logarithm"):
        value, info, written = measure(read, "negated" if negative else "itself", asked, GENERAL)
    sign = as_scalar(-1.0 if negative and read.shape[0] % 2 else 1.0, read.operator, is_complex=read.is_complex)
    logarithm = of_log_determinant(as_scalar(value, read.operator), written, read.graph, asked.rng)
    result = SlogdetResult(sign, logarithm)
    return (result, info) if return_info else result


@batched(core=("matrix",))
def logabsdet(
    A: Any,
    *,
    atol: float = 1e-2,
    method: str | None = None,
    max_readings: int | None = None,
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    device: Device | None = None,
    rng: Any = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    return_info: bool = False,
) -> Any:
    """log|det A| of any square A, through its normal operator: ½ log det AᵀA.

    The device's relaxation times grow as the square of the condition number. The simulator reads the spectrum of AᵀA
    off the singular values of A, equilibrated by rows and columns: its rounding grows as the condition number itself.

    Parameters
    ----------
    A : array_like, sparse array or LinearOperator, shape (d, d) or (..., d, d)
        Need not be symmetric.
    atol : float, optional
        Standard error of the logarithm to reach.
    method : {None, 'work', 'integration'}, optional
        As for `slogdet`.
    max_readings : int, optional
        As for `slogdet`.
    assume_a : str, optional
        As in `solve`; 'pos' holds A itself.
    lower : bool, optional
        As for `slogdet`.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    callback : callable, optional
        Shown the estimate of log|det A| so far, as ``callback(xk)``, or as ``callback(intermediate_result=info)`` where
        its parameter has that name. StopIteration ends the call with that.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    return_info : bool, optional
        Whether to return an `Info` beside the result.

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

    See Also
    --------
    slogdet : With the sign.
    det : The determinant where it fits a number.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 2.0], [-3.0, 1.0]])
    >>> value, info = logabsdet(A, rng=0, return_info=True)
    >>> bool(abs(value - np.log(6)) < 5 * info.standard_error)
    True
    """
    read = read_matrix(A, assume_a=assume_a, lower=lower, check_finite=check_finite, gradients=True)
    hold: Literal["itself", "normal"] = "itself" if read.symmetric and read.assume == "pos" else "normal"
    asked = Asked(atol, method, max_readings, device, as_rng(rng))
    with showing(progress, callback, "logarithm"):
        value, info, written = measure(read, hold, asked, "leave assume_a out to hold AᵀA" if hold == "itself" else "")
    result = of_log_determinant(as_scalar(value, read.operator), written, read.graph, asked.rng)
    return (result, info) if return_info else result


@batched(core=("matrix",))
def det(
    A: Any,
    *,
    rtol: float = 1e-2,
    method: str | None = None,
    max_readings: int | None = None,
    assume_a: str | None = None,
    lower: bool = False,
    check_finite: bool = True,
    device: Device | None = None,
    rng: Any = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    return_info: bool = False,
) -> Any:
    """Determinant of a definite matrix, measured on a device.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d) or (..., d, d)
        Symmetric (Hermitian) positive or negative definite.
    rtol : float, optional
        Relative standard error to reach: the `atol` of `slogdet`.
    method : {None, 'work', 'integration'}, optional
        As for `slogdet`.
    max_readings : int, optional
        As for `slogdet`.
    assume_a : str, optional
        As for `slogdet`.
    lower : bool, optional
        As for `slogdet`.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    callback : callable, optional
        Shown the estimate of log|det A| so far, as ``callback(xk)``, or as ``callback(intermediate_result=info)`` where
        its parameter has that name. StopIteration ends the call with that.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    return_info : bool, optional
        Whether to return an `Info` beside the result.

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

    See Also
    --------
    slogdet : Sign and logarithm, which do not overflow.
    numpy.linalg.det : By factors.

    Examples
    --------
    >>> import numpy as np
    >>> value, info = det(np.diag([2.0, 3.0, 0.5]), rng=0, return_info=True)
    >>> bool(abs(value - 3.0) < 5 * info.standard_error)
    True
    """
    rtol = as_relative(rtol, "rtol")
    (sign, logabsdet), info = slogdet(
        A,
        atol=rtol,
        method=method,
        max_readings=max_readings,
        assume_a=assume_a,
        lower=lower,
        check_finite=check_finite,
        device=device,
        rng=rng,
        callback=callback,
        progress=progress,
        return_info=True,
    )
    xp, size = namespace(logabsdet), float(detached(logabsdet))
    limits = xp.finfo(logabsdet.dtype)
    if not math.log(limits.smallest_normal) < size < math.log(limits.max):
        raise OverflowError(
            f"det A = exp({size:.6g}) does not fit {dtype_name(logabsdet)}; slogdet(A) gives its logarithm"
        )
    value = sign * xp.exp(logabsdet)
    size = abs(float(xp.real(detached(value))))
    for name in ("noise", "rounding", "systematic", "standard_error"):
        info[name] = None if info[name] is None else size * info[name]
    return (value, info) if return_info else value
