"""The skew device, dz = −(M z − c) dt + sqrt(2T) dW, M = [[αI, A], [−Aᵀ, αI]], as functions of a singular value of A.

In the singular vectors of A the device falls apart into pairs (û, v̂), on which M is αI + σJ with J = [[0, 1], [−1, 0]].
As J² = −I, every real function of M is a complex number f(α + iσ), which stands for Re f · I + Im f · J; products of
functions are products of numbers, the transpose is the complex conjugate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from thermolinalg._arrays import Array, namespace
from thermolinalg._validation import as_count, as_nonnegative, as_positive
from thermolinalg.laws import _rotation as rotation
from thermolinalg.laws._autoregression import Moments, average_coefficients, window_coefficients
from thermolinalg.laws._linear import Coefficients, LinearLaw, forgotten, in_equilibrium

__all__ = ["Skew", "SkewPolynomial"]

_NEGLIGIBLE = 2e-6
"""Part of a variance that no experiment could tell apart: leaving it out saves a solve with M in every draw."""


@dataclass(frozen=True)
class SkewPolynomial:
    """The function Σ_k c_k μ^{−k} of μ = α + iσ, or of its conjugate: what solves with M, or Mᵀ, can apply.

    Parameters
    ----------
    alpha : float
        α.
    coefficients : tuple of float
        c_0, c_1, …
    transposed : bool, optional
        Whether it is a function of Mᵀ.

    See Also
    --------
    InversePolynomial, Skew : Rational parts of laws.

    Examples
    --------
    >>> import numpy as np
    >>> SkewPolynomial(3.0, (0.0, 1.0))(np.array([4.0]))  # 1/(3 + 4i)
    array([0.12-0.16j])
    """

    alpha: float
    coefficients: tuple[float, ...]
    transposed: bool = False

    def rescaled(self, factor: float) -> SkewPolynomial:
        """The function σ ↦ f(factor · σ), as a polynomial in the inverse of α/factor + iσ."""
        coefficients = tuple(c * factor**-k for k, c in enumerate(self.coefficients))
        return SkewPolynomial(self.alpha / factor, coefficients, self.transposed)

    def __call__(self, sigma: Array) -> Array:
        mu = self.alpha + (-1j if self.transposed else 1j) * sigma
        value = 0.0 * mu
        for c in reversed(self.coefficients):
            value = value / mu + c
        return value


@dataclass(frozen=True)
class Skew:
    """Overdamped dynamics of a skew embedding, dz = −(M z − c) dt + sqrt(2T) dW.

    M is normal with the eigenvalues α ± iσ, so the device relaxes at the rate α to N(M⁻¹c, (T/α) I): its mean solves,
    its spread says nothing of A. Its laws are `LinearLaw`s whose functions of σ ≥ 0 are complex, see the module.

    Parameters
    ----------
    alpha : float
        α > 0, in the device's units.
    temperature : float, optional
        T ≥ 0, the noise strength.

    Raises
    ------
    ValueError
        α is not positive, or T negative.

    See Also
    --------
    LinearLaw, Drive : What a law is.
    SkewPolynomial, InversePolynomial : Rational parts of laws.

    References
    ----------
    Derived in docs/laws.md.

    Examples
    --------
    >>> import numpy as np
    >>> law = Skew(alpha=0.5, temperature=0.1)
    >>> law.window_variance(np.array([0.0, 2.0]), 1e9)  # 2T/(T_w(α² + σ²))
    array([7.99999998e-10, 4.70588236e-11])
    """

    alpha: float
    temperature: float = 1.0

    def __post_init__(self) -> None:
        as_positive(self.alpha, "alpha")
        as_nonnegative(self.temperature, "temperature")

    def relaxation_rate(self) -> float:
        """Rate at which every mode forgets its start: α."""
        return self.alpha

    def window_variance(self, sigma: Array, duration: float) -> Array:
        """Variance of the average over a window T_w in equilibrium, Re[(T/α)·2(z − 1 + e^{−z})/z²], z = (α + iσ)T_w."""
        z = (self.alpha + 1j * sigma) * duration
        return (2 * self.temperature / self.alpha) * namespace(z).real(rotation.phi2(z))

    def step(self, t: float) -> LinearLaw:
        """Law of the state a time t after a known state.

        Parameters
        ----------
        t : float
            Time in units of τ, ≥ 0.

        Returns
        -------
        LinearLaw
            From (x0, b, z) to (state,).
        """
        as_nonnegative(t, "t")

        def functions(sigma: Array) -> Coefficients:
            mu = self.alpha + 1j * sigma
            decay, response, variance = rotation.relax(mu, t)
            noise = namespace(sigma).sqrt(2 * self.temperature * variance)
            return [[decay, response, noise]]

        form = self._stationary_form() if forgotten(self.alpha * t) else None
        return LinearLaw(("x0", "b", "z"), ("state",), functions, lambda sigma_min: form)

    def stationary(self) -> LinearLaw:
        """Law of the state in equilibrium, N(M⁻¹c, (T/α) I).

        Returns
        -------
        LinearLaw
            From (x0, b, z) to (state,); x0 has no influence.
        """

        def functions(sigma: Array) -> Coefficients:
            return [[None, 1 / (self.alpha + 1j * sigma), 0 * sigma + self._deviation()]]

        return LinearLaw(("x0", "b", "z"), ("state",), functions, lambda sigma_min: self._stationary_form())

    def window(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Joint law of the average over a window and the state at its end, after a known start.

        In equilibrium, and e^{−αT_w} neglected, the average has the variance
        (2T/(T_w|μ|²)) (1 + 1/(αT_w) − 2α/(T_w|μ|²)), and (T/(αT_w)) M⁻ᵀ is its covariance with the state at the end.

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
        moments = self._moments(burn_in, duration, readings)

        def functions(sigma: Array) -> Coefficients:
            return window_coefficients(moments(sigma), self.temperature)

        def equilibrium(sigma_min: float) -> Coefficients | None:
            if not in_equilibrium(self.alpha, burn_in, duration, readings):
                return None
            amplitude = self._deviation()
            if readings is None:
                shared = SkewPolynomial(self.alpha, (0.0, amplitude / duration), transposed=True)
                own = self._average_noise(duration, 0.5, sigma_min)
            else:
                # Readings so far apart are independent draws of N(M⁻¹c, (T/α) I).
                shared = SkewPolynomial(self.alpha, (amplitude / readings,))
                own = SkewPolynomial(self.alpha, (amplitude * math.sqrt(readings - 1) / readings,))
            state = SkewPolynomial(self.alpha, (amplitude,))
            return [[None, self._mean(), shared, own], [None, self._mean(), state, None]]

        return LinearLaw(("x0", "b", "z1", "z2"), ("average", "state"), functions, equilibrium)

    def average(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Law of the average over a window alone, which needs one normal vector instead of two; see `window`.

        Parameters
        ----------
        burn_in, duration : float
        readings : int, optional

        Returns
        -------
        LinearLaw
            From (x0, b, z) to (average,).
        """
        moments = self._moments(burn_in, duration, readings)

        def functions(sigma: Array) -> Coefficients:
            return average_coefficients(moments(sigma), self.temperature)

        def equilibrium(sigma_min: float) -> Coefficients | None:
            if not in_equilibrium(self.alpha, burn_in, duration, readings):
                return None
            if readings is None:
                noise = self._average_noise(duration, 1.0, sigma_min)
            else:
                noise = SkewPolynomial(self.alpha, (self._deviation() / math.sqrt(readings),))
            return [[None, self._mean(), noise]]

        return LinearLaw(("x0", "b", "z"), ("average",), functions, equilibrium)

    def _deviation(self) -> float:
        """Standard deviation of a node in equilibrium."""
        return math.sqrt(self.temperature / self.alpha)

    def _mean(self) -> SkewPolynomial:
        """M⁻¹, the mean in equilibrium of a unit load."""
        return SkewPolynomial(self.alpha, (0.0, 1.0))

    def _stationary_form(self) -> Coefficients:
        """The stationary law from (x0, b, z) to (state,) as polynomials."""
        return [[None, self._mean(), SkewPolynomial(self.alpha, (self._deviation(),))]]

    def _average_noise(self, duration: float, excess: float, sigma_min: float) -> SkewPolynomial:
        """A square root of the variance (2T/(T_w|μ|²)) (1 + excess/(αT_w) − 2α/(T_w|μ|²)), to `_NEGLIGIBLE`.

        With front = 1 + excess/(αT_w) and ρ = 2α/(T_w front) the bracket is front · (|μ|² − ρ)/|μ|², and |μ|² − ρ is
        |β + iσ|² for β² = α² − ρ. So (β + iσ)/μ² = 1/μ + (β − α)/μ² is a root of it, exactly: two solves, no series.
        """
        front = 1 + excess / (self.alpha * duration)
        rho = 2 * self.alpha / (duration * front)
        amplitude = math.sqrt(2 * self.temperature * front / duration)
        if rho <= _NEGLIGIBLE * (self.alpha**2 + sigma_min**2):
            return SkewPolynomial(self.alpha, (0.0, amplitude))
        # β − α, without cancellation.
        shift = -rho / (math.sqrt(self.alpha**2 - rho) + self.alpha)
        return SkewPolynomial(self.alpha, (0.0, amplitude, amplitude * shift))

    def _moments(self, burn_in: float, duration: float, readings: int | None) -> Callable[[Array], Moments]:
        """The moments of a window as a function of σ; ValueError for times that are none."""
        as_nonnegative(burn_in, "burn_in")
        as_positive(duration, "duration")
        if readings is None:
            return lambda sigma: rotation.continuous(self.alpha + 1j * sigma, burn_in, duration)
        count = as_count(readings, "readings")
        return lambda sigma: rotation.discrete(self.alpha + 1j * sigma, burn_in, duration / count, count)
