"""Assertions about random results, at a stated number of standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermolinalg._arrays import to_numpy
from thermolinalg._validation import as_count, as_nonnegative, as_positive

__all__ = ["assert_covariance", "assert_coverage", "assert_mean"]


def assert_mean(
    samples: Any,
    mean: Any,
    *,
    covariance: Any = None,
    standard_error: Any = None,
    n_se: float = 5.0,
    tolerance: float = 0.0,
) -> None:
    """The samples have this mean: their average differs from it by at most `n_se` standard errors, entry by entry.

    Parameters
    ----------
    samples : array_like, shape (n, ...)
        Independent samples along the first axis.
    mean : array_like, shape (...)
        What their law says.
    covariance : array_like, shape (d, d), optional
        Known covariance of samples (n, d): the standard errors are sqrt(C_ii / n). Default: the samples' own spread.
    standard_error : array_like, shape (...), optional
        Known standard error of the average; goes before `covariance`.
    n_se : float, optional
        Standard errors allowed. At 5 a right entry fails once in two million tests, at 4 once in 16 000.
    tolerance : float, optional
        What it may be off by beside the noise, relative to the largest entry that is expected.

    Raises
    ------
    AssertionError
        With the worst entry, its value and its distance in standard errors.

    See Also
    --------
    assert_covariance, assert_coverage : Assertions in standard errors.

    Examples
    --------
    >>> import numpy as np
    >>> samples = np.random.default_rng(0).normal([1.0, -2.0], size=(1000, 2))
    >>> assert_mean(samples, [1.0, -2.0])
    >>> assert_mean(samples, [1.5, -2.0])
    Traceback (most recent call last):
        ...
    AssertionError: mean[0] is 0.97..., expected 1.5: 16.4... standard errors of 0.0322, allowed 5
    """
    samples = _samples(samples)
    n = samples.shape[0]
    if standard_error is not None:
        error = np.asarray(to_numpy(standard_error), dtype=float)
    elif covariance is not None:
        error = np.sqrt(np.diagonal(to_numpy(covariance)) / n)
    else:
        error = samples.std(axis=0, ddof=1) / n**0.5
    _compare("mean", samples.mean(axis=0), to_numpy(mean), error, n_se, tolerance)


def assert_covariance(samples: Any, covariance: Any, *, n_se: float = 5.0, tolerance: float = 0.0) -> None:
    """Gaussian samples have this covariance: no entry of theirs is off by more than `n_se` standard errors.

    The standard error of entry ij of the sample covariance of n samples is sqrt((C_ii C_jj + C_ij²)/(n − 1)).

    Parameters
    ----------
    samples : array_like, shape (n, d)
        Independent samples along the first axis.
    covariance : array_like, shape (d, d)
        What their law says.
    n_se : float, optional
        Standard errors allowed; see `assert_mean`.
    tolerance : float, optional
        What it may be off by beside the noise, relative to the largest entry that is expected.

    Raises
    ------
    AssertionError
        With the worst entry, its value and its distance in standard errors.

    See Also
    --------
    assert_coverage, assert_mean : Assertions in standard errors.

    Examples
    --------
    >>> import numpy as np
    >>> samples = np.random.default_rng(0).multivariate_normal([0, 0], [[2.0, 1.0], [1.0, 1.0]], size=1000)
    >>> assert_covariance(samples, [[2.0, 1.0], [1.0, 1.0]])
    """
    samples, covariance = _samples(samples), np.asarray(to_numpy(covariance), dtype=float)
    if samples.ndim != 2:
        raise ValueError(f"samples must have shape (n, d), got {samples.shape}")
    deviations = samples - samples.mean(axis=0)
    found = deviations.T @ deviations / (samples.shape[0] - 1)
    variances = np.diagonal(covariance)
    error = np.sqrt((np.outer(variances, variances) + covariance**2) / (samples.shape[0] - 1))
    _compare("covariance", found, covariance, error, n_se, tolerance)


def assert_coverage(inside: Any, n: int | None = None, *, level: float = 0.95, n_se: float = 4.0) -> None:
    """Intervals of this level covered the truth as often as they should.

    The standard error of a coverage p over n independent intervals is sqrt(p (1 − p)/n).

    Parameters
    ----------
    inside : array_like of bool, or int
        Whether each interval covered the truth; or how many did, with `n`.
    n : int, optional
        Number of intervals, where `inside` is a count.
    level : float, optional
        Nominal coverage, between 0 and 1.
    n_se : float, optional
        Standard errors allowed.

    Raises
    ------
    AssertionError
        With the coverage found, in per cent, and its distance in standard errors.

    See Also
    --------
    assert_mean, assert_covariance : Assertions in standard errors.

    Examples
    --------
    >>> assert_coverage(948, 1000)
    >>> assert_coverage(900, 1000)
    Traceback (most recent call last):
        ...
    AssertionError: 95 % intervals cover 90.0 % of 1000: 7.3 standard errors, allowed 4
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    if n is None:
        flags = np.asarray(to_numpy(inside))
        inside, n = int(flags.sum()), flags.size
    n = as_count(n, "n")
    found = int(inside) / n
    distance = abs(found - level) / (level * (1 - level) / n) ** 0.5
    assert distance <= as_positive(n_se, "n_se"), (
        f"{100 * level:g} % intervals cover {100 * found:.1f} % of {n}: {distance:.1f} standard errors, "
        f"allowed {n_se:g}"
    )


def _samples(samples: Any) -> np.ndarray:
    array: np.ndarray = np.asarray(to_numpy(samples), dtype=np.float64)
    if array.ndim == 0 or array.shape[0] < 2:
        raise ValueError(f"samples must hold at least two along their first axis, got shape {array.shape}")
    return array


def _compare(
    name: str, found: np.ndarray, expected: Any, error: np.ndarray, n_se: float, tolerance: float = 0.0
) -> None:
    n_se, tolerance = as_positive(n_se, "n_se"), as_nonnegative(tolerance, "tolerance")
    expected, error = np.broadcast_to(expected, found.shape), np.broadcast_to(error, found.shape)
    allowed = tolerance * float(np.abs(expected).max(initial=0.0))
    difference = np.maximum(np.abs(found - expected) - allowed, 0.0)
    # No spread allows rounding only; NaN is never allowed.
    scale = np.where(error > 0, error, 1e-12 * np.maximum(np.abs(expected), 1e-300))
    distance = np.where(np.isnan(difference), np.inf, difference / scale)
    if distance.size == 0 or distance.max() <= n_se:
        return
    worst = np.unravel_index(int(np.argmax(distance)), distance.shape)
    beyond = f" beyond {allowed:.3g}" if allowed else ""
    raise AssertionError(
        f"{name}{[int(i) for i in worst] if worst else ''} is {found[worst]:.6g}, expected {expected[worst]:.6g}: "
        f"{distance[worst]:.4g} standard errors of {scale[worst]:.3g}{beyond}, allowed {n_se:g}"
    )
