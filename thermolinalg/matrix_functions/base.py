"""The contract of the engines: apply scalar functions of A to blocks of vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from thermolinalg._arrays import Array, as_float64, dtype_name, eps, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.laws._linear import Coefficients
from thermolinalg.operators.base import Operator

__all__ = ["Cost", "Diagonalising", "Engine", "Recent", "check_positive", "combine_modes", "evaluate"]

T = TypeVar("T")

KEPT = 8
"""Laws whose functions are kept: the windows of a refinement, of its error bar, and of a call or two before."""


@dataclass(frozen=True)
class Cost:
    """What an engine will spend, declared before it runs.

    Parameters
    ----------
    setup : float
        Floating-point operations before the first draw.
    per_column : float
        Operations for one column of each block.
    products : int
        Products with A for one column.
    memory : float
        Bytes it holds.

    See Also
    --------
    Choice, Price : What an engine would cost, and which is taken.
    """

    setup: float
    per_column: float
    products: int = 0
    memory: float = 0.0

    def total(self, columns: int = 1) -> float:
        """Operations for a draw of so many columns, set-up included."""
        return self.setup + columns * self.per_column


@runtime_checkable
class Engine(Protocol):
    """Applies a law (a small matrix of scalar functions of A) to blocks of vectors.

    Engines never know what is being simulated; laws never know how A is stored.

    See Also
    --------
    Engines, SingularEngine, SingularEngines, Diagonalising : Protocols and choices of engines.
    """

    name: str
    operator: Operator

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue: exact, or estimated to a few per cent."""
        ...

    def eigenvalues(self) -> Array | None:
        """All eigenvalues with multiplicity, where the engine has them."""
        ...

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """What applying the law to blocks of so many columns will cost, declared before running."""
        ...

    def supports(self, law: LinearLaw) -> bool:
        """Whether the engine can apply the functions of this law."""
        ...

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law, Σ_j f_ij(A) V_j, for input blocks V_j of shape (d, k); None is zero.

        Blocks of one column are shared by all columns of the others. All functions of one call share the products
        with A. No input is overwritten.
        """
        ...


@runtime_checkable
class Diagonalising(Engine, Protocol):
    """An engine with an orthonormal eigenbasis at hand, in which a trajectory costs O(d) per step.

    See Also
    --------
    Engine, Engines, SingularEngine, SingularEngines : Protocols and choices of engines.
    """

    def to_modes(self, block: Array) -> Array:
        """Coordinates Qᵀ V of a block (d, k), in the order of `eigenvalues`."""
        ...

    def from_modes(self, block: Array) -> Array:
        """Vectors Q Y of coordinates Y (d, k)."""
        ...


def evaluate(law: LinearLaw, lam: Array) -> list[list[Array | None]]:
    """The law's functions at eigenvalues `lam`, computed in float64 and returned in the dtype of `lam`."""
    xp = namespace(lam)
    rows = law.functions(as_float64(lam))
    return [[None if f is None else xp.astype(f, lam.dtype, copy=False) for f in row] for row in rows]


class Recent(Generic[T]):
    """What was computed for the laws used last: a device runs one timetable again and again.

    Laws are told apart as objects, not by what they say.
    """

    def __init__(self) -> None:
        self._kept: list[tuple[LinearLaw, T]] = []

    def __reduce__(self) -> tuple[type[Recent[T]], tuple[()]]:
        # Laws are closures, which do not pickle; what was computed for them is soon made again.
        return type(self), ()

    def __call__(self, law: LinearLaw, compute: Callable[[], T]) -> T:
        """The value kept for this very law, or computed and kept."""
        for known, value in self._kept:
            if known is law:
                return value
        value = compute()
        self._kept = [(law, value), *self._kept[: KEPT - 1]]
        return value


def combine_modes(
    law: LinearLaw, rows: Coefficients, modes: Sequence[Array | None], outputs: Sequence[str]
) -> list[Array | None]:
    """Σ_j f_ij(λ) · modes_j for each named output, in coordinates where A is diagonal, from the evaluated functions."""
    results = []
    for name in outputs:
        total = None
        for f, block in zip(rows[law.outputs.index(name)], modes, strict=True):
            if f is None or block is None:
                continue
            term = f[:, None] * block
            total = term if total is None else total + term
        results.append(total)
    return results


def check_positive(lam: Array, order: int | None = None) -> Array:
    """Eigenvalues with rounding below zero clipped away; LinAlgError if some is truly negative.

    What counts as rounding grows with the order of the matrix that was diagonalised, by default their number.
    """
    xp = namespace(lam)
    smallest, largest = float(xp.min(lam)), float(xp.max(xp.abs(lam)))
    if smallest < -(order or lam.shape[0]) * eps(lam) * largest * 4:
        raise np.linalg.LinAlgError(
            f"A is not positive semidefinite: its smallest eigenvalue is {smallest:.6g} "
            f"(largest in size {largest:.3g}, {dtype_name(lam)}); pass assume_a='gen'"
        )
    return xp.clip(lam, 0.0, None)
