"""The three-term Lanczos recurrence of one vector, without its basis: what the ends of a large spectrum take."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from thermolinalg._arrays import Array, add_multiple, column_norms, eps, fortran, namespace, product

__all__ = ["Recurrence"]

_BREAKDOWN = 10.0
"""A new direction below so many eps·‖A‖ is rounding: the space is complete."""


class Recurrence:
    """Ritz values at the ends of a Krylov space span{v, Av, A²v, …}, in the memory of three vectors.

    Nothing is made orthogonal again, so that copies of converged Ritz values appear; the ends of the spectrum and the
    bounds of their residuals are what they are with a basis (Paige's theory).

    Parameters
    ----------
    product : callable
        V (d, 1) → A V, with A symmetric.
    start : array, shape (d, 1)
        Not zero.

    References
    ----------
    C. C. Paige, Accuracy and effectiveness of the Lanczos algorithm for the symmetric eigenproblem, Linear Algebra
    Appl. 34 (1980).
    """

    def __init__(self, product: Callable[[Array], Array], start: Array) -> None:
        self.product, self.start, self.dimension = product, start, start.shape[0]
        self._diagonal: list[float] = []
        self._offdiagonal: list[float] = []
        self._scale = 0.0
        self._previous: Array | None = None
        self._current: Array = start / column_norms(start)

    @property
    def steps(self) -> int:
        """Products taken so far."""
        return len(self._diagonal)

    def extend(self, steps: int) -> None:
        """Take so many more, as far as the space goes on."""
        for _ in range(min(steps, self.dimension - self.steps)):
            if self.complete():
                return
            self._step()

    def _step(self) -> None:
        q = self._current
        w = self.product(q)
        # A product may hand back its own argument.
        w = namespace(w).asarray(w, copy=True) if w is q else w
        if self._previous is not None:
            add_multiple(-self._offdiagonal[-1], self._previous, w)
        alpha = float(product(q.T, w)[0, 0])
        add_multiple(-alpha, q, w)
        beta = float(column_norms(w)[0])
        if not (math.isfinite(alpha) and math.isfinite(beta)):
            raise np.linalg.LinAlgError("a product with A is NaN or infinite: check what A returns for finite vectors")
        self._scale = max(self._scale, abs(alpha) + beta)
        beta = 0.0 if beta <= _BREAKDOWN * eps(q) * self._scale else beta
        self._diagonal.append(alpha)
        self._offdiagonal.append(beta)
        if beta:
            w /= beta
        self._previous, self._current = q, w

    def complete(self) -> bool:
        """Whether A maps the space into itself, so that its Ritz values are eigenvalues."""
        return bool(self._offdiagonal) and (self._offdiagonal[-1] == 0.0 or self.steps == self.dimension)

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest Ritz value, and the norms ‖A y − θ y‖ of their residuals."""
        if self.steps == 1:
            return np.array(self._diagonal * 2), np.array(self._offdiagonal * 2)
        pairs = [self._ritz(index) for index in (0, self.steps - 1)]
        bounds = [self._offdiagonal[-1] * abs(vector[-1]) for _, vector in pairs]
        return np.array([value for value, _ in pairs]), np.array(bounds)

    def _ritz(self, index: int) -> tuple[float, np.ndarray]:
        """A Ritz value, counted from the smallest, and its vector in the basis; SciPy's call takes three times that."""
        diagonal, offdiagonal = np.array(self._diagonal), np.array(self._offdiagonal[:-1])
        bisect, iterate = fortran("stebz", diagonal.dtype), fortran("stein", diagonal.dtype)
        _, values, blocks, splits, _ = bisect(diagonal, offdiagonal, 2, 0.0, 0.0, index + 1, index + 1, 0.0, "B")
        vectors, failed = iterate(diagonal, offdiagonal, values[:1], blocks, splits)
        if failed:
            raise np.linalg.LinAlgError("a Ritz vector was not found: products with A may not be those of one matrix")
        return float(values[0]), vectors[:, 0]

    def softest(self) -> Array:
        """The Ritz vector (d, 1) of the smallest Ritz value, by going through the recurrence once more."""
        weights = [1.0] if self.steps == 1 else self._ritz(0)[1].tolist()
        again = Recurrence(self.product, self.start)
        total = 0 * self.start
        for weight in weights:
            add_multiple(weight, again._current, total)
            again.extend(1)
        return total
