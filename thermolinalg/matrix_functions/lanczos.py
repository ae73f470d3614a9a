"""Functions of A from products only: each vector in its own Krylov space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thermolinalg._arrays import Array, eps, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._blocks import Blocks, function_table, product_operations
from thermolinalg.matrix_functions._krylov import Krylov
from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.by_products import ByProducts
from thermolinalg.matrix_functions.chebyshev import chebyshev_series
from thermolinalg.matrix_functions.spectrum import refuse_negative, rounding
from thermolinalg.operators.base import Operator

__all__ = ["LanczosEngine"]

_CHECK_EVERY = 4
_MEMORY = 2**29
"""Bytes of basis vectors held at once; more columns than fit go one part after another."""


class LanczosEngine(ByProducts):
    """Applies f(A) v as ‖v‖ Q f(T) e₁ with Q an orthonormal basis of the Krylov space of v and T = QᵀAQ.

    All columns go through one product per step, and all functions of a column share its basis. The iteration stops
    when the outputs no longer change; it adapts to the spectrum and to the vectors, and is exact once a space is
    invariant, at the latest after d steps.

    Parameters
    ----------
    operator : Operator
        Symmetric positive semidefinite.
    interval : tuple of float, optional
        (lower, upper) that holds the spectrum, or what `spectrum` of another engine of this operator returned;
        estimated by `spectral_interval` when asked for. `apply` has no need of it.
    rtol : float, optional
        Error of each output column, relative to the sizes of the contributions to it; not below 4 eps of the dtype.
    max_steps : int, optional
        Most products for one column. Beyond them the best result is given: `converged` and `error` tell.

    Attributes
    ----------
    converged : bool
        Whether the last call met `rtol`.
    error : float
        Estimated relative error of the last call.
    steps : int
        Steps of the last call.
    n_matvec : int
        Products with blocks taken so far, those for the interval included.

    See Also
    --------
    ChebyshevEngine, RationalEngine, Factorised, DenseEngine : Engines of symmetric A.

    References
    ----------
    Higham, Functions of Matrices, SIAM (2008), section 13.2.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.laws import Overdamped
    >>> from thermolinalg.operators import Dense
    >>> engine = LanczosEngine(Dense(np.diag([1.0, 2.0, 4.0])))
    >>> (state,) = engine.apply(Overdamped().stationary(), [None, np.ones((3, 1)), None], ["state"])
    >>> state.T.round(8)
    array([[1.  , 0.5 , 0.25]])
    """

    name = "lanczos"
    growth = 8
    """A basis grows by one part in so many between two looks at it: fewer steps too many, against more looks."""

    def __init__(
        self,
        operator: Operator,
        interval: tuple[float, ...] | None = None,
        *,
        rtol: float = 1e-8,
        max_steps: int = 1000,
    ) -> None:
        super().__init__(operator, interval, rtol)
        self.max_steps, self.steps = max_steps, 0

    def supports(self, law: LinearLaw) -> bool:
        """Always: a law that is infinite at an eigenvalue met on the way is refused then."""
        return True

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Upper estimate of the price: Lanczos needs no more steps than the best polynomial has degrees."""
        d, blocks = self.operator.shape[1], len(law.inputs)
        steps = min(d, self.max_steps)
        try:
            series = chebyshev_series(law, outputs, self.spectrum()[:2], rtol=self.rtol, max_degree=steps)
            steps = max(1, min(steps, series.degree))
        except np.linalg.LinAlgError:
            pass  # infinite at λ = 0, which no polynomial can follow; the Ritz values may stay clear of it
        per_vector = steps * (product_operations(self.operator) + 2 * d * (steps + len(outputs)))
        memory = min(columns * blocks * steps * d * np.dtype(self.operator.dtype).itemsize, _MEMORY)
        return Cost(setup=0.0, per_column=blocks * per_vector, products=steps, memory=memory)

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
            If A shows negative curvature, the law is infinite at one of its eigenvalues, or a product is not finite.
        """
        blocks = Blocks(law, inputs, outputs, self.operator)
        xp = namespace(blocks.columns)
        parts = [xp.zeros_like(blocks.columns) for _ in outputs]
        self.converged, self.error, self.steps = True, 0.0, 0
        active = np.flatnonzero(blocks.norms)
        itemsize = np.dtype(self.operator.dtype).itemsize
        largest = max(1, _MEMORY // (self.operator.shape[1] * min(self.operator.shape[1], self.max_steps) * itemsize))
        for first in range(0, len(active), largest):
            chosen = active[first : first + largest]
            krylov = Krylov(self.operator.apply, blocks.columns[:, chosen])
            coordinates = self._grow(krylov, law, outputs, blocks.source[chosen], blocks.feeds()[:, chosen])
            self.n_matvec += krylov.steps
            result = krylov.combine(np.moveaxis(coordinates, 0, 1))
            for i, part in enumerate(parts):
                part[:, chosen] = result[:, i, :].T
        return blocks.combine(parts)

    def _grow(
        self, krylov: Krylov, law: LinearLaw, outputs: Sequence[str], source: np.ndarray, feeds: np.ndarray
    ) -> np.ndarray:
        """Grow the bases until the coordinates of f(A) v, shape (outputs, columns, steps), no longer change."""
        previous, last_change = None, np.inf
        while True:
            krylov.extend(min(max(_CHECK_EVERY, krylov.steps // self.growth), self.max_steps - krylov.steps))
            coordinates = self._coordinates(krylov, law, outputs, source)
            if krylov.complete():
                error = 0.0
            elif previous is None:
                error = np.inf
            else:
                change = coordinates.copy()
                change[..., : previous.shape[-1]] -= previous
                largest_change = _relative(change, coordinates, feeds)
                # Linear convergence at rate q leaves change · q/(1 − q).
                rate = largest_change / last_change if last_change > 0 else 0.0
                error = largest_change * max(1.0, rate / (1 - rate)) if rate < 1 else np.inf
                last_change = largest_change
            if error <= self.rtol or krylov.complete() or krylov.steps >= self.max_steps:
                break
            previous = coordinates
        self.steps = max(self.steps, krylov.steps)
        self.error = max(self.error, error)
        self.converged = self.converged and error <= self.rtol
        return coordinates

    def _coordinates(self, krylov: Krylov, law: LinearLaw, outputs: Sequence[str], source: np.ndarray) -> np.ndarray:
        """‖v‖ f(T) e₁ for each output and column, shape (outputs, columns, steps)."""
        values, vectors, _ = krylov.ritz()
        refuse_negative(krylov, values, vectors)
        precision = eps(krylov.start)
        weights = vectors[:, 0, :]
        clear = values > rounding(krylov.dimension, float(values.max()), precision)
        values = np.where(clear, values, 0.0)
        table = function_table(law, outputs, values.ravel()).reshape(len(outputs), len(law.inputs), *values.shape)
        functions = table[:, source, np.arange(krylov.columns)]
        # A Ritz vector that the start vector has no part in is rounding: what the law is there does not matter.
        functions = np.where(np.abs(weights) <= 100 * precision, 0.0, functions)
        if not np.isfinite(functions).all():
            raise np.linalg.LinAlgError(
                f"the law is infinite at λ = 0, and A is singular to working precision: its smallest Ritz value is "
                f"{float(values.min()):.3g} of {float(values.max()):.3g}; pass a finite duration, or add a ridge to A"
            )
        weighted = functions * weights * krylov.norms[:, None]
        return np.asarray(np.einsum("cmr,ocr->ocm", vectors, weighted))


def _relative(change: np.ndarray, coordinates: np.ndarray, feeds: np.ndarray) -> float:
    """Largest change of a contribution, relative to all contributions to the same output column."""
    unit = float(np.abs(coordinates).max()) or 1.0
    size = np.linalg.norm(coordinates / unit, axis=-1)
    total = np.sqrt(size**2 @ feeds.T)
    scale = np.where(feeds, total[:, :, None], np.inf).min(axis=1)
    relative = np.linalg.norm(change / unit, axis=-1) / np.where(scale > 0, scale, 1.0)
    return float(relative.max())
