"""Operators whose structure is an eigendecomposition, or makes one cheap: the engine for each, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from thermolinalg.matrix_functions.base import Engine
from thermolinalg.matrix_functions.block import BlockEngine
from thermolinalg.matrix_functions.circulant import CirculantEngine
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
    Normal,
    Operator,
    Sparse,
)

__all__ = ["Rule", "exact_engine"]


class Rule(NamedTuple):
    """How an engine is built from an operator, and the reason for it."""

    build: Callable[[Any], Engine]
    reason: str

    @property
    def name(self) -> str:
        """Of the engine."""
        return str(getattr(self.build, "name", "exact"))


EXACT: dict[type[Operator], Rule] = {
    Diagonal: Rule(DiagonalEngine, "A is diagonal: its entries are its eigenvalues"),
    Circulant: Rule(CirculantEngine, "A is circulant: the Fourier transform diagonalises it"),
    LowRankPlusIdentity: Rule(LowRankEngine, "A is the identity plus low rank: one small Gram matrix has its spectrum"),
    Kronecker: Rule(KroneckerEngine, "A is a Kronecker product: its factors are diagonalised one by one"),
    KroneckerSum: Rule(KroneckerEngine, "A is a Kronecker sum: its terms are diagonalised one by one"),
    BlockDiagonal: Rule(BlockEngine, "A is block diagonal: every block has its own engine"),
}


def exact_engine(operator: Operator) -> Rule | None:
    """The rule for an operator that has one; a sparse one without couplings counts as diagonal.

    Parameters
    ----------
    operator : Operator

    Returns
    -------
    Rule or None
    """
    if isinstance(operator, Sparse) and operator.is_diagonal:
        return EXACT[Diagonal]
    if isinstance(operator, Normal) and operator.is_low_rank:
        return EXACT[LowRankPlusIdentity]
    return next((rule for kind, rule in EXACT.items() if isinstance(operator, kind)), None)
