"""How wrong answers are, and how well their error bars tell it, measured in twice the working precision."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import scipy.io
import scipy.linalg
import scipy.sparse
from cases import grid
from exact import error_of, least_squares_error_of, lyapunov_error_of
from helpers import general, normal, rotated
from scipy.sparse.linalg import spsolve

import thermolinalg as tla

# -- error bars -----------------------------------------------------------------------------------------------------

SEEDS = {1: 40, 2: 40, 5: 24, 30: 6}
ALL_SEEDS = {1: 100, 2: 100, 5: 60, 30: 15, 300: 3}
COLUMNS = 8
"""Columns of an inverse that are looked at: an exact solution takes a while."""


def solve(A, b, seed):
    x, info = tla.solve(A, b, rng=seed, return_info=True)
    return error_of(x, A, b), info.standard_error, info


def definite(d, condition):
    return rotated(np.geomspace(1 / condition, 1, d), seed=d) if d > 1 else np.array([[0.7]])


def square(d, condition):
    return general(np.geomspace(1, 1 / condition, d), seed=d) if d > 1 else np.array([[-0.7]])


def inverse(A, b, seed):
    x, info = tla.inv(A, rng=seed, return_info=True)
    columns = np.random.default_rng(seed).permutation(len(A))[:COLUMNS]
    return error_of(x[:, columns], A, np.eye(len(A))[:, columns]), info.standard_error[:, columns], info


def tall(d, condition):
    return general(np.geomspace(1, 1 / condition, d), rows=2 * d, seed=d)


def least_squares(A, b, seed):
    answer, info = tla.lstsq(A, b, cond=0, rng=seed, return_info=True)
    return least_squares_error_of(answer.x, A, b), info.standard_error, info


def drift(d, condition):
    skewed = np.triu(normal((d, d), d), 1)
    return definite(d, condition) + 0.1 / condition * skewed


def lyapunov(a, b, seed):
    factor = normal(a.shape, seed)
    q = factor @ factor.T
    x, info = tla.solve_continuous_lyapunov(a, q, rng=seed, return_info=True)
    return lyapunov_error_of(x, a, q), info.standard_error, info


KINDS = {
    "solve, definite": (definite, solve, 30.0),
    "solve, general": (square, solve, 30.0),
    "inv, definite": (definite, inverse, 30.0),
    "inv, general": (square, inverse, 30.0),
    "lstsq": (tall, least_squares, 60.0),
    "Lyapunov": (drift, lyapunov, 60.0),
}
"""The matrix, the call and the most that its bar may be of its error, in the median. The last two have two sources of
rounding, the answer's and that of an auxiliary unknown, whose bounds add up."""


def check_bars(kind, d, condition, seeds):
    """One matrix, many loads and runs: the bars hold at least 95 % of all entries within three of them."""
    make, call, width = KINDS[kind]
    A, rng = make(d, condition), np.random.default_rng(17)
    inside, widths = [], []
    for seed in range(seeds):
        error, bar, info = call(A, rng.standard_normal(A.shape[0]), seed)
        assert info.success
        assert np.shape(bar) == error.shape
        inside.append(np.mean(abs(error) <= 3 * bar))
        widths.append(np.median(bar[error != 0] / abs(error[error != 0])) if error.any() else 1.0)
    assert np.mean(inside) >= 0.95, f"condition {condition:g}"
    assert np.median(widths) <= width, f"condition {condition:g}"


def conditions(d):
    return [1.0, 1e3, 1e6, 1e9] if d > 1 else [1.0]


@pytest.mark.parametrize(
    ("kind", "d"),
    [pytest.param(kind, d, marks=[pytest.mark.slow] * (d == 2 or kind == "Lyapunov")) for kind in KINDS for d in SEEDS],
)
def test_bars_hold_the_error_and_little_more(kind, d):
    for condition in conditions(d):
        check_bars(kind, d, condition, SEEDS[d] // (4 if "inv" in kind and d > 1 else 1))


@pytest.mark.slow
@pytest.mark.parametrize(("d", "condition"), [(d, condition) for d in ALL_SEEDS for condition in conditions(d)])
@pytest.mark.parametrize("kind", KINDS)
def test_bars_over_the_whole_grid(kind, d, condition):
    if kind == "Lyapunov" and d > 30:
        pytest.skip("the exact solution of so many equations takes too long")
    check_bars(kind, d, condition, ALL_SEEDS[d])


@pytest.mark.slow
@pytest.mark.parametrize("make", [definite, square])
@pytest.mark.parametrize("condition", [1.0, 1e3])
def test_raw_bars_hold_as_often_as_normal_ones(make, condition):
    A, rng, inside = make(5, condition), np.random.default_rng(3), []
    for seed in range(60):
        b = rng.standard_normal(5)
        x, info = tla.solve(A, b, refine=False, rng=seed, return_info=True)
        inside.append(abs(error_of(x, A, b)) <= 2.04 * info.standard_error)  # Student's t, 32 degrees of freedom
    # Entries of one answer share its noise: sixty answers, and three standard errors of their mean.
    each = np.mean(inside, axis=1)
    assert np.mean(each) >= 0.95 - 3 * np.std(each) / 60**0.5
    assert np.mean(each) < 1.0


@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")
@pytest.mark.parametrize("make", [definite, square])
@pytest.mark.parametrize("condition", [1e12, 1e13])
def test_raw_bars_hold_what_factors_lose(make, condition):
    """Beyond the noise of the run, which rounding exceeds there by orders of magnitude."""
    A, rng = make(30, condition), np.random.default_rng(3)
    for seed in range(4):
        b = rng.standard_normal(30)
        x, info = tla.solve(A, b, refine=False, rng=seed, return_info=True)
        error = error_of(x, A, b)
        assert np.linalg.norm(info.rounding) > 5 * np.linalg.norm(info.noise)
        assert np.all(abs(error) <= info.standard_error)
        assert np.linalg.norm(info.rounding) <= 3 * 2.3e-16 * info.condition * np.linalg.norm(x)


# -- against direct solvers -----------------------------------------------------------------------------------------

FACTOR = 100.0
"""Errors may be so many times those of SciPy's direct solver: never, in fact, more than two."""


def kkt(d):
    n = 2 * d // 3
    block = normal((d - n, n), 4)
    return np.block([[rotated(np.geomspace(1, 1e4, n)), block.T], [block, np.zeros((d - n, d - n))]])


def grades(d):
    return np.random.default_rng(1).permutation(np.geomspace(1, 1e-12, d))


MATRICES = {
    **{f"condition {k:g}": lambda d, k=k: general(np.geomspace(1, 1 / k, d)) for k in (1e3, 1e6, 1e9, 1e11, 1e13)},
    **{f"symmetric, condition {k:g}": lambda d, k=k: alternating(d, k) for k in (1e6, 1e13)},
    "random": lambda d: normal((d, d), d),
    "graded rows": lambda d: grades(d)[:, None] * normal((d, d), d),
    "graded columns": lambda d: normal((d, d), d) * grades(d),
    "graded both ways": lambda d: grades(d)[:, None] * normal((d, d), d) * grades(d)[::-1],
    "KKT": kkt,
    "Helmholtz": lambda d: grid(int(d**0.5), -1.7).toarray(),
    "sparse Helmholtz": lambda d: grid(int(d**0.5), -1.7),
}


def alternating(d, condition):
    """Symmetric, with eigenvalues of both signs."""
    return rotated(np.geomspace(1, 1 / condition, d) * (-1.0) ** np.arange(d))


def direct(A, b):
    return spsolve(A.tocsc(), b) if scipy.sparse.issparse(A) else scipy.linalg.lu_solve(scipy.linalg.lu_factor(A), b)


@pytest.mark.filterwarnings("ignore:A is ill-conditioned")  # at 1e13 the warning is due or not by a few per cent
@pytest.mark.parametrize(
    ("name", "d"),
    [
        *((name, 50) for name in MATRICES),
        *(pytest.param(name, 300, marks=pytest.mark.slow) for name in MATRICES),
        pytest.param("condition 1e+13", 1000, marks=pytest.mark.slow),
    ],
)
def test_general_matrices_are_solved_as_a_direct_solver_does(name, d):
    A = MATRICES[name](d)
    b = normal(A.shape[0], 2)
    x, info = tla.solve(A, b, rng=0, return_info=True)
    error, theirs = error_of(x, A, b), error_of(direct(A, b), A, b)
    assert info.success
    assert np.linalg.norm(error) <= FACTOR * np.linalg.norm(theirs)
    assert np.mean(abs(error) <= 3 * info.standard_error) >= 0.95


def collected(data_folder):
    """Names and matrices of the square non-singular ones that the folder lists."""
    folder = data_folder / "matrices" / "other"
    if not (folder / "stats.csv").is_file():
        pytest.skip("the folder of problem data has no matrices/other/stats.csv")
    with open(folder / "stats.csv", newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["m"] == row["n"] and float(row["cond"]) < 1e15]
    for row in rows:
        yield row["file"], scipy.sparse.csr_array(scipy.io.mmread(folder / row["file"], spmatrix=False)).astype(float)


@pytest.mark.parametrize("form", ["array", "sparse array"])
def test_collected_matrices_are_solved_as_a_direct_solver_does(data_folder, form):
    seen = 0
    for name, matrix in collected(data_folder):
        A = matrix.toarray() if form == "array" else matrix
        b = A @ normal(A.shape[1])
        x, info = tla.solve(A, b, rng=0, return_info=True)
        error, theirs = error_of(x, A, b), error_of(scipy.linalg.solve(matrix.toarray(), b, assume_a="gen"), A, b)
        assert info.success, name
        assert np.linalg.norm(error) <= FACTOR * np.linalg.norm(theirs), name
        assert np.mean(abs(error) <= 3 * info.standard_error) >= 0.95, name
        seen += 1
    assert seen >= 10
