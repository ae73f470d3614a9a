"""Block diagonal matrices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from thermolinalg._arrays import Array, as_array, namespace, same_place
from thermolinalg.operators.base import Operator
from thermolinalg.operators.read import symmetric_operator

__all__ = ["BlockDiagonal"]


class BlockDiagonal(Operator):
    """A = diag(A₁, …, A_m) with symmetric blocks of any kind.

    Parameters
    ----------
    blocks : sequence of array_like, sparse array, Operator or LinearOperator
        The blocks A_i (n_i, n_i).

    Raises
    ------
    TypeError
        A block is complex, or blocks live in different namespaces.
    ValueError
        No block at all, or one that is not square, symmetric and finite.

    See Also
    --------
    Circulant, Kronecker, KroneckerSum, Toeplitz : Matrices by their structure.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.operators import Diagonal
    >>> A = BlockDiagonal([np.array([[2.0, 1.0], [1.0, 2.0]]), Diagonal([5.0])])
    >>> A
    <3x3 block diagonal operator of 2 blocks, float64>
    >>> A @ np.array([1.0, 0.0, 1.0])
    array([2., 1., 5.])
    """

    structure = "block diagonal"

    def __init__(self, blocks: Sequence[Any]) -> None:
        self.blocks = tuple(symmetric_operator(block, f"blocks[{i}]") for i, block in enumerate(blocks))
        if not self.blocks:
            raise ValueError("blocks must not be empty: pass at least one symmetric matrix")
        likes = [block.like for block in self.blocks]
        if not all(same_place(likes[0], like) for like in likes):
            raise TypeError("blocks must all live in NumPy or all in torch on one device")
        xp = namespace(*likes)
        like = xp.empty(0, dtype=xp.result_type(*likes), device=likes[0].device)
        n = sum(block.shape[0] for block in self.blocks)
        super().__init__(like.dtype, (n, n), like)

    @property
    def couplings(self) -> int:
        return sum(block.couplings for block in self.blocks)

    @property
    def order(self) -> int:
        return max(block.order for block in self.blocks)

    def split(self, block: Array) -> Iterator[Array]:
        """The rows of an array (n, …) that belong to each block."""
        start = 0
        for part in self.blocks:
            yield block[start : start + part.shape[0]]
            start += part.shape[0]

    def apply(self, block: Array) -> Array:
        parts = zip(self.blocks, self.split(block), strict=True)
        return self._joined([part.apply(as_array(rows, part.like)) for part, rows in parts])

    def extended_product(self, block: Array) -> Array | None:
        parts = zip(self.blocks, self.split(block), strict=True)
        return _concatenated([part.extended_product(rows) for part, rows in parts])

    def absolute(self, block: Array) -> Array | None:
        parts = zip(self.blocks, self.split(block), strict=True)
        return _concatenated([part.absolute(as_array(rows, part.like)) for part, rows in parts])

    def _joined(self, parts: Sequence[Array]) -> Array:
        return namespace(self.like).concat([as_array(part, self.like) for part in parts], axis=0)

    def _each(self, rule: Callable[[Operator], Array | None]) -> Array | None:
        """The rule's answers for all blocks joined, or None where a block has none."""
        parts = [rule(block) for block in self.blocks]
        return None if any(part is None for part in parts) else self._joined(parts)

    def diagonal(self) -> Array | None:
        return self._each(lambda block: block.diagonal())

    def eigenvalues(self) -> Array | None:
        return self._each(lambda block: block.eigenvalues())

    def trace(self) -> float | None:
        traces = [block.trace() for block in self.blocks]
        return None if None in traces else sum(t for t in traces if t is not None)

    def norm_bound(self) -> float | None:
        bounds = [block.norm_bound() for block in self.blocks]
        return None if None in bounds else max(b for b in bounds if b is not None)

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        if diagonal is None:
            return BlockDiagonal([block.scaled(factor) for block in self.blocks])
        parts = zip(self.blocks, self.split(diagonal), strict=True)
        return BlockDiagonal([block.scaled(factor, as_array(rows, block.like)) for block, rows in parts])

    def negated(self) -> Operator:
        return BlockDiagonal([block.negated() for block in self.blocks])

    def jacobi_scaling(self) -> Array | None:
        scalings = [block.jacobi_scaling() for block in self.blocks]
        if all(scaling is None for scaling in scalings):
            return None
        xp = namespace(self.like)
        ones = self.split(xp.ones(self.shape[0], dtype=self.like.dtype, device=self.like.device))
        return self._joined([one if s is None else s for s, one in zip(scalings, ones, strict=True)])

    def __repr__(self) -> str:
        n, m = self.shape[0], len(self.blocks)
        return f"<{n}x{n} {self.structure} operator of {m} blocks, {self.dtype}>"


def _concatenated(parts: Sequence[Array | None]) -> Array | None:
    """Rows of all blocks joined as they are, None where one has none."""
    known = [part for part in parts if part is not None]
    return namespace(*known).concat(known, axis=0) if len(known) == len(parts) else None
