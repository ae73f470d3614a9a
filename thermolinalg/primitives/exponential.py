"""Matrix exponentials: how a device forgets is e^{−A t}, and its lagged covariance shows it."""

from __future__ import annotations

import math
from typing import Any, Literal, overload

import numpy as np

from thermolinalg._arrays import Array, dtype_name, is_torch, to_numpy
from thermolinalg._info import Info
from thermolinalg._validation import as_positive, as_rng, checked_array
from thermolinalg.devices import Device, GeneralDevice, Schedule
from thermolinalg.devices.protocols import as_correlated
from thermolinalg.devices.watched import watched_program
from thermolinalg.operators import Dense
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_device, as_schedule
from thermolinalg.primitives._lyapunov import embedding
from thermolinalg.primitives._readings import empty_report

__all__ = ["expm"]

MARGIN = 0.49
"""How far the shift stays above the least one, m. Readings are independent after 18.4/m lags, and their number grows
as e^{2m}: the device time (1 + 18.4/m) e^{2m} is least here."""

LARGEST = math.log(np.finfo(float).max)
"""Logarithm of the largest number."""

FEWEST_READINGS = 100
"""With so many an entry of a covariance is normal enough for its error bar."""


@overload
def expm(A: Any, *, return_info: Literal[False] = ..., **options: Any) -> Array: ...
@overload
def expm(A: Any, *, return_info: Literal[True], **options: Any) -> tuple[Array, Info]: ...


@batched(core=("matrix",))
def expm(
    A: Any,
    *,
    atol: float = 1e-2,
    schedule: Schedule | None = None,
    device: Device | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    r"""Exponential e^A of a matrix, read off a simulated thermodynamic device.

    The device dx = −(αI − A) x dt + B dW with B Bᵀ = (αI − A) + (αI − A)ᵀ settles to covariance I, for normal and
    non-normal A alike. Readings one unit of time apart then have the covariance e^{A − αI}, so that

    .. math:: e^A = e^{\alpha}\, E[x(t + 1)\, x(t)^T] .

    B exists for α at least the largest eigenvalue of the symmetric part of A. No residual can be computed: the answer
    is statistical. The factor e^α multiplies the error as well, so that the n pairs of readings leave the variances
    e^{2α}(1 + P_ij²)/n with P = e^{A − αI}: where the symmetric part of A is far above its spectrum the device needs
    many readings for few digits.

    Parameters
    ----------
    A : array_like, shape (d, d) or (..., d, d)
        Any square matrix, real or complex. Torch tensors give torch tensors.
    atol : float, optional
        Standard error that no entry exceeds: 2e^{2α}/atol² pairs are read.
    schedule : Schedule, optional
        `readings` pairs that are independent; `atol` is ignored then.
    device : Device, optional
        Its programs have the methods of `thermolinalg.devices.Correlated`. Default: an ideal `GeneralDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside the exponential.

    Returns
    -------
    eA : array, shape of A
        The estimate.
    info : Info
        Only with ``return_info=True``: standard error, `shift` (α), schedule, device time.

    Raises
    ------
    ValueError
        A is not square or not finite; or atol is below e^α times the rounding of a reading.
    TypeError
        Object, masked, sparse or matrix input; a device whose programs lack the methods of `Correlated`.
    OverflowError
        e^A leaves the range of its precision.

    See Also
    --------
    scipy.linalg.expm : the same to rounding, by Padé approximation.

    Notes
    -----
    The pairs are multiplied and added up, no more. A regression of the late readings on the early ones would have the
    variances e^{2α}(1 − (P Pᵀ)_ii)/n, but needs a digital linear solve with the covariance of the early ones.

    References
    ----------
    Duffield et al., Thermodynamic Matrix Exponentials and Thermodynamic Parallelism, arXiv:2311.12759.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.linalg
    >>> import thermolinalg as tla
    >>> A = np.array([[-1.0, 4.0], [0.0, -1.2]])
    >>> estimate, info = tla.expm(A, atol=1e-3, rng=0, return_info=True)
    >>> bool(np.all(abs(estimate - scipy.linalg.expm(A)) < 5 * info.standard_error))
    True
    """
    device = GeneralDevice() if device is None else as_device(device)
    like = checked_array(A, "A", ndim=(0, 1, 2))
    matrix = np.atleast_2d(to_numpy(like))
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A must be square, got shape {tuple(like.shape)}")
    atol, generator = as_positive(atol, "atol"), as_rng(rng)
    if matrix.size == 0:
        estimate, info = matrix, empty_report(np.abs(matrix), "an empty matrix")
    else:
        estimate, info = _estimate(matrix, atol, as_schedule(schedule), device, generator)
    estimate = _like(estimate, like)
    for name in ("noise", "rounding", "systematic", "standard_error"):
        info[name] = None if info[name] is None else _like(info[name], like)
    return (estimate, info) if return_info else estimate


def _estimate(
    A: np.ndarray, atol: float, schedule: Schedule | None, device: Device, rng: np.random.Generator
) -> tuple[np.ndarray, Info]:
    """The lagged covariance times e^α, and its report."""
    is_complex, d = np.iscomplexobj(A), len(A)
    A = A.astype(np.complex128 if is_complex else np.float64)
    _refuse_overflow(A)
    shift = _shift(A)
    growth = math.exp(shift) if shift < 700 else math.inf
    drift = shift * np.eye(d) - A
    _refuse_rounding(growth, shift, drift, atol if schedule is None else math.inf)
    drift = embedding(drift) if is_complex else drift
    program = as_correlated(watched_program(device, Dense(drift, symmetric=False), rng), device)
    if schedule is None:
        # Entries of P are at most 1, so that e^{2α}·2/n bounds the variance; e^{2α}/n is that of Re and Im together.
        pairs = math.ceil((1 if is_complex else 2) * (growth / atol) ** 2)
        schedule = program.independent_readings(max(pairs, FEWEST_READINGS))
    cross = program.lagged_covariance(drift + drift.T, 1.0, schedule, rng=rng)
    if is_complex:
        # The real form of P comes once in each of two blocks.
        cross = (cross[:d, :d] + cross[d:, d:]) / 2 + 0.5j * (cross[d:, :d] - cross[:d, d:])
    variance = np.ones((d, d)) if is_complex else 1 + np.minimum(cross**2, 1.0)
    error = growth * np.sqrt(variance / (schedule.readings or 1))
    rounding = np.full((d, d), _rounding(growth, drift))
    info = Info(
        success=True,
        status=0,
        message=(
            f"statistical: no residual checks it. The standard error, at most {error.max():.3g}, contains the factor "
            f"e^shift = {growth:.3g}; pass a smaller atol= for more readings"
        ),
        residual_norm=None,
        backward_error=None,
        condition=None,
        n_runs=1,
        n_matvec=0,
        shift=shift,
        noise=error,
        rounding=rounding,
        systematic=0.0 * error if getattr(program, "ideal", False) else None,
        standard_error=error + rounding,
        failures=list(getattr(program, "failures", ())),
        effective_sample_size=schedule.readings,
        autocorrelation_time=1 / program.rate(),
        schedule=schedule,
        ledger=program.ledger,
        device_time=program.ledger.device_time,
    )
    info.update(program.describe())
    return growth * cross, info


def _refuse_overflow(A: np.ndarray) -> None:
    """OverflowError where e^A has an eigenvalue out of range, whoever computes it."""
    size = float(np.abs(A).max()) or 1.0
    if len(A) * size <= LARGEST:
        return
    # Eigenvalues of the quotient, whose sums do not overflow; defective ones are known to √eps only.
    growth = float(np.linalg.eigvals(A / size).real.max())
    if (growth - len(A) * math.sqrt(np.finfo(float).eps)) * size > LARGEST:
        raise OverflowError(
            f"e^A leaves the range of float64: A has an eigenvalue with the real part {growth * size:.4g}, and "
            f"e^{LARGEST:.2f} is the largest number"
        )


def _shift(A: np.ndarray) -> float:
    """α: the least one for which the noise exists, and a margin that rounding does not eat."""
    half = A / 2
    least = float(np.linalg.eigvalsh(half + half.conj().T)[-1])
    rounding = 8 * len(A) * np.finfo(float).eps * float(np.abs(A).max())
    return least + max(MARGIN, rounding)


def _refuse_rounding(growth: float, shift: float, drift: np.ndarray, atol: float) -> None:
    """ValueError where e^α times the rounding of a reading is more than the tolerance."""
    rounding = _rounding(growth, drift)
    if rounding > atol or not math.isfinite(growth):
        halvings = max(1, math.ceil(math.log2(max(shift, 1.0) / 10)))
        raise ValueError(
            f"e^A is read as e^{shift:.4g} times a reading of the device, whose rounding alone makes an error of "
            f"{rounding:.3g}; pass atol above that, or square expm(A / 2**{halvings}) {halvings} times"
        )


def _rounding(growth: float, drift: np.ndarray) -> float:
    """What rounding of a drift moves an entry of e^A by."""
    return growth * float(np.finfo(float).eps) * max(len(drift), float(np.abs(drift).max())) if growth else 0.0


def _like(x: np.ndarray, like: Array) -> Array:
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
