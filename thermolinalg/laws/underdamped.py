"""The underdamped device, m dv = −(A x − b) dt − γ v dt + sqrt(2γT) dW, as scalar functions of an eigenvalue λ of A."""

from __future__ import annotations

import math
from dataclasses import dataclass

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws._linear import (
    Coefficients,
    InversePolynomial,
    LinearLaw,
    forgotten,
    in_equilibrium,
    inverse_sqrt_series,
)
from thermolinalg.laws._oscillator import Oscillator, Segment, cholesky2

__all__ = ["Underdamped"]


@dataclass(frozen=True)
class Underdamped:
    """Underdamped Langevin dynamics dx = v dt, m dv = −(A x − b) dt − γ v dt + sqrt(2γT) dW, A symmetric, PSD.

    Relaxes to the same N(A⁻¹b, T A⁻¹) as the overdamped device, with velocities N(0, T/m), but at the best friction
    (see `critical`) at a rate of sqrt(λ_min/m): a time proportional to √κ instead of κ.

    Parameters
    ----------
    temperature : float
        T = 1/β ≥ 0, the noise strength.
    mass : float
        m > 0, the inertia (inductance) of a node.
    friction : float
        γ > 0. Modes with λ < γ²/(4m) creep, the others ring.

    See Also
    --------
    EulerMaruyama, Overdamped : Laws of motion, passed to `LangevinDevice`.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660. Formulas and block doubling: docs/laws.md.

    Examples
    --------
    >>> import numpy as np
    >>> law = Underdamped.critical(0.01)
    >>> law.friction
    0.2
    >>> round(law.relaxation_rate(0.01), 6)
    0.1
    >>> law.stationary_variance(np.array([0.5, 4.0]))
    array([2.  , 0.25])
    """

    temperature: float = 1.0
    mass: float = 1.0
    friction: float = 2.0

    def __post_init__(self) -> None:
        if not (self.mass > 0 and self.friction > 0 and self.temperature >= 0):
            raise ValueError(
                f"mass and friction must be positive and temperature not negative: got mass={self.mass}, "
                f"friction={self.friction}, temperature={self.temperature}; for zero mass use Overdamped"
            )

    @classmethod
    def critical(cls, lam_min: float, *, temperature: float = 1.0, mass: float = 1.0) -> Underdamped:
        """The device with the best single friction, γ = 2 sqrt(m λ_min): every mode relaxes at sqrt(λ_min/m).

        Parameters
        ----------
        lam_min : float
            Smallest eigenvalue of A, > 0.
        temperature, mass : float
            As for the class.

        Returns
        -------
        Underdamped
        """
        return cls(temperature, mass, 2 * math.sqrt(mass * lam_min))

    def relaxation_rate(self, lam: float) -> float:
        """Rate at which a mode forgets its start: Re(η − sqrt(η² − λ/m)) with η = γ/(2m)."""
        half = self.friction / (2 * self.mass)
        squared = half**2 - lam / self.mass
        return half if squared < 0 else lam / self.mass / (half + math.sqrt(squared))

    def stationary_variance(self, lam: Array) -> Array:
        """Variance of the position of a mode in equilibrium, T/λ."""
        return self.temperature / lam

    def averaging_variance(self, lam: Array, duration: float) -> Array:
        """Variance of a long time average in equilibrium, 2γT/(λ² T_w)."""
        return 2 * self.friction * self.temperature / (lam**2 * duration)

    def decay(self, lam: Array, t: float) -> Array:
        """Memory of the start, the weight of x(0) in x(t)."""
        return self._modes(lam).propagator(t)[0]

    def response(self, lam: Array, t: float) -> Array:
        """Response of x(t) to a constant load."""
        return self._modes(lam).integrate(t).matrix[..., 1, 3]

    def variance(self, lam: Array, t: float) -> Array:
        """Variance of x a time t after a known state."""
        return 2 * self.friction * self.temperature * self._modes(lam).integrate(t).covariance[..., 1, 1]

    def step(self, t: float) -> LinearLaw:
        """Law of position and velocity a time t after a known state.

        Parameters
        ----------
        t : float
            Time in units of τ, ≥ 0.

        Returns
        -------
        LinearLaw
            From (x0, v0, b, z1, z2) to (state, velocity).
        """
        _check_times(t)

        def functions(lam: Array) -> Coefficients:
            f, noise = self._modes(lam).integrate(t)
            deviation, shared, own = cholesky2(noise[..., 1, 1], noise[..., 1, 2], noise[..., 2, 2])
            scale = self._noise_scale()
            return [
                [f[..., 1, 1], f[..., 1, 2], f[..., 1, 3], scale * deviation, None],
                [f[..., 2, 1], f[..., 2, 2], f[..., 2, 3], scale * shared, scale * own],
            ]

        def equilibrium(lam_min: float) -> Coefficients | None:
            return self.stationary_form() if forgotten(self.relaxation_rate(lam_min) * t) else None

        return LinearLaw(("x0", "v0", "b", "z1", "z2"), ("state", "velocity"), functions, equilibrium)

    def stationary_form(self) -> Coefficients:
        """The stationary law of (state, velocity) from (x0, v0, b, z1, z2) as inverse polynomials."""
        noise = InversePolynomial((self.temperature**0.5,), half=True)
        thermal = InversePolynomial(((self.temperature / self.mass) ** 0.5,))
        return [[None, None, InversePolynomial((0.0, 1.0)), noise, None], [None, None, None, None, thermal]]

    def stationary(self) -> LinearLaw:
        """Law in equilibrium, x from N(A⁻¹b, T A⁻¹) and v from N(0, T/m), for positive definite A.

        Returns
        -------
        LinearLaw
            From (x0, v0, b, z1, z2) to (state, velocity); x0 and v0 have no influence.
        """

        def functions(lam: Array) -> Coefficients:
            thermal = 0 * lam + (self.temperature / self.mass) ** 0.5
            noise = (self.temperature / lam) ** 0.5
            return [[None, None, 1 / lam, noise, None], [None, None, None, None, thermal]]

        return LinearLaw(
            ("x0", "v0", "b", "z1", "z2"), ("state", "velocity"), functions, lambda lam_min: self.stationary_form()
        )

    def window(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Joint law of the average position over a window, and the position and velocity at its end.

        In equilibrium and for λT_w ≫ γ the average has the variance 2γT/(λ²T_w) and the covariance γT/(λ²T_w) with
        the position, −T/(λT_w) with the velocity at the end. Derived in docs/laws.md.

        Parameters
        ----------
        burn_in : float
            Time t0 before the first reading, in units of τ.
        duration : float
            Length T_w > 0 of the window, in units of τ.
        readings : int, optional
            Number N of readings, spaced by h = T_w/N and the first at t0; None integrates continuously.

        Returns
        -------
        LinearLaw
            From (x0, v0, b, z1, z2, z3) to (average, state, velocity); state and velocity are those of the last
            reading.
        """
        _check_times(burn_in, duration, readings)

        def functions(lam: Array) -> Coefficients:
            return _window_coefficients(*self._segments(lam, burn_in, duration, readings), self._noise_scale())

        def equilibrium(lam_min: float) -> Coefficients | None:
            if not in_equilibrium(self.relaxation_rate(lam_min), burn_in, duration, readings):
                return None
            return self._window_form(lam_min, duration, readings)

        return LinearLaw(("x0", "v0", "b", "z1", "z2", "z3"), ("average", "state", "velocity"), functions, equilibrium)

    def average(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Law of the average position over a window alone, which needs one normal vector instead of three.

        In equilibrium, and what decays over the window neglected, its variance is
        (2γT/(λ²T_w)) (1 + m/(γT_w) − γ/(λT_w)).

        Parameters
        ----------
        burn_in, duration : float
            As for `window`.
        readings : int, optional

        Returns
        -------
        LinearLaw
            From (x0, v0, b, z) to (average,).
        """
        _check_times(burn_in, duration, readings)

        def functions(lam: Array) -> Coefficients:
            return _average_coefficients(*self._segments(lam, burn_in, duration, readings), self._noise_scale())

        def equilibrium(lam_min: float) -> Coefficients | None:
            if not in_equilibrium(self.relaxation_rate(lam_min), burn_in, duration, readings):
                return None
            if readings is None:
                excess = 1 + self.mass / (self.friction * duration)
                scale = (2 * self.friction * self.temperature * excess / duration) ** 0.5
                noise = inverse_sqrt_series(scale, 1, self.friction / (duration * excess), lam_min)
            else:
                noise = InversePolynomial(((self.temperature / readings) ** 0.5,), half=True)
            return [[None, None, InversePolynomial((0.0, 1.0)), noise]]

        return LinearLaw(("x0", "v0", "b", "z"), ("average",), functions, equilibrium)

    def _segments(
        self, lam: Array, burn_in: float, duration: float, readings: int | None
    ) -> tuple[Segment, Segment, float]:
        """Burn-in, window, and by what its integral or sum is divided to be an average."""
        modes = self._modes(lam)
        if readings is None:
            return modes.integrate(burn_in), modes.integrate(duration), duration
        return modes.integrate(burn_in), modes.read(duration / readings, readings), float(readings)

    def _window_form(self, lam_min: float, duration: float, readings: int | None) -> Coefficients:
        """The window law `in_equilibrium` as inverse polynomials."""
        t, m, gamma = self.temperature, self.mass, self.friction
        with_velocity = None
        if readings is None:
            with_state = InversePolynomial((0.0, t**0.5 * gamma / duration), half=True)
            with_velocity = InversePolynomial((0.0, -((t * m) ** 0.5) / duration))
            # What neither explains: (2γT/(λ²T_w)) (1 + m/(2γT_w) − 3γ/(2λT_w)).
            excess = 1 + m / (2 * gamma * duration)
            scale = (2 * gamma * t * excess / duration) ** 0.5
            own = inverse_sqrt_series(scale, 1, 1.5 * gamma / (duration * excess), lam_min)
        else:
            # Readings so far apart are independent draws of N(A⁻¹b, T A⁻¹).
            with_state = InversePolynomial((t**0.5 / readings,), half=True)
            own = InversePolynomial(((t * (readings - 1)) ** 0.5 / readings,), half=True)
        state, velocity = self.stationary_form()
        average = [None, None, InversePolynomial((0.0, 1.0)), with_state, with_velocity, own]
        return [average, [*state, None], [*velocity, None]]

    def _modes(self, lam: Array) -> Oscillator:
        return Oscillator(lam, self.mass, self.friction)

    def _noise_scale(self) -> float:
        return math.sqrt(2 * self.friction * self.temperature)


def _check_times(burn_in: float, duration: float = 1.0, readings: int | None = None) -> None:
    if not (burn_in >= 0 and duration > 0):
        raise ValueError(f"times must be >= 0 and windows > 0: got {burn_in=}, {duration=}")
    if readings is not None and readings < 1:
        raise ValueError(f"readings must be at least 1, or None for a continuous average: got {readings}")


def _window_coefficients(start: Segment, window: Segment, count: float, scale: float) -> Coefficients:
    """Chain burn-in and window; S/count is the average.

    Given the end (x, v), the average still varies by what the window adds on its own and by what is unknown of its
    first state. Both are formed as sums of positive terms, so that nothing cancels in a short window.
    """
    f, q = window
    xp = namespace(f)
    p, end, loads = f[..., :1, 1:3], f[..., 1:3, 1:3], f[..., :3, 3:]
    at_first, response = start.matrix[..., 1:3, 1:3], start.matrix[..., 1:3, 3:]
    before, noise, shared = start.covariance[..., 1:3, 1:3], q[..., 1:3, 1:3], q[..., :1, 1:3]
    after = end @ before @ end.mT + noise
    with_average = (p @ before @ end.mT + shared) / count
    l11, l21, l22 = cholesky2(after[..., 0, 0], after[..., 0, 1], after[..., 1, 1])
    c1 = with_average[..., 0, 0] / xp.where(l11 > 0, l11, 1.0)
    c2 = (with_average[..., 0, 1] - l21 * c1) / xp.where(l22 > 0, l22, 1.0)

    determinant = _determinant(noise)
    known = xp.where(determinant > 0, determinant, 1.0)[..., None, None]
    gain = shared @ _adjugate(noise) / known
    total = q[..., 0, 0]
    alone = total - (gain @ shared.mT)[..., 0, 0]
    alone = xp.where(alone > 1e-12 * total, alone, 0.0)  # one or two readings leave nothing but rounding
    precision = end.mT @ _adjugate(noise) @ end / known
    unknown = before + _adjugate(precision) * _determinant(before)[..., None, None]
    evidence = 1 + xp.sum(before * precision, axis=(-2, -1)) + _determinant(before) * _determinant(precision)
    weight = p - gain @ end
    # A single reading takes no time: it is the end state, and nothing is unknown of the first one.
    own = alone + xp.where(determinant > 0, (weight @ unknown @ weight.mT)[..., 0, 0] / evidence, 0.0)

    decay, average = p @ at_first / count, (p @ response + loads[..., :1, :]) / count
    state, moved = end @ at_first, end @ response + loads[..., 1:, :]
    return [
        [decay[..., 0, 0], decay[..., 0, 1], average[..., 0, 0], scale * c1, scale * c2, scale * xp.sqrt(own) / count],
        [state[..., 0, 0], state[..., 0, 1], moved[..., 0, 0], scale * l11, None, None],
        [state[..., 1, 0], state[..., 1, 1], moved[..., 1, 0], scale * l21, scale * l22, None],
    ]


def _average_coefficients(start: Segment, window: Segment, count: float, scale: float) -> Coefficients:
    """Coefficients of (x0, v0, b, z) in the average alone."""
    f, q = window
    p, load = f[..., :1, 1:3], f[..., :1, 3:]
    decay = p @ start.matrix[..., 1:3, 1:3] / count
    response = (p @ start.matrix[..., 1:3, 3:] + load) / count
    variance = (p @ start.covariance[..., 1:3, 1:3] @ p.mT)[..., 0, 0] + q[..., 0, 0]
    noise = scale * namespace(f).sqrt(variance) / count
    return [[decay[..., 0, 0], decay[..., 0, 1], response[..., 0, 0], noise]]


def _determinant(a: Array) -> Array:
    xp = namespace(a)
    return xp.clip(a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0], 0.0, None)


def _adjugate(a: Array) -> Array:
    xp = namespace(a)
    rows = [[a[..., 1, 1], -a[..., 0, 1]], [-a[..., 1, 0], a[..., 0, 0]]]
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
