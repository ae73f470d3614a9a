"""All states given all observations."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thermoapps.state_space._batches import transposed
from thermoapps.state_space.chain import Gaussian
from thermoapps.state_space.filtering import Forecast, forecast_from
from thermoapps.state_space.model import Model, read_model
from thermoapps.state_space.posterior import Posterior
from thermoapps.state_space.system import Precision

__all__ = ["Measured", "Smoothed", "smooth"]

ROUNDING = 1e-8
"""Of a reading, relative to the largest deviation of its state at any time: systems of draws are solved to 1e-10."""


class Measured(NamedTuple):
    """A value from readings, and its standard error, of one shape.

    See Also
    --------
    fit, expectation_maximisation, score, Fit : Parameters of a series.
    """

    value: np.ndarray
    standard_error: np.ndarray


class Smoothed:
    """What is known of all states given all observations; made by `smooth`.

    Parameters
    ----------
    model : Model
    posterior : Posterior or None
        None for an empty series.

    Attributes
    ----------
    means : array, shape (n, d)
        E[x_t | y], refined to rounding.
    error : float
        Size of the last correction of the means, relative to the largest, each state in a unit of its own: what is
        left is smaller.
    form : str
        ``"precision"`` or ``"augmented"``: what the device holds.

    See Also
    --------
    Forecast, filter, smooth, Filtered : States of a series.
    """

    def __init__(self, model: Model, posterior: Posterior | None) -> None:
        n, d, _ = model.sizes
        self.model = model
        self._posterior = posterior
        self.means = np.zeros((n, d)) if posterior is None else posterior.means
        self.error = 0.0 if posterior is None else posterior.mode.error
        self.form = "precision" if posterior is None or isinstance(posterior.system, Precision) else "augmented"

    @property
    def device_time(self) -> float:
        """Time the device ran for the means, in units of its time constant."""
        return 0.0 if self._posterior is None else self._posterior.system.device_time

    @property
    def covariances(self) -> np.ndarray:
        """Cov(x_t | y), (n, d, d), by elimination: exact to rounding."""
        n, d, _ = self.model.sizes
        return np.zeros((n, d, d)) if self._posterior is None else self._posterior.moments[0]

    @property
    def cross_covariances(self) -> np.ndarray:
        """Cov(x_t, x_{t+1} | y), (n − 1, d, d)."""
        d = self.model.sizes[1]
        return np.zeros((0, d, d)) if self._posterior is None else self._posterior.moments[1]

    @property
    def log_likelihood(self) -> float:
        """log p(y), in natural logarithms; diffuse as in Durbin and Koopman (2012), section 7.2.2."""
        return 0.0 if self._posterior is None else self._posterior.log_likelihood

    def measured_covariances(self, readings: int = 100, rng: Any = None) -> Measured:
        """Covariances from readings of the device, with their standard errors.

        Parameters
        ----------
        readings : int, optional
            Trajectories, at least 2.
        rng : None, int or numpy.random.Generator, optional

        Returns
        -------
        Measured
            (value, standard_error), each (n, d, d); the error of entry ij is sqrt((c_ii c_jj + c_ij²)/readings), by
            Wishart's law, and what the rounding of readings and means comes to.
        """
        if readings < 2:
            raise ValueError(f"readings must be at least 2, got {readings!r}")
        deviations = self.sample(readings, rng) - self.means
        value = np.einsum("kti,ktj->tij", deviations, deviations) / readings
        variances = np.einsum("tii->ti", value)
        squares = variances[:, :, None] * variances[:, None, :] + value**2
        spread = np.sqrt(variances.max(axis=0, initial=0.0))
        rounding = ROUNDING * spread + np.finfo(float).eps * np.abs(self.means).max(axis=0, initial=0.0)
        crossed = np.sqrt(variances)[:, :, None] * rounding
        return Measured(
            value, np.sqrt(squares / readings) + crossed + transposed(crossed) + np.outer(rounding, rounding)
        )

    def sample(self, size: int, rng: Any = None) -> np.ndarray:
        """Trajectories of the posterior, each of all states together.

        Parameters
        ----------
        size : int
            How many.
        rng : None, int or numpy.random.Generator, optional
            None continues the stream of `smooth`.

        Returns
        -------
        array, shape (size, n, d)
        """
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 0:
            raise ValueError(f"size must be a whole number ≥ 0, got {size!r}")
        if self._posterior is None or size == 0:
            return np.zeros((size, *self.means.shape))
        return self._posterior.sample(int(size), rng)

    def forecast(self, steps: int) -> Forecast:
        """States and observations after the last.

        Parameters
        ----------
        steps : int
            How many.

        Returns
        -------
        Forecast
        """
        last = None if not len(self.means) else Gaussian(self.means[-1], self.covariances[-1])
        return forecast_from(self.model, last, steps)


def smooth(
    F: Any,
    Q: Any,
    H: Any,
    R: Any,
    y: Any,
    *,
    initial_covariance: Any,
    initial_mean: Any = None,
    inputs: Any = None,
    B: Any = None,
    D: Any = None,
    device: Any = None,
    rng: Any = None,
) -> Smoothed:
    r"""States of a linear-Gaussian model given all observations, as one linear system on a device.

    .. math::

        x_{t+1} = F_t x_t + B_t u_t + w_t,\quad w_t \sim N(0, Q_t), \qquad
        y_t = H_t x_t + D_t u_t + v_t,\quad v_t \sim N(0, R_t)

    for t = 0 … n − 1, with x_0 ~ N(`initial_mean`, `initial_covariance`) before y_0 is seen. The posterior precision of
    all states is block tridiagonal, with the blocks

    .. math::

        A_{tt} = Q_{t-1}^{-1} + F_t^\top Q_t^{-1} F_t + H_t^\top R_t^{-1} H_t, \qquad A_{t,t+1} = -F_t^\top Q_t^{-1},

    and the device solves with it; where a covariance is singular it holds the augmented system of states and
    multipliers. Residuals in extended precision are sent back until the means stand at rounding.

    Parameters
    ----------
    F : array_like, shape (d, d) or (n, d, d)
        Transitions; the last of n is not used.
    Q : array_like, shape (d, d) or (n, d, d)
        Covariances of the states' noise, positive semidefinite; zero is allowed.
    H : array_like, shape (m, d) or (n, m, d)
        What is observed.
    R : array_like, shape (m, m) or (n, m, m)
        Covariances of the observations' noise, positive semidefinite.
    y : array_like, shape (n,) or (n, m)
        Observations; NaN where there is none.
    initial_covariance : float or array_like, shape (d, d)
        Of x_0; a number is that variance of every state. Infinity on the diagonal is a diffuse state.
    initial_mean : array_like, shape (d,), optional
        Of x_0. Default: zero.
    inputs : array_like, shape (n,) or (n, k), optional
        Known u.
    B : array_like, shape (d, k) or (n, d, k), optional
        What inputs do to the states.
    D : array_like, shape (m, k) or (n, m, k), optional
        What inputs do to the observations.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.

    Returns
    -------
    Smoothed
        `means`; on demand `covariances`, `cross_covariances`, `log_likelihood`, `sample`, `measured_covariances`,
        `forecast`.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN outside y, covariances that are none.
    thermolinalg.SingularError
        Observations that do not determine the diffuse states, or repeat each other without noise.

    See Also
    --------
    thermoapps.state_space.filter : States given the observations up to their time.

    References
    ----------
    J. Durbin and S. J. Koopman, Time Series Analysis by State Space Methods, 2nd ed., Oxford (2012), for the model.
    S. Särkkä and Á. F. García-Fernández, Temporal Parallelization of Bayesian Smoothers, IEEE Trans. Autom. Control 66
    (2021), for the covariances.
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660, for the device.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.state_space import smooth
    >>> level = smooth(1.0, 1.0, 1.0, 2.0, [0.0, np.nan, 3.0], initial_covariance=np.inf, rng=0)
    >>> level.means[:, 0].round(6), level.covariances[:, 0, 0].round(6)
    (array([1. , 1.5, 2. ]), array([1.333333, 1.5     , 1.333333]))
    >>> level.sample(2).shape, level.forecast(1).means.round(6)
    ((2, 3, 1), array([[2.]]))
    """
    model = read_model(F, Q, H, R, y, initial_mean, initial_covariance, inputs, B, D)
    return Smoothed(model, Posterior(model, device, rng) if model.sizes[0] else None)
