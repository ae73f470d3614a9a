"""Quadratic programs of known kinds, by size and seed, and those of a collection; tests and benchmarks share them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse as sp

from thermoapps.quadratic_program import Problem

Make = Callable[[int, np.random.Generator], Problem]


def budget(n: int, rng: np.random.Generator) -> Problem:
    """Strictly convex and sparse, a budget and bounds: the easy one."""
    F = sp.random_array((n, n), density=min(2 / n, 1.0), rng=rng)
    P = sp.csc_array(F.T @ F + 0.1 * sp.eye_array(n))
    return Problem(P, rng.standard_normal(n), A=np.ones((1, n)), b=[1.0], lb=np.zeros(n), ub=np.ones(n))


def vertex(n: int, rng: np.random.Generator) -> Problem:
    """Twice as many rows meet in the optimum as there are variables, half without multipliers; P has rank n/4."""
    x, root, G = rng.standard_normal(n), rng.standard_normal((max(n // 4, 1), n)), rng.standard_normal((3 * n, n))
    z = np.where(np.arange(3 * n) < n, rng.random(3 * n), 0.0)
    h = G @ x + np.where(np.arange(3 * n) < 2 * n, 0.0, rng.random(3 * n))
    return Problem(root.T @ root, -root.T @ (root @ x) - G.T @ z, G, h)


def badly_scaled(n: int, rng: np.random.Generator) -> Problem:
    """Rows in units from 1e-6 to 1e6, variables in units from 1e-3 to 1e3."""
    G, root, inside = rng.standard_normal((2 * n, n)), rng.standard_normal((n, n)), rng.standard_normal(n)
    rows, columns = 10 ** rng.uniform(-6, 6, 2 * n), 10 ** rng.uniform(-3, 3, n)
    P = root.T @ root * columns * columns[:, None]
    h = rows * (G @ inside + rng.random(2 * n))
    return Problem(P, columns * rng.standard_normal(n), rows[:, None] * G * columns, h, lb=(inside - 1) / columns)


def dependent(n: int, rng: np.random.Generator) -> Problem:
    """Equalities of which half are sums of the others, and bounds."""
    A, inside, root = rng.standard_normal((n // 4 + 1, n)), rng.random(n), rng.standard_normal((n // 2 + 1, n))
    A = np.vstack([A, rng.standard_normal((len(A), len(A))) @ A])
    return Problem(root.T @ root, rng.standard_normal(n), A=A, b=A @ inside, lb=np.zeros(n), ub=np.ones(n))


def factors(n: int, rng: np.random.Generator) -> Problem:
    """A portfolio of n assets in factor form: its variables are the weights and the exposures to n/20 factors."""
    k = max(n // 20, 1)
    F = sp.random_array((k, n), density=0.5, rng=rng, data_sampler=rng.standard_normal)
    P = sp.diags_array(np.concatenate([rng.random(n) * np.sqrt(k) + 1e-3, np.ones(k)]))
    A = sp.block_array([[sp.csr_array(np.ones((1, n))), None], [F, -sp.eye_array(k)]])
    q = np.concatenate([-rng.standard_normal(n), np.zeros(k)])
    b = np.concatenate([[1.0], np.zeros(k)])
    return Problem(P, q, A=A, b=b, lb=np.concatenate([np.zeros(n), np.full(k, -np.inf)]))


def control(n: int, rng: np.random.Generator) -> Problem:
    """A chain of four states and two inputs over n/6 stages: quadratic costs, bounded inputs and states."""
    stages = max(n // 6, 1)
    A, B = np.eye(4) + 0.1 * rng.standard_normal((4, 4)), 0.5 * rng.standard_normal((4, 2))
    states, inputs = sp.eye_array(stages), sp.eye_array(stages)
    dynamics = sp.hstack(
        [sp.kron(states, np.eye(4)) - sp.kron(sp.eye_array(stages, k=-1), A), -sp.kron(inputs, B)], format="csr"
    )
    start = np.zeros(4 * stages)
    start[:4] = A @ rng.uniform(-1, 1, 4)
    P = sp.diags_array(np.concatenate([np.tile([1.0, 1.0, 0.0, 0.0], stages), np.full(2 * stages, 0.01)]))
    limits = np.concatenate([np.full(4 * stages, 10.0), np.full(2 * stages, 0.3)])
    return Problem(P, np.zeros(6 * stages), A=dynamics, b=start, lb=-limits, ub=limits)


def machine(n: int, rng: np.random.Generator) -> Problem:
    """The dual of a support vector machine with a smooth kernel: P is dense and all but singular."""
    points = rng.standard_normal((n, 2))
    labels = np.where(points[:, 0] + 0.3 * rng.standard_normal(n) > 0, 1.0, -1.0)
    kernel = np.exp(-0.5 * ((points[:, None] - points) ** 2).sum(axis=2))
    P = labels[:, None] * kernel * labels
    return Problem(P, -np.ones(n), A=labels, b=[0.0], lb=np.zeros(n), ub=np.full(n, 10.0))


def lasso(n: int, rng: np.random.Generator) -> Problem:
    """Least squares with an ℓ₁ penalty of n/3 coefficients, as differences and their sizes; P is zero on two thirds."""
    k = max(n // 3, 1)
    X = rng.standard_normal((k // 2 + 1, k))
    y = X @ np.where(rng.random(k) < 0.1, rng.standard_normal(k), 0.0) + 0.01 * rng.standard_normal(len(X))
    # |w| ≤ t by two rows each; the last k variables repeat w.
    eye, none = np.eye(k), np.zeros((k, k))
    P = np.block([[X.T @ X, none, none], [none, none, none], [none, none, none]])
    q = np.concatenate([-X.T @ y, 0.1 * np.abs(X.T @ y).max() * np.ones(k), np.zeros(k)])
    G = np.block([[none, -eye, eye], [none, -eye, -eye]])
    return Problem(P, q, G, np.zeros(2 * k), np.block([eye, none, -eye]), np.zeros(k))


def transport(n: int, rng: np.random.Generator) -> Problem:
    """A linear program: n routes between √n stores and as many shops, whose supplies sum to what is asked for."""
    side = max(int(np.sqrt(n)), 1)
    rows = np.vstack([np.kron(np.eye(side), np.ones(side)), np.kron(np.ones(side), np.eye(side))])
    cost = rng.integers(1, 10, side * side).astype(float)
    return Problem(np.zeros((side * side,) * 2), cost, A=rows, b=np.ones(2 * side), lb=np.zeros(side * side))


def infeasible(n: int, rng: np.random.Generator) -> Problem:
    """Rows that contradict each other in one combination of all of them."""
    A, G, z = rng.standard_normal((n // 2, n)), rng.standard_normal((n, n)), rng.random(n) + 0.1
    y, h, b = rng.standard_normal(n // 2), rng.standard_normal(n), rng.standard_normal(n // 2)
    G[-1] = -(G[:-1].T @ z[:-1] + A.T @ y) / z[-1]
    h[-1] = -(h[:-1] @ z[:-1] + b @ y + 1) / z[-1]
    root = rng.standard_normal((n // 3, n))
    return Problem(root.T @ root, rng.standard_normal(n), G, h, A, b)


def unbounded(n: int, rng: np.random.Generator) -> Problem:
    """One direction of all variables along which nothing bends, no row is in the way, and the cost falls."""
    d, inside = rng.random(n) + 0.1, rng.random(n)
    root, A, G = (rng.standard_normal((rows, n)) for rows in (n // 3, n // 2, n))
    root, A = (rows - np.outer(rows @ d, d) / (d @ d) for rows in (root, A))
    G -= np.outer(np.maximum(G @ d, 0) + 0.1, d) / (d @ d)
    q = rng.standard_normal(n)
    q -= d * (q @ d + 1) / (d @ d)
    return Problem(root.T @ root, q, G, G @ inside + rng.random(n), A, A @ inside, lb=np.zeros(n))


HARD: dict[str, Make] = {
    "degenerate vertex": vertex,
    "badly scaled": badly_scaled,
    "dependent equalities": dependent,
    "factor portfolio": factors,
    "multi-stage control": control,
    "support vectors": machine,
    "lasso": lasso,
    "transport": transport,
}
"""Every kind, by its name."""

WITHOUT_SOLUTION: dict[str, Make] = {"primal infeasible": infeasible, "dual infeasible": unbounded}
"""By what is to be found."""


def maros_meszaros(folder: Path, name: str) -> tuple[Problem, float, float]:
    """A problem of the collection of Maros and Mészáros without its constant, its reference optimum, the constant."""
    data = scipy.io.loadmat(folder / f"{name}.mat", spmatrix=False)
    P, C, q = sp.csr_array(data["Q"]), sp.csr_array(data["A"]), data["c"].ravel()
    below, above, lb, ub = (data[key].ravel().astype(float) for key in ("rl", "ru", "lb", "ub"))
    lb, ub = np.where(lb <= -1e20, -np.inf, lb), np.where(ub >= 1e20, np.inf, ub)
    equal = below == above
    up, down, same = (np.flatnonzero(rows) for rows in (~equal & (above < 1e20), ~equal & (below > -1e20), equal))
    G, h = sp.vstack([C[up], -C[down]]), np.concatenate([above[up], -below[down]])
    with (folder / "reference.csv").open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["name"] == name)
    return Problem(P, q, G, h, C[same], below[same], lb, ub), float(row["reference_optimum"]), float(row["constant_c0"])
