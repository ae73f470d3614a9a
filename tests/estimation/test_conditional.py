"""Variances from conditional ones: right on average, with the error they say, from few readings."""

import numpy as np
import pytest
import scipy.sparse
from helpers import grid_laplacian, spd

import thermolinalg as tla
from thermolinalg.estimation.conditional import conditional_variances
from thermolinalg.estimation.neighbourhoods import conditional_on_others
from thermolinalg.operators import Sparse
from thermolinalg.testing import assert_coverage

SIDE = 12
A = grid_laplacian(SIDE, 0.1)
EXACT = np.diag(np.linalg.inv(A.toarray()))


def hub(d, links):
    """A star of so many links on a path."""
    i = np.arange(1, links + 1)
    path = scipy.sparse.diags_array([-np.ones(d - 1)], offsets=[1], shape=(d, d))
    star = scipy.sparse.coo_array((-np.ones(links), (np.zeros(links, dtype=int), i * ((d - 1) // links))), (d, d))
    upper = scipy.sparse.triu(path + star, 1)
    couplings = upper + upper.T
    return scipy.sparse.csr_array(scipy.sparse.diags_array(0.2 - couplings.sum(axis=1)) + couplings)


def rescaled(matrix, decades):
    D = scipy.sparse.diags_array(np.logspace(-decades / 2, decades / 2, matrix.shape[0]))
    return scipy.sparse.csr_array(D @ matrix @ D)


MATRICES = {
    "grid": A,
    "cube": scipy.sparse.csr_array(scipy.sparse.kronsum(grid_laplacian(4, 0.01), grid_laplacian(4, 0.01))),
    "hub": hub(300, 90),
    "in units apart": rescaled(A, 100),
    "dense": scipy.sparse.csr_array(spd(80, 100)),
    "one node": scipy.sparse.csr_array([[4.0]]),
    "diagonal": scipy.sparse.diags_array(np.arange(1.0, 9.0)).tocsr(),
    "apart": scipy.sparse.block_diag([A, spd(5, 10), [[2.0]]], format="csr"),
    "single precision": A.astype(np.float32),
}


def read(matrix, rtol, seed, most=10**6):
    program = tla.LangevinDevice().program(Sparse(matrix))
    return conditional_variances(program, Sparse(matrix), rtol, most, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("size", [1, 7, 32])
@pytest.mark.parametrize("name", MATRICES)
def test_variance_and_mean_add_up(name, size):
    """Var x = W_ii + Var(x − W A x) in exact covariances, for any neighbourhoods: what is left falls as they grow."""
    matrix = MATRICES[name].astype(float)
    given = conditional_on_others(Sparse(MATRICES[name]), size)
    root = np.sqrt(matrix.diagonal())
    scaled = (matrix / root[:, None] / root).toarray()
    W = given.weights.matrix.astype(float).toarray() * root[:, None] * root
    left = np.eye(len(scaled)) - W @ scaled
    exact = np.diag(np.linalg.inv(scaled))
    rounding = 1e-5 if name == "single precision" else 1e-9
    assert np.all(np.count_nonzero(W, axis=1) <= size)
    np.testing.assert_allclose(np.diag(W), given.variance * root**2, rtol=rounding)
    scatter = np.einsum("ij,ij->i", left, np.linalg.solve(scaled, left.T).T)
    np.testing.assert_allclose(given.variance * root**2 + scatter, exact, rtol=rounding)
    alone = exact - 1
    assert np.all(scatter <= alone * (1 + rounding) + rounding)


def test_neighbourhoods_pay_where_the_inverse_decays():
    shares = [(1 - conditional_on_others(Sparse(A), size).variance / EXACT).max() for size in (1, 16, 64, 144)]
    assert shares[0] > 2 * shares[1] > 4 * shares[2]
    assert shares[3] == pytest.approx(0, abs=1e-12)


def test_one_neighbour_too_many_does_not_fill_memory():
    d = 20_000
    arrow = scipy.sparse.diags_array(np.full(d, 3.0)).tolil()
    arrow[0, 1:] = arrow[1:, 0] = -1e-2
    given = conditional_on_others(Sparse(arrow.tocsr()), 16)
    assert given.weights.matrix.nnz <= 16 * d
    np.testing.assert_allclose(given.variance[1:], 1 / 3, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_error_bars_cover(scale):
    found = [read(scale * A, 0.01, seed) for seed in range(200)]
    z = np.array([(f.value - EXACT / scale) / f.noise for f in found])
    assert z.mean() == pytest.approx(0, abs=0.15)  # small spreads have small error bars: a little skew
    assert (abs(z) < 1.96).mean() == pytest.approx(0.95, abs=0.02)
    relative = np.array([f.value * scale / EXACT - 1 for f in found])
    assert np.sqrt((relative**2).mean()) <= 0.01
    assert max((f.noise / f.value).max() for f in found) <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grid", "hub", "dense"])
def test_error_bars_cover_whether_the_inverse_decays_or_not(name):
    matrix, seeds = MATRICES[name], 200
    exact, inside = np.diag(np.linalg.inv(matrix.toarray())), 0
    for seed in range(seeds):
        found = read(matrix, 0.1, seed)
        # Nodes whose neighbourhood is the whole matrix are known exactly.
        inside = inside + (abs(found.value - exact) <= 1.96 * found.noise + 1e-9 * exact)
    assert_coverage(int(inside[0]), seeds)
    assert inside.mean() / seeds >= 0.92
    assert name == "dense" or inside.mean() / seeds <= 0.97


def test_as_many_readings_as_the_formula_says():
    share = (1 - conditional_on_others(Sparse(A), 64).variance / EXACT).max()
    readings = read(A, 0.005, 0).schedule.readings
    assert 2 * share**2 / 0.005**2 <= readings <= 1.6 * 2 * share**2 / 0.005**2
    assert readings < 0.01 * 2 / 0.005**2


def test_where_others_say_little_it_is_no_worse_than_the_spread():
    matrix = MATRICES["dense"]
    found, exact = read(matrix, 0.05, 0), np.diag(np.linalg.inv(matrix.toarray()))
    assert found.schedule.readings <= 0.5 * 2 / 0.05**2
    # What is left has a chi-square: five standard deviations of its cube root (Wilson and Hilferty).
    known, n = conditional_on_others(Sparse(matrix), 64).variance, found.schedule.readings
    distance = (np.cbrt((found.value - known) / (exact - known)) - 1 + 2 / (9 * n)) / np.sqrt(2 / (9 * n))
    assert np.all(abs(distance) < 4.5)
    assert read(matrix, 1e-2, 0, most=100) is None


def test_a_large_sparse_matrix_takes_few_readings():
    side = 70
    waves = 2 - 2 * np.cos(np.arange(1, side + 1) * np.pi / (side + 1))
    modes = (
        np.sin(np.outer(np.arange(1, side + 1), np.arange(1, side + 1)) * np.pi / (side + 1)) * (2 / (side + 1)) ** 0.5
    )
    exact = (modes**2 @ (1 / (waves[:, None] + waves + 0.1)) @ (modes**2).T).ravel()
    value, info = tla.inv_diagonal(grid_laplacian(side, 0.1), rtol=0.01, rng=0, return_info=True)
    assert info.success
    assert info.schedule.readings <= 320
    assert np.sqrt(np.mean((value / exact - 1) ** 2)) <= 0.01
    assert np.sqrt(np.mean(((value - exact) / info.standard_error) ** 2)) == pytest.approx(1, abs=0.1)
