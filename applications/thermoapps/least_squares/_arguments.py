"""The arguments of `thermodynamic_least_squares`, checked as SciPy checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds
from scipy.sparse import csc_array, issparse
from scipy.sparse.linalg import LinearOperator

from thermoapps.least_squares._differences import DIFFERENCES, Differences
from thermoapps.least_squares._losses import LOSSES, RobustLoss
from thermoapps.least_squares._problem import Point, Problem

__all__ = ["METHODS", "check_start", "read_bounds", "read_problem"]

Vector = NDArray[np.float64]

METHODS = ("trf", "dogbox", "lm")
"""SciPy's names, all of which run the same method."""

LSMR_OPTIONS = {"damp", "atol", "btol", "conlim", "maxiter", "show", "x0", "regularize"}
"""What SciPy understands in `tr_options`."""


def read_problem(
    fun: Callable[..., Any],
    x0: Any,
    jac: Any,
    bounds: Any,
    method: str,
    tolerances: tuple[float | None, float | None, float | None],
    x_scale: Any,
    loss: Any,
    f_scale: float,
    diff_step: Any,
    trust_region: tuple[str | None, Mapping[str, Any] | None],
    jac_sparsity: Any,
    max_nfev: int | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
) -> Problem:
    """The problem that the arguments of `thermodynamic_least_squares` describe."""
    if not callable(fun):
        raise ValueError("fun must be callable")
    if not callable(jac) and not (isinstance(jac, str) and jac in DIFFERENCES):
        raise ValueError(f"jac must be one of {sorted(DIFFERENCES)} or callable, got {jac!r}")
    if not callable(loss) and not (isinstance(loss, str) and loss in LOSSES):
        raise ValueError(f"loss must be one of {sorted(LOSSES)} or callable, got {loss!r}")
    if isinstance(f_scale, bool) or not isinstance(f_scale, Real) or not 0 < f_scale < np.inf:
        raise ValueError(f"f_scale must be a positive number, got {f_scale!r}")
    start = _read_start(x0)
    lower, upper = read_bounds(bounds, start.size)
    if not np.all((lower <= start) & (start <= upper)):
        raise ValueError("Initial guess is outside of provided bounds")
    if method not in METHODS:
        raise ValueError(f"method must be 'trf', 'dogbox' or 'lm', got {method!r}")
    minpack = method == "lm"
    if minpack and (loss != "linear" or np.any(np.isfinite([lower, upper]))):
        raise ValueError("method='lm' takes neither bounds nor robust losses; leave method out")
    if minpack and jac_sparsity is not None:
        raise ValueError("method='lm' takes no jac_sparsity; leave method out")
    ftol, xtol, gtol = _read_tolerances(tolerances, each=minpack)
    if max_nfev is not None and (not isinstance(max_nfev, Integral) or max_nfev <= 0):
        raise ValueError(f"max_nfev must be None or a positive integer, got {max_nfev!r}")
    _check_trust_region(*trust_region, jac_sparsity)
    extra = dict(kwargs or {})
    from_jacobian = isinstance(x_scale, str) and x_scale == "jac"
    problem = Problem(
        lambda x: fun(x, *args, **extra),
        (lambda x: jac(x, *args, **extra)) if callable(jac) else None,
        start,
        lower,
        upper,
        ftol,
        xtol,
        gtol,
        None if x_scale is None or from_jacobian else _positive(x_scale, start),
        RobustLoss(loss, float(f_scale)),
        100 * start.size if max_nfev is None else int(max_nfev),
        dense_only=minpack or trust_region[0] == "exact",
        square_or_tall=minpack,
        scale_from_jacobian=from_jacobian,
    )
    if not callable(jac):
        step = None if diff_step is None else _positive(diff_step, start, "diff_step")
        sparsity = None if jac_sparsity is None else _read_sparsity(jac_sparsity, start.size)
        problem.differences = Differences(problem.values, jac, (lower, upper), step, sparsity)
    return problem


def check_start(problem: Problem, point: Point) -> None:
    """What the arguments ask of the first Jacobian."""
    m, n = point.raw_jacobian.shape
    operator = isinstance(point.raw_jacobian, LinearOperator)
    if problem.square_or_tall and m < n:
        raise ValueError(f"method='lm' asks for as many residuals as variables, got {m} for {n}; leave method out")
    if problem.dense_only and (operator or issparse(point.raw_jacobian)):
        raise ValueError("method='lm' and tr_solver='exact' ask for dense Jacobians; leave them out")
    if problem.scale_from_jacobian and operator:
        raise ValueError("x_scale='jac' needs the columns of J, which a LinearOperator does not show; pass numbers")


def read_bounds(bounds: Any, n: int) -> tuple[Vector, Vector]:
    """Lower and upper bounds of n variables; equal ones fix a variable."""
    pair = (bounds.lb, bounds.ub) if isinstance(bounds, Bounds) else bounds
    if not isinstance(pair, Sequence) or len(pair) != 2:
        raise ValueError("bounds must be a pair (lower, upper) or scipy.optimize.Bounds")
    sides = [np.asarray(side, dtype=float) for side in pair]
    if any(side.shape not in ((), (n,)) and not (isinstance(bounds, Bounds) and side.shape == (1,)) for side in sides):
        raise ValueError(f"bounds must be numbers or have the shape {(n,)} of x0")
    lower, upper = (np.broadcast_to(side, (n,)) for side in sides)
    if not np.all(lower <= upper):
        raise ValueError("bounds: no lower bound may be above its upper bound")
    return lower, upper


def _read_start(x0: Any) -> Vector:
    if np.iscomplexobj(x0):
        raise ValueError("x0 must be real; pass the real and imaginary parts as variables of their own")
    start = np.atleast_1d(np.array(x0, dtype=float))
    if start.ndim != 1 or start.size == 0:
        raise ValueError(f"x0 must have one dimension and at least one entry, got shape {start.shape}")
    if not np.all(np.isfinite(start)):
        raise ValueError("x0 holds NaN or infinity")
    return start


def _check_trust_region(solver: str | None, options: Mapping[str, Any] | None, sparsity: Any) -> None:
    if solver not in (None, "exact", "lsmr"):
        raise ValueError(f"tr_solver must be None, 'exact' or 'lsmr', got {solver!r}")
    if solver == "exact" and sparsity is not None:
        raise ValueError("tr_solver='exact' asks for dense Jacobians; leave it out, or jac_sparsity")
    if unknown := set(options or {}) - LSMR_OPTIONS:
        raise TypeError(f"tr_options: no option of SciPy's is called {sorted(unknown)[0]!r}")


def _read_sparsity(value: Any, n: int) -> csc_array:
    pattern = csc_array(value if issparse(value) else np.atleast_2d(np.asarray(value)))
    pattern.eliminate_zeros()
    if pattern.shape[1] != n:
        raise ValueError(f"jac_sparsity must have {n} columns, got shape {pattern.shape}")
    return pattern


def _read_tolerances(tolerances: tuple[float | None, ...], *, each: bool) -> tuple[float, float, float]:
    values = [0.0 if tol is None else float(tol) for tol in tolerances]
    eps = np.finfo(float).eps
    for name, value in zip(("ftol", "xtol", "gtol"), values, strict=True):
        if not value >= 0:
            raise ValueError(f"{name} must be None or a number from 0, got {value}")
    if each and min(values) < eps:
        raise ValueError("method='lm' asks for ftol, xtol and gtol above machine epsilon; leave method out")
    if max(values) < eps:
        raise ValueError("one of ftol, xtol and gtol must be above machine epsilon")
    return values[0], values[1], values[2]


def _positive(value: Any, x0: Vector, name: str = "x_scale") -> Vector:
    try:
        numbers = np.broadcast_to(np.asarray(value, dtype=float), x0.shape)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be positive numbers, one or as many as x0 has") from None
    if not np.all(np.isfinite(numbers) & (numbers > 0)):
        raise ValueError(f"{name} must be positive and finite")
    return numbers
