"""Input blocks of a law side by side, so that one product with A serves all functions and all inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from thermolinalg._arrays import Array, column_norms, namespace, to_numpy
from thermolinalg.laws import LinearLaw
from thermolinalg.operators.base import Operator

__all__ = ["Blocks", "function_table", "norms", "product_operations"]


def norms(block: Array, axis: int = 0) -> Array:
    """Euclidean norms along an axis, without overflow or underflow of the squares."""
    if block.ndim == 2 and axis == 0:
        return column_norms(block)
    xp = namespace(block)
    peak = xp.max(xp.abs(block), axis=axis, keepdims=True)
    unit = xp.where(peak > 0, peak, 1.0)
    return xp.squeeze(unit, axis=axis) * xp.linalg.vector_norm(block / unit, axis=axis)


def function_table(law: LinearLaw, outputs: Sequence[str], lam: np.ndarray) -> np.ndarray:
    """f_ij at the eigenvalues `lam` (n,), shape (outputs, inputs, n); zero where the law has no such function."""
    with np.errstate(all="ignore"):
        rows = law.functions(lam)
    chosen = [rows[law.outputs.index(name)] for name in outputs]
    return np.array([[np.zeros_like(lam) if f is None else f for f in row] for row in chosen])


def product_operations(operator: Operator) -> float:
    """Floating-point operations of one product A v; a map known by nothing else is priced as a dense one."""
    entries = getattr(getattr(operator, "matrix", operator), "nnz", None)
    if entries is None and hasattr(operator, "operator") and isinstance(operator.operator, Operator):
        return product_operations(operator.operator)
    return 2.0 * float(operator.shape[0] * operator.shape[1] if entries is None else entries)


class Blocks:
    """The blocks that matter to the named outputs, side by side.

    Columns of one block meet in the output: output column l is the sum of column l of every wide block and of all
    blocks of one column, which are shared.

    Parameters
    ----------
    law : LinearLaw
    inputs : sequence of (array or None)
        Blocks of shape (d, k) or (d, 1).
    outputs : sequence of str
    operator : Operator
        Tells where empty outputs live.
    """

    def __init__(
        self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str], operator: Operator
    ) -> None:
        rows = law.functions(np.ones(1))
        self.uses = [[f is not None for f in rows[law.outputs.index(name)]] for name in outputs]
        present = [j for j, block in enumerate(inputs) if block is not None and any(use[j] for use in self.uses)]
        blocks = [cast(Array, inputs[j]) for j in present]
        widths = [block.shape[1] for block in blocks]
        self.width = max(widths, default=1)
        if any(width not in (1, self.width) for width in widths):
            raise ValueError(f"blocks of {widths} columns do not fit together; each needs {self.width} or 1")
        ends = np.cumsum([0, *widths])
        self.slices = {j: slice(int(ends[n]), int(ends[n + 1])) for n, j in enumerate(present)}
        if blocks:
            self.columns = namespace(*blocks).concat(blocks, axis=1)
        else:
            like = operator.like
            shape = (operator.shape[1], 0)
            self.columns = namespace(like).zeros(shape, dtype=like.dtype, device=like.device)
        self.source = np.repeat(np.array(present, dtype=int), widths)
        self.norms = to_numpy(norms(self.columns)).astype(np.float64)
        self.sizes = np.zeros((len(law.inputs), self.width))
        for j, columns in self.slices.items():
            self.sizes[j] = self.norms[columns]

    def feeds(self) -> np.ndarray:
        """Whether a stacked column goes into an output column, shape (width, stacked columns)."""
        own = np.concatenate([np.arange(s.stop - s.start) for s in self.slices.values()])
        shared = np.concatenate([np.full(s.stop - s.start, s.stop - s.start == 1) for s in self.slices.values()])
        return np.asarray((np.arange(self.width)[:, None] == own) | shared)

    def combine(self, parts: Sequence[Array]) -> list[Array]:
        """Sum the stacked contributions (d, stacked columns) to each output over its inputs."""
        results = []
        for part, uses in zip(parts, self.uses, strict=True):
            terms = [part[:, columns] for j, columns in self.slices.items() if uses[j]]
            total = sum(terms[1:], start=terms[0]) if terms else namespace(part).zeros_like(part[:, :0])
            results.append(total)
        return results
