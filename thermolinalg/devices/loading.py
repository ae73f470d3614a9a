"""How A and b are brought into a device's range."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, all_true, column_maxima, namespace, smallest_normal, standard_normal
from thermolinalg.devices.imperfections import Imperfections, quantise
from thermolinalg.operators import Operator

__all__ = ["AsWritten", "Equilibrated", "Loaded"]


@dataclass(frozen=True)
class Equilibrated:
    """Loading that fits A into the hardware: S A S with a unit diagonal, its largest eigenvalue 1, b at full range.

    S is a diagonal of powers of two, so that scaling makes no rounding errors; operators whose structure it would
    break are only scaled by a number. The device then solves (c S A S) y = c S b β with x = S y / β.
    """


@dataclass(frozen=True)
class AsWritten:
    """Loading of A and b as they are: dx = −(A x − b) dt + noise in the user's own units of time and voltage."""


class Loaded:
    """A matrix as it stands in the hardware, and the way between the user's units and the device's.

    A_dev = c S A S, b_dev = c β S b, x = S y / β, with imperfections on top.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        The user's A.
    loading : Equilibrated or AsWritten
        Where S and c come from.
    imperfections : Imperfections
    rng : numpy.random.Generator
        Draws this copy's imperfections.

    Attributes
    ----------
    effective : Operator
        S A S as it was written.
    factor : float
        c, 1 until it is chosen.
    scaling : array, shape (d,), or None
        Diagonal of S; None is the identity.
    """

    def __init__(
        self,
        operator: Operator,
        loading: Equilibrated | AsWritten,
        imperfections: Imperfections,
        rng: np.random.Generator,
    ) -> None:
        self.operator, self.loading, self.imperfections = operator, loading, imperfections
        self.scaling: Array | None = None
        scaled = operator
        if isinstance(loading, Equilibrated):
            self.scaling = _unit_diagonal(operator)
            if self.scaling is not None:
                scaled = operator.scaled(1.0, self.scaling)
        self.effective = imperfections.write(scaled, rng)
        self.factor = 1.0
        self.offset: Array | float = 0.0
        if imperfections.offset:
            self.offset = imperfections.offset * standard_normal(rng, (operator.shape[0], 1), operator.like)

    def load(self, b: Array, gain: float | None = None) -> tuple[Array, Array]:
        """b_dev (d, k) with offsets and rounding, and the gains β (k,): the one given, or up to full range."""
        load = b if self.scaling is None else self.scaling[:, None] * b
        if gain is None and isinstance(self.loading, Equilibrated) and b.shape[0]:
            largest = column_maxima(load)
            # A gain beyond the range of the dtype would be none.
            seen = largest > smallest_normal(b) ** 0.75
            if all_true(seen):
                load, gains = load / largest, 1.0 / (self.factor * largest)
            else:
                some = namespace(b).where(seen, largest, 1.0 / self.factor)
                load, gains = load / some, 1.0 / (self.factor * some)
        else:
            xp = namespace(b)
            gains = xp.ones_like(b[0, :]) if b.shape[0] else xp.ones(b.shape[1])
            gains = gains if gain is None else gain * gains
            load = self.factor * load * gains
        if not self.is_perfect:
            load = quantise(load, self.imperfections.input_bits, axis=0) + self.offset
        return load, gains

    @cached_property
    def is_perfect(self) -> bool:
        """Whether nothing is rounded or shifted."""
        return self.imperfections.is_perfect

    def convert(self, y: Array) -> Array:
        """Voltages (d, k) as the output converters give them."""
        return quantise(y, self.imperfections.output_bits, axis=0)

    def to_user(self, y: Array, gain: Array | float) -> Array:
        """Voltages (d, k) in the user's units, x = S y / β."""
        y = y / gain
        return y if self.scaling is None else self.scaling[:, None] * y

    def started(self, start: Array | None, gain: Array) -> Array | None:
        """The user's starting point in the device's units."""
        if start is None:
            return None
        y = start * gain
        return y if self.scaling is None else y / self.scaling[:, None]


def _refuse_hidden_negative(operator: Operator, i: int) -> None:
    """LinAlgError where a column is not zero although its diagonal entry is: then there are negative directions."""
    xp, like = namespace(operator.like), operator.like
    unit = xp.zeros((operator.shape[0], 1), dtype=like.dtype, device=like.device)
    unit[i, 0] = 1.0
    if bool((operator.apply(unit) != 0).any()):
        raise np.linalg.LinAlgError(
            f"A is not positive semidefinite: diagonal entry {i} is 0 and its column is not; pass assume_a='gen'"
        )


def _unit_diagonal(operator: Operator) -> Array | None:
    """The S of `Equilibrated`, or None where the structure does not survive it."""
    diagonal = operator.diagonal()
    if diagonal is None or operator.shape[0] == 0:
        return operator.jacobi_scaling()
    xp = namespace(diagonal)
    smallest = float(xp.min(diagonal))
    if smallest < 0:
        raise np.linalg.LinAlgError(
            f"A is not positive semidefinite: diagonal entry {int(xp.argmin(diagonal))} is {smallest:.6g}; "
            "pass assume_a='gen'"
        )
    if smallest == 0:
        _refuse_hidden_negative(operator, int(xp.argmin(diagonal)))
        return None
    scaling = operator.jacobi_scaling()
    return None if scaling is None or bool((scaling == 1).all()) else scaling
