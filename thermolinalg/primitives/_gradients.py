"""The adjoint of every primitive, written with primitives that can be differentiated again.

With x = A⁻¹b and g the gradient of x, y = A⁻ᴴg is one more solve on the device that holds A: it is the gradient of b,
and −y xᴴ that of A. Every rule below comes from dA⁻¹ = −A⁻¹ dA A⁻¹.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg._autograd import attached, detached, wants_gradients, with_gradient_of
from thermolinalg.primitives._report import once

__all__ = [
    "Moments",
    "Write",
    "hermitian",
    "of_gaussian",
    "of_inverse",
    "of_inverse_diagonal",
    "of_least_squares",
    "of_log_determinant",
    "of_lyapunov",
    "of_pseudo_inverse",
    "of_residues",
    "of_singular_values",
    "of_solution",
    "replayed",
]

Draw = Callable[[], np.random.Generator]

Solver = Any
"""`thermolinalg.primitives.solver.Solver`, A on its device, which itself asks for the rules here."""

Write = Callable[[np.random.Generator], Solver]
"""Puts a matrix on a device, the first time that a gradient needs it there."""


def replayed(rng: np.random.Generator) -> Draw:
    """A source of streams that are all the same, so that a backward pass can be repeated; `rng` stays where it is."""
    try:
        (child,) = rng.spawn(1)
    except TypeError:  # a bit generator without a seed sequence
        child = rng
    kept = copy.deepcopy(child)
    return lambda: copy.deepcopy(kept)


def hermitian(A: Array) -> Array:
    """(A + Aᴴ)/2: the gradient of a function that reads a Hermitian matrix."""
    return (A + A.mH) / 2


def of_solution(
    x: Array, solver: Solver, A: Array | None, b: Array, rng: np.random.Generator, *, exact: bool = True, **asked: Any
) -> Array:
    """x = A⁻¹b with the gradients −y xᴴ of A and y = A⁻ᴴg of b.

    Parameters
    ----------
    x : array, shape of b
    solver : Solver
        A on its device.
    A : tensor or None, shape (d, d)
        None where A is not a tensor.
    b : tensor, shape (d,) or (d, k)
    rng : numpy.random.Generator
    exact : bool, optional
        Whether x is refined; one run as it is has the gradients of A⁻¹b.
    **asked
        Tolerance, iterations and schedule of the adjoint solves.
    """
    if not wants_gradients(A, b):
        return x
    draw = replayed(rng)

    def adjoint(needs: tuple[bool, ...], g: Array, x: Array, A: Array | None, b: Array) -> tuple[Array | None, ...]:
        y = _solved(solver.adjoint, None if A is None else A.mH, g, draw(), **asked)
        if not needs[0]:
            return None, y
        x = x if exact else _solved(solver, A, b, draw(), **asked)
        return -_outer(y, x), y

    return attached(x, adjoint, A, b)


def _solved(solver: Solver, A: Array | None, b: Array, rng: np.random.Generator, **asked: Any) -> Array:
    """A⁻¹b, with its gradients where they are asked for."""
    x, _ = solver.answer(detached(b), rng=rng, **asked)
    return of_solution(x, solver, A, b, rng, **asked)


def _outer(y: Array, x: Array) -> Array:
    """y xᴴ of vectors (d,) or blocks of columns (d, k)."""
    return y[:, None] * x.conj() if y.ndim == 1 else y @ x.mH


def of_inverse(
    X: Array, solver: Solver, A: Array | None, rng: np.random.Generator, *, exact: bool = True, **asked: Any
) -> Array:
    """X = A⁻¹ with the gradient −Xᴴ g Xᴴ; parameters as for `of_solution`."""
    if not wants_gradients(A):
        return X
    draw = replayed(rng)

    def adjoint(_: tuple[bool, ...], g: Array, X: Array, A: Array) -> tuple[Array | None, ...]:
        X = X if exact else _inverted(solver, A, draw(), **asked)
        return (-(X.mH @ g @ X.mH),)

    return attached(X, adjoint, A)


def _inverted(solver: Solver, A: Array, rng: np.random.Generator, **asked: Any) -> Array:
    """A⁻¹, column by column, with its gradient where that is asked for."""
    X, _ = solver.columns(rng=rng, **asked)
    return of_inverse(X, solver, A, rng, **asked)


def of_log_determinant(value: Array, write: Write, A: Array | None, rng: np.random.Generator) -> Array:
    """log|det A| with the gradient g A⁻ᴴ: as statistical as the value is, its gradient is refined.

    Parameters
    ----------
    value : scalar
    write : callable
        ``write(rng)`` gives A on its device.
    A : tensor or None, shape (d, d)
    rng : numpy.random.Generator
    """
    if not wants_gradients(A):
        return value
    draw = replayed(rng)
    solver = once(lambda: write(draw()))

    def adjoint(_: tuple[bool, ...], g: Array, __: Array, A: Array) -> tuple[Array | None, ...]:
        held = solver()
        X = _inverted(held, A, draw())
        return (g * (hermitian(X) if held.read.symmetric else X.mH),)

    return attached(value, adjoint, A)


def of_inverse_diagonal(value: Array, write: Write, A: Array | None, rng: np.random.Generator) -> Array:
    """diag A⁻¹ of Hermitian A with the gradient −A⁻¹ diag(g) A⁻¹, refined; parameters as for `of_log_determinant`."""
    if not wants_gradients(A):
        return value
    draw = replayed(rng)
    solver = once(lambda: write(draw()))

    def adjoint(_: tuple[bool, ...], g: Array, __: Array, A: Array) -> tuple[Array | None, ...]:
        X = _inverted(solver(), A, draw())
        return (-hermitian(X.mH * g @ X.mH),)

    return attached(value, adjoint, A)


class Moments(NamedTuple):
    """What the samples of a Gaussian are functions of; None where that is no tensor, or not given.

    Parameters
    ----------
    matrix : tensor or None, shape (d, d)
        Precision A, or covariance Σ.
    b, mean : tensor or None, shape (d,)
        Load, for the mean A⁻¹b, or the mean.
    temperature : tensor or None, shape ()
    """

    matrix: Array | None
    b: Array | None
    mean: Array | None
    temperature: Array | None


def of_gaussian(x: Array, write: Write, moments: Moments, rng: np.random.Generator, *, is_covariance: bool) -> Array:
    """Samples x = μ + δ of a Gaussian with the derivatives of their law.

    A sample moves as dδ = −½ A⁻¹ dA δ where the precision is A, as dδ = ½ dΣ Σ⁻¹ δ where the covariance is Σ: either
    turns E[δ δᴴ] = T A⁻¹ (T Σ) into that of the changed matrix, whatever square root the device draws with.

    Parameters
    ----------
    x : array, shape (..., d)
    write : callable
        ``write(rng)`` gives A (or Σ) on its device.
    moments : Moments
    rng : numpy.random.Generator
    is_covariance : bool
        Whether the matrix is Σ.
    """
    if not wants_gradients(*moments):
        return x
    draw, d = replayed(rng), x.shape[-1]
    solver = once(lambda: write(draw()))

    def adjoint(needs: tuple[bool, ...], g: Array, x: Array, *given: Array | None) -> tuple[Array | None, ...]:
        (A, b, mean, temperature), (of_A, of_b, of_temperature) = given, (None, None, None)
        columns, deviations = g.reshape(-1, d).mT, x.reshape(-1, d).mT
        if b is not None and (needs[0] or needs[3]):
            mean = _solved(solver(), A, b, draw())
        if mean is not None:
            deviations = deviations - mean[:, None]
        if is_covariance and needs[0]:
            of_A = hermitian(columns @ _solved(solver(), A, deviations, draw()).mH) / 2
        elif needs[0] or needs[1]:
            y = _solved(solver(), A, columns, draw())
            of_b, moved = y.sum(dim=1), deviations / 2 if b is None or mean is None else deviations / 2 + mean[:, None]
            of_A = -hermitian(y @ moved.mH) if needs[0] else None
        if temperature is not None and needs[3]:
            of_temperature = (deviations.conj() * columns).real.sum() / (2 * temperature)
        return of_A, of_b, columns.sum(dim=1), of_temperature

    return attached(x, adjoint, *moments)


def of_least_squares(
    x: Array, solve: Callable[[Array, Array], Array], A: Array, b: Array, *, rank: int | None, damp: float, exact: bool
) -> Array:
    """x = A⁺b, or (AᴴA + damp²)⁻¹Aᴴb, with its gradients among the matrices of the rank of A (Golub & Pereyra).

    Parameters
    ----------
    x : array, shape (n,) or (n, k)
    solve : callable
        ``solve(A, b)`` gives A⁺b, to be differentiated again.
    A, b : tensor, shape (m, n), and (m,) or (m, k)
    rank : int or None
        Of A; None where it is unknown.
    damp : float
    exact : bool
        Whether x is refined.
    """

    def damped(_: tuple[bool, ...], g: Array, x: Array, A: Array, b: Array) -> tuple[Array | None, ...]:
        A, b = A.to(x.dtype), b.to(x.dtype)
        xp = namespace(x)
        stacked = xp.concat([A, damp * xp.eye(A.shape[1], dtype=A.dtype, device=A.device)])
        x = x if exact else solve(stacked, xp.concat([b, xp.zeros_like(x)]))
        v = solve(stacked, xp.concat([xp.zeros_like(b), g / damp]))
        return _outer(b - A @ x, v) - _outer(A @ v, x), A @ v

    def adjoint(needs: tuple[bool, ...], g: Array, x: Array, A: Array, b: Array) -> tuple[Array | None, ...]:
        A, b = A.to(x.dtype), b.to(x.dtype)
        u = solve(A.mH, g)
        if not needs[0]:
            return None, u
        x = x if exact else solve(A, b)
        of_A = -_outer(u, x)
        if rank != A.shape[0]:
            of_A = of_A + _outer(b - A @ x, solve(A, u))
        if rank != A.shape[1]:
            of_A = of_A + _outer(solve(A.mH, x), g - solve(A, A @ g))
        return of_A, u

    return attached(x, damped if damp else adjoint, A, b)


def of_residues(residues: Array, A: Array, x: Array, b: Array) -> Array:
    """The residues ‖b − A x‖², empty where they are not given."""
    if not residues.numel():
        return residues
    r = b.to(x.dtype) - A.to(x.dtype) @ x
    return with_gradient_of(residues, (r * r.conj()).real.sum(dim=0))


def of_singular_values(s: Array, A: Array) -> Array:
    """The singular values, found digitally as they are."""
    return with_gradient_of(s, namespace(A).linalg.svdvals(A)) if s.numel() and wants_gradients(A) else s


def of_pseudo_inverse(P: Array, invert: Callable[[Array], Array], A: Array | None, *, exact: bool) -> Array:
    """P = A⁺ with its gradient among the matrices of the rank of A; ``invert(A)`` gives P, to be differentiated."""

    def adjoint(_: tuple[bool, ...], g: Array, P: Array, A: Array) -> tuple[Array | None, ...]:
        P = P if exact else invert(A)
        left, right = g.mH - A @ (P @ g.mH), g.mH - (g.mH @ P) @ A
        return (-(P.mH @ g @ P.mH) + left @ (P @ P.mH) + (P.mH @ P) @ right,)

    return attached(P, adjoint, A)


def of_lyapunov(X: Array, solve: Callable[[Array, Array], Array], a: Any, q: Any, *, exact: bool) -> Array:
    """X with a X + X aᴴ = q, and the gradients S of q and −(S Xᴴ + Sᴴ X) of a, where aᴴ S + S a = g.

    Parameters
    ----------
    X : array, shape (d, d)
    solve : callable
        ``solve(a, q)`` gives X, to be differentiated again.
    a, q : tensor, shape (d, d)
    exact : bool
        Whether X is refined.
    """

    def adjoint(_: tuple[bool, ...], g: Array, X: Array, a: Array, q: Array) -> tuple[Array | None, ...]:
        X, S = X if exact else solve(a, q), solve(a.mH, g)
        return -(S @ X.mH + S.mH @ X), S

    return attached(X, adjoint, a, q)
