"""The action of a matrix exponential on vectors, by products: nothing of the size of e^A is ever formed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import dtype_name, is_sparse_tensor, is_torch, to_numpy
from thermolinalg._info import Info
from thermolinalg._progress import seen_as, showing, told
from thermolinalg._validation import (
    as_count,
    as_rng,
    checked_array,
    checked_sparse,
    checked_sparse_tensor,
    refuse_uncounted,
)
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.tensor_map import as_linear_operator
from thermolinalg.primitives._devices import as_device, as_schedule
from thermolinalg.primitives._exponential import FEWEST_READINGS, MOST_READINGS, Precision, announce
from thermolinalg.primitives._propagation import CHAINS, DENSE, Chains, Generator, Looked, real_form
from thermolinalg.primitives._readings import declare, empty_report, end_early
from thermolinalg.primitives.exponential import in_namespace_of

__all__ = ["expm_multiply"]

RTOL = 1e-2
"""Standard error relative to the largest entry, where nothing is asked for."""

SAFETY = 1.5
"""More readings than the scatter of the chains asks for: a scatter that happens to be small must not decide."""


def expm_multiply(
    A: Any,
    B: Any,
    start: float | None = None,
    stop: float | None = None,
    num: int | None = None,
    endpoint: bool | None = None,
    traceA: complex | None = None,  # noqa: ARG001 - SciPy's
    *,
    rtol: float | None = None,
    atol: float | None = None,
    schedule: Schedule | None = None,
    device: Device | None = None,
    rng: Any = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    return_info: bool = False,
) -> Any:
    r"""Action e^A B of a matrix exponential on vectors, read off a simulated thermodynamic device.

    The device of `expm`, dx = −(αI − A) x dt + B dW with covariance I, is read in pairs one unit of time apart, and of
    the early reading only its products with a vector are kept:

    .. math:: e^A v = e^{\alpha}\, E[x(t + 1)\, (v^T x(t))] .

    A is never written as an array: readings are drawn from their law by products with A. Where α, the largest
    eigenvalue of the symmetric part, is above one, N = ⌈α⌉ devices with A/N are read one after the other, the vector
    of each being what the one before gave: independent errors then grow as √N e^{α/N} in place of e^α. The mean of 32
    chains is the answer, free of bias, and their scatter is its standard error.

    Parameters
    ----------
    A : array_like, sparse array or LinearOperator, shape (d, d)
        Real or complex; an operator needs `rmatvec`.
    B : array_like, shape (d,) or (d, k)
        Vectors.
    start, stop : float, optional
        First and last of the times t for which e^{tA} B is wanted. Default: t = 1 alone.
    num : int, optional
        Number of times; default 50.
    endpoint : bool, optional
        Whether `stop` is one of them; default True.
    traceA : scalar, optional
        Accepted for SciPy's sake.
    rtol, atol : float, optional
        Standard error that no entry exceeds: rtol times the largest entry of its column at all times, plus atol.
        Default: an rtol of 1e-2.
    schedule : Schedule, optional
        `readings` pairs that are independent, for each step of all chains together; the tolerances are ignored then.
    device : Device, optional
        Its programs have the methods of `thermolinalg.devices.Correlated`, and A is an array. Default: an ideal device
        that holds A by its products.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    callback : callable, optional
        Shown the estimate after each run, as ``callback(xk)``, or as ``callback(intermediate_result=info)`` where its
        parameter has that name. StopIteration ends the call with that.
    progress : bool, optional
        Whether to show a progress bar over the steps at once; long work shows one anyway.
    return_info : bool, optional
        Whether to return an `Info` beside the result.

    Returns
    -------
    eAB : array, shape of B, or (num, *shape of B)
        The estimate.
    info : Info
        Only with ``return_info=True``: standard error, `steps` (N, of all intervals), schedule of a step in one chain,
        device time.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN or infinity; `stop` without `start`; a tolerance below rounding, or one that takes
        more than 1e15 pairs of readings; α above 1e5.
    TypeError
        Object, masked or matrix input; a device for an A that is not an array.
    OverflowError
        The result leaves the range of its precision.

    Warns
    -----
    ThermodynamicWarning
        Before device time beyond 1e12 τ is spent; the device is not healthy, `info.success` is False.

    See Also
    --------
    expm : the whole matrix.
    scipy.sparse.linalg.expm_multiply : the same to rounding, by Taylor polynomials.

    Notes
    -----
    Of an array A of order up to 512, and a sparse one up to 128, the device holds T⁻¹AT as that of `expm` does.

    References
    ----------
    Duffield et al., Thermodynamic Matrix Exponentials and Thermodynamic Parallelism, arXiv:2311.12759; Al-Mohy and
    Higham, Computing the Action of the Matrix Exponential, SIAM J. Sci. Comput. 33, 488 (2011), doi:10.1137/100788860
    (the products).

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> import thermolinalg as tla
    >>> n = 1000
    >>> heat = scipy.sparse.diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1]).tocsr()
    >>> v = np.zeros(n)
    >>> v[500] = 1.0
    >>> u, info = tla.expm_multiply(heat, v, rng=0, return_info=True)
    >>> exact = scipy.sparse.linalg.expm_multiply(heat, v)
    >>> bool(np.all(abs(u - exact) < 6 * info.standard_error)), bool(info.standard_error.max() < 0.01 * exact.max())
    (True, True)
    """
    wanted = Precision.read(rtol, atol, as_schedule(schedule), Precision(RTOL, 0.0))
    times = _times(start, stop, num, endpoint)
    matrix, like_A = _read_matrix(A)
    like_B = checked_array(B, "B", ndim=(1, 2))
    vectors = to_numpy(like_B)
    if vectors.shape[0] != matrix.shape[0]:
        raise ValueError(f"A has shape {tuple(matrix.shape)} and B has {vectors.shape[0]} rows; they do not fit")
    generator, shape = as_rng(rng), (*(() if start is None else times.shape), *vectors.shape)
    holder = None if device is None else as_device(device)
    columns, restore = _real_columns(matrix, vectors if vectors.ndim == 2 else vectors[:, None])
    like = _like(like_A, like_B)

    def restored(x: np.ndarray) -> np.ndarray:
        return np.asarray(restore(x, lambda real, imaginary: real + 1j * imaginary).reshape(shape))

    if not columns.size:
        value, bar = np.zeros(shape, np.result_type(vectors, like_A)), np.zeros(shape)
        info = empty_report(bar, "nothing to multiply with")
    else:
        real = real_form(matrix) if np.dtype(matrix.dtype).kind == "c" else matrix
        reach = float(np.abs(np.diff(times, prepend=0.0)).max())
        chains = Chains(Generator(real, reach), np.diff(times, prepend=0.0), holder)
        with showing(progress, callback, "exponential"), seen_as(lambda x: in_namespace_of(restored(x), like)):
            means, bars, info = _run(chains, columns, wanted, generator)
        value = restored(means)
        for name in ("noise", "rounding"):
            info[name] = restore(bars[name], np.hypot).reshape(shape)
        info["standard_error"] = info["noise"] + info["rounding"]
        info["systematic"] = 0.0 * info["noise"] if info.pop("ideal") else None
    for name in ("noise", "rounding", "systematic", "standard_error"):
        info[name] = None if info[name] is None else in_namespace_of(info[name], like)
    return (in_namespace_of(value, like), info) if return_info else in_namespace_of(value, like)


def _times(start: Any, stop: Any, num: Any, endpoint: Any) -> np.ndarray:
    """As those of SciPy: t = 1, or a grid."""
    if start is None and stop is None and num is None and endpoint is None:
        return np.ones(1)
    if start is None or stop is None:
        raise ValueError("a grid of times needs both start and stop")
    first, last = float(start), float(stop)
    if not (math.isfinite(first) and math.isfinite(last)):
        raise ValueError(f"start and stop must be finite, got {start!r} and {stop!r}")
    count = 50 if num is None else as_count(num, "num")
    return np.linspace(first, last, count, endpoint=endpoint is not False)


def _read_matrix(A: Any) -> tuple[Any, Any]:
    """A in double precision as an array, sparse array or operator, and an array of its namespace and precision."""
    refuse_uncounted(A, "A")
    if scipy.sparse.issparse(A):
        like = matrix = checked_sparse(A, "A")
    elif is_sparse_tensor(A):
        matrix, like = checked_sparse_tensor(A, "A")
    elif hasattr(A, "matvec"):
        matrix = Looked(as_linear_operator(A, "A"))
        like = np.empty(0, matrix.dtype)
        _probe(matrix)
    else:
        like = checked_array(A, "A", ndim=(2,))
        matrix = to_numpy(like)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"A must be square, got shape {tuple(matrix.shape)}")
    if scipy.sparse.issparse(matrix) and matrix.shape[0] <= DENSE:
        matrix = matrix.toarray()
    if not isinstance(matrix, LinearOperator):
        matrix = matrix.astype(np.complex128 if np.dtype(matrix.dtype).kind == "c" else np.float64)
    return matrix, like


def _probe(A: LinearOperator) -> None:
    """TypeError for an operator without an adjoint, and what is wrong with its products if anything is."""
    A.matvec(np.ones(A.shape[1]))
    if A.shape[0] != A.shape[1]:
        return
    try:
        A.rmatvec(np.ones(A.shape[0]))
    except NotImplementedError:
        raise TypeError(
            "A is a linear operator without rmatvec, which the largest eigenvalue of its symmetric part takes; "
            "pass A @ np.eye(A.shape[1])"
        ) from None


def _real_columns(A: Any, B: np.ndarray) -> tuple[np.ndarray, Any]:
    """Real columns for the real form of A, and what makes of their results those of B."""
    d, k = B.shape
    if np.dtype(A.dtype).kind == "c":
        return np.concatenate([B.real, B.imag]), lambda x, join: join(x[:, :d], x[:, d:])
    if np.iscomplexobj(B):
        return np.concatenate([B.real, B.imag], axis=1), lambda x, join: join(x[:, :, :k], x[:, :, k:])
    return B.astype(np.float64), lambda x, join: x


def _like(a: Any, b: Any) -> Any:
    """An array of the namespace of B, in single precision where both are."""
    single = all(dtype_name(x) in ("float32", "complex64") for x in (a, b))
    if is_torch(b):
        import torch

        return torch.empty(0, dtype=torch.float32 if single else torch.float64, device=b.device)
    return np.empty(0, np.float32 if single else np.float64)


def _run(
    chains: Chains, B: np.ndarray, wanted: Precision, rng: np.random.Generator
) -> tuple[np.ndarray, dict[str, np.ndarray], Info]:
    """Runs of all chains with more and more readings, until the standard error is small enough."""
    n = FEWEST_READINGS if not chains.steps else max(FEWEST_READINGS, 4 * len(B) * chains.steps)
    if wanted.schedule is not None:
        n = max((wanted.schedule.readings or 1) // CHAINS, 1)
    announced, runs = announce("e^A B", chains.device_time(n), CHAINS * n), 0
    while True:
        found = [np.stack(parts) for parts in zip(*chains.run(B, n, rng), strict=True)]
        value, noise, runs = found[0], found[1], runs + 1
        if not (np.isfinite(value).all() and np.isfinite(noise).all()):
            raise OverflowError("e^A B, or its square, leaves the range of float64; pass a smaller B")
        rounding = chains.rounding(noise, value, n)
        target = wanted.atol + wanted.rtol * np.abs(value).max(axis=(0, 1))
        share = _worst(noise.max(axis=(0, 1)), target)
        stopped = told("exponential", lambda: {"x": value, "n_runs": runs}) and share > 1
        if wanted.schedule is not None or stopped:
            break
        if share <= 1:
            if (worst := _worst(rounding.max(axis=(0, 1)), target)) > 1:
                raise ValueError(
                    f"rounding alone makes an error of {rounding.max():.3g}, {worst:.3g} times what was asked for; "
                    f"pass atol= above {2 * rounding.max():.2g}"
                )
            break
        pairs = SAFETY * share**2 * CHAINS * n
        if pairs > MOST_READINGS:
            least = 3 * float(noise.max()) * math.sqrt(CHAINS * n / MOST_READINGS)
            raise ValueError(
                f"e^A B would take {pairs:.2g} pairs of readings a step, and {MOST_READINGS:.0g} is the most; "
                f"pass atol= above {least:.2g}"
            )
        n = math.ceil(SAFETY * share**2 * n)
        announced = announce("e^A B", chains.device_time(n), CHAINS * n, announced)
    health = chains.health(B, n, rng)
    info = _report(chains, float(noise.max()), n, runs)
    if stopped and wanted.schedule is None:
        end_early(info, runs, "runs")
    declare(info, health)
    return value, {"noise": noise, "rounding": rounding}, info


def _worst(error: np.ndarray, target: np.ndarray) -> float:
    """The largest of the errors over what they may be; zero where there is none."""
    with np.errstate(divide="ignore"):
        return float(np.where(error > 0, error / np.where(target > 0, target, np.nan), 0.0).max())


def _report(chains: Chains, error: float, n: int, runs: int) -> Info:
    program = next((program for program, _, _ in chains.programs.values()), None)
    told = {"engine": "none: nothing had to run", "reason": ""} if program is None else program.describe()
    ledger = chains.ledger
    return Info(
        success=True,
        status=0,
        message=(
            f"statistical: no residual checks it. The standard error, at most {error:.3g}, is the scatter of {CHAINS} "
            "independent chains; pass a smaller rtol= for more readings"
        ),
        residual_norm=None,
        backward_error=None,
        condition=None,
        n_runs=runs,
        n_matvec=0,
        steps=chains.steps,
        degrees_of_freedom=CHAINS - 1,
        failures=[failure for each, _, _ in chains.programs.values() for failure in getattr(each, "failures", ())],
        effective_sample_size=CHAINS * n,
        autocorrelation_time=0.0 if program is None else 1 / program.rate(),
        schedule=None if program is None else program.independent_readings(n),
        ideal=program is None or bool(getattr(program, "ideal", False)),
        ledger=ledger,
        device_time=ledger.device_time,
        **told,
    )
