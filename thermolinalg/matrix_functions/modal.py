"""What engines with an eigenbasis at hand share: to modes, one factor per mode, back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from thermolinalg._arrays import Array, as_array, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Recent, check_positive, combine_modes, evaluate
from thermolinalg.operators import Operator

__all__ = ["ModalEngine", "zero_column"]


class ModalEngine:
    """f(A) V = Q f(Λ) Qᵀ V for an operator whose eigenvalues are known and whose Q is cheap to multiply with.

    A subclass gives `to_modes` and `from_modes`.

    Parameters
    ----------
    operator : Operator
        Positive semidefinite, with all its eigenvalues.

    Raises
    ------
    LinAlgError
        A is indefinite.
    """

    name = "modal"

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.values = check_positive(operator.eigenvalues(), operator.order)

    def interval(self) -> tuple[float, float]:
        xp = namespace(self.values)
        return float(xp.min(self.values)), float(xp.max(self.values))

    def eigenvalues(self) -> Array:
        return self.values

    def supports(self, law: LinearLaw) -> bool:
        return True

    @cached_property
    def _evaluated(self) -> Recent[list[list[Array | None]]]:
        """The functions of the laws applied last, at the eigenvalues."""
        return Recent()

    def to_modes(self, block: Array) -> Array:
        """Coordinates Qᵀ V of a block (d, k), in the order of `eigenvalues`."""
        raise NotImplementedError

    def from_modes(self, block: Array) -> Array:
        """Vectors Q Y of coordinates Y (d, k)."""
        raise NotImplementedError

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        modes = [None if block is None else self.to_modes(block) for block in inputs]
        rows = self._evaluated(law, lambda: evaluate(law, self.values))
        results = combine_modes(law, rows, modes, outputs)
        return [zero_column(self.operator) if y is None else self.from_modes(y) for y in results]


def zero_column(operator: Operator) -> Array:
    """The output (d, 1) that no input reaches.

    Parameters
    ----------
    operator : Operator
        Tells the namespace, dtype and device.

    Returns
    -------
    array, shape (d, 1)
    """
    xp = namespace(operator.like)
    return as_array(xp.zeros((operator.shape[0], 1)), operator.like)
