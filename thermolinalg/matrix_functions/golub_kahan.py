"""Skew embeddings of A known by its products only: each vector in its own Krylov space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, eps, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.laws._linear import Coefficients
from thermolinalg.matrix_functions._blocks import function_table, product_operations
from thermolinalg.matrix_functions._krylov import Krylov
from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.matrix_functions.singular_interval import Squared, dominant, largest_singular_value
from thermolinalg.matrix_functions.singular_values import nothing
from thermolinalg.matrix_functions.spectrum import SpectralInterval, spectral_interval
from thermolinalg.operators import Operator

__all__ = ["GolubKahanEngine"]


class GolubKahanEngine:
    """Functions of M = [[αI, A], [−Aᵀ, αI]] from products with A and Aᵀ.

    With the symmetric H = [[0, A], [Aᵀ, 0]], whose eigenvalues are ±σ, and D = diag(I, −I),

        f(M) = E(H) + D O(H),   E(s) = Re f(α + is),   O(s) = Im f(α + is),

    and both parts share one Krylov space of H, which for a vector (u, 0) is that of Golub and Kahan's
    bidiagonalisation.

    Parameters
    ----------
    matrix : Operator, shape (m, n)
        A, with both products.
    rtol : float, optional
        Error of each output column, relative to the sizes of the contributions to it.
    max_steps : int, optional
        Most products for one column; beyond, the best result is given, and `lanczos.converged` is False.

    Attributes
    ----------
    lanczos : LanczosEngine
        The engine of H, with `converged`, `error` and `steps` of the last call.

    See Also
    --------
    PivotedLUEngine, QuasiDefiniteEngine, KrylovSolvesEngine, SingularValueEngine : Engines of A that is not symmetric.

    References
    ----------
    Golub and Kahan, Calculating the singular values and pseudo-inverse of a matrix, SIAM J. Numer. Anal. 2 (1965).
    """

    name = "golub-kahan"

    def __init__(self, matrix: Operator, *, rtol: float = 1e-6, max_steps: int = 1000) -> None:
        self.operator = matrix
        self.lanczos = _SignedLanczos(_Mirrored(matrix), rtol=rtol, max_steps=max_steps)

    def interval(self) -> tuple[float, float]:
        """Smallest and largest of the min(m, n) singular values, as far as products with AᵀA tell: to about 10 %.

        Squares hide what is below sqrt(eps) of the largest: there, and where the products do not settle it, the
        smallest comes out too large, or as zero. A symmetric structure that knows its eigenvalues tells them.
        """
        values = self.operator.eigenvalues() if self.operator.symmetric else None
        if values is not None:
            sizes = namespace(values).abs(values)
            return float(sizes.min()), float(sizes.max())
        return math.sqrt(self._squares.smallest), math.sqrt(self._squares.largest)

    def eigenvalues(self) -> None:
        """Unknown: Ritz values are not all of them."""
        return

    def null_vector(self) -> Array:
        """The right singular vector (n,) of the smallest singular value, as far as products tell."""
        gram, largest = Squared(self.operator, False), 1.05 * largest_singular_value(self.operator) ** 2
        n = self.operator.shape[1]
        _, vector = dominant(
            lambda v: largest * v - gram.apply(v), n, self.operator.like, rtol=1e-14, max_products=min(n, 300)
        )
        return vector

    @cached_property
    def _squares(self) -> SpectralInterval:
        """The spectrum of AᵀA, or of AAᵀ for wide A."""
        m, n = self.operator.shape
        return spectral_interval(Squared(self.operator, m < n))

    def supports(self, law: LinearLaw) -> bool:
        """Always."""
        return True

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Upper estimate of the price: a Krylov space as large as it may get."""
        m, n = self.operator.shape
        steps = min(2 * min(m, n) + 2, self.lanczos.max_steps)
        per_vector = steps * (2 * product_operations(self.operator) + 2 * (m + n) * (steps + 2 * len(outputs)))
        blocks = len(law.inputs)
        return Cost(0.0, blocks * per_vector, products=steps, memory=8.0 * steps * (m + n) * blocks * columns)

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law for input blocks (m + n, k), or (m + n, 1) to be shared; None is zero.

        Parameters
        ----------
        law : LinearLaw
            Of `Skew`.
        inputs : sequence of (array or None)
        outputs : sequence of str

        Returns
        -------
        list of array
            One block for each output.

        Raises
        ------
        LinAlgError
            A product is not finite.
        """
        m = self.operator.shape[0]
        parts = self.lanczos.apply(_even_and_odd(law), inputs, [half + name for name in outputs for half in _HALVES])
        results = []
        for even, odd in zip(parts[::2], parts[1::2], strict=True):
            if even.shape[1] == 0:
                results.append(nothing(self.operator))
                continue
            xp = namespace(even)
            results.append(xp.concat([even[:m] + odd[:m], even[m:] - odd[m:]], axis=0))
        return results


_HALVES = ("even part of ", "odd part of ")


def _even_and_odd(law: LinearLaw) -> LinearLaw:
    """The law as real functions of s = ±σ: of every output the part even in s, and the odd one."""

    def functions(s: Array) -> Coefficients:
        table: list[list[Array | None]] = []
        for row in law.functions(np.abs(s)):
            table.append([None if f is None else np.real(f) for f in row])
            table.append([None if f is None else np.sign(s) * np.imag(f) for f in row])
        return table

    return LinearLaw(law.inputs, tuple(half + name for name in law.outputs for half in _HALVES), functions)


class _SignedLanczos(LanczosEngine):
    """Functions of a symmetric operator whose eigenvalues have both signs: many steps, and few looks at them."""

    growth = 2

    def _coordinates(self, krylov: Krylov, law: LinearLaw, outputs: Sequence[str], source: np.ndarray) -> np.ndarray:
        values, vectors, _ = krylov.ritz()
        weights = vectors[:, 0, :]
        table = function_table(law, outputs, values.ravel()).reshape(len(outputs), len(law.inputs), *values.shape)
        functions = table[:, source, np.arange(krylov.columns)]
        functions = np.where(np.abs(weights) <= 100 * eps(krylov.start), 0.0, functions)
        weighted = functions * weights * krylov.norms[:, None]
        return np.asarray(np.einsum("cmr,ocr->ocm", vectors, weighted))


class _Mirrored(Operator):
    """H = [[0, A], [Aᵀ, 0]]."""

    structure = "mirrored"

    def __init__(self, matrix: Operator) -> None:
        m, n = matrix.shape
        super().__init__(matrix.dtype, (m + n, m + n), matrix.like)
        self.operator = matrix

    def apply(self, block: Array) -> Array:
        m = self.operator.shape[0]
        halves = [self.operator.apply(block[m:]), self.operator.apply_transposed(block[:m])]
        return namespace(block).concat(halves, axis=0)
