"""At equal work on a digital computer: a device stepped in time, its covariance equation, and what needs no noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import scipy.linalg

from thermolinalg._arrays import Array, to_numpy
from thermolinalg.operators import Operator

__all__ = ["Refereed", "referee"]

WORK = (1.0, 10.0, 100.0, 1000.0)
"""Work that is compared, in Cholesky factorisations."""

MOST_OPERATIONS = 1e10
"""Operations of one contestant at most, some seconds; more work is not compared."""

LARGEST = 1000
"""Up to this order matrices are compared: one step of an iteration on the whole inverse takes 4 d³ operations."""

SMALLEST = 1e-40
"""Square of a residual at which conjugate gradients, whose own recurrence goes on below rounding, are done."""

STEP = 0.5
"""Time step of what is stepped, in units of 1/λ_max: half of what is stable for a covariance, a quarter for a mean."""


@dataclass(frozen=True)
class Refereed:
    """What one method has reached after so much work.

    Parameters
    ----------
    name : str
        Of the method.
    work : tuple of float
        In Cholesky factorisations, d³/3 operations.
    residuals : tuple of float, optional
        ‖b − A x‖/‖b‖ of the best x by then; None where not one step is that cheap.
    """

    name: str
    work: tuple[float, ...]
    residuals: tuple[float | None, ...]


Iterates = Iterator[tuple[float, np.ndarray]]
"""Operations so far, and the x that they give."""


def referee(operator: Operator, load: Array) -> tuple[Refereed, ...]:
    """Residuals of five methods at equal work, for one right-hand side.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        A, symmetric positive definite.
    load : array, shape (d, k)
        Its first column is solved for.

    Returns
    -------
    tuple of Refereed

    Raises
    ------
    ValueError
        A is too large.
    """
    d = int(operator.shape[0])
    if d > LARGEST:
        raise ValueError(f"referee=True compares matrices of up to {LARGEST} rows, got {d}; pass a smaller one like it")
    A, b = to_numpy(operator.dense()).astype(float), to_numpy(load)[:, 0].astype(float)
    size = float(np.linalg.norm(b)) or 1.0
    # The largest row sum brings the spectrum into (0, 1].
    bound = float(abs(A).sum(axis=1).max())
    A, b = A / bound, b / size
    factorisation = d**3 / 3
    work = tuple(each for each in WORK if each * factorisation <= MOST_OPERATIONS)
    methods: dict[str, Callable[[np.ndarray, np.ndarray], Iterates]] = {
        "LAPACK": _lapack,
        "CG": _conjugate_gradients,
        "Newton-Schulz": _newton_schulz,
        "covariance equation": _covariance,
        "device, stepped in time": _stepped,
    }
    return tuple(
        Refereed(name, work, _residuals(method(A, b), A, b, [each * factorisation for each in work]))
        for name, method in methods.items()
    )


def _residuals(iterates: Iterates, A: np.ndarray, b: np.ndarray, budgets: Sequence[float]) -> tuple[float | None, ...]:
    """The residual of the last iterate within each budget; a factorisation may take its two solves besides."""
    found: list[float | None] = []
    last: np.ndarray | None = None
    spent, following = next(iterates, (0.0, np.zeros_like(b)))  # none: there is nothing to solve for
    for budget in budgets:
        while spent <= budget + 4 * len(b) ** 2:
            last = following
            spent, following = next(iterates, (np.inf, following))
        found.append(None if last is None else float(np.linalg.norm(b - A @ last)))
    return tuple(found)


def _lapack(A: np.ndarray, b: np.ndarray) -> Iterates:
    d = len(b)
    yield d**3 / 3 + 2 * d**2, scipy.linalg.cho_solve(scipy.linalg.cho_factor(A), b)


def _conjugate_gradients(A: np.ndarray, b: np.ndarray) -> Iterates:
    d, x, r = len(b), np.zeros(len(b)), b.copy()
    p, square = r.copy(), float(r @ r)
    for step in count(1):
        if square < SMALLEST:
            return
        product = A @ p
        length = square / float(p @ product)
        x, r = x + length * p, r - length * product
        before, square = square, float(r @ r)
        p = r + square / before * p
        yield step * (2 * d**2 + 10 * d), x


def _newton_schulz(A: np.ndarray, b: np.ndarray) -> Iterates:
    """X ← X (2 I − A X), quadratically to A⁻¹."""
    d, X = len(b), np.eye(len(b))
    for step in count(1):
        X = 2 * X - X @ (A @ X)
        yield step * 4.0 * d**3 + 2 * d**2, X @ b


def _covariance(A: np.ndarray, b: np.ndarray) -> Iterates:
    """Σ ← Σ + h (2 I − A Σ − Σ A) by Euler's rule: what infinitely many devices would show, without noise."""
    d, S, eye = len(b), np.zeros_like(A), np.eye(len(b))
    for step in count(1):
        product = A @ S
        S = S + STEP * (2 * eye - product - product.T)
        yield step * 2.0 * d**3 + 2 * d**2, S @ b


def _stepped(A: np.ndarray, b: np.ndarray) -> Iterates:
    """Averages over the later half of a path of dx = −(A x − b) dt + sqrt(2T) dW, T = 1 and the largest entry of b one.

    The half that is left out ends at a power of two, so that one earlier sum is all that is kept.
    """
    rng, gain = np.random.default_rng(0), 1 / (float(abs(b).max()) or 1.0)
    d, x, load = len(b), np.zeros(len(b)), gain * b
    total = before = latest = np.zeros(d)
    begin, power = 0, 1
    for step in count(1):
        x = x - STEP * (A @ x - load) + (2 * STEP) ** 0.5 * rng.standard_normal(d)
        total = total + x
        if step == 2 * power:
            before, begin, power = latest, power, step
        if step == power:
            latest = total
        yield step * (2 * d**2 + 4 * d), (total - before) / ((step - begin) * gain)
