"""The user's A as it was read: a real operator, whether it is Hermitian, and what is worth telling about it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, as_array
from thermolinalg.operators._symmetry import Asymmetry, asymmetry
from thermolinalg.operators.base import Operator
from thermolinalg.operators.dense import Dense
from thermolinalg.operators.sparse import Sparse

__all__ = ["ReadMatrix"]


@dataclass(frozen=True)
class ReadMatrix:
    """A, ready for a device.

    Parameters
    ----------
    operator : Operator
        Real operator; for complex A its real form [[Re, −Im], [Im, Re]] of twice the size.
    symmetric : bool
        Whether A is (taken as) Hermitian.
    is_complex : bool
        Whether `operator` is the real form of a complex A.
    assume : str
        The normalised `assume_a`: 'auto', 'pos', 'sym', 'her', 'gen', 'stable', ….
    name : str, optional
        What the user calls A.
    notice : str, optional
        One line where A was symmetrised, or taken as symmetric, though its entries differ; empty otherwise.
    found : Asymmetry, optional
        How asymmetric a map was found to be by its products.
    is_map : bool, optional
        Whether `operator` was formed from the products of a map, of which no triangle is read.
    graph : tensor, optional
        What was read, with the history that gradients follow; its numbers are not.
    """

    operator: Operator
    symmetric: bool
    is_complex: bool
    assume: str
    name: str = "A"
    notice: str = ""
    found: Asymmetry | None = field(default=None, repr=False)
    is_map: bool = False
    graph: Array | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the user's A."""
        m, n = self.operator.shape
        return (m // 2, n // 2) if self.is_complex else (m, n)

    @cached_property
    def asymmetry(self) -> Asymmetry | None:
        """The pair of entries that differs most, in units of what rounding explains; None where none does."""
        m, n = self.shape
        if self.symmetric or m != n or not isinstance(self.operator, (Dense, Sparse)):
            return self.found
        matrix = self.operator.matrix
        return asymmetry(matrix[:m, :m] + 1j * matrix[m:, :m] if self.is_complex else matrix)

    def require_symmetric(self, purpose: str) -> None:
        """LinAlgError with the evidence if A is not symmetric.

        Parameters
        ----------
        purpose : str
            What needs it, as the beginning of a sentence.

        Raises
        ------
        numpy.linalg.LinAlgError
        """
        if self.symmetric:
            return
        refusal = f"{purpose} needs a symmetric (Hermitian) matrix, and {self.name} is not symmetric"
        m, n = self.shape
        if m != n:
            raise np.linalg.LinAlgError(f"{refusal}: it has shape {(m, n)}")
        kind, worst = "her" if self.is_complex else "sym", self.asymmetry
        if worst is None or worst.ratio <= 1:
            raise np.linalg.LinAlgError(f"{refusal} by assume_a; pass assume_a={kind!r}")
        advice = f"pass assume_a={kind!r}"
        if worst.row is None:
            evidence = f"products with random vectors differ from those of its adjoint by {worst.size:.3g}"
            advice += " if it is symmetric all the same"
        else:
            i, j, conj = worst.row, worst.column, "conj " if self.is_complex else ""
            evidence = f"|{self.name}[{i}, {j}] − {conj}{self.name}[{j}, {i}]| = {worst.size:.3g}"
            # A map has no triangle that could be read.
            entries = isinstance(self.operator, Dense | Sparse) and not self.is_map
            advice += " to use one triangle" if entries else " if it is symmetric all the same"
        raise np.linalg.LinAlgError(f"{refusal}: {evidence}, {worst.ratio:.3g} times what rounding explains; {advice}")

    def adjoint(self) -> ReadMatrix:
        """The same for Aᴴ, whose real form is the transpose of that of A."""
        if self.symmetric:
            return self
        return replace(self, operator=self.operator.T, graph=None if self.graph is None else self.graph.mH)

    def transposed(self) -> ReadMatrix:
        """The same for Aᵀ (not conjugated)."""
        if not self.is_complex:
            return self.adjoint()
        # The real form of conj(A) is that of A with the sign of the imaginary half changed on both sides.
        adjoint, graph = self.adjoint().operator, None if self.graph is None else self.graph.mT
        signs = [as_array(np.repeat([1.0, -1.0], size // 2), adjoint.like) for size in adjoint.shape]
        operator = adjoint.rescaled(signs[0], signs[0] if self.symmetric else signs[1])
        return replace(self, operator=operator, graph=graph)
