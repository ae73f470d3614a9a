"""Linear least squares within bounds, in the signatures of SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from thermoapps.boxes._reading import read_box, read_matrix, read_vector
from thermoapps.boxes.active_set import Box, LeastSquares, minimise
from thermoapps.quadratic_program import Problem, solve_problem
from thermolinalg.devices import Device

__all__ = ["thermodynamic_lsq_linear", "thermodynamic_nnls"]

Vector = NDArray[np.float64]

STATUS = {0: "the maximum number of iterations is exceeded", 1: "the conditions of a minimum hold to rounding"}


def thermodynamic_nnls(
    A: Any, b: Any, *, maxiter: int | None = None, device: Device | None = None, rng: Any = None
) -> tuple[Vector, float]:
    """Nonnegative least squares, min ‖Ax − b‖ with x ≥ 0: the answers of `scipy.optimize.nnls`.

    Parameters
    ----------
    A : array_like, shape (m, n)
    b : array_like, shape (m,)
    maxiter : int, optional
        Solves on the device at most. Default: 3 n.
    device : thermolinalg.devices.Device, optional
        Default: an ideal `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional

    Returns
    -------
    x : array, shape (n,)
    rnorm : float
        ‖Ax − b‖.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN or infinity.
    RuntimeError
        More iterations than `maxiter`.

    See Also
    --------
    thermodynamic_lsq_linear : Any bounds.
    scipy.optimize.nnls : The same contract.

    Examples
    --------
    >>> x, rnorm = thermodynamic_nnls([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [2.0, 1.0, -1.0], rng=0)
    >>> x.round(9), round(rnorm, 9)
    (array([1.5, 0. ]), 1.224744871)
    """
    result = thermodynamic_lsq_linear(A, b, (0.0, np.inf), max_iter=maxiter, device=device, rng=rng)
    if not result.success:
        raise RuntimeError(f"more than {result.nit} iterations; pass a larger maxiter=")
    return result.x, float(np.linalg.norm(result.fun))


def thermodynamic_lsq_linear(
    A: Any,
    b: Any,
    bounds: Any = (-np.inf, np.inf),
    *,
    max_iter: int | None = None,
    device: Device | None = None,
    rng: Any = None,
) -> OptimizeResult:
    """Least squares in a box, min ½‖Ax − b‖² with lb ≤ x ≤ ub: the answers of `scipy.optimize.lsq_linear`.

    A quadratic program of columns of unit length gives the bounds that hold; an active set, whose every step is a
    least-squares solve on the device, corrects them and gives all digits.

    Parameters
    ----------
    A : array_like, shape (m, n)
    b : array_like, shape (m,)
    bounds : tuple of array_like, or scipy.optimize.Bounds, optional
        (lb, ub), numbers or arrays of n; infinite entries are no bounds. Bounds may be equal.
    max_iter : int, optional
        Solves on the device at most. Default: 3 n.
    device : thermolinalg.devices.Device, optional
        Default: an ideal `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional

    Returns
    -------
    scipy.optimize.OptimizeResult
        `x`, `cost`, `fun` (residuals Ax − b), `optimality` (largest slope that no bound opposes), `active_mask` (−1 at
        lower bounds, 1 at upper ones), `nit`, `status`, `message`, `success`. Where columns repeat each other the
        minimum is not unique, and this is one of them.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN or infinity, an empty box.

    See Also
    --------
    thermodynamic_nnls : Positive answers.
    scipy.optimize.lsq_linear : The same contract.

    Examples
    --------
    >>> result = thermodynamic_lsq_linear([[1.0, 1.0], [0.0, 1.0]], [3.0, 1.5], (0.0, [1.0, 2.0]), rng=0)
    >>> result.x.round(9), result.active_mask
    (array([1.  , 1.75]), array([1, 0]))
    """
    matrix = read_matrix(A, "A")
    load = read_vector(b, "b", matrix.shape[0])
    n = matrix.shape[1]
    box = read_box(*_sides(bounds), n)
    most = 3 * n if max_iter is None else max_iter
    if most < 1:
        raise ValueError(f"the number of iterations must be at least 1, got {max_iter}")
    generator = np.random.default_rng(rng)
    norms = np.sqrt(np.sum((matrix / _largest(matrix)) ** 2, axis=0)) * _largest(matrix)
    scales = np.exp2(-np.round(np.log2(np.where(norms > 0, norms, 1.0))))
    size = np.exp2(np.round(np.log2(np.linalg.norm(load)))) if load.any() else 1.0
    scaled, target = matrix * scales, load / size
    within = Box(box.lower / (scales * size), box.upper / (scales * size))
    options = {"device": device, "rng": generator}
    start = _guess(scaled, target, within, options)
    y, nit, success = minimise(LeastSquares(scaled, target, options), within, start, most)
    x = box.clipped(y * scales * size)
    x = np.where(y == within.lower, box.lower, np.where(y == within.upper, box.upper, x))
    residuals = matrix @ x - load
    slope = matrix.T @ residuals
    mask = np.where(x <= box.lower, -1, np.where(x >= box.upper, 1, 0))
    opposed = box.held(x, slope)
    return OptimizeResult(
        x=x,
        cost=float(residuals @ residuals) / 2,
        fun=residuals,
        optimality=float(np.abs(slope[~opposed]).max(initial=0.0)),
        active_mask=mask,
        nit=nit,
        status=int(success),
        message=STATUS[int(success)],
        success=success,
    )


def _sides(bounds: Any) -> tuple[Any, Any]:
    """(lb, ub) of a pair or of SciPy's Bounds."""
    if hasattr(bounds, "lb"):
        return bounds.lb, bounds.ub
    try:
        lower, upper = bounds
    except (TypeError, ValueError):
        raise ValueError(f"bounds must be a pair (lb, ub), got {bounds!r}") from None
    return lower, upper


def _largest(matrix: Vector) -> Vector:
    """Largest entry of every column, 1 where it is zero: squares of its parts do not overflow."""
    largest = np.abs(matrix).max(axis=0)
    return np.asarray(np.where(largest > 0, largest, 1.0))


def _guess(A: Vector, b: Vector, box: Box, options: dict[str, Any]) -> Vector:
    """The minimum as a quadratic program knows it."""
    problem = Problem(A.T @ A, -A.T @ b, lb=box.lower, ub=box.upper)
    solution = solve_problem(problem, tol=1e-6, **options)
    x = solution.x if solution.x is not None else solution.last
    return np.zeros(A.shape[1]) if x is None or not np.isfinite(x).all() else np.asarray(x)
