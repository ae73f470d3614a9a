"""The form every law takes: outputs that are linear in inputs, with scalar functions of A as coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from thermolinalg._arrays import Array

__all__ = [
    "EQUILIBRIUM_TIMES",
    "NOISE_RTOL",
    "Coefficients",
    "InversePolynomial",
    "LinearLaw",
    "forgotten",
    "in_equilibrium",
    "inverse_sqrt_series",
]

Coefficients = Sequence[Sequence[Any]]
"""coefficients[i][j] multiplies input j in output i; None stands for zero."""

EQUILIBRIUM_TIMES = 16.5
"""Relaxation times of the slowest mode that a run waits for equilibrium: what is left of the start is e^{−16.5} < 1e-7
of it. Fewer would show in long averages, more cost device time in every run."""

NOISE_RTOL = 1e-5
"""Relative accuracy of amplitudes of noise as inverse polynomials: what is left takes five billion readings to notice,
and each digit more takes a solve more in many runs."""

_ENOUGH = (1 - 1 / 32) * EQUILIBRIUM_TIMES
"""Relaxation times that pass for `EQUILIBRIUM_TIMES`: rates are rounded, and estimated to about a per cent."""


def forgotten(times: float) -> bool:
    """Whether so many relaxation times are enough for equilibrium: `EQUILIBRIUM_TIMES`, but for rounding.

    Parameters
    ----------
    times : float
        Time since the start, times the relaxation rate of the slowest mode.

    Returns
    -------
    bool
        True from 97 % of `EQUILIBRIUM_TIMES` on.

    See Also
    --------
    thermolinalg.Schedule : Takes it for burn-in.
    """
    return times >= _ENOUGH


def in_equilibrium(rate: float, burn_in: float, duration: float, readings: int | None) -> bool:
    """Whether a window starts in equilibrium and is long enough for a law without e^{−rate t}.

    That is so where its readings are independent draws, or, for a continuous window, its ends are.

    Parameters
    ----------
    rate : float
        Relaxation rate of the slowest mode.
    burn_in, duration : float
    readings : int or None

    Returns
    -------
    bool
    """
    return rate * min(burn_in, duration / (readings or 1)) >= _ENOUGH


def _never(lam_min: float) -> None:
    """The functions in equilibrium, for λ ≥ lam_min: none, whatever the run."""


@dataclass(frozen=True)
class LinearLaw:
    """Outputs that are linear in inputs: output_i = Σ_j f_ij(A) input_j.

    Inputs are the start, the load b and standard normal vectors; outputs are what is read. All randomness of a device
    run is in the normal inputs, so a whole window is drawn without a path.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Names of the blocks that go in and come out; inputs whose name starts with ``"z"`` are standard normal.
    functions : callable
        ``functions(lam)`` returns f_ij at the eigenvalues `lam` (array of any namespace, ≥ 0) as a nested sequence
        ``[outputs][inputs]`` of arrays shaped like `lam`, None standing for zero.
    equilibrium : callable, optional
        ``equilibrium(lam_min)`` returns the same nested sequence of `InversePolynomial`, valid for all λ ≥ lam_min,
        or None where the run is too short for that.
    rough : bool, optional
        Whether the run is one of a refinement, which measures what it left: engines that approximate may then err by a
        good part of the noise.

    See Also
    --------
    Drive, Skew : What a law is.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    functions: Callable[[Array], Coefficients]
    equilibrium: Callable[[float], Coefficients | None] = _never
    rough: bool = False

    def rescaled(self, factor: float) -> LinearLaw:
        """The same law for a device that holds factor · A, as functions of the eigenvalues of A.

        Parameters
        ----------
        factor : float
            Positive.

        Returns
        -------
        LinearLaw
        """
        if factor == 1.0:
            return self

        def equilibrium(lam_min: float) -> Coefficients | None:
            form = self.equilibrium(factor * lam_min)
            return form and [[f and f.rescaled(factor) for f in row] for row in form]

        return LinearLaw(self.inputs, self.outputs, lambda lam: self.functions(factor * lam), equilibrium, self.rough)

    def noise(self) -> LinearLaw:
        """The law without a load, from a start that is zero or forgotten: of its normal inputs alone.

        Returns
        -------
        LinearLaw
        """
        kept = [j for j, name in enumerate(self.inputs) if name in self.normal_inputs()]

        def equilibrium(lam_min: float) -> Coefficients | None:
            form = self.equilibrium(lam_min)
            return form and [[row[j] for j in kept] for row in form]

        def functions(lam: Array) -> Coefficients:
            return [[row[j] for j in kept] for row in self.functions(lam)]

        return LinearLaw(self.normal_inputs(), self.outputs, functions, equilibrium, self.rough)

    def normal_inputs(self) -> tuple[str, ...]:
        """Names of the standard normal inputs."""
        return tuple(name for name in self.inputs if name.startswith("z"))


@dataclass(frozen=True)
class InversePolynomial:
    """The function Σ_k c_k λ^{-k}, times λ^{-1/2} if `half`: what one factorisation of A can apply.

    Parameters
    ----------
    coefficients : tuple of float
        c_0, c_1, …
    half : bool
        Whether the factor λ^{-1/2} stands in front. Only normal inputs carry it, and then everywhere, so that any
        square root of A⁻¹ will do: L⁻ᵀ z has the law of A^{-1/2} z.

    See Also
    --------
    Skew, SkewPolynomial : Rational parts of laws.

    Examples
    --------
    >>> InversePolynomial((0.0, 1.0, 2.0))(4.0)
    0.375
    """

    coefficients: tuple[float, ...]
    half: bool = False

    def rescaled(self, factor: float) -> InversePolynomial:
        """The function λ ↦ f(factor · λ)."""
        front = factor**-0.5 if self.half else 1.0
        return InversePolynomial(tuple(front * c * factor**-k for k, c in enumerate(self.coefficients)), self.half)

    def leading(self, lam_min: float, rtol: float) -> InversePolynomial:
        """Its leading term alone, where for all λ ≥ lam_min that is the whole to a relative `rtol`; else itself.

        Parameters
        ----------
        lam_min, rtol : float

        Returns
        -------
        InversePolynomial
        """
        first = next((k for k, c in enumerate(self.coefficients) if c), 0)
        rest = sum(abs(c) * lam_min ** (first - k) for k, c in enumerate(self.coefficients) if k > first)
        if not 0 < rest <= rtol / (1 + rtol) * abs(self.coefficients[first]):
            return self
        return InversePolynomial(self.coefficients[: first + 1], self.half)

    def __call__(self, lam: Array) -> Array:
        value = 0.0 * lam
        for c in reversed(self.coefficients):
            value = value / lam + c
        return value / lam**0.5 if self.half else value


def inverse_sqrt_series(scale: float, power: int, ratio: float, lam_min: float) -> InversePolynomial:
    """λ^{-power} · scale · sqrt(1 − ratio/λ) as an inverse polynomial, to `NOISE_RTOL` for λ ≥ lam_min > ratio.

    The root is interpolated at the Chebyshev points of 0 ≤ ratio/λ ≤ h, h = ratio/lam_min, which to degree n errs by
    2 |binom(½, n + 1)| (h/4)^{n+1} (1 − h)^{-n-1/2} at most.

    Parameters
    ----------
    scale : float
        Factor in front.
    power : int
        Leading inverse power of λ.
    ratio : float
        The c in sqrt(1 − c/λ).
    lam_min : float
        Smallest eigenvalue the polynomial has to serve.

    Returns
    -------
    InversePolynomial
    """
    h, degree, error = ratio / lam_min, 0, 0.25 * ratio / lam_min
    # Each further degree costs a solve in every run.
    while error * (1 - h) ** -(degree + 0.5) > NOISE_RTOL and degree < 40:
        degree += 1
        error *= (degree - 0.5) / (degree + 1) * h / 4
    if degree == 0:
        series = [(1 - h / 2) ** 0.5]
    else:
        root = Chebyshev.interpolate(lambda t: np.sqrt(1 - t), degree, domain=[0.0, h])
        series = root.convert(kind=Polynomial, domain=[-1.0, 1.0], window=[-1.0, 1.0]).coef.tolist()
    return InversePolynomial((*[0.0] * power, *[scale * c * ratio**k for k, c in enumerate(series)]))
