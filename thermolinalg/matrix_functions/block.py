"""The engine of block diagonal matrices: an engine for every block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from thermolinalg._arrays import Array, as_array, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost, Engine
from thermolinalg.matrix_functions.circulant import CirculantEngine
from thermolinalg.matrix_functions.dense import DenseEngine
from thermolinalg.matrix_functions.diagonal import DiagonalEngine
from thermolinalg.matrix_functions.kronecker import KroneckerEngine
from thermolinalg.matrix_functions.low_rank import LowRankEngine
from thermolinalg.operators import (
    BlockDiagonal,
    Circulant,
    Diagonal,
    Kronecker,
    KroneckerSum,
    LowRankPlusIdentity,
    Operator,
)

__all__ = ["BlockEngine", "exact_engine"]


class BlockEngine:
    """f(A) V = (f(A₁) V₁, …, f(A_m) V_m) for A = diag(A₁, …, A_m).

    Parameters
    ----------
    operator : BlockDiagonal
        Positive semidefinite.
    choose : callable, optional
        ``choose(block)`` returns the engine of a block; by default the one that knows its structure exactly.

    Raises
    ------
    LinAlgError
        A block is indefinite.

    See Also
    --------
    DiagonalEngine, CirculantEngine, KroneckerEngine, LowRankEngine : Engines of structured A.
    """

    def __init__(self, operator: BlockDiagonal, choose: Callable[[Operator], Engine] | None = None) -> None:
        self.operator: Operator = operator
        self.split = operator.split
        self.engines = [(choose or exact_engine)(block) for block in operator.blocks]
        self.name = f"block ({', '.join(sorted({engine.name for engine in self.engines}))})"

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law."""
        engines: list[Any] = self.engines
        costs: list[Cost] = [engine.cost(law, outputs) for engine in engines]
        return Cost(
            sum(c.setup for c in costs),
            sum(c.per_column for c in costs),
            max(c.products for c in costs),
            sum(c.memory for c in costs),
        )

    def interval(self) -> tuple[float, float]:
        smallest, largest = zip(*(engine.interval() for engine in self.engines), strict=True)
        return min(smallest), max(largest)

    def eigenvalues(self) -> Array | None:
        parts = [engine.eigenvalues() for engine in self.engines]
        return None if any(part is None for part in parts) else self._joined(parts)

    def supports(self, law: LinearLaw) -> bool:
        return all(engine.supports(law) for engine in self.engines)

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        split = [None if block is None else list(self.split(block)) for block in inputs]
        parts = []
        for i, engine in enumerate(self.engines):
            like = engine.operator.like
            own = [None if rows is None else as_array(rows[i], like) for rows in split]
            parts.append(engine.apply(law, own, outputs))
        return [self._joined(rows) for rows in zip(*parts, strict=True)]

    def _joined(self, parts: Sequence[Array]) -> Array:
        like = self.operator.like
        return namespace(like).concat([as_array(part, like) for part in parts], axis=0)


_STRUCTURES: dict[type[Operator], Callable[[Any], Engine]] = {
    Diagonal: DiagonalEngine,
    Circulant: CirculantEngine,
    LowRankPlusIdentity: LowRankEngine,
    Kronecker: KroneckerEngine,
    KroneckerSum: KroneckerEngine,
    BlockDiagonal: BlockEngine,
}


def exact_engine(operator: Operator) -> Engine:
    """The engine that knows all eigenvectors of an operator: by its structure, else by forming its matrix.

    Parameters
    ----------
    operator : Operator
        Symmetric positive semidefinite.

    Returns
    -------
    Engine

    Examples
    --------
    >>> from thermolinalg.operators import Circulant
    >>> exact_engine(Circulant([2.0, -1.0, 0.0, -1.0])).name
    'circulant (fast Fourier transform)'
    """
    return _STRUCTURES.get(type(operator), DenseEngine)(operator)
