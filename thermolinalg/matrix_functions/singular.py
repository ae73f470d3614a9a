"""Which engine applies the laws of a skew embedding, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from thermolinalg._arrays import Array
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Engine
from thermolinalg.matrix_functions.select import Choice
from thermolinalg.matrix_functions.singular_factorised import PivotedLUEngine
from thermolinalg.matrix_functions.singular_interval import largest_singular_value
from thermolinalg.matrix_functions.singular_values import SingularValueEngine
from thermolinalg.operators import Dense, Operator, SkewEmbedding, Sparse

__all__ = ["PreparedEmbedding", "SingularEngine", "SingularEngines"]

SMALL = 64
"""Up to this size a singular value decomposition costs less than the overhead of repeated solves."""


class SingularEngine(Engine, Protocol):
    """An engine that applies laws of a skew embedding to blocks (m + n, k), and knows the singular spectrum of A."""

    def null_vector(self) -> Array:
        """The right singular vector (n,) of the smallest singular value."""
        ...


@dataclass
class SingularEngines:
    """The engines of the skew embeddings of one A, whatever α: built when first needed and kept.

    Parameters
    ----------
    matrix : Operator, shape (m, n)
        A.
    """

    matrix: Operator
    _built: dict[str, SingularEngine] = field(default_factory=dict, init=False, repr=False)

    def interval(self) -> tuple[float, float]:
        """Smallest and largest of the min(m, n) singular values: exact, or to about one and a few per cent."""
        return self._home().interval()

    def largest(self) -> float:
        """Largest singular value, from a few products where no engine knows it yet."""
        built = next(iter(self._built.values()), None)
        return largest_singular_value(self.matrix) if built is None else built.interval()[1]

    def null_vector(self) -> Array:
        """The right singular vector (n,), of unit norm, of the smallest singular value: what A all but annihilates."""
        return self._home().null_vector()

    def embedding(self, alpha: float) -> PreparedEmbedding:
        """The skew embedding of A with this α, which takes these engines along.

        Parameters
        ----------
        alpha : float

        Returns
        -------
        PreparedEmbedding
        """
        return PreparedEmbedding(self, alpha)

    def choose(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Choice:
        """The engine for these outputs of a law, for blocks of so many columns.

        Parameters
        ----------
        law : LinearLaw
            Of `Skew`, as functions of the singular values of A.
        outputs : sequence of str
        columns : int

        Returns
        -------
        Choice
            The engine, and why.
        """
        if "svd" not in self._built and self._is_factorisable():
            engine = self._lu()
            if engine.supports(law):
                reason = "windows in equilibrium need one LU factorisation of A, which is stable whatever its condition"
                return Choice(engine, reason, engine.cost(law, outputs, columns))
        engine = self._svd()
        reason = "one singular value decomposition serves every run"
        return Choice(engine, reason, engine.cost(law, outputs, columns))

    def _home(self) -> SingularEngine:
        """The engine that a default run uses."""
        if "svd" in self._built or not self._is_factorisable():
            return self._svd()
        return self._lu()

    def _is_factorisable(self) -> bool:
        m, n = self.matrix.shape
        return m == n and n > SMALL and isinstance(self.matrix, (Dense, Sparse))

    def _build(self, key: str, build: Callable[[Operator], SingularEngine]) -> SingularEngine:
        if key not in self._built:
            self._built[key] = build(self.matrix)
        return self._built[key]

    def _lu(self) -> SingularEngine:
        return self._build("lu", PivotedLUEngine)

    def _svd(self) -> SingularEngine:
        return self._build("svd", SingularValueEngine)


class PreparedEmbedding(SkewEmbedding):
    """A skew embedding whose A has been analysed already, so that a device need not do it again.

    Parameters
    ----------
    engines : SingularEngines
        Of A.
    alpha : float
        As for `SkewEmbedding`.
    """

    def __init__(self, engines: SingularEngines, alpha: float) -> None:
        super().__init__(engines.matrix, alpha)
        self.engines = engines
