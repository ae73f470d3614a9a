"""Readings of a biased device as search directions: conjugate to each other, with exact steps along all of them."""

from __future__ import annotations

import math

import numpy as np

from thermolinalg._arrays import Array, any_true, eps, namespace
from thermolinalg.systems import Equation
from thermolinalg.systems.rescaled import column_exponents, times_two_to

__all__ = ["Directions"]

HISTORY = 20
"""Earlier directions that are kept for orthogonalisation whatever their size."""

LONG_HISTORY = 200
"""Directions kept where they are short: each one dropped costs runs of a badly biased device, many where A is
ill-conditioned."""

KEPT = 2**23
"""Numbers of all directions together up to which more than `HISTORY` are kept: 64 MB, and as much for products."""

ROUNDING = 10.0
"""A conjugated direction counts if its pᵀAp is so many times what rounding makes of it."""


class Directions:
    """Earlier readings P and their products A P, conjugate to each other column by column.

    Parameters
    ----------
    equation : Equation
    definite : bool
        Whether pᵀAp (the energy) or ‖A p‖² (the residual) makes them so.
    """

    def __init__(self, equation: Equation, definite: bool) -> None:
        self.equation, self.definite = equation, definite
        self.pairs: list[tuple[Array, Array]] = []

    def add(self, z: Array, image: Array) -> None:
        """Take a reading z and A z, made conjugate to those there."""
        self.refuse_negative(z, image)
        z, image = _in_range(z, image)
        self.pairs.append(_conjugate(z, image, self.pairs, self.definite))
        del self.pairs[: -max(HISTORY, min(LONG_HISTORY, KEPT // max(1, math.prod(z.shape))))]

    def step(self, r: Array) -> tuple[Array, Array]:
        """The exact step along all directions for a residual r, and the residual that it should leave.

        Earlier ones are stepped along again: a recomputed residual is orthogonal to them up to rounding only, and with
        ill-conditioned A what rounding left is what limits the residual.
        """
        total = self.equation.zero()
        for p, q in self.pairs:
            length = _length(p, q, r, self.definite)
            total = total + length * p
            r = r - length * q
        return total, r

    def refuse_negative(self, z: Array, image: Array) -> None:
        """LinAlgError where zᵀAz < 0 although A should be positive definite."""
        if not self.definite:
            return
        xp, (z, image) = self.equation.xp, _in_range(z, image)
        curvature = xp.sum(z * image, axis=0)
        if not any_true(curvature < 0):
            return
        sizes = xp.sum(z**2, axis=0) ** 0.5 * xp.sum(image**2, axis=0) ** 0.5
        rounding = z.shape[0] * self.equation.eps
        # An image got by subtracting residuals carries their rounding.
        rounding = rounding * (sizes + xp.sum(z**2, axis=0) ** 0.5 * self.equation.floor(z))
        if bool((curvature < -rounding).any()):
            worst = float(xp.min(curvature / xp.where(sizes > 0, sizes, 1.0)))
            raise np.linalg.LinAlgError(
                f"A is not positive definite: a direction p with pᵀAp = {worst:.3g} ‖p‖‖Ap‖ was met"
            )


def _in_range(z: Array, image: Array) -> tuple[Array, Array]:
    """A direction and its product near one where their squares would leave the range: its length is of no account."""
    exponents = column_exponents(z)
    return (z, image) if exponents is None else (times_two_to(-exponents, z), times_two_to(-exponents, image))


def _conjugate(p: Array, q: Array, directions: list[tuple[Array, Array]], definite: bool) -> tuple[Array, Array]:
    """p, and its product q = A p, made conjugate to the earlier directions column by column."""
    if not directions:
        return p, q
    xp = namespace(p)
    norm = xp.linalg.vector_norm
    reading, image = p, q
    whole_p, whole_q = norm(p, axis=0), norm(q, axis=0)
    whole = xp.sum(p * q, axis=0) if definite else whole_q
    for earlier, product in directions:
        left = earlier if definite else product
        curvature = xp.sum(left * product, axis=0)
        positive = curvature > 0
        overlap = xp.sum((p if definite else q) * product, axis=0)
        weight = xp.where(positive, overlap / xp.where(positive, curvature, 1.0), 0.0)
        p, q = p - weight * earlier, q - weight * product
    # What conjugation leaves of a direction that was known already is rounding, and would grow from run to run: the
    # reading itself is the better direction then.
    size = xp.sum(p * q, axis=0) if definite else norm(q, axis=0)
    noise = whole_p * norm(q, axis=0) + norm(p, axis=0) * whole_q if definite else whole_q
    resolved = (size > ROUNDING * p.shape[0] * eps(p) * noise) & (size <= whole)
    return xp.where(resolved, p, reading), xp.where(resolved, q, image)


def _length(p: Array, q: Array, r: Array, definite: bool) -> Array:
    """Length of the exact step along p, column by column; zero where p vanishes."""
    xp = namespace(p)
    left = p if definite else q
    curvature = xp.sum(left * q, axis=0)
    positive = curvature > 0
    return xp.where(positive, xp.sum(left * r, axis=0) / xp.where(positive, curvature, 1.0), 0.0)
