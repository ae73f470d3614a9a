"""Skew embeddings of sparse rectangular or singular A in equilibrium: one sparse factor of a quasi-definite matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from thermolinalg._arrays import Array, as_array, namespace, to_numpy
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.singular_factorised import alpha_of, apply_polynomials
from thermolinalg.matrix_functions.singular_interval import Squared, dominant, largest_singular_value
from thermolinalg.matrix_functions.spectrum import spectral_interval
from thermolinalg.operators import Sparse

__all__ = ["QuasiDefiniteEngine"]

EPS = float(np.finfo(np.float64).eps)

STATIC_LOSS = 1e-2
"""Largest (σ_max/α)²·eps, the relative error of a solve with static pivots, that steps of refinement make good: each
gains two digits at least. Beyond, rows are exchanged, which fills more."""

PROBE = 40
"""Products with AᵀA spent on σ_min before the embedding is factorised for it, which costs as much as thousands where
the pattern is irregular."""

ALPHAS = (10 * math.sqrt(EPS), 1e-12)
"""α/σ_max at which σ_min is looked for: first where static pivots hold, then, if nothing is seen there, below."""


class QuasiDefiniteEngine:
    """Laws in equilibrium of M = [[αI, A], [−Aᵀ, αI]] for sparse A of any shape and rank.

    M (u, v) = (c1, c2) is K (u, v) = (c1, −c2) with K = [[αI, A], [Aᵀ, −αI]] symmetric quasi-definite: an LDLᵀ exists
    for every ordering, so the one that fills least is taken, as long as (σ_max/α)²·eps is small; else rows are
    exchanged for stability. The factor is kept until another α is asked for.

    Parameters
    ----------
    matrix : Sparse, shape (m, n)
        A.

    See Also
    --------
    KrylovSolvesEngine, SingularValueEngine, GolubKahanEngine, PivotedLUEngine : Engines of A that is not symmetric.

    References
    ----------
    Vanderbei, Symmetric quasidefinite matrices, SIAM J. Optim. 5 (1995). Stability: Gill, Saunders and Shinnerl, SIAM
    J. Matrix Anal. Appl. 17 (1996).
    """

    name = "sparse quasi-definite factorisation"

    def __init__(self, matrix: Sparse) -> None:
        self.operator = matrix
        self._array = matrix.matrix.astype(np.float64, copy=False)
        self._kept: tuple[float, scipy.sparse.linalg.SuperLU] | None = None

    @staticmethod
    def price(m: int, n: int, nonzeros: float) -> Cost:
        """Cost of factorising the embedding of an m × n matrix with so many nonzeros, and of one solve."""
        fill = 10.0 * (2 * nonzeros + m + n)
        return Cost(setup=2 * fill * fill / max(m + n, 1), per_column=4.0 * fill, memory=12.0 * fill)

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law, the factorisation included where its α is new."""
        m, n = self.operator.shape
        once = self.price(m, n, float(self.operator.matrix.nnz))
        form = law.equilibrium(0.0)
        at_hand = form is not None and self._kept is not None and self._kept[0] == alpha_of(form)
        solves = 3.0 * len(outputs)
        return Cost(setup=0.0 if at_hand else once.setup, per_column=solves * once.per_column, memory=once.memory)

    def interval(self) -> tuple[float, float]:
        """Smallest and largest of the min(m, n) singular values, to a few per cent.

        Products tell where A is well conditioned; else σ_min is solved for. One below 1e-12 of the largest comes out at
        that level or below.
        """
        return self._smallest[0] if self._probed is None else self._probed, self._largest

    def eigenvalues(self) -> None:
        """None: only the ends of the singular spectrum are known."""
        return

    def null_vector(self) -> Array:
        """The right singular vector (n,) of the smallest singular value."""
        return self._smallest[1]

    @cached_property
    def _largest(self) -> float:
        return largest_singular_value(self.operator)

    @cached_property
    def _probed(self) -> float | None:
        """σ_min, where a few products with AᵀA, or AAᵀ for wide A, settle it."""
        m, n = self.operator.shape
        found = spectral_interval(Squared(self.operator, m < n), max_steps=PROBE)
        return math.sqrt(found.smallest) if found.settled and found.smallest > 0 else None

    @cached_property
    def _smallest(self) -> tuple[float, Array]:
        """σ_min and its right singular vector, by Lanczos on (AᵀA + α²I)⁻¹ or, for wide A, (AAᵀ + α²I)⁻¹."""
        m, n = self.operator.shape
        like, first = self.operator.like, slice(None, m) if m < n else slice(m, None)
        if self._largest == 0:
            return 0.0, as_array(np.full(n, n**-0.5), like)
        value, vector = 0.0, like
        for alpha in (self._largest * relative for relative in ALPHAS):

            def squared_inverse(v: Array, alpha: float = alpha) -> Array:
                load = namespace(v).zeros((m + n, v.shape[1]), dtype=v.dtype, device=v.device)
                load[first] = v
                return self.solve(load, alpha)[first] / alpha

            largest, vector = dominant(squared_inverse, min(m, n), like)
            value = math.sqrt(max(1 / largest - alpha**2, 0.0))
            if value > alpha:
                break
        if m < n:
            image = self._array.T @ to_numpy(vector)
            vector = image / (np.linalg.norm(image) or 1.0)
        return value, as_array(vector, like)

    def supports(self, law: LinearLaw) -> bool:
        """Whether the law is in equilibrium."""
        return law.equilibrium(0.0) is not None

    def solve(self, block: Array, alpha: float, rtol: float = 0.0) -> Array:
        """M⁻¹c.

        Parameters
        ----------
        block : array, shape (m + n, k)
            c.
        alpha : float
            α, in the units of A.
        rtol : float, optional
            Accuracy relative to ‖M⁻¹c‖, as far as rounding allows.

        Returns
        -------
        array, shape (m + n, k)
        """
        m = self.operator.shape[0]
        factor = self._factor(alpha)
        load = np.array(to_numpy(block), dtype=np.float64)
        load[m:] *= -1
        z = factor.solve(load)
        loss = self._loss(alpha) if self._is_static(alpha) else EPS * self._largest / alpha
        for _ in range(math.ceil(math.log(max(rtol, EPS)) / math.log(max(min(10 * loss, 0.1), EPS))) - 1):
            u, v = z[:m], z[m:]
            product = np.concatenate([alpha * u + self._array @ v, self._array.T @ u - alpha * v])
            z += factor.solve(load - product)
        return as_array(z, self.operator.like)

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law for input blocks (m + n, k); None is zero."""
        return apply_polynomials(self, law, inputs, outputs, 0.0)

    def _loss(self, alpha: float) -> float:
        """Relative error of a solve with static pivots."""
        return (self._largest / alpha) ** 2 * EPS

    def _is_static(self, alpha: float) -> bool:
        return self._loss(alpha) <= 2 * STATIC_LOSS

    def _factor(self, alpha: float) -> scipy.sparse.linalg.SuperLU:
        """The factor of K for this α."""
        if self._kept is None or self._kept[0] != alpha:
            m, n = self.operator.shape
            blocks = [
                [alpha * scipy.sparse.eye_array(m), self._array],
                [self._array.T, -alpha * scipy.sparse.eye_array(n)],
            ]
            embedded = scipy.sparse.block_array(blocks, format="csc")
            options = {"SymmetricMode": True} if self._is_static(alpha) else {}
            threshold, ordering = (0.0, "MMD_AT_PLUS_A") if options else (1.0, "COLAMD")
            try:
                factor = scipy.sparse.linalg.splu(
                    embedded, permc_spec=ordering, diag_pivot_thresh=threshold, options=options
                )
            except RuntimeError:
                raise np.linalg.LinAlgError(
                    f"the embedding is singular to working precision: alpha is {alpha:.3g} where the largest singular "
                    f"value is {self._largest:.3g}; pass a larger alpha"
                ) from None
            self._kept = alpha, factor
        return self._kept[1]
