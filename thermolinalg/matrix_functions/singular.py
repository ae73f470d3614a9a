"""Which engine applies the laws of a skew embedding, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, cast

from thermolinalg._arrays import Array, column_norms, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Engine
from thermolinalg.matrix_functions.golub_kahan import GolubKahanEngine
from thermolinalg.matrix_functions.quasi_definite import QuasiDefiniteEngine
from thermolinalg.matrix_functions.select import Choice, Price
from thermolinalg.matrix_functions.singular_factorised import PivotedLUEngine, alpha_of
from thermolinalg.matrix_functions.singular_interval import largest_singular_value
from thermolinalg.matrix_functions.singular_krylov import KrylovSolvesEngine
from thermolinalg.matrix_functions.singular_values import SingularValueEngine
from thermolinalg.matrix_functions.spectrum import LARGE
from thermolinalg.operators import Dense, Operator, SkewEmbedding, Sparse

__all__ = ["PreparedEmbedding", "SingularEngine", "SingularEngines"]

SMALL = 64
"""Up to this size a singular value decomposition costs less than the overhead of repeated solves."""

FORMABLE = 1024
"""Up to this size A known by its products, or sparse A in a short run, is formed and decomposed: seconds at most."""

ENTRIES = 2**24
"""Most entries of an array that is formed for it: 128 MiB."""


class SingularEngine(Engine, Protocol):
    """An engine that applies laws of a skew embedding to blocks (m + n, k), and knows the singular spectrum of A.

    See Also
    --------
    SingularEngines, Diagonalising, Engine, Engines : Protocols and choices of engines.
    """

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

    See Also
    --------
    Diagonalising, Engine, Engines, SingularEngine : Protocols and choices of engines.
    """

    matrix: Operator
    _built: dict[str, SingularEngine] = field(default_factory=dict, init=False, repr=False)

    def interval(self) -> tuple[float, float]:
        """Smallest and largest of the min(m, n) singular values: exact, or to one or two and a few per cent."""
        return self._home().interval()

    def largest(self) -> float:
        """Largest singular value, from a few products where no engine knows it yet."""
        built = next((engine for key, engine in self._built.items() if key != "gmres" or self._converges()), None)
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
        key, reason = self._plan(law)
        engine = self._engine(key)
        return Choice(engine, reason, engine.cost(law, outputs, columns))

    def price(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Price:
        """What `choose` would choose and what that would spend; a singular value decomposition is priced, not computed.

        Parameters
        ----------
        law, outputs, columns
            As for `choose`.

        Returns
        -------
        Price
        """
        key, reason = self._plan(law)
        if key == "svd" and key not in self._built:
            return Price(SingularValueEngine.name, reason, SingularValueEngine.price(*self.matrix.shape))
        engine = self._engine(key)
        return Price(engine.name, reason, engine.cost(law, outputs, columns))

    def _plan(self, law: LinearLaw) -> tuple[str, str]:
        """Which engine serves a law, and why."""
        if "svd" in self._built:
            return "svd", "its singular value decomposition is at hand"
        m, n = self.matrix.shape
        form = law.equilibrium(0.0)
        beyond = form is None or alpha_of(form) > self._bound_of_smallest
        if not beyond and self._converges() and self._engine("gmres").supports(law):
            return "gmres", "A is large and its Krylov spaces are short: solves by products are cheaper than a factor"
        if not beyond and self._is_square_array() and self._engine("lu").supports(law):
            return "lu", "windows in equilibrium need one LU of A, which is stable whatever its condition"
        if form is not None and self._is_sparse():
            return "quasi-definite", "windows in equilibrium need one sparse factorisation of the embedding"
        if not self._is_formable():
            return "golub-kahan", f"A ({m} x {n}) is too large to be formed: Krylov spaces need products only"
        return "svd", "one singular value decomposition serves every run"

    # -- one engine each ----------------------------------------------------------------------------------------------

    def _home(self) -> SingularEngine:
        """The engine that a default run uses, as far as that can be told before α is known."""
        if "svd" in self._built:
            return self._engine("svd")
        if self._converges():
            return self._engine("gmres")
        if self._is_square_array():
            return self._engine("lu")
        if self._is_sparse():
            return self._engine("quasi-definite")
        return self._engine("svd" if self._is_formable() else "golub-kahan")

    def _engine(self, key: str) -> SingularEngine:
        if key not in self._built:
            self._built[key] = _ENGINES[key](self.matrix)
        return self._built[key]

    def _converges(self) -> bool:
        """Whether a large square A, sparse or known by its products, is solved with by few of them."""
        m, n = self.matrix.shape
        if m != n or m < LARGE or isinstance(self.matrix, Dense):
            return False
        engine = self._engine("gmres")
        return isinstance(engine, KrylovSolvesEngine) and engine.converges

    def _is_small(self) -> bool:
        m, n = self.matrix.shape
        return bool(min(m, n) <= SMALL and m * n <= ENTRIES)

    def _is_square_array(self) -> bool:
        """Whether A is worth an LU factorisation of its own."""
        m, n = self.matrix.shape
        return m == n and not self._is_small() and isinstance(self.matrix, (Dense, Sparse))

    def _is_sparse(self) -> bool:
        return isinstance(self.matrix, Sparse) and not self._is_small()

    def _is_formable(self) -> bool:
        """Whether a decomposition of A as an array is worth its price."""
        m, n = self.matrix.shape
        return isinstance(self.matrix, Dense) or self._is_small() or (min(m, n) <= FORMABLE and m * n <= ENTRIES)

    @cached_property
    def _bound_of_smallest(self) -> float:
        """An upper bound of σ_min: the shortest column of an array, where it is square."""
        if not self._is_square_array():
            return math.inf
        if isinstance(self.matrix, Sparse):
            squares = self.matrix.column_squares()
            return math.sqrt(float(namespace(squares).min(squares)))
        norms = column_norms(cast(Dense, self.matrix).matrix)
        return float(namespace(norms).min(norms))

    def __getstate__(self) -> dict[str, Any]:
        # Sparse factors do not pickle: what was built is built again where it is needed.
        return {"matrix": self.matrix, "_built": {}}


_ENGINES: dict[str, Callable[[Any], SingularEngine]] = {
    "svd": SingularValueEngine,
    "lu": PivotedLUEngine,
    "gmres": KrylovSolvesEngine,
    "quasi-definite": QuasiDefiniteEngine,
    "golub-kahan": GolubKahanEngine,
}


class PreparedEmbedding(SkewEmbedding):
    """A skew embedding whose A has been analysed already, so that a device need not do it again.

    Parameters
    ----------
    engines : SingularEngines
        Of A.
    alpha : float
        As for `SkewEmbedding`.

    See Also
    --------
    thermolinalg.operators.SkewEmbedding : What is prepared.
    """

    def __init__(self, engines: SingularEngines, alpha: float) -> None:
        super().__init__(engines.matrix, alpha)
        self.engines = engines
