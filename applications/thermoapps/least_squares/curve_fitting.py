"""Fits of curves, with confidence bands from samples that a device draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult

import thermolinalg as tla
from thermoapps.least_squares.nonlinear import thermodynamic_least_squares
from thermolinalg.devices import Device

__all__ = ["CurveFit", "thermodynamic_curve_fit"]

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class CurveFit:
    """A fitted curve, and samples of its parameters.

    Parameters
    ----------
    f : callable
        The model f(x, *parameters).
    popt : array, shape (n,)
        Best parameters.
    pcov : array, shape (n, n)
        Their covariance to first order, s² (JᵀJ)⁻¹.
    samples : array, shape (n_samples, n)
        Draws about popt with the scale matrix pcov: normal where sigma is absolute, Student's t otherwise.
    result : OptimizeResult
        Of the search; its `device_time` includes covariance and samples.
    """

    f: Callable[..., Any]
    popt: Vector
    pcov: Vector
    samples: Vector
    result: OptimizeResult

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
        """
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1, got {level}")
        x = _as_data(x)
        curves = np.array([self.f(x, *parameters) for parameters in self.samples], dtype=float)
        lower, upper = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return lower, upper


def thermodynamic_curve_fit(
    f: Callable[..., Any],
    xdata: Any,
    ydata: ArrayLike,
    p0: ArrayLike,
    sigma: ArrayLike | None = None,
    absolute_sigma: bool = False,
    *,
    n_samples: int = 1000,
    device: Device | None = None,
    rng: Any = None,
    **options: Any,
) -> CurveFit:
    r"""Fit f(x, \*parameters) to data on a simulated device, and sample the parameters on it.

    At the minimum the device is loaded with JᵀJ: its voltages in equilibrium, times s, *are* draws of the parameters'
    error, in the first-order (Laplace) approximation in which their covariance is s² (JᵀJ)⁻¹. Where s is taken from
    the residuals it is uncertain itself, and drawn along: the samples are those of Student's t with m − n degrees of
    freedom, and bands from few data are as wide as they should be.

    Parameters
    ----------
    f : callable
        Model f(x, \*parameters), shape (m,).
    xdata : array_like or object
        Passed to f; lists and tuples as arrays.
    ydata : array_like, shape (m,)
        Data.
    p0 : array_like, shape (n,)
        Start.
    sigma : array_like, shape (m,) or float, optional
        Standard deviations of the data.
    absolute_sigma : bool, optional
        Whether sigma is meant as it stands (s = 1). By default s² = 2F/(m − n), the spread found in the residuals.
    n_samples : int, optional
        Independent draws of the parameters.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of the device's noise; None is fresh entropy.
    **options
        Further keywords of `thermodynamic_least_squares`, such as `bounds` or `jac` (of f − ydata over sigma).

    Returns
    -------
    CurveFit
        `popt` and `pcov` as `scipy.optimize.curve_fit` returns them, samples, and a method `band`.

    Raises
    ------
    ValueError
        NaN or infinity in the data, shapes that do not fit, or no more data than parameters and no absolute sigma.
    RuntimeError
        The search did not converge.
    LinAlgError
        The data do not determine the parameters: JᵀJ is singular.

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
    >>> fit = thermodynamic_curve_fit(decay, t, y, [1.0, 1.0], rng=0)
    >>> lower, upper = fit.band([0.0, 1.0])
    >>> bool(np.all((lower < decay(np.array([0.0, 1.0]), 2.5, 1.3)) & (decay(np.array([0.0, 1.0]), 2.5, 1.3) < upper)))
    True
    """
    x, y = _as_data(xdata), np.asarray(ydata, dtype=float)
    if y.ndim != 1 or y.size == 0:
        raise ValueError(f"ydata must have one dimension and at least one entry, got shape {y.shape}")
    if not np.all(np.isfinite(y)):
        raise ValueError("ydata holds NaN or infinity")
    deviations = _read_sigma(sigma, y)
    if isinstance(n_samples, bool) or not isinstance(n_samples, int) or n_samples < 1:
        raise ValueError(f"n_samples must be a positive integer, got {n_samples!r}")
    n = np.size(p0)
    if not absolute_sigma and y.size <= n:
        raise ValueError(f"{y.size} data do not show the spread about {n} parameters; pass sigma and absolute_sigma")
    generator = np.random.default_rng(rng)

    def residuals(parameters: Any) -> Any:
        return (f(x, *parameters) - y) / deviations

    result = thermodynamic_least_squares(residuals, p0, device=device, rng=generator, **options)
    if not result.success:
        raise RuntimeError(f"no fit was found: {result.message}")
    variance = 1.0 if absolute_sigma else 2 * result.cost / (y.size - n)
    if not (effect := np.linalg.norm(result.jac, axis=0)).all():
        raise np.linalg.LinAlgError(f"f does not depend on parameter {int(np.argmin(effect))} at the fit: fix it")
    held = tla.program(result.jac.T @ result.jac, assume_a="pos", device=device, rng=generator)
    inverse, draws = np.asarray(held.inv()), np.asarray(held.sample(n_samples))
    result.device_time += held.ledger.device_time
    spread = np.full((n_samples, 1), np.sqrt(variance))
    if not absolute_sigma:
        spread *= np.sqrt((y.size - n) / generator.chisquare(y.size - n, size=spread.shape))
    return CurveFit(
        f=f,
        popt=result.x,
        pcov=variance * (inverse + inverse.T) / 2,
        samples=result.x + spread * draws,
        result=result,
    )


def _as_data(x: Any) -> Any:
    return np.asarray(x, dtype=float) if isinstance(x, list | tuple) else x


def _read_sigma(sigma: ArrayLike | None, y: Vector) -> Vector:
    if sigma is None:
        return np.ones_like(y)
    values = np.asarray(sigma, dtype=float)
    if values.shape not in ((), y.shape):
        raise ValueError(f"sigma must be a number or have the shape {y.shape} of ydata, got shape {values.shape}")
    if not np.all(np.isfinite(values) & (values > 0)):
        raise ValueError("sigma must be positive and finite")
    return np.broadcast_to(values, y.shape)
