"""Powers of two between the user's Gaussian and the device's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermolinalg._arrays import Array, dtype_name
from thermolinalg._validation import is_finite
from thermolinalg.operators import Operator
from thermolinalg.systems.rescaled import matrix_exponent, times_two_to

__all__ = ["Units"]


@dataclass(frozen=True)
class Units:
    """Powers of two between the user's Gaussian and the device's: matrices M = 2^e M', samples x = 2^k x'.

    Parameters
    ----------
    matrix : int
        e, which brings an extreme matrix near one.
    sample : int
        k.
    temperature : float
        Of x'.
    """

    matrix: int
    sample: int
    temperature: float

    @classmethod
    def of(cls, operator: Operator, temperature: float, is_covariance: bool) -> Units:
        """x has the covariance T A⁻¹ = 2^−e T A'⁻¹, or T Σ = 2^e T Σ'; x' has 2^−2k of it."""
        exponent = matrix_exponent(operator)
        own = exponent if is_covariance else -exponent
        return cls(exponent, own // 2, temperature * 2 ** (own % 2))

    def held(self, operator: Operator) -> Operator:
        """M'."""
        return operator.scaled(2.0**-self.matrix) if self.matrix else operator

    def load(self, b: Array) -> Array:
        """b' = A' x'/x · b with A' = 2^−e A: the load (d, 1) whose mean is 2^−k A⁻¹b."""
        exponent = -self.sample - self.matrix
        load = times_two_to(np.array([exponent]), b) if exponent else b
        if not is_finite(load):
            raise ValueError(f"the mean A⁻¹b leaves the range of {dtype_name(b)}; scale A or b")
        return load

    def back(self, x: Array) -> Array:
        """Samples (d, n) in the user's units."""
        return times_two_to(np.array([self.sample]), x) if self.sample else x
