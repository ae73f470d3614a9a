"""Matrix exponentials: how a device forgets is e^{−A t}, and its lagged covariance shows it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, overload

import numpy as np

from thermolinalg._arrays import Array, dtype_name, is_torch, to_numpy
from thermolinalg._info import Info
from thermolinalg._progress import seen_as, showing
from thermolinalg._validation import as_rng, checked_array
from thermolinalg.devices import Device, GeneralDevice, Schedule
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._coordinates import spectral_abscissa
from thermolinalg.primitives._devices import as_device, as_schedule
from thermolinalg.primitives._exponential import Precision, estimate
from thermolinalg.primitives._readings import empty_report

__all__ = ["expm"]

ATOL = 1e-2
"""Standard error where nothing is asked for."""

LARGEST = math.log(np.finfo(float).max)
"""Logarithm of the largest number."""


@overload
def expm(A: Any, *, return_info: Literal[False] = ..., **options: Any) -> Array: ...
@overload
def expm(A: Any, *, return_info: Literal[True], **options: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix",))
def expm(
    A: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    schedule: Schedule | None = None,
    device: Device | None = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Exponential e^A of a matrix, read off a simulated thermodynamic device.

    The device dx = −(αI − A) x dt + B dW with B Bᵀ = (αI − A) + (αI − A)ᵀ settles to covariance I, for normal and
    non-normal A alike. Readings one unit of time apart then have the covariance e^{A − αI}, so that

    .. math:: e^A = e^{\alpha}\, E[x(t + 1)\, x(t)^T] .

    B exists for α at least the largest eigenvalue of the symmetric part of A, and the factor e^α multiplies the error
    as well: the n pairs of readings leave the variances e^{2α}(1 + P_ij²)/n with P = e^{A − αI}. Where that eigenvalue
    is far above the spectrum of A, the device holds T⁻¹AT, of which it is near, or A/2ᵏ, or both:

    .. math:: e^A = T\,\bigl(e^{T^{-1} A T/2^k}\bigr)^{2^k} T^{-1} .

    The drift M = βI − A has the covariance T Tᵀ under the noise 2(M Mᵀ)^½, for the β between the spectrum and that
    eigenvalue with which the error is least. T and the k squarings are digital, and counted as products; the device
    waits 2⁻ᵏ units of time between the readings of a pair. What the squarings make of the noise is followed through
    all of them, and decides how many readings there are.

    Parameters
    ----------
    A : array_like, shape (d, d) or (..., d, d)
        Any square matrix, real or complex. Torch tensors give torch tensors.
    rtol, atol : float, optional
        Standard error that no entry exceeds: rtol times the largest entry of e^A, plus atol. Default: an atol of 1e-2.
    schedule : Schedule, optional
        `readings` pairs that are independent; the tolerances are ignored then.
    device : Device, optional
        Its programs have the methods of `thermolinalg.devices.Correlated`. Default: an ideal `GeneralDevice`.
    callback : callable, optional
        Shown the estimate after each run, as ``callback(xk)``, or as ``callback(intermediate_result=info)`` where its
        parameter has that name. StopIteration ends the call with that.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside the exponential.

    Returns
    -------
    eA : array, shape of A
        The estimate.
    info : Info
        Only with ``return_info=True``: standard error, `shift` (α of what the device holds), `squarings` (k), digital
        products `n_matvec`, schedule, device time.

    Raises
    ------
    ValueError
        A is not square or not finite; atol is below the rounding of a reading times e^α, or takes more than 1e15 pairs
        of readings; rtol is 1 or more.
    TypeError
        Object, masked, sparse or matrix input; a device whose programs lack the methods of `Correlated`.
    OverflowError
        e^A leaves the range of its precision.

    Warns
    -----
    ThermodynamicWarning
        Before device time beyond 1e12 τ is spent.

    See Also
    --------
    expm_multiply : its action on vectors, for sparse A too.
    scipy.linalg.expm : the same to rounding, by Padé approximation.

    Notes
    -----
    The pairs are multiplied and added up, no more. A regression of the late readings on the early ones would have the
    variances e^{2α}(1 − (P Pᵀ)_ii)/n, but needs a digital linear solve with the covariance of the early ones.

    With Σ = T Tᵀ the variances are e^{2α}(Σ_ii (Σ⁻¹)_jj + P_ij²)/n. A squaring takes an error E of X to
    X E + E X + E², whose last term has a mean; 32 draws from the law of E show what reaches the answer.

    References
    ----------
    Duffield et al., Thermodynamic Matrix Exponentials and Thermodynamic Parallelism, arXiv:2311.12759; Higham,
    Functions of Matrices, SIAM (2008), chapter 10 (scaling and squaring); Trefethen and Embree, Spectra and
    Pseudospectra, Princeton (2005), part IV (numerical and spectral abscissa).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.linalg
    >>> import thermolinalg as tla
    >>> A = np.array([[-1.0, 4.0], [0.0, -1.2]])
    >>> estimate, info = tla.expm(A, atol=1e-3, rng=0, return_info=True)
    >>> bool(np.all(abs(estimate - scipy.linalg.expm(A)) < 5 * info.standard_error))
    True

    The rates of a Markov chain are far from normal; rows of its transition probabilities sum to one.

    >>> Q = np.array([[-900.0, 900.0, 0.0], [0.0, -1.0, 1.0], [0.0, 0.0, 0.0]])
    >>> P, info = tla.expm(Q, rng=0, return_info=True)
    >>> bool(np.all(abs(P.sum(axis=1) - 1) < 5 * np.linalg.norm(info.standard_error, axis=1))), round(info.shift, 1)
    (True, 0.5)
    """
    device = GeneralDevice() if device is None else as_device(device)
    like = checked_array(A, "A", ndim=(0, 1, 2))
    matrix = np.atleast_2d(to_numpy(like))
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A must be square, got shape {tuple(like.shape)}")
    wanted, generator = Precision.read(rtol, atol, as_schedule(schedule), Precision(0.0, ATOL)), as_rng(rng)
    if matrix.size == 0:
        value, info = matrix, empty_report(np.abs(matrix), "an empty matrix")
    else:
        matrix = matrix.astype(np.complex128 if np.iscomplexobj(matrix) else np.float64)
        _refuse_overflow(matrix)
        with showing(progress, callback, "exponential"), seen_as(lambda x: in_namespace_of(x, like)):
            value, info = estimate(matrix, wanted, device, generator)
    value = in_namespace_of(value, like)
    for name in ("noise", "rounding", "systematic", "standard_error"):
        info[name] = None if info[name] is None else in_namespace_of(info[name], like)
    return (value, info) if return_info else value


def _refuse_overflow(A: np.ndarray) -> None:
    """OverflowError where e^A has an eigenvalue out of range, whoever computes it."""
    size = float(np.abs(A).max()) or 1.0
    entries = np.abs(A) / size
    if min(entries.sum(axis=0).max(initial=0.0), entries.sum(axis=1).max(initial=0.0)) * size <= LARGEST:
        return
    # Defective eigenvalues are known to √eps only.
    growth = spectral_abscissa(A)
    if growth - len(A) * math.sqrt(np.finfo(float).eps) * size > LARGEST:
        raise OverflowError(
            f"e^A leaves the range of float64: A has an eigenvalue with the real part {growth:.4g}, and "
            f"e^{LARGEST:.2f} is the largest number"
        )


def in_namespace_of(x: np.ndarray, like: Array) -> Array:
    """x in the namespace, device and precision of `like`; real where it is real."""
    single = dtype_name(like) in ("float32", "complex64")
    if single:
        with np.errstate(over="ignore", under="ignore"):
            x = x.astype(np.complex64 if np.iscomplexobj(x) else np.float32)
    if not np.isfinite(x).all():
        raise OverflowError("e^A leaves the range of single precision; pass A in double precision")
    if is_torch(like):
        import torch

        return torch.as_tensor(x, device=like.device)
    return x
