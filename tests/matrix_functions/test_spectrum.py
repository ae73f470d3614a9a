"""The ends of a spectrum from products, and evidence against matrices that are not positive."""

import re

import numpy as np
import pytest
import scipy.sparse
from cases import path
from helpers import rotated
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from thermolinalg.matrix_functions.spectrum import largest_eigenvalue, smallest_eigenvalue, spectral_interval
from thermolinalg.operators import Dense, MatrixFree, Sparse

SPECTRA = {
    "logarithmic": lambda d, condition: np.logspace(-np.log10(condition), 0, d),
    "linear": lambda d, condition: np.linspace(1 / condition, 1, d),
    "outlier": lambda d, condition: np.r_[1 / condition, np.linspace(0.5, 1, d - 1)],
}


@pytest.mark.parametrize("shape", SPECTRA)
@pytest.mark.parametrize("condition", [1.0, 10.0, 1e3, 1e6])
@pytest.mark.parametrize("d", [2, 30, 300])
def test_the_interval_holds_the_spectrum_and_is_tight(shape, condition, d):
    eigenvalues = SPECTRA[shape](d, condition)
    found = spectral_interval(Dense(rotated(eigenvalues)))
    smallest, largest = eigenvalues.min(), eigenvalues.max()
    rounding = 1e-13 * largest
    assert found.lower <= smallest + rounding
    assert found.upper >= largest - rounding
    assert found.upper <= 1.15 * largest
    assert found.products <= d
    if found.settled:
        assert found.lower >= 0.8 * smallest
        assert found.smallest == pytest.approx(smallest, rel=0.1)
        assert found.largest == pytest.approx(largest, rel=0.05)


def test_an_end_that_products_cannot_settle_is_zero_and_said_so():
    d = 2000
    found = spectral_interval(MatrixFree(diagonal_map(np.logspace(-6, 0, d))), max_steps=64)
    assert not found.settled
    assert found.lower == 0
    assert found.smallest > 1e-6
    assert found.products == 64


def diagonal_map(entries):
    return LinearOperator((len(entries),) * 2, matvec=lambda x: entries * x.ravel(), dtype=entries.dtype)


def test_known_eigenvalues_take_no_products():
    class Known(Dense):
        def eigenvalues(self):
            return np.array([4.0, 0.25, 1.0])

    found = spectral_interval(Known(np.diag([4.0, 0.25, 1.0])))
    assert found == (0.25, 4.0, 0.25, 4.0, True, 0)
    assert largest_eigenvalue(Known(np.diag([4.0, 0.25, 1.0]))) == 4.0


def test_identity_zero_and_one_dimension():
    assert spectral_interval(Dense(3 * np.eye(50))).lower == pytest.approx(3)
    assert spectral_interval(Dense(np.zeros((7, 7))))[:2] == (0, 0)
    assert spectral_interval(Dense(np.array([[2.5]])))[:2] == (2.5, 2.5)


def test_singular_matrices_begin_at_zero():
    factor = np.random.default_rng(1).standard_normal((60, 20))
    found = spectral_interval(Dense(factor @ factor.T))
    assert found.lower == 0
    assert found.smallest == 0
    assert found.settled


def test_the_same_operator_gives_the_same_interval():
    matrix = rotated(np.linspace(1, 9, 200))
    assert spectral_interval(Dense(matrix)) == spectral_interval(Dense(matrix))


@given(st.integers(2, 40), st.floats(1e-6, 1.0), st.integers(0, 2**32 - 1))
@example(20, 0.015625, 20)  # a direction that the start almost misses
def test_negative_curvature_is_refused_with_its_value(d, depth, seed):
    eigenvalues = np.linspace(0.1, 1, d)
    eigenvalues[0] = -depth
    with pytest.raises(np.linalg.LinAlgError, match=r"vᵀAv/vᵀv = -.*assume_a='gen'"):
        spectral_interval(Dense(rotated(eigenvalues, seed)))


def test_the_evidence_is_the_rayleigh_quotient():
    eigenvalues = np.r_[-0.125, np.linspace(1, 2, 30)]
    with pytest.raises(np.linalg.LinAlgError) as refused:
        spectral_interval(Dense(rotated(eigenvalues)))
    found = float(re.search(r"vᵀv = (\S+)", str(refused.value))[1])
    assert -0.125 * (1 + 1e-6) <= found < 0


def test_products_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="NaN or infinit"):
        spectral_interval(MatrixFree(diagonal_map(np.array([1.0, np.nan, 2.0]))))


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
def test_scales_near_the_ends_of_the_floating_point_range(scale):
    matrix = rotated(np.linspace(1, 3, 20))
    found = spectral_interval(Dense(matrix * scale))
    assert found.largest == pytest.approx(3 * scale, rel=0.05)
    assert largest_eigenvalue(Dense(matrix * scale)) == pytest.approx(3 * scale, rel=0.05)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_and_matrix_free_forms(dtype):
    d = 400
    laplacian = path(d, 0.1)
    laplacian = laplacian.astype(dtype).tocsr()
    for operator in (Sparse(laplacian), MatrixFree(scipy.sparse.linalg.aslinearoperator(laplacian))):
        found = spectral_interval(operator)
        assert found.lower <= 0.1 + 2 - 2 * np.cos(np.pi / (d + 1))
        assert 4.09 < found.upper < 4.5
        assert found.smallest == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("shape", SPECTRA)
@pytest.mark.parametrize("condition", [1.0, 10.0, 1e4, 1e8])
def test_the_smallest_eigenvalue_from_a_dozen_solves(shape, condition):
    matrix = rotated(SPECTRA[shape](300, condition))
    inverse = np.linalg.inv(matrix)
    solves = []

    def solve(b):
        assert b.shape == (300, 1)
        solves.append(1)
        return inverse @ b

    exact = np.linalg.eigvalsh(matrix)[0]
    assert smallest_eigenvalue(solve, 300, matrix) == pytest.approx(exact, rel=0.025)
    assert len(solves) <= 12


def test_the_largest_eigenvalue_is_never_above():
    for seed in range(20):
        values = np.random.default_rng(seed).gamma(1.0, size=200)
        found = largest_eigenvalue(Dense(rotated(values, seed)))
        assert 0.9 * values.max() < found <= values.max() * (1 + 1e-12)


def test_torch_operators_stay_torch():
    torch = pytest.importorskip("torch")
    matrix = rotated(np.linspace(1, 9, 100))
    operator = Dense(torch.as_tensor(matrix))
    found = spectral_interval(operator)
    assert found.smallest == pytest.approx(1, rel=0.02)
    inverse = torch.linalg.inv(operator.matrix)
    assert smallest_eigenvalue(lambda b: inverse @ b, 100, operator.like) == pytest.approx(1, rel=0.02)
