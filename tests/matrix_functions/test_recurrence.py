"""The ends of large spectra without a basis, and what is chosen for large sparse matrices."""

import numpy as np
import pytest
import scipy.sparse
from cases import path
from helpers import grid_laplacian, relative_error

import thermolinalg as tla
from thermolinalg.laws import Overdamped
from thermolinalg.matrix_functions import select
from thermolinalg.matrix_functions._krylov import Krylov
from thermolinalg.matrix_functions._recurrence import Recurrence
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.matrix_functions.spectrum import LargeSpectrum, largest_eigenvalue, spectral_interval
from thermolinalg.operators import Diagonal, Sparse

SIDE = 70  # 4900 unknowns


def ends(side, shift):
    one = 2 - 2 * np.cos(np.pi * np.array([1, side]) / (side + 1))
    return 2 * one + shift


def start(d):
    return np.random.default_rng(1).standard_normal((d, 1))


@pytest.mark.parametrize("steps", [1, 2, 30])
def test_its_ritz_values_are_those_of_a_basis(steps):
    values = np.geomspace(1, 100, 200)
    operator = Diagonal(values)
    short, full = Recurrence(operator.apply, start(200)), Krylov(operator.apply, start(200))
    short.extend(steps), full.extend(steps)
    ritz, _, bounds = full.ritz()
    np.testing.assert_allclose(short.ends()[0], ritz[0, [0, -1]], rtol=1e-10)
    np.testing.assert_allclose(short.ends()[1], bounds[0, [0, -1]], rtol=1e-6)


def test_it_ends_where_the_space_does():
    operator = Diagonal(np.repeat([2.0, 3.0, 7.0], 50))
    short = Recurrence(operator.apply, start(150))
    short.extend(40)
    assert short.complete()
    assert short.steps == 3
    np.testing.assert_allclose(short.ends()[0], [2, 7], rtol=1e-12)


@pytest.mark.parametrize("shift", [0.01, 0.1, 10.0])
def test_the_interval_holds_the_spectrum(shift):
    low, high = ends(SIDE, shift)
    found = spectral_interval(Sparse(grid_laplacian(SIDE, shift)))
    assert found.settled
    assert found.lower <= low <= found.smallest <= 1.05 * low
    assert 0.98 * high <= found.largest <= high <= found.upper
    assert largest_eigenvalue(Sparse(grid_laplacian(SIDE, shift))) == pytest.approx(high, rel=0.03)


def test_a_softest_mode_of_one_sign_is_found_soon():
    operator = Sparse(grid_laplacian(SIDE, 0.01))
    found = LargeSpectrum(operator)
    found.krylov.extend(16)
    leaning = found.krylov.ends()[0][0]
    other = Recurrence(operator.apply, start(SIDE**2))
    other.extend(16)
    assert leaning < 0.5 * other.ends()[0][0]


def test_the_largest_is_looked_for_first_and_not_again():
    spectrum = LargeSpectrum(Sparse(grid_laplacian(SIDE, 0.1)))
    spectrum.largest()
    before = spectrum.krylov.steps
    assert before <= 12
    assert spectrum.interval(0.3, 200).products == spectrum.krylov.steps > before


def test_negative_curvature_comes_with_its_quotient():
    low, _ = ends(SIDE, -0.5)
    with pytest.raises(np.linalg.LinAlgError, match="not positive semidefinite: a vector v has") as refusal:
        spectral_interval(Sparse(grid_laplacian(SIDE, -0.5)))
    assert low <= float(str(refusal.value).split("= ")[1].split(" ")[0]) < 0


def test_a_product_that_is_not_finite_is_named():
    with pytest.raises(np.linalg.LinAlgError, match="NaN or infinite"):
        Recurrence(lambda v: v * np.nan, start(10)).extend(2)


# -- large sparse matrices ------------------------------------------------------------------------------------------


def test_products_are_chosen_until_they_have_cost_as_much_as_a_factor(monkeypatch):
    engines, law = Engines(Sparse(grid_laplacian(SIDE, 0.1))), Overdamped().stationary()
    assert engines.choose(law, ("state",)).engine.name == "chebyshev"
    monkeypatch.setattr(select.SparsePrice, "exceeds", lambda self, operations: False)
    monkeypatch.setattr(select.SparsePrice, "cost", select.Cost(1.0, 1.0))
    assert engines.choose(law, ("state",)).engine.name == "factorised (sparse LDLᵀ)"
    assert engines.choose(law, ("state",)).engine.name == "factorised (sparse LDLᵀ)"


def test_an_end_that_products_do_not_find_is_left_to_the_factor():
    engines = Engines(Sparse(path(5000)))
    assert engines.choose(Overdamped().stationary(), ("state",)).engine.name == "factorised (sparse LDLᵀ)"


@pytest.mark.parametrize("columns", [1, 3])
def test_a_large_sparse_system_is_solved_by_products(columns):
    A = grid_laplacian(SIDE, 0.5)
    b = np.random.default_rng(0).standard_normal((SIDE**2, columns))
    x, info = tla.solve(A, b, rng=0, return_info=True)
    assert info.engine == "chebyshev"
    assert info.success
    exact = scipy.sparse.linalg.spsolve(A.tocsc(), b).reshape(b.shape)
    assert relative_error(x, exact) <= 1e-9
    assert np.mean(abs(x - exact) <= 3 * info.standard_error) >= 0.97


def test_a_large_singular_matrix_is_still_refused():
    free = grid_laplacian(SIDE, 0.0)
    free = scipy.sparse.csr_array(free - scipy.sparse.diags_array(free.sum(axis=1)))
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        tla.solve(free, np.ones(SIDE**2), rng=0)


def test_samples_of_a_large_matrix_have_its_variances():
    A = grid_laplacian(SIDE, 1.0)
    x = tla.sample(A, 400, rng=0)
    # xᵀAx is χ²(d) for every sample, whatever the spectrum.
    energies = np.sum(x * (A @ x.T).T, axis=1)
    n = SIDE**2
    assert abs(energies.mean() - n) < 5 * (2 * n / 400) ** 0.5
    assert abs(energies.var() / (2 * n) - 1) < 5 * (2 / 400) ** 0.5


def test_a_product_is_added_without_scipys_own_kernels(monkeypatch):
    from thermolinalg.operators import sparse

    A, rng = grid_laplacian(5, 0.3), np.random.default_rng(0)
    for k in (1, 4):
        x, y = rng.standard_normal((2, 25, k))
        expected = y + A @ x
        np.testing.assert_allclose(Sparse(A).add_product(x, y.copy()), expected, rtol=1e-13)
        np.testing.assert_allclose(Sparse(A).add_product(x, np.asfortranarray(y)), expected, rtol=1e-13)
    monkeypatch.setattr(sparse, "csr_matvecs", None)
    np.testing.assert_allclose(Sparse(A).add_product(x, y.copy()), expected, rtol=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_a_soft_mode_apart_from_all_others_is_not_missed(seed):
    # The bulk of the spectrum settles long before the one mode below it shows in a random vector.
    rng = np.random.default_rng(seed)
    values = np.concatenate([[0.01], rng.uniform(0.1, 2.5, 9999)])
    found = LargeSpectrum(Sparse(scipy.sparse.diags_array(values))).interval(0.3, 500)
    assert found.settled
    assert found.lower <= 0.01
    assert found.smallest == pytest.approx(0.01, rel=0.05)


def test_noise_alone_takes_fewer_products_than_with_a_load():
    operator, law = Sparse(grid_laplacian(SIDE, 0.1)), Overdamped().stationary()
    loaded, alone = (Engines(operator).price(each, ("state",)).cost for each in (law, law.noise()))
    assert 0 < alone.products < 0.7 * loaded.products
    z = np.random.default_rng(0).standard_normal((SIDE**2, 2))
    choice = Engines(operator).choose(law.noise(), ("state",))
    before = choice.engine.n_matvec
    (found,) = choice.engine.apply(law.noise(), [z], ("state",))
    assert choice.engine.n_matvec - before == alone.products
    (same,) = Engines(operator).choose(law, ("state",)).engine.apply(law, [None, None, z], ("state",))
    np.testing.assert_allclose(found, same, atol=1e-3 * abs(same).max())


def test_solves_with_a_factor_beyond_the_cache_cost_more():
    """One that fits is preferred to a few dozen products for readings without a load; of a larger grid they win."""
    inside, outside = (select.Engines(Sparse(grid_laplacian(side, 0.1))) for side in (80, 316))
    law = Overdamped().stationary().noise()
    assert inside.choose(law, ("state",), 64).engine.name == "factorised (sparse LDLᵀ)"
    assert outside.price(law, ("state",), 64).name == "chebyshev"
