"""Determinants: the free energy of a device, measured by driving it or by reading it on the way."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from thermolinalg._arrays import dtype_name, namespace
from thermolinalg._validation import as_positive
from thermolinalg.devices import Device
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._log_determinant import as_scalar, measure

__all__ = ["SlogdetResult", "det", "logabsdet", "slogdet"]


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
    loadable = read_matrix(A, check_finite=check_finite)
    if not loadable.symmetric:
        raise np.linalg.LinAlgError(
            "A is not symmetric (Hermitian): a device relaxes by the symmetric positive definite matrix it holds and "
            "cannot see the sign of a determinant; logabsdet(A) gives log|det A| of any square A"
        )
    value, info = measure(loadable, 1.0, atol, method, max_readings, device, rng)
    sign = as_scalar(1.0, loadable.operator, is_complex=loadable.is_complex)
    result = SlogdetResult(sign, as_scalar(value, loadable.operator))
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
    atol : float, optional
        Standard error of the logarithm to reach.
    method : {None, 'work', 'integration'}, optional
        As for `slogdet`.
    max_readings : int, optional
        As for `slogdet`.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
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

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[0.0, 2.0], [-3.0, 1.0]])
    >>> value, info = logabsdet(A, rng=0, return_info=True)
    >>> bool(abs(value - np.log(6)) < 5 * info.standard_error)
    True
    """
    loadable = read_matrix(A, assume_a="gen", check_finite=check_finite)
    value, info = measure(loadable, 0.5, atol, method, max_readings, device, rng)
    result = as_scalar(value, loadable.operator)
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
    method : {None, 'work', 'integration'}, optional
        As for `slogdet`.
    max_readings : int, optional
        As for `slogdet`.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
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
