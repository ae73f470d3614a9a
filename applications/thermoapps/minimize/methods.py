"""Newton's method and natural gradients, as methods of `scipy.optimize.minimize`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult

from thermoapps._programmed import Programmed
from thermoapps.minimize._arguments import read_bounds, read_objective, read_start, read_tolerance, read_watcher
from thermoapps.minimize._objective import Objective
from thermoapps.minimize._region import TrustRegion
from thermoapps.minimize._search import Search
from thermolinalg.devices import Device

__all__ = ["natural_gradient", "newton"]


def newton(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    *,
    jac: Any = None,
    hess: Any = None,
    hessp: Callable[..., Any] | None = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Callable[..., Any] | None = None,
    tol: float = 1e-8,
    gtol: float = 0.0,
    maxiter: float | None = None,
    x_scale: Any = None,
    disp: bool = False,
    return_all: bool = False,
    device: Device | None = None,
    rng: Any = None,
) -> OptimizeResult:
    r"""Minimise f(x) within bounds by Newton's method, each step of which is solved on a simulated device.

    A method for `scipy.optimize.minimize`, ``minimize(fun, x0, jac=..., hess=..., method=newton)``, its options by
    ``options={...}``; it may be called directly as well. A step minimises gᵀs + ½ sᵀHs over ‖D s‖ ≤ radius: the device
    holds D⁻¹HD⁻¹ + μI and relaxes to the step, with μ = 0 where H is positive definite and the step stays within, else
    the μ of Moré and Sorensen; where H has a negative eigenvalue, its vector leads away from a saddle. Where f does not
    follow the model, a line search shortens the step, and the radius with it (Nocedal and Yuan). Variables at a bound
    that the gradient pushes outwards stay there; one that would cross its bound stops at it, and the others are solved
    for again.

    Parameters
    ----------
    fun : callable
        f(x, \*args), a number; NaN and +inf are never stepped to.
    x0 : array_like, shape (n,) or float
        Start; beyond a bound it is moved to it.
    args : tuple, optional
        Further arguments of `fun`, `jac`, `hess` and `hessp`.
    jac : callable, True, {'2-point', '3-point', 'cs'} or None, optional
        Gradient, shape (n,); True where `fun` returns both; None takes differences, within the bounds.
    hess : callable, {'2-point', '3-point', 'cs'}, HessianUpdateStrategy or None, optional
        Hessian, shape (n, n), as an array, a sparse array, which stays sparse, or a LinearOperator. None without a
        `hessp` takes differences of the gradient.
    hessp : callable, optional
        hessp(x, p, \*args) is H p; no matrix is formed, but of up to 64 variables.
    bounds : scipy.optimize.Bounds or sequence of pairs, optional
        Lower and upper bounds; equal ones fix a variable.
    constraints : optional
        Refused unless empty.
    callback : callable, optional
        Called after each iteration as callback(x), or callback(intermediate_result=OptimizeResult) where its
        parameter has that name; it ends the search by raising StopIteration.
    tol : float, optional
        Stop where a step that no radius shortens moves every variable by no more than `tol` of its size, or `tol`² of
        the largest that it has had; or where rounding leaves nothing to gain. The test has no units.
    gtol : float, optional
        Stop as well where no entry of the gradient of a free variable is larger, SciPy's test in the units of `fun`.
    maxiter : int, optional
        Iterations at most. Default: 200 n.
    x_scale : array_like, optional
        Typical sizes of the variables, 1/D. Default: D_i² is the largest \|H_ii\| so far; of a map, what a dozen
        products with random vectors show at the start.
    disp : bool, optional
        Whether to print the outcome.
    return_all : bool, optional
        Whether to return all points as `allvecs`.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of the device's noise; None is fresh entropy.

    Returns
    -------
    OptimizeResult
        x, fun, jac, hess, nit, nfev, njev, nhev, status, success and message as in SciPy, and `device_time`: what all
        steps took in units of the device's time constant. `status` is 0 at a minimum; 1 after `maxiter`; 2 where no
        step lowers f though the gradient says that one does; 3 at NaN or infinity; 4 where f falls to −inf; 99 where
        the callback ended the search. `fun` is at x, and never above its value at the start.

    Raises
    ------
    ValueError
        Arguments that are out of range or do not fit, constraints, a matrix that is not symmetric.
    TypeError
        Functions that cannot be called.

    Warns
    -----
    RuntimeWarning
        With ``disp=True``, where the search did not succeed.

    See Also
    --------
    natural_gradient : steps by the Fisher information.
    thermoapps.least_squares.thermodynamic_least_squares : sums of squares.

    References
    ----------
    J. J. Moré and D. C. Sorensen, Computing a trust region step, SIAM J. Sci. Stat. Comput. 4 (1983).
    J. Nocedal and Y. Yuan, Combining trust region and line search techniques (1998).

    Examples
    --------
    >>> from scipy.optimize import minimize, rosen, rosen_der, rosen_hess
    >>> from thermoapps.minimize import newton
    >>> found = minimize(rosen, [-1.2, 1.0], jac=rosen_der, hess=rosen_hess, method=newton, options={"rng": 0})
    >>> found.success, found.x.round(6)
    (True, array([1., 1.]))
    >>> newton(rosen, [-1.2, 1.0], jac=rosen_der, hess=rosen_hess, bounds=[(None, 0.5), (None, None)], rng=0).x.round(6)
    array([0.5 , 0.25])
    """
    box = read_bounds(bounds, np.size(x0))
    objective = read_objective(fun, args, jac, hess, hessp, box, "hess")
    options = (tol, gtol, maxiter, x_scale)
    return _searched(objective, x0, constraints, callback, options, disp, return_all, device, rng, definite=False)


def natural_gradient(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    *,
    fisher: Any = None,
    jac: Any = None,
    hess: Any = None,
    hessp: Any = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Callable[..., Any] | None = None,
    tol: float = 1e-8,
    gtol: float = 0.0,
    maxiter: float | None = None,
    x_scale: Any = None,
    disp: bool = False,
    return_all: bool = False,
    device: Device | None = None,
    rng: Any = None,
) -> OptimizeResult:
    r"""Minimise a negative log-likelihood by natural gradients F⁻¹g, each solved for on a simulated device.

    `newton` with the Fisher information F in the place of the Hessian: F is positive semidefinite wherever the search
    is, and needs first derivatives only. With SciPy: ``minimize(fun, x0, jac=..., method=natural_gradient,
    options={"fisher": ...})``.

    Parameters
    ----------
    fun, x0, args, jac, bounds, constraints, callback : optional
        As `newton`.
    fisher : callable
        fisher(x, \*args) is F, shape (n, n), positive semidefinite, as an array, a sparse array or a LinearOperator.
    hess, hessp : optional
        Refused: a Hessian is for `newton`.
    tol, gtol, maxiter, x_scale, disp, return_all, device, rng : optional
        As `newton`.

    Returns
    -------
    OptimizeResult
        As `newton`; `hess` is F.

    Raises
    ------
    ValueError
        As `newton`; no `fisher`, a Hessian, or an F with a negative eigenvalue.
    TypeError
        As `newton`.

    Warns
    -----
    RuntimeWarning
        As `newton`.

    See Also
    --------
    newton : With the Hessian.
    thermoapps.natural_gradient.NaturalGradient : For networks of torch.

    References
    ----------
    S. Amari, Natural gradient works efficiently in learning, Neural Computation 10 (1998).

    Examples
    --------
    The rate of a Poisson distribution from counts, by its logarithm:

    >>> import numpy as np
    >>> from thermoapps.minimize import natural_gradient
    >>> counts = np.array([3.0, 5.0, 4.0])
    >>> def loss(t):
    ...     return len(counts) * np.exp(t[0]) - t[0] * counts.sum()
    >>> def slope(t):
    ...     return len(counts) * np.exp(t) - counts.sum()
    >>> def fisher(t):
    ...     return [[len(counts) * np.exp(t[0])]]
    >>> found = natural_gradient(loss, 0.0, jac=slope, fisher=fisher, rng=0)
    >>> found.success, np.exp(found.x).round(6)
    (True, array([4.]))
    """
    if fisher is None:
        raise ValueError("fisher is required: pass options={'fisher': ...}, a callable like hess")
    if hess is not None or hessp is not None:
        raise ValueError("natural_gradient takes fisher= and no Hessian; pass method=newton for that")
    box = read_bounds(bounds, np.size(x0))
    objective = read_objective(fun, args, jac, fisher, None, box, "fisher")
    options = (tol, gtol, maxiter, x_scale)
    return _searched(objective, x0, constraints, callback, options, disp, return_all, device, rng, definite=True)


def _searched(
    objective: Objective,
    x0: Any,
    constraints: Any,
    callback: Any,
    options: tuple[Any, Any, Any, Any],
    disp: bool,
    return_all: bool,
    device: Device | None,
    rng: Any,
    *,
    definite: bool,
) -> OptimizeResult:
    """What both methods share: the remaining arguments, the search, what is printed."""
    start = read_start(x0)
    if constraints is not None and constraints != () and constraints != []:
        raise ValueError("constraints are not supported, but for bounds; use method='trust-constr'")
    tol, gtol, maxiter, x_scale = options
    sizes = None if x_scale is None else _read_sizes(x_scale, start.size)
    search = Search(
        objective,
        TrustRegion(Programmed(device, np.random.default_rng(rng)), objective.noise),
        np.clip(start, objective.lower, objective.upper),
        sizes,
        read_tolerance(tol, "tol"),
        read_tolerance(gtol, "gtol"),
        200 * start.size if maxiter is None else _read_count(maxiter),
        read_watcher(callback),
        definite,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        result = search.run()
    if return_all:
        result["allvecs"] = search.path
    if disp:
        _say(result)
    return result


def _read_sizes(value: Any, n: int) -> Any:
    sizes = np.asarray(value, dtype=float)
    if sizes.shape not in ((), (n,)) or not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise ValueError(f"x_scale must be positive and finite, one number or as many as x0 has, {n}")
    return np.broadcast_to(sizes, (n,))


def _read_count(maxiter: Any) -> float:
    if not isinstance(maxiter, Real) or math.isnan(maxiter):
        raise ValueError(f"maxiter must be a number, got {maxiter!r}")
    return float(maxiter)


def _say(result: OptimizeResult) -> None:
    if not result.success:
        warnings.warn(result.message, RuntimeWarning, stacklevel=4)
    else:
        print(result.message)
    print(f"         Current function value: {result.fun:f}")
    for name, count in {"Iterations": "nit", "Function evaluations": "nfev", "Gradient evaluations": "njev"}.items():
        print(f"         {name}: {result[count]}")
    print(f"         Curvature evaluations: {result.nhev}")
