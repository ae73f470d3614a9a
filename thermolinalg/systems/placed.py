"""A matrix on a device, and the units in which its systems are solved."""

from __future__ import annotations

from dataclasses import dataclass, replace

from thermolinalg._arrays import Array
from thermolinalg.operators import Operator
from thermolinalg.systems.balance import units_of
from thermolinalg.systems.base import Chain, System
from thermolinalg.systems.eliminated import Eliminated
from thermolinalg.systems.equation import Equation, Measure
from thermolinalg.systems.held import Condition, DeviceInverse, Inverse
from thermolinalg.systems.inner import Embedded, NormalEquations

__all__ = ["Held"]

DISTORTED = 0.1
"""Distortion times condition number from which on a device's corrections do not tell the error that is left."""


@dataclass(frozen=True)
class Held:
    """A matrix on a device, and the units in which its systems are solved.

    Parameters
    ----------
    inverse : Inverse
    matrix : Operator, shape (m, n)
        2^−e R A C, by whose products residuals are computed.
    rows, columns : array or None
        Diagonals of R and C.
    measures : tuple of Measure
        As `Equation` takes them.
    size : float
        Norm of A in the balanced units.
    condition : Condition or None
        None where the device does not tell its spectrum.
    kind : str
        'definite', 'negative', 'stable', 'embedded' or 'normal'.
    reason : str
        Why it is held so.
    auxiliary : int
        Leading unknowns that nobody asks for.
    systems : tuple of System
        Between the user's real A and `matrix`, besides powers of two.
    exponent : int
        e, with which A comes into the range of the numbers before it is balanced.
    distortion : float
        Relative error of the device's copy of A, as far as it says so.
    """

    inverse: Inverse
    matrix: Operator
    rows: Array | None
    columns: Array | None
    measures: tuple[Measure, ...]
    size: float
    condition: Condition | None
    kind: str
    reason: str
    auxiliary: int = 0
    systems: tuple[System, ...] = ()
    exponent: int = 0
    distortion: float = 0.0

    @property
    def squared(self) -> bool:
        """Whether the device holds the normal operator of A, whose condition is the square of that of A."""
        return self.kind == "normal" or isinstance(getattr(self.inverse, "program", None), Eliminated)

    @property
    def preconditions(self) -> bool:
        """Whether what the device holds is no copy of A, so that readings are directions from the first one on."""
        return self.distortion >= 1

    @property
    def poor(self) -> bool:
        """Whether a single run may miss what A is: its condition, as the device holds it, is poor."""
        if self.condition is None:
            return False
        squared = Condition(self.condition.smallest**2, self.condition.largest**2, 0.0, self.condition.eps)
        return self.condition.poor or (self.squared and squared.poor)

    @property
    def gain(self) -> float:
        """1/σ_min in balanced units, where readings of a distorted copy do not tell the error of x; zero where they do.

        The copy may have no direction as soft as the softest of A: what then stands along that is seen in no reading,
        and a residual r is all that is known of an error of up to ‖r‖/σ_min.
        """
        if self.condition is None or self.distortion * self.condition.number < DISTORTED:
            return 0.0
        return self.condition.number / self.size if self.size > 0 else 0.0

    def equation(self, rhs: Array) -> Equation:
        """A x = b for a right-hand side R b (m, k)."""
        return Equation(self.matrix, rhs, self.measures, self.size, self.auxiliary)

    def adjoint(self) -> Held | None:
        """Aᵀ on the same program, which solves with either; None where it has to be written."""
        if not isinstance(self.inverse, DeviceInverse) or len(self.inverse.systems.systems) != 1:
            return None
        (inner,) = self.inverse.systems.systems
        if not isinstance(inner, Embedded | NormalEquations):
            return None
        inverse = replace(self.inverse, systems=Chain((inner.adjoint(),)))
        rows, columns, reason = self.columns, self.rows, f"{self.reason}, whose other half holds the adjoint"
        measures = units_of(rows, columns)
        return replace(
            self, inverse=inverse, matrix=self.matrix.T, rows=rows, columns=columns, measures=measures, reason=reason
        )
