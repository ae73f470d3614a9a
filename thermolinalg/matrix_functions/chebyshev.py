"""Functions of A from products only: one Chebyshev expansion for all functions and all vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from thermolinalg._arrays import Array, add_multiple, as_array, namespace, to_numpy
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._blocks import Blocks, function_table, norms, product_operations
from thermolinalg.matrix_functions._mapped import Mapped
from thermolinalg.matrix_functions._nodes import coefficients_of
from thermolinalg.matrix_functions._truncation import ROUGH_LOAD, ROUGH_NOISE, Truncation, truncation
from thermolinalg.matrix_functions.base import Cost, Recent
from thermolinalg.matrix_functions.by_products import ByProducts
from thermolinalg.operators.base import Operator

__all__ = ["ChebyshevEngine", "ChebyshevSeries", "chebyshev_series"]

_FIRST_NODES = 16
_GROWTH = 2.0
"""|T_n| ≤ 1 on the interval, so a vector that grows by this factor proves an eigenvalue outside."""


class ChebyshevSeries(NamedTuple):
    """Expansion of a law's functions in Chebyshev polynomials on an interval.

    Parameters
    ----------
    coefficients : ndarray, shape (outputs, inputs, degree + 1)
        Coefficient of T_n for each function.
    error : float
        What the dropped coefficients can contribute, relative to the largest contribution to an output.
    """

    coefficients: np.ndarray
    error: float

    @property
    def degree(self) -> int:
        """Highest polynomial degree: the number of products with A."""
        return int(self.coefficients.shape[-1]) - 1


def chebyshev_series(
    law: LinearLaw,
    outputs: Sequence[str],
    interval: tuple[float, float],
    *,
    rtol: float,
    max_degree: int,
    sizes: np.ndarray | None = None,
) -> ChebyshevSeries:
    """Expand the functions of a law on [lower, upper] to a relative tolerance.

    The functions are sampled at Chebyshev points, doubled in number until the coefficients have died out: for functions
    analytic around the interval they fall geometrically.

    Parameters
    ----------
    law : LinearLaw
    outputs : sequence of str
        Outputs whose functions are wanted.
    interval : tuple of float
        Ends of an interval that holds the spectrum.
    rtol : float
        Bound of the error relative to the largest contribution Σ_j max|f_ij| ‖V_j‖ to each output column.
    max_degree : int
        Highest degree to keep.
    sizes : ndarray, shape (inputs, columns), optional
        Norms of the input vectors of each output column (default: all alike).

    Returns
    -------
    ChebyshevSeries

    Raises
    ------
    LinAlgError
        If a function is infinite on the interval, as a stationary law is at λ = 0.

    References
    ----------
    Trefethen, Approximation Theory and Approximation Practice, SIAM (2013), chapters 3 and 8.
    """
    lower, upper = interval
    if not np.isfinite(function_table(law, outputs, np.array([lower, upper]))).all():
        raise np.linalg.LinAlgError(
            f"the law is infinite at λ = {lower:.3g}, and A may have such an eigenvalue: A must be positive definite; "
            "pass interval=(lower, upper) if the smallest eigenvalue is known"
        )
    sizes = np.ones((len(law.inputs), 1)) if sizes is None else sizes
    count = _FIRST_NODES
    while True:
        angles = np.pi * (np.arange(count) + 0.5) / count
        values = function_table(law, outputs, (lower + upper) / 2 + (upper - lower) / 2 * np.cos(angles))
        coefficients = coefficients_of(values)
        magnitudes = np.abs(coefficients)
        dropped = np.cumsum(magnitudes[..., ::-1], axis=-1)[..., ::-1] - magnitudes
        scale = np.max(np.abs(values).max(axis=-1)[..., None] * sizes, axis=1)
        tail = np.einsum("ijn,jl->iln", dropped, sizes) / np.where(scale > 0, scale, 1.0)[..., None]
        errors = tail.max(axis=(0, 1))
        degree = int(np.argmax(errors <= rtol))
        # The last quarter has to be empty: only then has the sampling seen all there is.
        if degree <= 3 * count // 4 or count >= 2 * max_degree:
            break
        count *= 2
    degree = min(degree, max_degree)
    return ChebyshevSeries(coefficients[..., : degree + 1], float(errors[degree]))


class ChebyshevEngine(ByProducts):
    """Applies f(A) V as Σ_n c_n T_n(Ã) V, with Ã the operator A mapped from its spectral interval to [−1, 1].

    The vectors T_n(Ã) V do not depend on f, so all functions share them: a law costs `degree` products with all its
    input columns side by side. Memory is a few blocks of vectors, whatever the degree.

    Parameters
    ----------
    operator : Operator
        Symmetric positive semidefinite.
    interval : tuple of float, optional
        (lower, upper) that holds the spectrum, or what `spectrum` of another engine of this operator returned;
        estimated by `spectral_interval` when first needed.
    rtol : float, optional
        Error of each output column, relative to the largest contribution to it; not below 4 eps of the dtype.
    max_degree : int, optional
        Most products for one call. A law that needs more is truncated: `converged` and `error` tell.
    share : float, optional
        Where given, laws with noise are expanded only as far as every mode errs by this share of its noise, whatever
        `rtol`; rough ones less far.

    Attributes
    ----------
    converged : bool
        Whether the last call met `rtol`.
    error : float
        Relative truncation error of the last call.
    n_matvec : int
        Products with blocks taken so far, those for the interval included.

    See Also
    --------
    RationalEngine, Factorised, DenseEngine, LanczosEngine : Engines of symmetric A.

    References
    ----------
    Trefethen, Approximation Theory and Approximation Practice, SIAM (2013).

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.laws import Overdamped
    >>> from thermolinalg.operators import Dense
    >>> engine = ChebyshevEngine(Dense(np.diag([1.0, 2.0, 4.0])), interval=(1.0, 4.0))
    >>> (state,) = engine.apply(Overdamped().stationary(), [None, np.ones((3, 1)), None], ["state"])
    >>> state.T.round(8)
    array([[1.  , 0.5 , 0.25]])
    """

    name = "chebyshev"

    def __init__(
        self,
        operator: Operator,
        interval: tuple[float, ...] | None = None,
        *,
        rtol: float = 1e-10,
        max_degree: int = 2000,
        share: float | None = None,
    ) -> None:
        super().__init__(operator, interval, rtol)
        self.max_degree, self.share = max_degree, share
        self._truncations: Recent[dict[bytes, Truncation | None]] = Recent()
        self._degrees: Recent[dict[tuple[str, ...], int | None]] = Recent()

    def supports(self, law: LinearLaw) -> bool:
        """Whether the law's functions are finite on the interval and resolved within `max_degree`."""
        return self.degree(law, law.outputs) is not None

    def degree(self, law: LinearLaw, outputs: Sequence[str]) -> int | None:
        """Products that a call with inputs of comparable size will take; None where `max_degree` is not enough."""
        kept, key = self._degrees(law, dict), tuple(outputs)
        if key not in kept:
            kept[key] = self._degree(law, outputs)
        return kept[key]

    def _degree(self, law: LinearLaw, outputs: Sequence[str]) -> int | None:
        """The same, found anew."""
        short = self._truncation(law, outputs, self._assumed_sizes(law))
        if short is not None:
            return short.degree
        try:
            series = self._series(law, outputs)
        except np.linalg.LinAlgError:
            return None
        return series.degree if series.error <= self.rtol else None

    def hides(self, law: LinearLaw, outputs: Sequence[str]) -> bool:
        """Whether the noise of the law allows a shorter expansion, where `share` asks for one."""
        return self._truncation(law, outputs, self._assumed_sizes(law)) is not None

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Price of a call with blocks of so many columns."""
        d, blocks = self.operator.shape[1], len(law.inputs)
        degree, short = self.degree(law, outputs), self._truncation(law, outputs, self._assumed_sizes(law))
        degree = self.max_degree if degree is None else degree
        products = blocks * degree if short is None else short.products
        per_product = product_operations(self.operator) + (4 + 2 * len(outputs)) * d
        memory = (4 + len(outputs)) * blocks * columns * d * np.dtype(self.operator.dtype).itemsize
        return Cost(setup=0.0, per_column=products * per_product, products=degree, memory=memory)

    def _series(self, law: LinearLaw, outputs: Sequence[str], sizes: np.ndarray | None = None) -> ChebyshevSeries:
        return chebyshev_series(
            law, outputs, self.spectrum()[:2], rtol=self.rtol, max_degree=self.max_degree, sizes=sizes
        )

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law, Σ_j f_ij(A) V_j.

        Parameters
        ----------
        law : LinearLaw
        inputs : sequence of (array or None)
            Blocks V_j of shape (d, k), or (d, 1) to be shared by all columns; None is zero.
        outputs : sequence of str
            Names of the outputs wanted.

        Returns
        -------
        list of array
            One block for each output.

        Raises
        ------
        LinAlgError
            If the law is infinite on the interval, A has an eigenvalue outside it, or a product is not finite.
        """
        short = self._truncation(law, outputs, self._mode_sizes(law, inputs))
        if short is not None:
            self.error, self.converged = 0.0, True
            return self._each(short, inputs, outputs)
        blocks = Blocks(law, inputs, outputs, self.operator)
        series = self._series(law, outputs, blocks.sizes)
        self.error, self.converged = series.error, series.error <= self.rtol
        # One function for all columns is one number a step, which BLAS multiplies with and adds in one pass.
        source = blocks.source[:1] if len(blocks.slices) == 1 else blocks.source
        weights = np.swapaxes(series.coefficients[:, source, :], 1, 2)
        return blocks.combine(self._summed(blocks.columns, weights))

    def _each(self, short: Truncation, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """Every input by an expansion of its own, or their sum by one."""
        if short.shares is None:
            series, blocks = short.coefficients, inputs
        else:
            terms = [float(f) * v for f, v in zip(short.shares, inputs, strict=True) if v is not None]
            series, blocks = short.coefficients, [sum(terms[1:], start=terms[0])]
        totals: list[Array] = []
        for coefficients, block in zip(series, blocks, strict=True):
            if block is None or not coefficients.any():
                continue
            parts = self._summed(block, coefficients[:, :, None])
            totals = [total + part for total, part in zip(totals, parts, strict=True)] if totals else parts
        shape = (self.operator.shape[0], max((block.shape[1] for block in inputs if block is not None), default=1))
        like = self.operator.like
        return totals or [namespace(like).zeros(shape, dtype=like.dtype, device=like.device) for _ in outputs]

    def _assumed_sizes(self, law: LinearLaw) -> np.ndarray:
        """Inputs that are all there and of one size in every mode."""
        return np.array(
            [
                1.0 if self._is_normal(law, name) else self._load_size(law, self.operator.shape[1] ** 0.5)
                for name in law.inputs
            ]
        )

    def _mode_sizes(self, law: LinearLaw, inputs: Sequence[Array | None]) -> np.ndarray:
        """Components of the inputs in a mode: one of normal ones, all of any other, or what is usual in rough laws."""
        sizes = []
        for name, block in zip(law.inputs, inputs, strict=True):
            if block is None:
                sizes.append(0.0)
            elif self._is_normal(law, name):
                sizes.append(1.0)
            else:
                size = self._load_size(law, float(norms(block).max()))
                # Rounded up to an octave: what a refinement loads is of about one size, and one expansion serves it.
                sizes.append(2.0 ** math.ceil(math.log2(size)) if size > 0 else 0.0)
        return np.array(sizes)

    @staticmethod
    def _is_normal(law: LinearLaw, name: str) -> bool:
        return name in law.normal_inputs()

    def _load_size(self, law: LinearLaw, norm: float) -> float:
        return norm * ROUGH_NOISE / ROUGH_LOAD / self.operator.shape[1] ** 0.5 if law.rough else norm

    def _truncation(self, law: LinearLaw, outputs: Sequence[str], sizes: np.ndarray) -> Truncation | None:
        """The expansion that the law's noise allows, where that is asked for."""
        if self.share is None:
            return None
        lower, upper = self.spectrum()[:2]
        kept, key = self._truncations(law, dict), sizes.tobytes() + repr(outputs).encode()
        if key not in kept:
            share = ROUGH_NOISE if law.rough else self.share
            kept[key] = truncation(law, outputs, (lower, upper), sizes, share=share, max_degree=self.max_degree)
        return kept[key]

    @cached_property
    def _mapped(self) -> Mapped:
        """2Ã."""
        return Mapped(self.operator, *self.spectrum()[:2])

    def _summed(self, vectors: Array, weights: np.ndarray) -> list[Array]:
        """Σ_n w_n T_n(Ã) V for each output, with weights (outputs, degree + 1, columns or 1)."""
        lower, upper = self.spectrum()[:2]
        degree, start = weights.shape[1] - 1, to_numpy(norms(vectors)).astype(np.float64)
        table = as_array(np.moveaxis(weights, 0, 1), vectors)
        parts = [weight * vectors for weight in table[0]]
        previous, current = vectors + 0.0, vectors
        for n in range(1, degree + 1):
            # T₁ = Ãv, then T_{n+1} = 2Ã T_n − T_{n−1}. What is kept is ±T_n, with the signs + + − − + + …, so that the
            # next vector is added to the last but one without a pass to negate it.
            if n == 1:
                following = self._mapped.add(0.5 * vectors, namespace(vectors).zeros_like(vectors), 1)
            else:
                following = self._mapped.add(current, previous, -1 if n % 2 == 0 else 1)
            self.n_matvec += 1
            previous, current = (previous if n == 1 else current), following
            sign = 1.0 if n % 4 < 2 else -1.0
            for part, weight in zip(parts, weights[:, n], strict=True):
                if weight.shape[-1] == 1:
                    add_multiple(sign * float(weight[0]), current, part)
                else:
                    part += (sign * as_array(weight, current)) * current
        grown = to_numpy(norms(current))
        outside = np.flatnonzero(~(grown <= _GROWTH * start))
        if len(outside):
            raise np.linalg.LinAlgError(
                f"A has an eigenvalue outside [{lower:.6g}, {upper:.6g}], or a product with it is NaN: the Chebyshev "
                f"polynomial of degree {degree} took a vector of norm {start[outside[0]]:.3g} to norm "
                f"{grown[outside[0]]:.3g}; pass a wider interval=(lower, upper)"
            )
        return parts
