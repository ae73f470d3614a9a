"""The overdamped device, dx = −(A x − b) dt + sqrt(2T) dW, as scalar functions of an eigenvalue λ of A."""

from __future__ import annotations

from dataclasses import dataclass

from thermolinalg._arrays import Array, namespace
from thermolinalg._validation import as_nonnegative
from thermolinalg.laws import _autoregression as ar
from thermolinalg.laws._linear import (
    Coefficients,
    InversePolynomial,
    LinearLaw,
    forgotten,
    in_equilibrium,
    inverse_sqrt_series,
)

__all__ = ["Overdamped"]


@dataclass(frozen=True)
class Overdamped:
    """Overdamped Langevin dynamics dx = −(A x − b) dt + sqrt(2T) dW with A symmetric positive semidefinite.

    Relaxes to N(A⁻¹b, T A⁻¹). Times are in units of the device's time constant τ.

    Parameters
    ----------
    temperature : float
        T = 1/β ≥ 0, the noise strength (κ₀ of arXiv:2405.13817); 0 switches the noise off.

    Raises
    ------
    ValueError
        T is negative.

    See Also
    --------
    Underdamped, EulerMaruyama : Laws of motion, passed to `LangevinDevice`.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660. Window laws: derived in docs/laws.md.

    Examples
    --------
    >>> import numpy as np
    >>> law = Overdamped(temperature=0.5)
    >>> law.variance(np.array([0.0, 2.0]), 1e9)  # 2 T t where nothing holds the node, T/λ elsewhere
    array([1.0e+09, 2.5e-01])
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        as_nonnegative(self.temperature, "temperature")

    def decay(self, lam: Array, t: float) -> Array:
        """Memory of the start, e^{−λt}."""
        return namespace(lam).exp(-lam * t)

    def response(self, lam: Array, t: float) -> Array:
        """Response to a constant load, (1 − e^{−λt})/λ; t at λ = 0."""
        return t * ar.one_minus_exp_over(lam * t)

    def variance(self, lam: Array, t: float) -> Array:
        """Variance a time t after a known state, T (1 − e^{−2λt})/λ; 2Tt at λ = 0."""
        return 2 * self.temperature * t * ar.one_minus_exp_over(2 * lam * t)

    def relaxation_rate(self, lam: float) -> float:
        """Rate at which a mode forgets its start: λ."""
        return lam

    def stationary_variance(self, lam: Array) -> Array:
        """Variance of a mode in equilibrium, T/λ."""
        return self.temperature / lam

    def averaging_variance(self, lam: Array, duration: float) -> Array:
        """Variance of a long time average in equilibrium, 2T/(λ² T_w)."""
        return 2 * self.temperature / (lam**2 * duration)

    def step(self, t: float) -> LinearLaw:
        """Law of the state a time t after a known state.

        Parameters
        ----------
        t : float
            Time in units of τ.

        Returns
        -------
        LinearLaw
            From (x0, b, z) to (state,).
        """

        def functions(lam: Array) -> Coefficients:
            noise = namespace(lam).sqrt(self.variance(lam, t))
            return [[self.decay(lam, t), self.response(lam, t), noise]]

        def equilibrium(lam_min: float) -> Coefficients | None:
            return self.stationary_form() if forgotten(lam_min * t) else None

        return LinearLaw(("x0", "b", "z"), ("state",), functions, equilibrium)

    def stationary_form(self) -> Coefficients:
        """The stationary law N(A⁻¹b, T A⁻¹) from (x0, b, z) as inverse polynomials."""
        return [[None, InversePolynomial((0.0, 1.0)), InversePolynomial((self.temperature**0.5,), half=True)]]

    def stationary(self) -> LinearLaw:
        """Law of the state in equilibrium, N(A⁻¹b, T A⁻¹), for positive definite A.

        Returns
        -------
        LinearLaw
            From (x0, b, z) to (state,); x0 has no influence.
        """

        def functions(lam: Array) -> Coefficients:
            xp = namespace(lam)
            return [[None, 1 / lam, xp.sqrt(self.temperature / lam)]]

        return LinearLaw(("x0", "b", "z"), ("state",), functions, lambda lam_min: self.stationary_form())

    def window(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Joint law of the average over a window and the state at its end.

        With a = e^{−λh}, g = (1 − aᴺ)/(1 − a), s² = T/λ and μ = b/λ, after a known start x0 and burn-in t0,

            mean of the average   μ + (x0 − μ) e^{−λt0} g/N
            variance              s² [(1 + a)/(N(1 − a)) − 2a(1 − aᴺ)/(N(1 − a))²] − s² e^{−2λt0} (g/N)²
            covariance with last  s² g/N − s² e^{−2λt0} a^{N−1} g/N

        and for the continuous average the limit h → 0. Derived in docs/laws.md.

        Parameters
        ----------
        burn_in : float
            Time t0 before the first reading, in units of τ.
        duration : float
            Length T_w of the window, in units of τ.
        readings : int, optional
            Number N of readings, spaced by h = T_w/N and the first at t0; None integrates continuously.

        Returns
        -------
        LinearLaw
            From (x0, b, z1, z2) to (average, state). The state is that of the last reading.
        """

        def functions(lam: Array) -> Coefficients:
            return ar.window_coefficients(_moments(lam, burn_in, duration, readings), self.temperature)

        def equilibrium(lam_min: float) -> Coefficients | None:
            if not in_equilibrium(lam_min, burn_in, duration, readings):
                return None
            return self._window_form(lam_min, duration, readings)

        return LinearLaw(("x0", "b", "z1", "z2"), ("average", "state"), functions, equilibrium)

    def average(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Law of the average over a window alone, which needs one normal vector instead of two; see `window`.

        In equilibrium, and e^{−λT_w} neglected, its variance is (2T/(λ²T_w)) (1 − 1/(λT_w)).

        Parameters
        ----------
        burn_in, duration : float
        readings : int, optional

        Returns
        -------
        LinearLaw
            From (x0, b, z) to (average,).
        """

        def functions(lam: Array) -> Coefficients:
            return ar.average_coefficients(_moments(lam, burn_in, duration, readings), self.temperature)

        def equilibrium(lam_min: float) -> Coefficients | None:
            if not in_equilibrium(lam_min, burn_in, duration, readings):
                return None
            if readings is None:
                noise = inverse_sqrt_series((2 * self.temperature / duration) ** 0.5, 1, 1 / duration, lam_min)
            else:
                noise = InversePolynomial(((self.temperature / readings) ** 0.5,), half=True)
            return [[None, InversePolynomial((0.0, 1.0)), noise]]

        return LinearLaw(("x0", "b", "z"), ("average",), functions, equilibrium)

    def _window_form(self, lam_min: float, duration: float, readings: int | None) -> Coefficients:
        """The window law `in_equilibrium` as inverse polynomials."""
        mean, state_noise = InversePolynomial((0.0, 1.0)), InversePolynomial((self.temperature**0.5,), half=True)
        if readings is None:
            # e^{−λT_w} is negligible: cov(average, state) = s²/z and var(average | state) = s² (2/z)(1 − 3/(2z)).
            shared = InversePolynomial((0.0, self.temperature**0.5 / duration), half=True)
            own = inverse_sqrt_series((2 * self.temperature / duration) ** 0.5, 1, 1.5 / duration, lam_min)
        else:
            # Readings so far apart are independent draws of N(A⁻¹b, T A⁻¹).
            shared = InversePolynomial((self.temperature**0.5 / readings,), half=True)
            own = InversePolynomial(((self.temperature * (readings - 1)) ** 0.5 / readings,), half=True)
        return [[None, mean, shared, own], [None, mean, state_noise, None]]


def _moments(lam: Array, burn_in: float, duration: float, readings: int | None) -> ar.Moments:
    """Moments of the average over a window and of the state at its end."""
    if readings is None:
        return ar.continuous(lam, burn_in, duration)
    return ar.discrete(lam, burn_in, duration / readings, readings)
