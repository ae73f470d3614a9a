"""Plain time stepping of the overdamped device, x ← x − δ(A x − b) + sqrt(2Tδ) z, as scalar functions of λ."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws import _autoregression as ar
from thermolinalg.laws._linear import Coefficients, LinearLaw

__all__ = ["EulerMaruyama"]


@dataclass(frozen=True)
class EulerMaruyama:
    """The law of the Euler–Maruyama simulation of the overdamped device: what a discretised run draws from.

    Per step a mode is multiplied by a = 1 − λδ, which may be negative. The mean is that of the device, the stationary
    variance T/λ is multiplied by 2/(2 − λδ), and the scheme is stable only for λδ < 2.

    Parameters
    ----------
    step_size : float
        Time step δ > 0, in units of τ. Times are rounded to whole steps.
    temperature : float
        T = 1/β ≥ 0, the noise strength.

    See Also
    --------
    Overdamped, Underdamped : Laws of motion, passed to `LangevinDevice`.

    References
    ----------
    Derived in docs/laws.md.

    Examples
    --------
    >>> import numpy as np
    >>> law = EulerMaruyama(step_size=0.5)
    >>> law.stationary_variance(np.array([1.0, 2.0]))
    array([1.33333333, 1.        ])
    """

    step_size: float
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not (self.step_size > 0 and self.temperature >= 0):
            raise ValueError(
                f"step_size must be positive and temperature not negative: got step_size={self.step_size}, "
                f"temperature={self.temperature}"
            )

    def decay(self, lam: Array, t: float) -> Array:
        """Memory of the start, (1 − λδ)ⁿ after n = t/δ steps."""
        return self._run(lam, self._steps(t))[0]

    def response(self, lam: Array, t: float) -> Array:
        """Response to a constant load, (1 − (1 − λδ)ⁿ)/λ; t at λ = 0."""
        return self._run(lam, self._steps(t))[1]

    def variance(self, lam: Array, t: float) -> Array:
        """Variance a time t after a known state, 2Tδ Σ_{k<n} (1 − λδ)^{2k}; 2Tt at λ = 0."""
        return 2 * self.temperature * self._run(lam, self._steps(t))[2]

    def relaxation_rate(self, lam: float) -> float:
        """Rate at which a mode forgets its start: −log|1 − λδ|/δ."""
        self._check_stable(lam)
        a = 1 - lam * self.step_size
        return (-math.log1p(-lam * self.step_size) if a > 0 else -math.log(max(-a, 1e-300))) / self.step_size

    def stationary_variance(self, lam: Array) -> Array:
        """Variance of a mode in equilibrium, (T/λ) · 2/(2 − λδ)."""
        return 2 * self.temperature / (lam * (2 - lam * self.step_size))

    def averaging_variance(self, lam: Array, duration: float) -> Array:
        """Variance of a long time average in equilibrium, 2T/(λ² T_w), the same as that of the device."""
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
        steps = self._steps(t)

        def functions(lam: Array) -> Coefficients:
            decay, response, variance = self._run(lam, steps)
            return [[decay, response, namespace(lam).sqrt(2 * self.temperature * variance)]]

        return LinearLaw(("x0", "b", "z"), ("state",), functions)

    def stationary(self) -> LinearLaw:
        """Law of the state in equilibrium, for positive definite A.

        Returns
        -------
        LinearLaw
            From (x0, b, z) to (state,); x0 has no influence.
        """

        def functions(lam: Array) -> Coefficients:
            self._check_stable(float(namespace(lam).max(lam)))
            return [[None, 1 / lam, namespace(lam).sqrt(self.stationary_variance(lam))]]

        return LinearLaw(("x0", "b", "z"), ("state",), functions)

    def window(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Joint law of the average over a window and the state at its last reading.

        Parameters
        ----------
        burn_in : float
            Time t0 before the first reading, in units of τ.
        duration : float
            Length T_w of the window, in units of τ.
        readings : int, optional
            Number N of readings, spaced by T_w/N rounded to whole steps and the first at t0; None reads every step.

        Returns
        -------
        LinearLaw
            From (x0, b, z1, z2) to (average, state).
        """
        moments = self._moments(burn_in, duration, readings)

        def functions(lam: Array) -> Coefficients:
            return ar.window_coefficients(moments(lam), self.temperature)

        return LinearLaw(("x0", "b", "z1", "z2"), ("average", "state"), functions)

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

        def functions(lam: Array) -> Coefficients:
            return ar.average_coefficients(moments(lam), self.temperature)

        return LinearLaw(("x0", "b", "z"), ("average",), functions)

    def _moments(self, burn_in: float, duration: float, readings: int | None) -> Callable[[Array], ar.Moments]:
        """Moments of the average over a window and of the state at its last reading, as a function of λ."""
        first = self._steps(burn_in)
        if readings is None:
            readings = max(1, self._steps(duration))
        if readings < 1:
            raise ValueError(f"readings must be at least 1, or None to read every step: got {readings}")
        count, spacing = readings, max(1, self._steps(duration / readings))
        return lambda lam: ar.combine(*self._run(lam, first), self._readings(lam, spacing, count))

    def _steps(self, t: float) -> int:
        if t < 0:
            raise ValueError(f"times must be >= 0: got {t}")
        return round(t / self.step_size)

    def _check_stable(self, lam_max: float) -> None:
        if lam_max * self.step_size >= 2:
            raise ValueError(
                f"time stepping is unstable: step_size·λ = {lam_max * self.step_size:.4g} must stay below 2; "
                f"pass step_size < {2 / lam_max:.4g}"
            )

    def _log_factor(self, lam: Array) -> tuple[Array, Array]:
        """Whether a = 1 − λδ is negative, and log|a|, accurate where |a| is near 1 at either end."""
        xp = namespace(lam)
        self._check_stable(float(xp.max(lam)))
        x = lam * self.step_size
        distance = xp.where(x > 1, 2 - x, x)
        return x > 1, xp.log1p(-xp.clip(distance, None, 1 - 2.0**-53))

    def _run(self, lam: Array, steps: int) -> tuple[Array, Array, Array]:
        """Decay, response and variance (in units of 2T) of so many steps."""
        xp = namespace(lam)
        negative, log_a = self._log_factor(lam)
        flips = negative & bool(steps % 2)
        safe = xp.where(lam > 0, lam, 1.0)
        power = xp.exp(steps * log_a)
        lost = xp.where(flips, 1 + power, -xp.expm1(steps * log_a))
        variance = -xp.expm1(2 * steps * log_a) / (safe * (2 - safe * self.step_size))
        t = steps * self.step_size
        return xp.where(flips, -power, power), xp.where(lam > 0, lost / safe, t), xp.where(lam > 0, variance, t)

    def _readings(self, lam: Array, spacing: int, readings: int) -> tuple[Array, ...]:
        """Moments of readings `spacing` steps apart, given the first one (see `_autoregression.combine`)."""
        xp = namespace(lam)
        negative, log_a = self._log_factor(lam)
        flips = negative & bool(spacing % 2)
        u = -spacing * log_a
        _, gain, innovation = self._run(lam, spacing)
        same_sign = ar.autoregression(u, gain, innovation, readings)
        flipping = _alternating(xp.where(flips, u, 1.0), gain, innovation, readings)
        return tuple(xp.where(flips, a, b) for a, b in zip(flipping, same_sign, strict=True))


def _alternating(u: Array, gain: Array, innovation: Array, n: int) -> tuple[Array, ...]:
    """`_autoregression.autoregression` for y ← A y + … with A = −e^{−u}: 1 − A is large, the plain forms are safe."""
    xp = namespace(u)
    m, a = n - 1, -xp.exp(-u)

    def power(k: int) -> Array:
        return (-1) ** k * xp.exp(-k * u)

    def lost(k: int) -> Array:
        """1 − A^k."""
        return 1 + xp.exp(-k * u) if k % 2 else -xp.expm1(-k * u)

    g_n, g_m = lost(n) / (1 - a), lost(m) / (1 - a)
    own = (m - 2 * a * g_m + a**2 * lost(2 * m) / lost(2)) / (1 - a) ** 2
    return (
        g_n / n,
        gain * (n - g_n) / (n * (1 - a)),
        power(m),
        gain * g_m,
        innovation * own / n**2,
        innovation * g_m * g_n / (n * -xp.expm1(-u)),
        innovation * lost(2 * m) / lost(2),
    )
