"""How A and b are brought into a device's range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg.operators import Operator

__all__ = ["AsWritten", "Equilibrated", "unit_diagonal"]


@dataclass(frozen=True)
class Equilibrated:
    """Loading that fits A into the hardware: S A S with a unit diagonal, its largest eigenvalue 1, b at full range.

    S is a diagonal of powers of two, so that scaling makes no rounding errors; operators whose structure it would
    break are only scaled by a number. The device then solves (c S A S) y = c S b β with x = S y / β.
    """


@dataclass(frozen=True)
class AsWritten:
    """Loading of A and b as they are: dx = −(A x − b) dt + noise in the user's own units of time and voltage."""


def unit_diagonal(operator: Operator) -> Array | None:
    """The S of `Equilibrated`, or None where the structure does not survive it."""
    diagonal = operator.diagonal()
    if diagonal is None or operator.shape[0] == 0:
        return operator.jacobi_scaling()
    xp = namespace(diagonal)
    smallest = float(xp.min(diagonal))
    if smallest < 0:
        raise np.linalg.LinAlgError(
            f"A is not positive semidefinite: diagonal entry {int(xp.argmin(diagonal))} is {smallest:.6g}; "
            "pass assume_a='gen' to use the normal operator"
        )
    if smallest == 0:
        return None
    return operator.jacobi_scaling()
