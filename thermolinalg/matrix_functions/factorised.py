"""The factorised engine: windows in equilibrium need one factorisation of A, not an eigendecomposition."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, eps, namespace
from thermolinalg._cholesky import cholesky, cholesky_products, cholesky_solve, solve_triangular
from thermolinalg.laws import InversePolynomial, LinearLaw
from thermolinalg.laws._linear import Coefficients
from thermolinalg.matrix_functions._truncation import ROUGH_NOISE
from thermolinalg.matrix_functions.base import Cost, Recent
from thermolinalg.matrix_functions.sparse_factor import SparseFactor, sparse_factor
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

    Dense A by Cholesky, sparse A by `sparse_factor`, on the host.

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

    See Also
    --------
    DenseEngine, LanczosEngine, ChebyshevEngine, RationalEngine : Engines of symmetric A.
    """

    def __init__(self, operator: Operator, largest: float | None = None) -> None:
        self.operator = operator
        d = operator.shape[0]
        self._factor: SparseFactor | _Cholesky
        if isinstance(operator, Sparse):
            self.name, self._factor = "factorised (sparse LDLᵀ)", sparse_factor(operator)
        else:
            self.name, self._factor = "factorised (Cholesky)", _Cholesky(operator.dense())
        self._forms: Recent[Coefficients | None] = Recent()
        smallest = smallest_eigenvalue(self._factor.solve, d, operator.like)
        self._interval = smallest, largest_eigenvalue(operator) if largest is None else largest
        if isinstance(self._factor, _Cholesky) and eps(operator.like) * self._interval[1] <= PRECISE * smallest:
            self._factor.columns_left = d

    @staticmethod
    def price(d: int, nonzeros: float | None = None) -> Cost:
        """Cost of factorising a d × d matrix with so many nonzeros (None: dense) and of one solve."""
        if nonzeros is None:
            return Cost(setup=d**3 / 3, per_column=4.0 * d**2, memory=8.0 * d**2)
        # Nested dissection of a plane grid takes n^{3/2} operations: with so much fill they are right within a factor.
        fill = max(FILL * (d / MANY) ** 0.25, LEAST_FILL) * nonzeros
        return Cost(setup=fill * fill / d, per_column=4.0 * fill, memory=16.0 * fill)

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law in equilibrium: its solves and roots, by the numbers that the factor has."""
        form, entries = self._form(law), self._factor.entries
        used = [f for name in outputs for f in form[law.outputs.index(name)] if f is not None] if form else []
        solves = max((len(f.coefficients) - 1 for f in used), default=0) + 0.5 * any(f.half for f in used)
        return Cost(setup=0.0, per_column=4.0 * solves * entries, memory=8.0 * entries)

    def interval(self) -> tuple[float, float]:
        return self._interval

    def eigenvalues(self) -> None:
        return None

    def supports(self, law: LinearLaw) -> bool:
        return self._form(law) is not None

    def _form(self, law: LinearLaw) -> Coefficients | None:
        """The law in equilibrium; the noise of a rough one by its leading term, which spares a solve or two."""

        def form() -> Coefficients | None:
            smallest, normal = self._interval[0], law.normal_inputs()
            whole = law.equilibrium(smallest)
            if whole is None or not law.rough:
                return whole
            return [
                [
                    f.leading(smallest, ROUGH_NOISE) if f and name in normal else f
                    for name, f in zip(law.inputs, row, strict=True)
                ]
                for row in whole
            ]

        return self._forms(law, form)

    def solve(self, block: Array) -> Array:
        """A⁻¹ V for a block (d, k)."""
        return self._factor.solve(block)

    def inverse_diagonal(self) -> Iterator[Array | None]:
        """The diagonal of A⁻¹ (d,) as the last item, of sparse A by selected inversion; None while it works."""
        return self._factor.inverse_diagonal()

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        form = self._form(law)
        if form is None:
            raise ValueError("this run is too short for the factorised engine: it serves windows in equilibrium only")
        rows = [form[law.outputs.index(name)] for name in outputs]
        halves = {f_j for row in rows for f_j, f in enumerate(row) if f is not None and f.half}
        blocks = [self._factor.root(v) if j in halves and v is not None else v for j, v in enumerate(inputs)]
        return [self._horner(row, blocks) for row in rows]

    def _horner(self, row: Sequence[InversePolynomial | None], blocks: Sequence[Array | None]) -> Array:
        """Σ_j Σ_k c_jk A^{-k} V_j with one solve per power."""
        terms = [(f.coefficients, v) for f, v in zip(row, blocks, strict=True) if f is not None and v is not None]
        total: Array | None = None
        for power in reversed(range(max((len(c) for c, _ in terms), default=0))):
            if total is not None:
                total = self._factor.solve(total)
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

    @property
    def entries(self) -> int:
        """Numbers in L."""
        return int(self.factor.shape[0]) * (int(self.factor.shape[0]) + 1) // 2

    def solve(self, v: Array) -> Array:
        """A⁻¹ V for a block (d, k)."""
        if v.shape[1] == 1 or self.columns_left > 0:
            self.columns_left -= v.shape[1] - 1
            return cholesky_solve(self.factor, v)
        return self._products(v)

    def root(self, v: Array) -> Array:
        """L⁻ᵀ V."""
        return solve_triangular(self.factor, v, transposed=True)

    def inverse_diagonal(self) -> Iterator[Array]:
        """The diagonal of A⁻¹, the squared norms of the rows of L⁻ᵀ."""
        xp, d = namespace(self.factor), self.factor.shape[0]
        root = self.root(xp.eye(d, dtype=self.factor.dtype, device=self.factor.device))
        yield xp.sum(root * root, axis=1)

    @cached_property
    def _products(self) -> Solve:
        return cholesky_products(self.factor)
