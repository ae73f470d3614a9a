"""A least-squares problem on a device: its rank, what counts as zero, and the embedding that holds it."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, as_array, dtype_name, eps, namespace, to_numpy
from thermolinalg._validation import is_finite
from thermolinalg.devices import Device
from thermolinalg.devices.watched import watched_program
from thermolinalg.matrix_functions.singular import SingularEngines
from thermolinalg.operators import Dense, MatrixFree, Sparse
from thermolinalg.operators.read import ReadMatrix
from thermolinalg.systems import Chain, ComplexColumns, Condition, Measure, RealForm, Rescaled, System
from thermolinalg.systems.eliminated import Eliminated, regularised_gram
from thermolinalg.systems.held import Averaging
from thermolinalg.systems.inner import Embedded
from thermolinalg.systems.least_squares import Augmented, LeastSquaresInverse
from thermolinalg.systems.rescaled import column_exponents, matrix_exponent
from thermolinalg.systems.routes import SHARE, Held

__all__ = ["LeastSquaresProblem"]

DECOMPOSED = 512
"""Up to this min(m, n) a sparse or matrix-free A is formed and its singular values, and so its rank, are known."""

SMALLEST = 1e-6
"""α over the largest singular value where the spectrum is not known: what lies far below it counts as zero unless it
shows itself; a static factorisation of the embedding errs by its inverse square times eps."""


class LeastSquaresProblem:
    """min ‖b − A x‖² + damp²‖x‖², of minimum norm, as a device and its simulator see it.

    Parameters
    ----------
    read : ReadMatrix
        A, shape (m, n).
    device : Device
    rng : numpy.random.Generator
        Draws the imperfections of the copy.
    cutoff : float
        Singular values up to cutoff × the largest count as zero.
    damp : float
        ≥ 0, in the units of A.
    """

    def __init__(
        self, read: ReadMatrix, device: Device, rng: np.random.Generator, cutoff: float, damp: float = 0.0
    ) -> None:
        self.read, self.device, self.rng = read, device, rng
        self.exponent = matrix_exponent(read.operator, squared=True)
        self.damp = math.ldexp(damp, -self.exponent)
        operator = read.operator
        self.operator = operator.rescaled(None, None, 2.0**-self.exponent) if self.exponent else operator
        self.copies = 2 if read.is_complex else 1
        self._real_rank: int | None = None
        self._cutoff = cutoff
        self._computed = not isinstance(operator, Dense | Sparse | MatrixFree)  # entries that are sums of products
        if isinstance(self.operator, Dense) or min(operator.shape) <= DECOMPOSED:
            self._decompose(cutoff)

    def _decompose(self, cutoff: float) -> None:
        """Singular values, rank and range; A without what counts as zero."""
        a = self.operator.dense()
        xp = namespace(a)
        u, s, vt = xp.linalg.svd(a, full_matrices=False)
        largest = float(s[0]) if s.shape[0] else 0.0
        rank = int(xp.sum(xp.astype(s > cutoff * largest, xp.int64)))
        self._real_rank, self._values = rank, s
        self._range, self._rows = u[:, :rank], vt[:rank, :].T
        if rank < s.shape[0]:
            a = a - (u[:, rank:] * s[rank:]) @ vt[rank:, :]
        self.operator = Dense(a, symmetric=False)

    @property
    def rank(self) -> int | None:
        """Rank of the user's A; None where only products with it are cheap."""
        return None if self._real_rank is None else self._real_rank // self.copies

    @property
    def singular_values(self) -> Array:
        """Of the user's A, (min(m, n),); empty where only products with it are cheap."""
        if self._real_rank is None:
            return as_array(np.zeros(0), self.operator.like)
        with np.errstate(over="ignore"):
            values = self._values[:: self.copies] * 2.0**self.exponent
        if not is_finite(values):
            raise ValueError(f"the singular values of A leave the range of {dtype_name(values)}; scale A")
        return values

    @property
    def subspace_error(self) -> float:
        """How far rounding tilts the null space that is taken out of x; zero where there is none, or none is known.

        Decompositions have backward errors of about √(m + n) eps, and so have the entries of a structure.
        """
        m, n = self.operator.shape
        if not self._real_rank or (self._real_rank == n and not self._computed):
            return 0.0
        return math.sqrt(m + n) * eps(self.operator.like) * float(self._values[0] / self._values[self._real_rank - 1])

    @property
    def softest(self) -> float:
        """Smallest singular value that counts, with its damping: of the user's A over 2^exponent."""
        assert self._real_rank
        return math.hypot(float(self._values[self._real_rank - 1]), self.damp)

    @cached_property
    def held(self) -> Held:
        """A in the skew embedding, as systems that send residuals back need it."""
        return self.hold(SHARE)

    def hold(self, share: float) -> Held:
        """A in the skew embedding with α a share of its smallest singular value, as the augmented system needs it."""
        m, n = self.operator.shape
        engines = SingularEngines(self.operator)
        damp = self.damp
        if self._real_rank is None:
            smallest, largest = None, engines.largest()
            alpha = max(SMALLEST, min(self._cutoff, share)) * largest
        else:
            smallest, largest = math.hypot(float(self._values[self._real_rank - 1]), damp), float(self._values[0])
            alpha = share * smallest
        # A device whose α is the damping errs by noise only; a smaller damping is left to refinement.
        alpha = max(alpha, damp)
        exact = alpha == damp
        program, how = self._embedded(engines, alpha)
        full = exact or self._real_rank == n
        rows = None if self._real_rank is None or full else self._rows
        inverse = LeastSquaresInverse(program, self.operator, alpha, rows, full, 0.0 if exact else share**2)
        xp, like = namespace(self.operator.like), self.operator.like
        mask = xp.zeros((m + n, 1), dtype=like.dtype, device=like.device)
        mask[m:, :] = 1.0
        own = eps(like)
        condition = None if smallest is None else Condition(smallest, largest, max(m, n) * own, own)
        return Held(
            inverse,
            Augmented(self.operator, alpha, damp**2 / alpha),
            None,
            None,
            (Measure(columns=mask), Measure()),
            largest,
            condition,
            "embedded",
            f"least squares: A is held {how}, its residual an unknown beside x",
            auxiliary=m,
            systems=(Embedded(self.operator.shape),),
        )

    def _embedded(self, engines: SingularEngines, alpha: float) -> tuple[Averaging, str]:
        """The program of the embedding, and how it is held: AᵀA + α²I where the device's couplings are symmetric."""
        try:
            return watched_program(self.device, engines.embedding(alpha), self.rng), "in the skew embedding"
        except TypeError as refusal:
            gram = regularised_gram(self.operator, alpha)
            program = Eliminated(watched_program(self.device, gram, self.rng), self.operator, alpha)
            try:
                program.rate()
            except np.linalg.LinAlgError:
                raise np.linalg.LinAlgError(
                    "A is too ill-conditioned for this device, which holds its normal operator with the square of its "
                    "condition number; pass device=None, whose couplings need not be symmetric"
                ) from None
            return program, f"as AᵀA + α²I (condition squared), since {refusal}"

    def outer(self, b: Array) -> Chain:
        """From the user's right-hand sides (m, k) to those of the augmented system."""
        systems: list[System] = []
        if self.read.is_complex:
            systems.append(RealForm())
        elif "complex" in dtype_name(b):
            systems.append(ComplexColumns())
        block = systems[0].into(b) if systems else b
        columns = column_exponents(block)
        if self.exponent or columns is not None:
            systems.append(Rescaled(None, None, self.exponent, columns))
        return Chain([*systems, *self.held.systems])

    def residuals(self, rhs: Array, z: Array) -> tuple[np.ndarray, np.ndarray]:
        """Norms (k,) of b − A x, and of its part in the range of A.

        Where the range is not known, or A damped, the latter is ‖Aᵀr − damp² x‖ over the norm of A with its damping.
        """
        m = self.operator.shape[0]
        b, x = rhs[:m, :], z[m:, :]
        r = self.operator.extended_residual(b, x, namespace(x).zeros_like(x))
        r = b - self.operator.apply(x) if r is None else r
        measure = Measure()
        if self._real_rank is None or self.damp:
            gradient = self.operator.apply_transposed(r) - self.damp**2 * x
            part = measure.residual(gradient) / math.hypot(self.held.size, self.damp)
        else:
            part = measure.residual(self._range.T @ r)
        return to_numpy(measure.residual(r)).astype(float), to_numpy(part).astype(float)


def squared(norms: np.ndarray, like: Array) -> Array:
    """Squares of norms where A lives; ValueError where they leave the range of its dtype."""
    with np.errstate(over="ignore"):
        squares = as_array(norms**2, like)
    if not is_finite(squares):
        raise ValueError(f"the squares of the residuals leave the range of {dtype_name(like)}; scale b")
    return squares
