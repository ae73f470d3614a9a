"""Every rule of every operator against its dense matrix."""

import numpy as np
import pytest
import scipy.sparse.linalg

from thermolinalg._arrays import is_torch, to_numpy
from thermolinalg.operators import Diagonal


@pytest.fixture
def close(case):
    scale = np.abs(case.matrix).max() * case.matrix.shape[0]

    def check(actual, expected):
        np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=case.tolerance * scale)

    return check


@pytest.fixture
def block(case):
    return np.random.default_rng(1).standard_normal((case.matrix.shape[0], 3))


def test_products_in_the_operators_own_place(case, close, block):
    given = case.put(block)
    product = case.operator.apply(given)
    close(product, case.matrix @ block)
    close(case.operator.apply_transposed(given), case.matrix.T @ block)
    assert product.dtype == case.operator.like.dtype
    assert is_torch(product) == is_torch(case.operator.like)
    np.testing.assert_array_equal(to_numpy(given), to_numpy(case.put(block)))


def test_products_as_a_scipy_operator(case, close, block):
    close(case.operator @ block, case.matrix @ block)
    close(case.operator @ block[:, 0], case.matrix @ block[:, 0])
    close(case.operator.rmatvec(block[:, 0]), case.matrix.T @ block[:, 0])
    close(case.operator.H @ block, case.matrix.T @ block)


def test_is_its_own_adjoint(case, block):
    u, v = block[:, 0], block[:, 1]
    left, right = u @ case.operator.matvec(v), v @ case.operator.rmatvec(u)
    assert left == pytest.approx(right, abs=10 * case.tolerance * np.abs(case.matrix).sum())


def test_matrix(case, close):
    close(case.operator.dense(), case.matrix)
    assert case.operator.dense().dtype == case.operator.like.dtype


def test_diagonal_and_trace(case, close):
    diagonal = case.operator.diagonal()
    assert (diagonal is not None) == case.has_diagonal
    if diagonal is not None:
        close(diagonal, np.diag(case.matrix))
        assert tuple(diagonal.shape) == (case.matrix.shape[0],)
    trace = case.operator.trace()
    assert (trace is not None) == (case.has_diagonal or case.has_eigenvalues)
    if trace is not None:
        assert isinstance(trace, float)
        close(trace, np.trace(case.matrix))


def test_eigenvalues(case, close):
    values = case.operator.eigenvalues()
    assert (values is not None) == case.has_eigenvalues
    if values is not None:
        assert values.dtype == case.operator.like.dtype
        close(np.sort(to_numpy(values)), np.linalg.eigvalsh(case.matrix))


def test_norm_bound(case):
    bound, norm = case.operator.norm_bound(), np.linalg.norm(case.matrix, 2)
    assert (bound is None) == (not case.has_diagonal and not case.has_eigenvalues)
    if bound is not None:
        assert isinstance(bound, float)
        assert norm * (1 - case.tolerance) <= bound <= case.matrix.shape[0] * norm * (1 + case.tolerance)


@pytest.mark.parametrize("factor", [1.0, 2.5])
@pytest.mark.parametrize("with_diagonal", [False, True])
def test_scaled(case, close, block, factor, with_diagonal):
    s = np.random.default_rng(2).uniform(0.5, 1, case.matrix.shape[0])
    matrix = factor * (s[:, None] * case.matrix * s if with_diagonal else case.matrix)
    scaled = case.operator.scaled(factor, case.put(s) if with_diagonal else None)
    close(scaled.apply(case.put(block)), matrix @ block)
    close(scaled.dense(), matrix)
    if scaled.diagonal() is not None:
        close(scaled.diagonal(), np.diag(matrix))
    if scaled.eigenvalues() is not None:
        close(np.sort(to_numpy(scaled.eigenvalues())), np.linalg.eigvalsh(matrix))
    if not with_diagonal:
        assert type(scaled) is type(case.operator)
        again = scaled.scaled(2.0, None)
        close(again.dense(), 2 * matrix)


def test_jacobi_scaling(case):
    scaling = case.operator.jacobi_scaling()
    assert (scaling is not None) == case.has_jacobi_scaling
    if scaling is None:
        return
    assert scaling.dtype == case.operator.like.dtype
    s = to_numpy(scaling).astype(float)
    if case.operator.structure == "diagonal plus low-rank":
        # The diagonal part becomes the identity.
        np.testing.assert_allclose(s**2 * to_numpy(case.operator.ridge), 1, rtol=case.tolerance)
    else:
        assert np.all(np.log2(s) == np.round(np.log2(s)))
    if case.operator.structure in ("normal", "sum", "diagonal"):
        # The nearest powers of two leave at most a factor of two.
        unit = s**2 * np.diag(case.matrix)
        assert np.all((unit > 0.49) & (unit < 2.01))


def test_reads_well(case):
    text = repr(case.operator)
    assert text.startswith(f"<{case.matrix.shape[0]}x")
    assert case.operator.structure in text
    assert str(case.operator.dtype) in text


def test_works_in_scipy(case):
    n, norm = case.matrix.shape[0], np.linalg.norm(case.matrix, 2)
    shifted = case.operator + Diagonal(case.put(np.full(n, 2 * norm)))
    b, rtol = np.ones(n), max(1e-10, case.tolerance)
    x, status = scipy.sparse.linalg.cg(shifted, b, rtol=rtol)
    assert status == 0
    np.testing.assert_allclose(case.matrix @ x + 2 * norm * x, b, rtol=0, atol=10 * rtol * n)
