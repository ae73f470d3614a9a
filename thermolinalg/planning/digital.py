"""The digital ways for one matrix: factorisation, conjugate gradients, and these after scaling; modelled, or run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg, lsqr, splu

from thermolinalg._arrays import Array, to_numpy
from thermolinalg.hardware import Computer
from thermolinalg.hardware.computer import clocked
from thermolinalg.matrix_functions import Engines
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.singular import SingularEngines
from thermolinalg.operators import Dense, Operator, Sparse
from thermolinalg.planning.ways import Direct, Iterative, cg_iterations, lsqr_iterations
from thermolinalg.primitives._pricing import CallPrice
from thermolinalg.primitives.solver import Solver

__all__ = ["digital_ways", "measured"]

REPEATS = 5
"""Calls of a measured solver, of which the fastest counts; more are steadier."""

ENOUGH = 2.0
"""Seconds after which no further call is made."""

PATIENCE = 20
"""Iterations a measured solver may take, in units of what its bound says: where it takes more, it does not converge."""


def digital_ways(
    prepared: Solver, price: CallPrice, block: Array, rtol: float, computer: Computer
) -> tuple[Direct | Iterative, ...]:
    """Factorisation, conjugate gradients (LSQR, where A is not definite), and these on the balanced A.

    Parameters
    ----------
    prepared : Solver
        A on a device.
    price : CallPrice
        Of its engine, for structures whose digital way it is.
    block : array, shape (m, k)
        Right-hand sides.
    rtol : float
    computer : Computer

    Returns
    -------
    tuple
        The factorisation first.
    """
    A, held = prepared.read.operator, prepared.held
    d, columns = A.shape[0], block.shape[1]
    definite = held.kind in ("definite", "negative")
    factorisation = _direct(A, price, definite, columns, computer)
    steps, products, name = (cg_iterations, 1, "CG") if definite else (lsqr_iterations, 2, "LSQR")
    ways: list[Direct | Iterative] = [factorisation]
    kappas = [_condition(A, definite=definite)]
    names = [name]
    if (held.rows is not None or held.columns is not None) and held.condition is not None:
        kappas.append(held.condition.number)
        names.append(f"{name}, {'Jacobi' if definite else 'balanced'}")
    for label, kappa in zip(names, kappas, strict=True):
        count = steps(kappa, rtol, d)
        ways.append(
            Iterative(
                label,
                computer,
                f"{count} iterations at κ = {kappa:.3g}" + (f" for each of {columns}" if columns > 1 else ""),
                iterations=count * columns,
                operations=2.0 * products * A.couplings,
                sparse=_is_sparse(A),
            )
        )
    return tuple(ways)


def _is_sparse(A: Operator) -> bool:
    """Whether its products grow as the dimension does."""
    return A.couplings < A.shape[0] * A.shape[1]


def _condition(A: Operator, *, definite: bool) -> float:
    """Condition number of A as it is given."""
    operator = A
    if definite:
        diagonal = A.diagonal()
        operator = A if diagonal is None or float(diagonal[0]) > 0 else A.negated()
    smallest, largest = (Engines(operator) if definite else SingularEngines(operator)).interval()
    return largest / smallest if smallest > 0 else float("inf")


def _direct(A: Operator, price: CallPrice, definite: bool, columns: int, computer: Computer) -> Direct:
    """The factorisation of an array, or what a structure has in its place."""
    d = A.shape[0]
    if isinstance(A, Sparse):
        filling = A.matrix.nnz / d
        name = "sparse Cholesky" if definite else "sparse LU"
        share = 1.0 if definite else 2.0
        return Direct(
            name,
            computer,
            f"about {share * Factorised.price(d, A.matrix.nnz).setup:.2g} operations",
            operations=lambda n: share * Factorised.price(max(int(n), 1), filling * n).setup,
            solves=lambda n: columns * Factorised.price(max(int(n), 1), filling * n).per_column,
            d=d,
            sparse=True,
        )
    if isinstance(A, Dense) or price.engine.flops is None:
        name, share, told = ("Cholesky", 1 / 3, "d³/3") if definite else ("LU", 2 / 3, "2d³/3")
        return Direct(
            name,
            computer,
            f"{told} operations",
            operations=lambda n: share * n**3,
            solves=lambda n: 2.0 * columns * n**2,
            d=d,
        )
    # A simulator that knows a structure draws the solution itself, with noise on it: digitally it is no harder.
    flops = price.engine.flops
    return Direct(
        f"by its structure ({A.structure})",
        computer,
        f"{flops:.2g} operations",
        operations=lambda n: 0.0,
        solves=lambda n: flops * n / d,
        d=d,
    )


# -- by the clock -----------------------------------------------------------------------------------------------------


def measured(
    ways: tuple[Direct | Iterative, ...], A: Operator, block: Array, rtol: float
) -> tuple[Direct | Iterative, ...]:
    """The same ways with the seconds that SciPy takes for them here.

    Parameters
    ----------
    ways : tuple
        As `digital_ways` gives them.
    A : Operator
    block : array, shape (m, k)
    rtol : float

    Returns
    -------
    tuple
    """
    given: Any = A.matrix if isinstance(A, Dense | Sparse) else A
    matrix = to_numpy(given) if isinstance(A, Dense) else given
    loads = to_numpy(block)
    return tuple(_timed(way, A, matrix, loads, rtol) for way in ways)


def _timed(way: Direct | Iterative, A: Operator, matrix: Any, loads: np.ndarray, rtol: float) -> Direct | Iterative:
    if isinstance(way, Direct):
        solve = _direct_solver(way.name, matrix, loads)
        if solve is None:
            return replace(way, work=f"{way.work}, modelled: SciPy has none")
        seconds, _ = _clocked(solve)
        return replace(way, taken=seconds, work="by SciPy")
    limit = PATIENCE * way.iterations // loads.shape[1] + PATIENCE
    steps = partial(_iterate, way.name, A, matrix, loads, rtol, limit)
    seconds, (x, count) = _clocked(steps)
    left = np.linalg.norm(loads - matrix @ x, axis=0)
    if (left > 10 * rtol * np.linalg.norm(loads, axis=0)).any():
        return replace(way, obstacle=f"it did not converge in {count} iterations")
    return replace(way, taken=seconds, work=f"{count} iterations by SciPy")


def _direct_solver(name: str, matrix: Any, loads: np.ndarray) -> Callable[[], Any] | None:
    """What factorises and solves, by the name of the way."""
    if name == "Cholesky" and isinstance(matrix, np.ndarray):
        sign = 1.0 if matrix.flat[0] > 0 else -1.0
        return lambda: scipy.linalg.cho_solve(
            scipy.linalg.cho_factor(sign * matrix, check_finite=False), loads, check_finite=False
        )
    if name == "LU" and isinstance(matrix, np.ndarray):
        return lambda: scipy.linalg.lu_solve(
            scipy.linalg.lu_factor(matrix, check_finite=False), loads, check_finite=False
        )
    if scipy.sparse.issparse(matrix):
        columns = scipy.sparse.csc_array(matrix)
        symmetric = name == "sparse Cholesky"
        order = "MMD_AT_PLUS_A" if symmetric else "COLAMD"
        return lambda: splu(columns, permc_spec=order, options={"SymmetricMode": symmetric}).solve(loads)
    return None


def _iterate(name: str, A: Operator, matrix: Any, loads: np.ndarray, rtol: float, limit: int) -> tuple[np.ndarray, int]:
    """Solutions of all right-hand sides, and the iterations they took together."""
    parts, count = [], 0

    def counted_step(_: np.ndarray) -> None:
        nonlocal count
        count += 1

    for b in loads.T:
        if name.startswith("CG"):
            M = _jacobi(A) if "Jacobi" in name else None
            x, _ = cg(matrix, b, rtol=rtol, atol=0.0, maxiter=limit, M=M, callback=counted_step)
        else:
            scaling = _column_norms(A) if "balanced" in name else None
            scaled = matrix if scaling is None else aslinearoperator(matrix) @ _diagonal(1 / scaling)
            x, _, steps, *_ = lsqr(scaled, b, atol=0.0, btol=rtol, conlim=0.0, iter_lim=limit)
            x = x if scaling is None else x / scaling
            count += int(steps)
        parts.append(x)
    return np.stack(parts, axis=1), count


def _jacobi(A: Operator) -> LinearOperator | None:
    diagonal = A.diagonal()
    return None if diagonal is None else _diagonal(1 / to_numpy(diagonal))


def _column_norms(A: Operator) -> np.ndarray | None:
    squares = A.column_squares()
    return None if squares is None else np.sqrt(to_numpy(squares))


def _diagonal(entries: np.ndarray) -> LinearOperator:
    d, kept = len(entries), entries

    def times(v: np.ndarray) -> np.ndarray:
        return np.asarray(kept * v.ravel())

    return LinearOperator((d, d), matvec=times, rmatvec=times, dtype=entries.dtype)


def _clocked(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the fastest of a few calls, and what it returns."""
    taken: list[float] = []
    while len(taken) < REPEATS and sum(taken) < ENOUGH:
        seconds, value = clocked(call)
        taken.append(seconds)
    return min(taken), value
