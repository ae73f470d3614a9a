"""The rational engine: functions of a sparse A as sums of shifted inverses, from factors that serve all runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, as_array, to_numpy
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._blocks import norms
from thermolinalg.matrix_functions._fill import SparsePrice
from thermolinalg.matrix_functions._partial_fractions import PartialFractions, partial_fractions
from thermolinalg.matrix_functions.base import Cost, Recent
from thermolinalg.matrix_functions.sparse_factor import sparse_factor, symmetric_lu
from thermolinalg.operators import Sparse

__all__ = ["RationalEngine"]

COMPLEX = 3.0
"""What complex numbers cost, in real ones."""

_OCTAVES = 4
"""Sizes of loads are rounded up by so many, so that one set of poles, whose factors are kept, serves most of them."""

Solve = Callable[[np.ndarray], np.ndarray]


class RationalEngine:
    """Applies f(A) V as c V + Σ_n Re[r_n (A − p_n)⁻¹ V], with poles p_n common to all functions of a law.

    The number of poles grows with log κ, ten to twenty for κ = 1e8, and a factor of each A − p_n is kept: what a
    polynomial would need √κ products for takes as many solves as there are poles. It serves runs of any duration, for
    which a factor of A itself does not do. Each mode errs by a `share` of its noise at most, as partial fractions are
    compared with the functions all over the interval; residuals of the solves are checked in every run.

    Parameters
    ----------
    operator : Sparse
        Symmetric positive definite.
    interval : tuple of float
        Smallest and largest eigenvalue, within a factor of two.
    price : SparsePrice, optional
        Of a factor of A.
    share : float, optional
        Error of a mode, as a share of its noise.

    See Also
    --------
    Factorised, DenseEngine, LanczosEngine, ChebyshevEngine : Engines of symmetric A.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from thermolinalg.laws import Overdamped
    >>> A = scipy.sparse.diags_array([1e-6, 1e-3, 1.0]).tocsr()
    >>> engine = RationalEngine(Sparse(A), (1e-6, 1.0))
    >>> (state,) = engine.apply(Overdamped().step(1e6), [np.ones((3, 1)), None, np.ones((3, 1))], ["state"])
    >>> state.T.round(1)  # e⁻¹ and √(1e6 (1 − e⁻²)) of the first mode
    array([[930.2,  31.6,   1. ]])
    """

    name = "rational"

    def __init__(
        self, operator: Sparse, interval: tuple[float, float], price: SparsePrice | None = None, *, share: float = 1e-3
    ) -> None:
        self.operator, self.price, self.share = operator, price or SparsePrice(operator.matrix), share
        self._interval = interval
        self._expansions: Recent[dict[bytes, PartialFractions | None]] = Recent()
        self._factors: dict[complex, Solve] = {}

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue, as they were given."""
        return self._interval

    def eigenvalues(self) -> None:
        """Unknown."""
        return

    def supports(self, law: LinearLaw) -> bool:
        """Whether some poles serve all functions of the law."""
        return self._expansion(law, law.outputs, self._sizes(law)) is not None

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of the factors that are still to be made, and of a column."""
        found = self._expansion(law, outputs, self._sizes(law))
        if found is None:
            return Cost(math.inf, math.inf)
        one = self.price.cost
        weights = np.where(found.poles.imag == 0, 1.0, COMPLEX)
        missing = np.array([complex(pole) not in self._factors for pole in found.poles], dtype=bool)
        total, still = float(weights.sum()), float(weights[missing].sum())
        per_column = total * len(outputs) * one.per_column
        return Cost(still * one.setup, per_column, products=len(weights), memory=total * one.memory)

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law, Σ_j f_ij(A) V_j.

        Parameters
        ----------
        law : LinearLaw
        inputs : sequence of (array or None)
            Blocks V_j of shape (d, k), or (d, 1) to be shared by all columns; None is zero.
        outputs : sequence of str

        Returns
        -------
        list of array

        Raises
        ------
        LinAlgError
            No set of poles serves the law on this spectrum, or rounding spoils a solve.
        """
        found = self._expansion(law, outputs, self._sizes(law, inputs))
        if found is None:
            lower, upper = self._interval
            raise np.linalg.LinAlgError(
                f"no sum of shifted inverses gives the functions of this law on [{lower:.3g}, {upper:.3g}]: A is too "
                "ill-conditioned, or the load too large beside the noise"
            )
        rows = law.functions(np.ones(1))
        used = [any(rows[law.outputs.index(name)][j] is not None for name in outputs) for j in range(len(inputs))]
        host = [
            np.asarray(to_numpy(v), dtype=np.float64) if v is not None and use else None
            for v, use in zip(inputs, used, strict=True)
        ]
        width = max((v.shape[1] for v in host if v is not None), default=1)
        totals = np.zeros((len(outputs), self.operator.shape[0], width))
        _add(totals, found.constants, host)
        for pole, residues in zip(found.poles.tolist(), np.moveaxis(found.residues, -1, 0), strict=True):
            loads = np.zeros_like(totals, dtype=np.complex128 if pole.imag else np.float64)
            _add(loads, residues if pole.imag else residues.real, host)
            for total, load in zip(totals, loads, strict=True):
                total += self._solved(pole, load).real
        self._forget(found.poles)
        return [as_array(total, self.operator.like) for total in totals]

    # -- poles ---------------------------------------------------------------------------------------------------------

    def _sizes(self, law: LinearLaw, inputs: Sequence[Array | None] | None = None) -> np.ndarray:
        """Components in a mode: one of normal inputs, and all of any other, for which √d stands if it is not known."""
        assumed, normal, sizes = self.operator.shape[0] ** 0.5, law.normal_inputs(), []
        for name, block in zip(law.inputs, law.inputs if inputs is None else inputs, strict=True):
            size = assumed if isinstance(block, str) else 0.0 if block is None else float(norms(block).max())
            if name in normal:
                sizes.append(float(block is not None))
            else:
                # What is not there counts as if it were, so that the poles are the same.
                sizes.append(2.0 ** (_OCTAVES * math.ceil(math.log2(max(size, assumed)) / _OCTAVES)))
        return np.array(sizes)

    def _expansion(self, law: LinearLaw, outputs: Sequence[str], sizes: np.ndarray) -> PartialFractions | None:
        kept, key = self._expansions(law, dict), sizes.tobytes() + repr(tuple(outputs)).encode()
        if key not in kept:
            kept[key] = partial_fractions(law, outputs, self._interval, sizes, share=self.share)
        return kept[key]

    # -- solves --------------------------------------------------------------------------------------------------------

    def _solved(self, pole: complex, load: np.ndarray) -> np.ndarray:
        """(A − p)⁻¹ V, with its residual checked."""
        if pole not in self._factors:
            self._factors[pole] = self._factor(pole)
        found, shift = self._factors[pole](load), pole if pole.imag else pole.real
        left, size = np.linalg.norm(load - (self.operator.matrix @ found - shift * found)), np.linalg.norm(load)
        if not left <= self.share * size:
            raise np.linalg.LinAlgError(
                f"a solve with A − p, p = {shift:.3g}, left {left / size:.2g} of its load: A is too ill-conditioned"
            )
        return found

    def _factor(self, pole: complex) -> Solve:
        """Solves with A − p from a factor: Cholesky where p is real and outside of the spectrum, or a complex LU."""
        matrix, one = (
            self.operator.matrix.astype(np.float64, copy=False),
            scipy.sparse.eye_array(self.operator.shape[0]),
        )
        if not pole.imag:
            sign = 1.0 if pole.real < self._interval[0] else -1.0
            solve = sparse_factor(Sparse(scipy.sparse.csr_array(sign * (matrix - pole.real * one)))).solve
            return lambda block: sign * solve(block)
        lu = symmetric_lu(matrix - pole * one)
        return lambda block: np.asarray(lu.solve(block))

    def _forget(self, poles: np.ndarray) -> None:
        """Keep the factors of two sets of poles of this number at most, those used last."""
        for pole in poles.tolist():
            self._factors[pole] = self._factors.pop(pole)
        for pole in list(self._factors)[: -2 * len(poles) or None]:
            del self._factors[pole]


def _add(totals: np.ndarray, factors: np.ndarray, blocks: Sequence[np.ndarray | None]) -> None:
    """Add Σ_j factors_ij V_j to each of the totals (outputs, d, k)."""
    for total, row in zip(totals, factors, strict=True):
        for factor, block in zip(row, blocks, strict=True):
            if block is not None and factor:
                total += factor * block
