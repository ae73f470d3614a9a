"""Skew embeddings in equilibrium from one factorisation of A: polynomials in M⁻¹ applied by solves with A."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg

from thermolinalg._arrays import Array, as_array, column_norms, eps, is_torch, namespace, on_host
from thermolinalg.laws import LinearLaw, SkewPolynomial
from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.singular_interval import dominant, largest_singular_value
from thermolinalg.matrix_functions.singular_values import nothing
from thermolinalg.operators import Operator, Sparse

__all__ = ["Inverting", "PivotedLUEngine", "alpha_of", "apply_polynomials"]

NOISE_RTOL = 1e-6
"""Accuracy of what is drawn, relative to its noise: no experiment could tell it from exact, and every digit more costs
solves."""

LARGEST_CONTRACTION = 1.0
"""Largest (α/σ_min)² that a polynomial in α²(AᵀA)⁻¹ serves, in about nine turns: beyond, other engines are cheaper."""

_MARGIN = 1.05
"""σ_min is estimated from above, to a per cent or two: (α/σ_min)² is taken larger by this."""

Solve = Callable[[Array], Array]


class Inverting(Protocol):
    """An engine that solves with M for any α."""

    name: str
    operator: Operator

    def solve(self, block: Array, alpha: float, rtol: float = 0.0) -> Array:
        """M⁻¹c for a block c (m + n, k), to a relative accuracy."""
        ...


class PivotedLUEngine:
    """Laws in equilibrium of M = [[αI, A], [−Aᵀ, αI]] for square nonsingular A, from one LU of A with row exchanges.

    M (u, v) = (c1, c2) is v = (I + K)⁻¹ A⁻¹(c1 + α A⁻ᵀc2) and u = A⁻ᵀ(α v − c2) with K = α²(AᵀA)⁻¹. The spectrum of K
    lies in [0, (α/σ_min)²], where a polynomial p(K) of low degree is (I + K)⁻¹: at α = σ_min/10 degree two gives seven
    digits. Each degree takes one solve with A and one with Aᵀ.

    One factor of the symmetric quasi-definite [[αI, A], [Aᵀ, −αI]] would do the same in one solve, and exists for every
    ordering, but its static pivots lose (σ_max/α)²·eps: nothing is left at a condition of 1e8. Row exchanges in A
    itself are stable as long as A is nonsingular to working precision, which is what `interval` tells.

    Parameters
    ----------
    matrix : Operator, shape (n, n)
        A, dense (LAPACK, or torch) or sparse (SuperLU, columns ordered by COLAMD). Where a pivot is exactly zero, A is
        perturbed at the level of rounding, so that σ_min comes out there.

    See Also
    --------
    QuasiDefiniteEngine, KrylovSolvesEngine, SingularValueEngine, GolubKahanEngine : Engines of A that is not symmetric.
    """

    def __init__(self, matrix: Operator) -> None:
        self.operator = matrix
        self.name = f"{'sparse' if isinstance(matrix, Sparse) else 'dense'} LU with row exchanges"
        factorise = _factorise_sparse if isinstance(matrix, Sparse) else _factorise_dense
        self._solve, self._solve_transposed = factorise(matrix)

    @staticmethod
    def price(n: int, nonzeros: float | None = None) -> Cost:
        """Cost of factorising an n × n matrix with so many nonzeros (None: dense), and of a solve with A and Aᵀ."""
        if nonzeros is None:
            return Cost(setup=2 * n**3 / 3, per_column=4.0 * n**2, memory=8.0 * n**2)
        fill = 20.0 * nonzeros
        return Cost(setup=2 * fill * fill / n, per_column=4.0 * fill, memory=12.0 * fill)

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law: about five solves with A and Aᵀ for each output."""
        n = self.operator.shape[0]
        nonzeros = float(self.operator.matrix.nnz) if isinstance(self.operator, Sparse) else None
        once = self.price(n, nonzeros)
        return Cost(setup=0.0, per_column=5.0 * len(outputs) * once.per_column, memory=once.memory)

    def interval(self) -> tuple[float, float]:
        """Smallest and largest singular value, to a per cent or two, and a few per cent."""
        return self._smallest[0], self._largest

    def eigenvalues(self) -> None:
        """None: only the ends of the singular spectrum are known."""
        return

    def null_vector(self) -> Array:
        """The right singular vector (n,) of the smallest singular value; LinAlgError where solves overflow."""
        vector = self._smallest[1]
        if vector is None:
            raise np.linalg.LinAlgError("A is so close to singular that no vector can be solved for")
        return vector

    @cached_property
    def _smallest(self) -> tuple[float, Array | None]:
        """σ_min and its right singular vector, by Lanczos on (AᵀA)⁻¹; zero and None where solves overflow."""
        n = self.operator.shape[0]
        if self._largest == 0:
            return 0.0, as_array(np.full(n, n**-0.5), self.operator.like)
        try:
            value, vector = dominant(lambda v: self._solve(self._solve_transposed(v)), n, self.operator.like)
        except np.linalg.LinAlgError:
            return 0.0, None
        return 1 / math.sqrt(value), vector

    @cached_property
    def _largest(self) -> float:
        return largest_singular_value(self.operator)

    def supports(self, law: LinearLaw) -> bool:
        """Whether the law is in equilibrium and α small enough beside σ_min."""
        smallest = self._smallest[0]
        form = law.equilibrium(smallest)
        return form is not None and alpha_of(form) <= LARGEST_CONTRACTION**0.5 * smallest

    def solve(self, block: Array, alpha: float, rtol: float = 0.0) -> Array:
        """M⁻¹c.

        Parameters
        ----------
        block : array, shape (2n, k)
            c.
        alpha : float
            α, in the units of A.
        rtol : float, optional
            Accuracy relative to ‖M⁻¹c‖, as far as rounding allows.

        Returns
        -------
        array, shape (2n, k)
        """
        n = self.operator.shape[0]
        contraction = _MARGIN * (alpha / self._smallest[0]) ** 2
        weights = _resolvent(contraction, max(rtol, eps(self.operator.like)))
        below = self._solve_transposed(block[n:])
        first = self._solve(block[:n] + alpha * below)
        v = weights[-1] * first
        for weight in reversed(weights[:-1]):
            v = weight * first + alpha**2 * self._solve(self._solve_transposed(v))
        u = alpha * self._solve_transposed(v) - below
        return namespace(block).concat([u, v], axis=0)

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law for input blocks (2n, k); None is zero."""
        return apply_polynomials(self, law, inputs, outputs, self._smallest[0])


def alpha_of(form: Sequence[Sequence[SkewPolynomial | None]]) -> float:
    """The α that the polynomials of a law share."""
    return next(f.alpha for row in form for f in row if f is not None)


@lru_cache(maxsize=256)
def _resolvent(contraction: float, rtol: float) -> tuple[float, ...]:
    """Coefficients of a polynomial in x that is 1/(1 + x) to `rtol` on [0, contraction]: Chebyshev interpolation.

    Its error falls as q^degree with q = (sqrt(1 + c) − 1)²/c, which is c/4 for a small contraction c.
    """
    q = (math.sqrt(1 + contraction) - 1) ** 2 / contraction
    degree = max(0, math.ceil(math.log(rtol) / math.log(q)) - 1)
    interpolant = np.polynomial.Chebyshev.interpolate(lambda x: 1 / (1 + x), degree, domain=[0.0, contraction])
    return tuple(interpolant.convert(kind=np.polynomial.Polynomial).coef.tolist())


def apply_polynomials(
    engine: Inverting, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str], smallest: float
) -> list[Array]:
    """Named outputs of a law in equilibrium, Σ_j Σ_k c_jk M^{-k} V_j, with one solve for each power.

    Parameters
    ----------
    engine : Inverting
        Solves with M.
    law : LinearLaw
        In equilibrium, see `Skew`.
    inputs : sequence of (array or None)
        Blocks (m + n, k).
    outputs : sequence of str
    smallest : float
        σ_min, or a lower bound of it such as zero.

    Returns
    -------
    list of array
        One block for each output.

    Raises
    ------
    ValueError
        The run is too short.
    """
    form = law.equilibrium(smallest)
    if form is None:
        raise ValueError(f"this run is too short for {engine.name}: it serves windows in equilibrium only")
    results = []
    for name in outputs:
        row = form[law.outputs.index(name)]
        terms = [(f, v) for f, v in zip(row, inputs, strict=True) if f is not None and v is not None]
        rtol = _accuracy(law, row, inputs, smallest)
        straight = _horner(engine, [(f, v) for f, v in terms if not f.transposed], smallest, rtol)
        # Mᵀ = D M D with D = diag(I, −I).
        turned = _horner(engine, [(f, _flip(v, engine)) for f, v in terms if f.transposed], smallest, rtol)
        parts = [part for part in (straight, None if turned is None else _flip(turned, engine)) if part is not None]
        results.append(sum(parts[1:], start=parts[0]) if parts else nothing(engine.operator))
    return results


def _horner(
    engine: Inverting, terms: Sequence[tuple[SkewPolynomial, Array]], smallest: float, rtol: float
) -> Array | None:
    """Σ_j Σ_k c_jk M^{-k} V_j; inner solves are only as accurate as their share in the sum calls for."""
    total: Array | None = None
    share = 0.0
    for power in reversed(range(max((len(f.coefficients) for f, _ in terms), default=0))):
        if total is not None:
            largest = max(abs(f.coefficients[power]) for f, _ in terms if power < len(f.coefficients))
            share /= math.hypot(terms[0][0].alpha, smallest)
            total = engine.solve(total, terms[0][0].alpha, min(0.1, rtol * max(1.0, largest / share)))
            share = max(share, largest)
        for f, v in terms:
            c = f.coefficients[power] if power < len(f.coefficients) else 0.0
            if c != 0:
                share = max(share, abs(c))
                total = c * v if total is None else total + c * v
    return total


def _accuracy(
    law: LinearLaw, row: Sequence[SkewPolynomial | None], inputs: Sequence[Array | None], smallest: float
) -> float:
    """Relative accuracy of an output so that its error is `NOISE_RTOL` of its noise, wherever both are largest."""
    noise = load = 0.0
    for name, f, v in zip(law.inputs, row, inputs, strict=True):
        if f is None or v is None:
            continue
        largest = max(abs(c) / math.hypot(f.alpha, smallest) ** k for k, c in enumerate(f.coefficients))
        size = float(namespace(v).max(column_norms(v))) * largest
        if name.startswith("z"):
            noise += size
        else:
            load += size
    return NOISE_RTOL * noise / (noise + load) if noise > 0 else 0.0


def _flip(block: Array, engine: Inverting) -> Array:
    """The block with the sign of its lower half reversed."""
    m = engine.operator.shape[0]
    return namespace(block).concat([block[:m], -block[m:]], axis=0)


def _factorise_dense(operator: Operator) -> tuple[Solve, Solve]:
    matrix = operator.dense()
    if is_torch(matrix):
        import torch

        factor, pivots, _ = torch.linalg.lu_factor_ex(matrix)
        diagonal = factor.diagonal()
        diagonal[diagonal == 0] = eps(matrix) * float(matrix.abs().max())  # a view into the factor
        return (
            lambda b: torch.linalg.lu_solve(factor, pivots, b),
            lambda b: torch.linalg.lu_solve(factor, pivots, b, adjoint=True),
        )
    getrf, getrs = scipy.linalg.get_lapack_funcs(("getrf", "getrs"), (matrix,))
    # LAPACK wants Fortran order: the factors of a C-ordered matrix are those of its transpose.
    rowwise = matrix.flags.c_contiguous
    factor, pivots, _ = getrf(matrix.T if rowwise else matrix)
    diagonal = np.einsum("ii->i", factor)
    diagonal[diagonal == 0] = eps(matrix) * float(np.abs(matrix).max())

    def solver(trans: int) -> Solve:
        return lambda b: getrs(factor, pivots, b, trans=trans)[0]

    return (solver(1), solver(0)) if rowwise else (solver(0), solver(1))


def _factorise_sparse(operator: Operator) -> tuple[Solve, Solve]:
    assert isinstance(operator, Sparse)
    matrix = scipy.sparse.csc_array(operator.matrix).astype(np.float64, copy=False)
    lu = _splu(matrix)

    def solver(trans: str) -> Solve:
        return on_host(lambda b: lu.solve(b, trans=trans), operator.like)

    return solver("N"), solver("T")


def _splu(matrix: scipy.sparse.csc_array) -> scipy.sparse.linalg.SuperLU:
    """Sparse LU with row exchanges, of a matrix perturbed at the level of rounding where a pivot is exactly zero."""
    for candidate in _perturbed(matrix):
        try:
            return scipy.sparse.linalg.splu(candidate)
        except RuntimeError:
            continue
    raise np.linalg.LinAlgError(
        "A is singular: a pivot of its LU factorisation is exactly zero, and stays so when A is perturbed; "
        "use pinv or lstsq for the minimum-norm solution"
    )


def _perturbed(matrix: scipy.sparse.csc_array) -> Iterator[scipy.sparse.csc_array]:
    """The matrix itself, then with what its pattern lacks, then with diagonals too; all at the level of rounding.

    SuperLU writes beyond its arrays where no row exchange fills the diagonal: such a pattern is completed at once.
    """
    missing = None if matrix.diagonal().all() else _completion(matrix)
    if missing is None or not missing.nnz:
        yield matrix
    rounding = float(np.finfo(np.float64).eps) * float(abs(matrix).max() or 1.0)
    completed = matrix if missing is None else matrix + rounding * missing
    for diagonal in (0.0, 1.0, -3.0):
        yield scipy.sparse.csc_array(completed + diagonal * rounding * scipy.sparse.eye_array(matrix.shape[0]))


def _completion(matrix: scipy.sparse.csc_array) -> scipy.sparse.csc_array:
    """Ones that give every row a column of its own: none, unless A is singular by its pattern."""
    pattern = scipy.sparse.csr_array(matrix)
    pattern.eliminate_zeros()
    partner = scipy.sparse.csgraph.maximum_bipartite_matching(pattern, perm_type="column")
    rows = np.flatnonzero(partner < 0)
    columns = np.setdiff1d(np.arange(matrix.shape[1]), partner)
    return scipy.sparse.csc_array((np.ones(len(rows)), (rows, columns)), shape=matrix.shape)
