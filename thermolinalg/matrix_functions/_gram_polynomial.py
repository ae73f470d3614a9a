"""Functions of a Gram matrix without its eigenvalues: polynomials in a shifted inverse, for a run or two.

A law's functions of A = λI + K fall on the scale 1/t, often a tiny part of the spectrum: polynomials in K need a high
degree to see it. As functions of θ = 1/(σ + μ), with the pole μ on that scale, they are smooth all the way from σ = 0
to infinity, so that a few dozen products with S = (K + μI)⁻¹ give them to full precision whatever the norm of K.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from thermolinalg._arrays import Array, plus_identity
from thermolinalg._cholesky import cholesky, cholesky_products
from thermolinalg.laws import LinearLaw
from thermolinalg.laws._linear import Coefficients
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine, chebyshev_series
from thermolinalg.operators.base import Operator

__all__ = ["DividedDifferences"]

_POLE = 30.0
"""μ in units of the σ at which the first function has fallen to one half: 20/t for e^{−σt}. Found by trial."""

_CONDITION = 1e8
"""Largest (σ + μ)/μ for which S keeps enough digits."""

_NEGLIGIBLE = 1e-6
"""Functions this much smaller than the largest one have no say in the pole."""

_RTOL = 1e-3, 1e-13
"""Of the polynomials, in units of the precision of R and at least: errors at large σ, where h is small, count more."""


@dataclass(frozen=True)
class DividedDifferences:
    """(f(λ + K) − f(λ)) K⁻¹ for the functions of a law, as functions of θ = 1/(σ + μ).

    Parameters
    ----------
    law : LinearLaw
    shift : float
        λ.
    pole : float
        μ.
    largest : float
        Upper bound of the eigenvalues of K.
    rtol : float
        Error of the polynomials.
    """

    law: LinearLaw
    shift: float
    pole: float
    largest: float
    rtol: float

    @classmethod
    def of(
        cls, law: LinearLaw, outputs: Sequence[str], shift: float, largest: float, precision: float
    ) -> DividedDifferences | None:
        """The same with a pole that suits the law, or None where there is none; `precision` is that of R."""
        scan = np.concatenate([[0.0], np.geomspace(1e-12 * largest, largest, 97)])
        try:
            with np.errstate(all="ignore"):
                rows = law.functions(shift + scan)
        except ValueError:  # A law of time stepping does not hold beyond its limit, and the bound may be beyond.
            return None
        sizes = [np.abs(f) for name in outputs for f in rows[law.outputs.index(name)] if f is not None]
        if not all(np.isfinite(size).all() for size in sizes):
            return None
        leading = max((size[0] for size in sizes), default=0.0)
        half = largest
        for size in sizes:
            fallen = np.flatnonzero(size < 0.5 * size[0])
            if size[0] > _NEGLIGIBLE * leading and len(fallen):
                half = min(half, float(scan[fallen[0]]))
        found = cls(law, shift, _POLE * half, largest, max(_RTOL[0] * precision, _RTOL[1]))
        # Rounding of R V, twice, must not come back larger than a millionth of f(λ).
        quiet = precision**2 * largest <= 1e-6 * half
        return found if quiet and largest <= _CONDITION * found.pole else None

    def as_law(self) -> LinearLaw:
        """The law whose operator is S."""
        at_shift = self.law.functions(np.array([self.shift]))

        def functions(theta: Array) -> Coefficients:
            sigma = np.maximum(1 / theta - self.pole, np.finfo(float).tiny)
            rows = self.law.functions(self.shift + sigma)
            return [
                [None if f is None else (f - start) / sigma for f, start in zip(row, first, strict=True)]
                for row, first in zip(rows, at_shift, strict=True)
            ]

        return LinearLaw(self.law.inputs, self.law.outputs, functions)

    @property
    def interval(self) -> tuple[float, float]:
        """An interval that holds the spectrum of S."""
        return 1 / (self.largest + self.pole), 1 / self.pole

    def degree(self, outputs: Sequence[str], most: int) -> int | None:
        """Products with S that the outputs take, or None if they take more than `most`."""
        series = chebyshev_series(self.as_law(), outputs, self.interval, rtol=self.rtol, max_degree=most)
        return series.degree if series.error <= self.rtol else None

    def apply(self, gram: Array, blocks: Mapping[int, Array], outputs: Sequence[str], most: int) -> list[Array] | None:
        """The outputs for blocks (r, k) of the inputs, or None if K + μI is not positive definite to rounding."""
        factor, failed = cholesky(plus_identity(gram, self.pole), overwrite=True)
        if failed:
            return None
        engine = ChebyshevEngine(_ShiftedInverse(factor), self.interval, rtol=self.rtol, max_degree=most)
        inputs = [blocks.get(j) for j in range(len(self.law.inputs))]
        return engine.apply(self.as_law(), inputs, outputs)


class _ShiftedInverse(Operator):
    """S by its products, from the Cholesky factor of K + μI."""

    def __init__(self, factor: Array) -> None:
        super().__init__(factor.dtype, tuple(factor.shape), factor)
        self._products = cholesky_products(factor)

    def apply(self, block: Array) -> Array:
        return self._products(block)
