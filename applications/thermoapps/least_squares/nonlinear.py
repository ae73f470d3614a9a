"""Nonlinear least squares: Levenberg–Marquardt whose linear problems are solved on a device."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult

from thermoapps.least_squares._arguments import read_problem
from thermoapps.least_squares._linear_steps import LinearSteps
from thermoapps.least_squares._search import search
from thermolinalg.devices import Device

__all__ = ["thermodynamic_least_squares"]

Vector = NDArray[np.float64]


def thermodynamic_least_squares(
    fun: Callable[..., ArrayLike],
    x0: ArrayLike,
    jac: str | Callable[..., Any] = "2-point",
    bounds: Any = (-np.inf, np.inf),
    method: str = "trf",
    ftol: float | None = 1e-8,
    xtol: float | None = 1e-8,
    gtol: float | None = 1e-8,
    x_scale: str | ArrayLike | None = None,
    loss: str | Callable[[Vector], ArrayLike] = "linear",
    f_scale: float = 1.0,
    diff_step: ArrayLike | None = None,
    tr_solver: str | None = None,
    tr_options: Mapping[str, Any] | None = None,
    jac_sparsity: Any = None,
    max_nfev: int | None = None,
    verbose: int = 0,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    callback: Callable[..., Any] | None = None,
    workers: Any = None,  # noqa: ARG001 - SciPy's
    *,
    device: Device | None = None,
    rng: Any = None,
) -> OptimizeResult:
    r"""Minimise :math:`F(x) = \frac12 \sum_i C^2 \rho(f_i(x)^2/C^2)` within bounds, on a simulated device.

    The signature, the losses and the result are those of `scipy.optimize.least_squares`. Each Levenberg–Marquardt
    step p minimises ‖J p + f‖² + λ ‖D p‖²: a device that holds J over sqrt(λ) D relaxes to it, and residuals are sent
    back until the step is exact to six digits. λ is found from such steps so that ‖D p‖ is the radius of a trust
    region, which follows the ratio of the actual to the predicted reduction. Variables at a bound that the gradient
    pushes outwards stay there; a step that would cross a bound stops at it in that variable, and the others are solved
    for again.

    Parameters
    ----------
    fun : callable
        Residuals f(x, \*args, \*\*kwargs), shape (m,), of x, shape (n,).
    x0 : array_like, shape (n,) or float
        Start, within the bounds.
    jac : {'2-point', '3-point', 'cs'} or callable, optional
        Jacobian: by differences within the bounds, or a function like `fun` that returns shape (m, n), as an array, a
        sparse array or a LinearOperator. Of a sparse one the device holds JᵀJ + λD², which stays sparse.
    bounds : 2-tuple of array_like or scipy.optimize.Bounds, optional
        Lower and upper bounds; equal ones fix a variable, which SciPy refuses.
    method : {'trf', 'dogbox', 'lm'}, optional
        SciPy's names. All run the method above; 'lm' takes neither bounds nor robust losses, as in SciPy.
    ftol, xtol, gtol : float or None, optional
        Tests that have no units: stop when F falls, and could fall by an undamped step, by no more than ftol · F; when
        an undamped step is shorter than xtol times x, each variable in units of its column of J; or when no column of
        a free variable makes an angle with the residuals whose cosine is above gtol. None switches a test off. A step
        that the trust region shortened ends no search.
    x_scale : array_like, 'jac' or None, optional
        Characteristic sizes of the variables, 1/D. 'jac' and None take D from the largest column norms of J so far;
        of a LinearOperator, which does not show them, None is one.
    loss : {'linear', 'soft_l1', 'huber', 'cauchy', 'arctan'} or callable, optional
        ρ; a callable returns ρ, ρ′ and ρ″ of an array z as an array of shape (3, m).
    f_scale : float, optional
        C, the residual at which outliers begin.
    diff_step : array_like, optional
        Relative step of the differences.
    tr_solver : {None, 'exact', 'lsmr'}, optional
        Accepted for SciPy's sake; 'exact' refuses Jacobians that are not dense, as in SciPy.
    tr_options, workers : optional
        Accepted for SciPy's sake; no use is made of them, but options that SciPy does not know are refused.
    jac_sparsity : array_like or sparse array, shape (m, n), optional
        Where J may differ from zero: differences then take as many evaluations as a row of J has entries, or few more,
        and J is sparse.
    max_nfev : int, optional
        Evaluations of `fun` at most, those for differences not counted. Default: 100 n.
    verbose : {0, 1, 2}, optional
        Whether to print the outcome (1) and every iteration (2).
    args, kwargs : tuple and dict, optional
        Further arguments of `fun` and `jac`.
    callback : callable, optional
        Called after each iteration as callback(x), or callback(intermediate_result=OptimizeResult) where its
        parameter has that name; it ends the search by raising StopIteration.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of the device's noise; None is fresh entropy.

    Returns
    -------
    OptimizeResult
        x, cost, fun, jac, grad, optimality, active_mask, nfev, njev, nit, status, message, success as in SciPy, and
        `device_time`: what all steps took in units of the device's time constant. `jac` is that of the model: scaled
        where the loss is robust. Two statuses are ours: −1, no step lowers F though J says that one does; −3, the
        search ran to where the residuals no longer depend on some variables, which its message names. Where J has lost
        a direction, the cost is looked at to both sides of it: at a minimum it rises.

    Raises
    ------
    ValueError
        Arguments that are out of range or do not fit, residuals that are not finite at `x0`, a Jacobian that is not
        finite.

    Warns
    -----
    OptimizeWarning
        The residuals never depended on some of the variables.

    See Also
    --------
    thermoapps.least_squares.thermodynamic_curve_fit : Fits of curves, with confidence bands.

    References
    ----------
    Levenberg (1944), Marquardt (1963); J. J. Moré, The Levenberg–Marquardt Algorithm: Implementation and Theory (1978),
    for the trust region and scaling.
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660, for the device.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.least_squares import thermodynamic_least_squares
    >>> def rosenbrock(x):
    ...     return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])
    >>> result = thermodynamic_least_squares(rosenbrock, [2.0, 2.0], rng=0)
    >>> result.success, bool(np.allclose(result.x, [1, 1]))
    (True, True)
    >>> result = thermodynamic_least_squares(rosenbrock, [2.0, 2.0], bounds=([-np.inf, 1.5], np.inf), rng=0)
    >>> np.round(result.x, 4), result.active_mask
    (array([1.2244, 1.5   ]), array([ 0, -1]))
    """
    problem = read_problem(
        fun,
        x0,
        jac,
        bounds,
        method,
        (ftol, xtol, gtol),
        x_scale,
        loss,
        f_scale,
        diff_step,
        (tr_solver, tr_options),
        jac_sparsity,
        max_nfev,
        args,
        kwargs,
    )
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1 or 2, got {verbose!r}")
    if callback is not None and not callable(callback):
        raise ValueError("callback must be callable")
    steps = LinearSteps(device, np.random.default_rng(rng))
    result = search(problem, steps, _watcher(callback, verbose))
    if verbose:
        print(f"{result.message} F = {result.cost:.6g}, {result.nfev} evaluations, {result.device_time:.3g} τ")
    return result


def _watcher(callback: Callable[..., Any] | None, verbose: int) -> Callable[[OptimizeResult], bool]:
    """What is done after each iteration; True ends the search."""
    named = callback is not None and "intermediate_result" in inspect.signature(callback).parameters

    def watch(result: OptimizeResult) -> bool:
        if verbose == 2:
            print(f"{result.nit:5d} {result.nfev:5d} {result.cost:14.6e} {result.optimality:10.2e}")
        if callback is None:
            return False
        try:
            if named:
                callback(intermediate_result=result)
            else:
                callback(result.x.copy())
        except StopIteration:
            return True
        return False

    return watch
