"""The dense engine of skew embeddings: one singular value decomposition of A serves every law, time and temperature."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, as_array, as_float64, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.laws._linear import Coefficients
from thermolinalg.matrix_functions.base import Cost, Recent
from thermolinalg.operators import Operator

__all__ = ["SingularValueEngine", "nothing"]


class SingularValueEngine:
    """Functions of M = [[αI, A], [−Aᵀ, αI]] from A = U Σ Vᵀ of shape (m, n), any rank.

    A function f acts on the coordinates (Uᵀu, Vᵀv) of a singular value as Re f · I + Im f · [[0, 1], [−1, 0]], that is,
    it multiplies Uᵀu − i Vᵀv; what U or V leaves out of a rectangular A sees f at σ = 0, on its own half.

    Parameters
    ----------
    matrix : Operator, shape (m, n)
        A; its array is formed.

    See Also
    --------
    GolubKahanEngine, PivotedLUEngine, QuasiDefiniteEngine, KrylovSolvesEngine : Engines of A that is not symmetric.
    """

    name = "singular value decomposition"

    def __init__(self, matrix: Operator) -> None:
        self.operator = matrix
        array = matrix.dense()
        self.left, self.values, right = namespace(array).linalg.svd(array, full_matrices=False)
        self.right = right.T

    @staticmethod
    def price(m: int, n: int) -> Cost:
        """Cost of the decomposition of an m × n matrix, and of one column."""
        long, short = max(m, n), min(m, n)
        return Cost(
            setup=6.0 * long * short**2 + 20.0 * short**3,
            per_column=4.0 * short * (m + n),
            memory=8.0 * short * (m + n),
        )

    def interval(self) -> tuple[float, float]:
        """Smallest and largest of the min(m, n) singular values."""
        if min(self.operator.shape) == 0:
            return 0.0, 0.0
        return float(self.values[-1]), float(self.values[0])

    def eigenvalues(self) -> None:
        """None: A has singular values, `values`, descending."""
        return

    def null_vector(self) -> Array:
        """The right singular vector (n,) of the smallest singular value; any unit vector where A has no rows."""
        n = self.operator.shape[1]
        return self.right[:, -1] if self.operator.shape[0] else as_array(np.full(n, n**-0.5), self.operator.like)

    def supports(self, law: LinearLaw) -> bool:
        """Always: every function at every time."""
        return True

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law."""
        m, n = self.operator.shape
        once = self.price(m, n)
        blocks = (len(law.inputs) + len(outputs)) / 2
        return Cost(setup=0.0, per_column=blocks * once.per_column, memory=once.memory)

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law for input blocks (m + n, k); None is zero."""
        m, n = self.operator.shape
        rank = min(m, n)
        parts = [None if block is None else self._split(block) for block in inputs]

        def functions() -> tuple[Coefficients, Coefficients]:
            inside = law.functions(as_float64(self.values))
            return inside, inside if m == n else law.functions(np.zeros(1))  # for square A nothing lies outside

        rows, ends = self._evaluated(law, functions)
        results = []
        for name in outputs:
            pair: Array | None = None
            rest: Array | None = None
            i = law.outputs.index(name)
            for f, f0, part in zip(rows[i], ends[i], parts, strict=True):
                if f is None or part is None:
                    continue
                coordinates, outside = part
                pair = _plus(pair, f[:, None] * coordinates)
                if m != n:
                    rest = _plus(rest, float(np.real(f0)[0]) * outside)
            if pair is None:
                results.append(nothing(self.operator))
                continue
            xp = namespace(pair)
            halves = [self.left @ self._real(xp.real(pair)), -(self.right @ self._real(xp.imag(pair)))]
            if m > rank:
                halves[0] = halves[0] + rest
            elif n > rank:
                halves[1] = halves[1] + rest
            results.append(namespace(self.left).concat(halves, axis=0))
        return results

    @cached_property
    def _evaluated(self) -> Recent[tuple[Coefficients, Coefficients]]:
        """The functions of the laws applied last, at the singular values and at zero."""
        return Recent()

    def _real(self, x: Array) -> Array:
        return namespace(x).astype(x, self.values.dtype, copy=False)

    def _split(self, block: Array) -> tuple[Array, Array]:
        """Uᵀu − i Vᵀv, and what lies outside of the singular vectors of the longer half."""
        m, n = self.operator.shape
        u, v = block[:m], block[m:]
        at_left, at_right = self.left.T @ u, self.right.T @ v
        outside = u - self.left @ at_left if m > n else v - self.right @ at_right
        return at_left - 1j * at_right, outside


def _plus(total: Array | None, term: Array) -> Array:
    return term if total is None else total + term


def nothing(matrix: Operator) -> Array:
    """The output (m + n, 1) that no input reaches.

    Parameters
    ----------
    matrix : Operator, shape (m, n)

    Returns
    -------
    array, shape (m + n, 1)
    """
    return as_array(np.zeros((sum(matrix.shape), 1)), matrix.like)
