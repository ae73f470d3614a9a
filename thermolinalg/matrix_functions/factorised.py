"""The factorised engine: windows in equilibrium need one factorisation of A, not an eigendecomposition."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from thermolinalg._arrays import (
    Array,
    cholesky,
    cholesky_products,
    cholesky_solve,
    eps,
    namespace,
    on_host,
    solve_triangular,
)
from thermolinalg.laws import InversePolynomial, LinearLaw
from thermolinalg.laws._linear import Coefficients
from thermolinalg.matrix_functions.base import Cost, Recent
from thermolinalg.matrix_functions.spectrum import largest_eigenvalue, smallest_eigenvalue
from thermolinalg.operators import Operator, Sparse

__all__ = ["Factorised"]

PRECISE = 1e-6
"""Condition number times eps up to which the inverse itself is multiplied with: its products leave residuals of that
relative size, where triangular solves leave less, and a run many times more."""


FILL, MANY, LEAST_FILL = 10.0, 1e5, 2.0
"""Nonzeros of a sparse factor beside those of A, for so many rows; and the fewest."""


class Factorised:
    """Inverse polynomials of A, Σ_k c_k A^{-k}, and square roots L^{-T} of A⁻¹, from A = L Lᵀ.

    Dense A by Cholesky, sparse A by SuperLU in symmetric mode (L U with U = D Lᵀ, so that A = L D Lᵀ), on the host.

    Parameters
    ----------
    operator : Operator
        Symmetric positive definite.
    largest : float, optional
        Its largest eigenvalue, where it is known already.

    Raises
    ------
    LinAlgError
        A is not positive definite, with the pivot that shows it.
    """

    def __init__(self, operator: Operator, largest: float | None = None) -> None:
        self.operator = operator
        d = operator.shape[0]
        if isinstance(operator, Sparse):
            self.name = "factorised (sparse LDLᵀ)"
            self._solve, self._root = _factorise_sparse(operator)
        else:
            self.name = "factorised (Cholesky)"
            factor = _Cholesky(operator.dense())
            self._solve, self._root = factor.solve, factor.root
        self._forms: Recent[Coefficients | None] = Recent()
        smallest = smallest_eigenvalue(self._solve, d, operator.like)
        self._interval = smallest, largest_eigenvalue(operator) if largest is None else largest
        if not isinstance(operator, Sparse) and eps(operator.like) * self._interval[1] <= PRECISE * smallest:
            factor.columns_left = d

    @staticmethod
    def price(d: int, nonzeros: float | None = None) -> Cost:
        """Cost of factorising a d × d matrix with so many nonzeros (None: dense) and of one solve."""
        if nonzeros is None:
            return Cost(setup=d**3 / 3, per_column=4.0 * d**2, memory=8.0 * d**2)
        # Nested dissection of a plane grid takes n^{3/2} operations: with so much fill they are right within a factor.
        fill = max(FILL * (d / MANY) ** 0.25, LEAST_FILL) * nonzeros
        return Cost(setup=fill * fill / d, per_column=4.0 * fill, memory=16.0 * fill)

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law in equilibrium."""
        d = self.operator.shape[0]
        return Cost(setup=0.0, per_column=12.0 * d**2, memory=8.0 * d**2)

    def interval(self) -> tuple[float, float]:
        return self._interval

    def eigenvalues(self) -> None:
        return None

    def supports(self, law: LinearLaw) -> bool:
        return self._form(law) is not None

    def _form(self, law: LinearLaw) -> Coefficients | None:
        """The law in equilibrium."""
        return self._forms(law, lambda: law.equilibrium(self._interval[0]))

    def solve(self, block: Array) -> Array:
        """A⁻¹ V for a block (d, k)."""
        return self._solve(block)

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        form = self._form(law)
        if form is None:
            raise ValueError("this run is too short for the factorised engine: it serves windows in equilibrium only")
        rows = [form[law.outputs.index(name)] for name in outputs]
        halves = {f_j for row in rows for f_j, f in enumerate(row) if f is not None and f.half}
        blocks = [self._root(v) if j in halves and v is not None else v for j, v in enumerate(inputs)]
        return [self._horner(row, blocks) for row in rows]

    def _horner(self, row: Sequence[InversePolynomial | None], blocks: Sequence[Array | None]) -> Array:
        """Σ_j Σ_k c_jk A^{-k} V_j with one solve per power."""
        terms = [(f.coefficients, v) for f, v in zip(row, blocks, strict=True) if f is not None and v is not None]
        total: Array | None = None
        for power in reversed(range(max((len(c) for c, _ in terms), default=0))):
            if total is not None:
                total = self._solve(total)
            for coefficients, v in terms:
                if power < len(coefficients) and coefficients[power] != 0:
                    term = coefficients[power] * v
                    total = term if total is None else total + term
        if total is None:
            total = namespace(self.operator.like).zeros((self.operator.shape[0], 1), dtype=self.operator.like.dtype)
        return total


Solve = Callable[[Array], Array]


class _Cholesky:
    """Solves with A = L Lᵀ: by the factor, and after many columns by A⁻¹ itself.

    Products run two to three times as fast as triangular solves, and take twice the factorisation to prepare: when
    blocks of as many columns as A has were solved for, they are worth it.
    """

    columns_left = math.inf
    """Columns still to be solved for by the factor."""

    def __init__(self, matrix: Array) -> None:
        self.factor, status = cholesky(matrix)
        if status:
            raise np.linalg.LinAlgError(
                f"A is not positive definite: its leading minor of order {status} is not positive; pass assume_a='gen'"
            )

    def solve(self, v: Array) -> Array:
        """A⁻¹ V for a block (d, k)."""
        if v.shape[1] == 1 or self.columns_left > 0:
            self.columns_left -= v.shape[1] - 1
            return cholesky_solve(self.factor, v)
        return self._products(v)

    def root(self, v: Array) -> Array:
        """L⁻ᵀ V."""
        return solve_triangular(self.factor, v, transposed=True)

    @cached_property
    def _products(self) -> Solve:
        return cholesky_products(self.factor)


def _factorise_sparse(operator: Sparse) -> tuple[Solve, Solve]:
    matrix = scipy.sparse.csc_array(operator.matrix)
    try:
        lu = scipy.sparse.linalg.splu(
            matrix.astype(np.float64, copy=False),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError:
        raise np.linalg.LinAlgError(
            "A is singular: a pivot of its factorisation is exactly zero; "
            "use pinv or lstsq for the minimum-norm solution"
        ) from None
    pivots = lu.U.diagonal()
    if np.any(lu.perm_r != lu.perm_c) or np.any(pivots <= 0):
        raise np.linalg.LinAlgError(
            f"A is not positive definite: the smallest pivot of its factorisation is {pivots.min():.6g}; "
            "pass assume_a='gen'"
        )
    # A = Pᵀ L D Lᵀ P, hence A⁻¹ = W Wᵀ with W = Pᵀ L⁻ᵀ D^{-1/2}; and L⁻ᵀ is U⁻¹ D.
    order, roots = lu.perm_c, np.sqrt(pivots)[:, None]
    upper = lu.U.tocsr()

    def root(v: np.ndarray) -> np.ndarray:
        return np.asarray(scipy.sparse.linalg.spsolve_triangular(upper, roots * v, lower=False)[order])

    return on_host(lu.solve, operator.like), on_host(root, operator.like)
