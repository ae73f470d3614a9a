"""Fits of curves, with confidence bands from samples that a device draws."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr
from scipy.optimize import OptimizeResult, OptimizeWarning

from thermoapps.least_squares._arguments import METHODS, read_bounds
from thermoapps.least_squares._convergence import FLAT
from thermoapps.least_squares._curve_data import Whitening, as_data, number_of_parameters, read_data, start_within
from thermoapps.least_squares._differences import relative_noise
from thermoapps.least_squares._spread import Spread
from thermoapps.least_squares.nonlinear import thermodynamic_least_squares
from thermolinalg.devices import Device

__all__ = ["CurveFit", "thermodynamic_curve_fit"]

Vector = NDArray[np.float64]


class CurveFit(tuple[Any, ...]):
    """A fitted curve: the tuple (popt, pcov) of `scipy.optimize.curve_fit`, with what the device tells besides.

    With ``full_output=True`` it is SciPy's (popt, pcov, infodict, mesg, ier).

    Parameters
    ----------
    entries : tuple
        What it is as a tuple.
    f : callable
        The model f(x, *parameters).
    result : OptimizeResult
        Of the search; its `device_time` includes covariance and samples.
    spread : Spread
        What samples are drawn with.

    See Also
    --------
    thermodynamic_curve_fit : Returns it.
    """

    popt: Vector
    """Best parameters, shape (n,)."""
    pcov: Vector
    """Their covariance to first order, s² (JᵀJ)⁻¹, shape (n, n); infinite where the data do not determine them."""
    f: Callable[..., Any]
    """The model."""
    result: OptimizeResult
    """Of the search; its `device_time` includes covariance and samples."""
    _spread: Spread

    def __new__(cls, entries: tuple[Any, ...], f: Callable[..., Any], result: OptimizeResult, spread: Spread) -> Self:
        """The tuple, and its attributes."""
        self = super().__new__(cls, entries)
        self.popt, self.pcov = entries[:2]
        self.f, self.result, self._spread = f, result, spread
        return self

    @cached_property
    def samples(self) -> Vector:
        """Draws about popt with the scale matrix pcov, shape (n_samples, n), made when first asked for.

        Normal where sigma is absolute, Student's t otherwise. A parameter that is fixed stays where it is.

        Raises
        ------
        LinAlgError
            The data do not determine the parameters.
        """
        return np.asarray(self.popt + self._spread.draw())

    def band(self, x: Any, level: float = 0.95) -> tuple[Vector, Vector]:
        """Pointwise confidence band of the curve.

        Parameters
        ----------
        x : array_like
            Where the band is wanted, as the model takes it.
        level : float, optional
            Probability between the limits, inside (0, 1).

        Returns
        -------
        lower, upper : array
            Quantiles of f(x, *parameters) over the samples.

        Raises
        ------
        ValueError
            A level outside (0, 1).
        LinAlgError
            The data do not determine the parameters.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1, got {level}")
        x = as_data(x)
        curves = np.array([self.f(x, *parameters) for parameters in self.samples], dtype=float)
        lower, upper = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return lower, upper


def thermodynamic_curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: ArrayLike,
    p0: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = (-np.inf, np.inf),
    method: str | None = None,
    jac: str | Callable[..., Any] | None = None,
    *,
    full_output: bool = False,
    nan_policy: str | None = None,
    n_samples: int = 1000,
    device: Device | None = None,
    rng: Any = None,
    **kwargs: Any,
) -> CurveFit:
    r"""Fit f(x, \*parameters) to data on a simulated device, and sample the parameters on it.

    The signature, the defaults and the tuple that is returned are those of `scipy.optimize.curve_fit`. At the minimum
    the device is loaded with JᵀJ: its voltages in equilibrium, times s, *are* draws of the parameters' error, in the
    first-order (Laplace) approximation in which their covariance is s² (JᵀJ)⁻¹. Where s is taken from the residuals it
    is uncertain itself, and drawn along: the samples are those of Student's t with m − n degrees of freedom, and bands
    from few data are as wide as they should be.

    Parameters
    ----------
    f : callable
        Model f(x, \*parameters), shape (m,).
    xdata : array_like or object
        Passed to f; lists, tuples and arrays as arrays of floats.
    ydata : array_like, shape (m,)
        Data.
    p0 : array_like, shape (n,), optional
        Start. Default: ones, or within the bounds; their number is found from the signature of f.
    sigma : array_like, shape (), (m,) or (m, m), optional
        Standard deviations of the data, or their covariance matrix.
    absolute_sigma : bool, optional
        Whether sigma is meant as it stands (s = 1). By default s² = 2F/(m − n), the spread found in the residuals.
    check_finite : bool, optional
        Whether to refuse NaN and infinity in the data. Default: yes, unless `nan_policy` is given.
    bounds : 2-tuple of array_like or scipy.optimize.Bounds, optional
        Lower and upper bounds; a parameter with equal ones is fixed.
    method : {'lm', 'trf', 'dogbox'}, optional
        SciPy's names. All run the same method; 'lm', the default without bounds, takes no bounds.
    jac : callable or {'2-point', '3-point', 'cs'}, optional
        Jacobian of f, as jac(x, \*parameters) of shape (m, n), or differences.
    full_output : bool, optional
        Whether the tuple is (popt, pcov, infodict, mesg, ier).
    nan_policy : {'raise', 'omit'}, optional
        What is done with NaN in the data where `check_finite` is not set: an error, or to leave them out.
    n_samples : int, optional
        Independent draws of the parameters.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of the device's noise; None is fresh entropy.
    **kwargs
        Further keywords of `thermodynamic_least_squares`, such as `loss`; `maxfev` and `epsfcn` as MINPACK knows them.

    Returns
    -------
    CurveFit
        The tuple (popt, pcov), with samples, a method `band`, and the result of the search.

    Raises
    ------
    ValueError
        NaN or infinity in the data, shapes that do not fit, bounds with method='lm'.
    TypeError
        More parameters than data without bounds.
    RuntimeError
        The search did not converge.

    Warns
    -----
    OptimizeWarning
        pcov is infinite: the data do not determine the parameters, the search ran to where f no longer depends on
        them, or there are no more data than parameters and no absolute sigma.

    See Also
    --------
    thermodynamic_least_squares : Residuals of any kind.
    scipy.optimize.curve_fit : The same contract.

    Notes
    -----
    Bounds and robust losses change the minimum, but not the way in which samples are drawn around it: parameters at a
    bound are sampled as if it were not there.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.least_squares import thermodynamic_curve_fit
    >>> def decay(t, amplitude, rate):
    ...     return amplitude * np.exp(-rate * t)
    >>> t = np.linspace(0, 4, 30)
    >>> y = decay(t, 2.5, 1.3) + 0.05 * np.random.default_rng(0).standard_normal(30)
    >>> popt, pcov = thermodynamic_curve_fit(decay, t, y, rng=0)
    >>> popt.round(1)
    array([2.5, 1.3])
    >>> fit = thermodynamic_curve_fit(decay, t, y, rng=0)
    >>> lower, upper = fit.band([0.0, 1.0])
    >>> bool(np.all((lower < decay(np.array([0.0, 1.0]), 2.5, 1.3)) & (decay(np.array([0.0, 1.0]), 2.5, 1.3) < upper)))
    True
    """
    n = number_of_parameters(f) if p0 is None else np.size(p0)
    lower, upper = read_bounds(bounds, n)
    start = start_within(lower, upper) if p0 is None else np.atleast_1d(p0)
    bounded = bool(np.any(np.isfinite([lower, upper])))
    method = ("trf" if bounded else "lm") if method is None else method
    if method not in METHODS:
        raise ValueError(f"method must be 'lm', 'trf' or 'dogbox', got {method!r}")
    if method == "lm" and bounded:
        raise ValueError("Method 'lm' only works for unconstrained problems. Use 'trf' or 'dogbox' instead.")
    if isinstance(n_samples, bool) or not isinstance(n_samples, int) or n_samples < 1:
        raise ValueError(f"n_samples must be a positive integer, got {n_samples!r}")
    if "args" in kwargs:
        raise ValueError("'args' is not a supported keyword argument.")
    x, y, errors = read_data(xdata, ydata, sigma, check_finite, nan_policy)
    whitened = Whitening(errors, y.size)
    if method == "lm" and y.size != 1 and n > y.size:
        raise TypeError(f"The number of func parameters={n} must not exceed the number of data points={y.size}")
    generator = np.random.default_rng(rng)

    def jacobian(parameters: Any) -> Any:
        assert callable(jac)
        return whitened(jac(x, *parameters))

    how: dict[str, Any] = {"jac": jacobian if callable(jac) else jac or "2-point", "bounds": (lower, upper)}
    if "epsfcn" in kwargs:
        kwargs["diff_step"] = np.sqrt(kwargs.pop("epsfcn"))
    if "maxfev" in kwargs:
        kwargs.setdefault("max_nfev", kwargs.pop("maxfev") or None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # pcov tells of parameters without effect
        result = thermodynamic_least_squares(
            lambda parameters: whitened(f(x, *parameters) - y), start, device=device, rng=generator, **how, **kwargs
        )
    if not result.success and result.status != FLAT:
        raise RuntimeError("Optimal parameters not found: " + result.message)
    spread = Spread(result, lower < upper, relative_noise(how["jac"]), absolute_sigma, n_samples, device, generator)
    pcov = spread.covariance()
    if not np.all(np.isfinite(pcov)):
        why = f": {result.message}" if result.status == FLAT else ""
        warnings.warn(f"Covariance of the parameters could not be estimated{why}", OptimizeWarning, stacklevel=2)
    entries: tuple[Any, ...] = (result.x, pcov)
    if full_output:
        entries += (_infodict(result, method), result.message, result.status)
    return CurveFit(entries, f, result, spread)


def _infodict(result: OptimizeResult, method: str) -> dict[str, Any]:
    """SciPy's report; for 'lm' with the factorisation of the last Jacobian that MINPACK returns."""
    report = {"nfev": result.nfev, "fvec": result.fun}
    if method == "lm":
        q, r, pivots = qr(np.asarray(result.jac), mode="economic", pivoting=True)
        report |= {"fjac": r.T, "ipvt": pivots + 1, "qtf": q.T @ result.fun}
    return report
