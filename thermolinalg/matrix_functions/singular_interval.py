"""The ends of the singular spectrum of A from a few products, or a few solves, with A and Aᵀ."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from thermolinalg._arrays import Array, as_array, standard_normal
from thermolinalg.matrix_functions._blocks import norms
from thermolinalg.matrix_functions._krylov import Krylov
from thermolinalg.operators import Operator

__all__ = ["Squared", "dominant", "largest_singular_value"]


def dominant(
    product: Callable[[Array], Array],
    d: int,
    like: Array,
    *,
    rtol: float = 0.01,
    max_products: int = 12,
    polished: bool = True,
    start: Array | None = None,
) -> tuple[float, Array]:
    """Largest eigenvalue of a symmetric positive semidefinite map, and its vector, by Lanczos.

    Parameters
    ----------
    product : callable
        V (d, 1) → P V.
    d : int
        Order of P, ≥ 1.
    like : array
        An array of the namespace, dtype and device that `product` takes.
    rtol : float, optional
        Relative accuracy of the eigenvalue, judged by the residual and by the last change.
    max_products : int, optional
    polished : bool, optional
        Whether one more product is spent on the vector.
    start : array, shape (d, 1), optional
        In which the vector that is looked for stands out, so that a residual below `rtol` is enough after two products.
        Default: a random one, the same for every map of that order.

    Returns
    -------
    value : float
        Never above the largest eigenvalue.
    vector : array, shape (d,)
        Its Ritz vector of unit norm; polished, multiplied once more with P: what belongs to small eigenvalues is gone.

    Raises
    ------
    LinAlgError
        A product is NaN or infinite.
    """
    known = start is not None
    if start is None:
        start = standard_normal(np.random.default_rng(d), (d, 1), as_array(np.empty(0), like))
    krylov = Krylov(product, start)
    previous = 0.0
    while True:
        krylov.extend(1)
        values, vectors, residuals = krylov.ritz()
        largest = float(values[0, -1])
        residual = float(residuals[0, -1]) / largest if largest > 0 else 0.0
        settled = residual <= rtol**0.5 and largest - previous <= 0.1 * rtol * largest
        settled = settled or (known and previous > 0 and residual <= rtol)
        if settled or krylov.complete() or krylov.steps >= max_products:
            vector = krylov.combine(vectors[:1, None, :, -1])[0].T
            if not polished:
                return largest, vector[:, 0]
            image = product(vector)
            size = norms(image)
            return largest, (image / size if float(size[0]) > 0 else vector)[:, 0]
        previous = largest


def largest_singular_value(matrix: Operator) -> float:
    """σ_max of A, from a few products with A and Aᵀ; never above it, and at most a few per cent below.

    Parameters
    ----------
    matrix : Operator, shape (m, n)

    Returns
    -------
    float
    """
    if min(matrix.shape) == 0:
        return 0.0
    value, _ = dominant(lambda v: matrix.apply_transposed(matrix.apply(v)), matrix.shape[1], matrix.like, rtol=0.05)
    return math.sqrt(max(value, 0.0))


class Squared(Operator):
    """AᵀA, or AAᵀ, by products.

    Parameters
    ----------
    matrix : Operator, shape (m, n)
        A.
    left : bool
        Whether it is AAᵀ.
    """

    structure = "squared"

    def __init__(self, matrix: Operator, left: bool) -> None:
        order = matrix.shape[0 if left else 1]
        super().__init__(matrix.dtype, (order, order), matrix.like)
        self.operator, self.left = matrix, left

    def apply(self, block: Array) -> Array:
        if self.left:
            return self.operator.apply(self.operator.apply_transposed(block))
        return self.operator.apply_transposed(self.operator.apply(block))
