"""Skew embeddings in equilibrium by solves with A and Aᵀ from their products: for A whose Krylov spaces are short."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from thermolinalg._arrays import Array, as_array, column_norms, eps, namespace, to_numpy
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._blocks import product_operations
from thermolinalg.matrix_functions._truncation import ROUGH_LOAD, ROUGH_NOISE
from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.singular_factorised import PivotedLUEngine
from thermolinalg.matrix_functions.singular_interval import dominant
from thermolinalg.operators import Operator

__all__ = ["KrylovSolvesEngine"]

SHORT = 30
"""Steps in which a random load has to be solved for, so that what follows is cheaper than a factor."""

RESOLVED = 0.1
"""To this share of what a single mode has of it, 1/√n: the softest one, too, is then solved for."""

COARSE = 0.03
"""Accuracy of solves for loads that the softest modes dominate: σ_min has to be known to a tenth."""

NEARLY = 0.1
"""Accuracy of σ_min², which costs ten solves or more, where a run costs one."""

RESTART, CYCLES = 60, 20
"""Of GMRES: vectors kept, and how often it may start again."""

FINER = 0.1
"""Accuracy of a solve with A as a share of what is asked of one with M, which takes several."""

FINEST = 500.0
"""Times eps: the smallest residual that is asked for, as products in that precision allow."""


class KrylovSolvesEngine(PivotedLUEngine):
    """Laws in equilibrium of M = [[αI, A], [−Aᵀ, αI]] for square A, with GMRES in the place of the factors of A.

    A run whose residual is sent back may err by a part of its noise. At α ≤ σ_min/10 its average, in the lower half, is
    then A⁻¹(c + σz): what α adds is at most one per cent of the mean and of the variance, and a solve to σ is short.

    Parameters
    ----------
    matrix : Operator, shape (n, n)
        A, with both products; GMRES keeps its own vectors on the host.

    See Also
    --------
    SingularValueEngine, GolubKahanEngine, PivotedLUEngine, QuasiDefiniteEngine : Engines of A that is not symmetric.

    References
    ----------
    Y. Saad and M. H. Schultz, GMRES, SIAM J. Sci. Stat. Comput. 7, 856 (1986).
    """

    def __init__(self, matrix: Operator) -> None:
        self.operator, self.name = matrix, "gmres"
        self._accuracy = RESOLVED / max(matrix.shape[0], 1) ** 0.5

    @property
    def converges(self) -> bool:
        """Whether solves with A are short, as one for a random load shows."""
        return self._response is not None

    @cached_property
    def _response(self) -> Array | None:
        """A⁻¹ of a random load (n, 1), in which the softest modes stand out; None where `SHORT` steps do not do."""
        n = self.operator.shape[0]
        load = np.random.default_rng(n).standard_normal(n).astype(self.operator.dtype)
        found, status = gmres(self._map(self.operator.apply), load, rtol=self._accuracy, restart=SHORT, maxiter=1)
        return None if status else as_array(found[:, None], self.operator.like)

    @cached_property
    def _smallest(self) -> tuple[float, Array | None]:
        """σ_min, to a tenth, and its right singular vector; zero and None where solves do not get there."""
        n, like, start = self.operator.shape[0], self.operator.like, self._response
        self._accuracy = self._accuracy if start is None else COARSE
        try:
            value, vector = dominant(
                lambda v: self._solve(self._solve_transposed(v)), n, like, rtol=NEARLY, polished=False, start=start
            )
        except np.linalg.LinAlgError:
            return 0.0, None
        return 1 / math.sqrt(value), vector

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Upper estimate of the cost of applying the law: so many solves of `SHORT` products each."""
        per_solve = SHORT * (product_operations(self.operator) + SHORT * self.operator.shape[0])
        return Cost(0.0, 10.0 * len(outputs) * per_solve, 10 * SHORT, 8.0 * RESTART * self.operator.shape[0])

    def solve(self, block: Array, alpha: float, rtol: float = 0.0) -> Array:
        """M⁻¹c for a block c (2n, k), to an accuracy relative to ‖M⁻¹c‖."""
        smallest, largest = self.interval()
        self._accuracy = max(FINER * rtol * smallest / largest, FINEST * eps(self.operator.like))
        return super().solve(block, alpha, rtol)

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law for input blocks (2n, k); None is zero."""
        form = law.equilibrium(self._smallest[0])
        if not law.rough or tuple(outputs) != ("average",) or form is None:
            return super().apply(law, inputs, outputs)
        n, noise, share = self.operator.shape[0], 0.0, ROUGH_NOISE
        block: Any = 0.0
        for name, f, v in zip(law.inputs, form[law.outputs.index("average")], inputs, strict=True):
            if f is None or v is None:
                continue
            block = block + f.coefficients[1] * v[:n]
            if name in law.normal_inputs():
                noise += abs(f.coefficients[1])
            else:
                share = ROUGH_LOAD
        if not noise:
            return super().apply(law, inputs, outputs)
        # In the upper half is what nobody asks for of a run that is sent back.
        lower = self._columns(self.operator.apply, block, share * noise * n**0.5 / to_numpy(column_norms(block)))
        xp = namespace(lower)
        return [xp.concat([xp.zeros_like(lower), lower])]

    def _solve(self, b: Array) -> Array:
        """A⁻¹B for a block (n, k)."""
        return self._columns(self.operator.apply, b, np.full(b.shape[1], self._accuracy))

    def _solve_transposed(self, b: Array) -> Array:
        """A⁻ᵀB."""
        return self._columns(self.operator.apply_transposed, b, np.full(b.shape[1], self._accuracy))

    def _columns(self, product: Callable[[Array], Array], b: Array, rtol: np.ndarray) -> Array:
        """Solutions column by column; LinAlgError where GMRES does not get there."""
        loads = to_numpy(b)
        found = np.zeros_like(loads)
        for j, tolerance in enumerate(rtol):
            if tolerance >= 1:
                continue
            found[:, j], status = gmres(
                self._map(product), loads[:, j], rtol=float(tolerance), restart=RESTART, maxiter=CYCLES
            )
            if status:
                raise np.linalg.LinAlgError(
                    f"GMRES did not reach {tolerance:.1g} in {RESTART * CYCLES} products with A; "
                    "pass A as an array of up to 4096 rows, or as a sparse array"
                )
        return as_array(found, self.operator.like)

    def _map(self, product: Callable[[Array], Array]) -> LinearOperator:
        """A product with a block as a map of vectors."""
        like, dtype = self.operator.like, self.operator.dtype
        return LinearOperator(
            self.operator.shape,
            matvec=lambda v: to_numpy(product(as_array(v.reshape(-1, 1), like)))[:, 0],
            dtype=dtype,
        )
