"""Low rank plus identity or diagonal: R by its products only, structure kept under scaling, cheap on long vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import to_numpy
from thermolinalg.operators import DiagonalPlusLowRank, LowRankPlusIdentity, Normal

R = np.random.default_rng(0).standard_normal((3, 7))
DENSE = 0.5 * np.eye(7) + R.T @ R


class Blocks:
    """Products with blocks only, as automatic differentiation gives them; counts its calls."""

    def __init__(self, matrix, like):
        self.matrix, self.like, self.shape = matrix, like, tuple(matrix.shape)
        self.calls = []

    def apply(self, block):
        self.calls.append("apply")
        return self.matrix @ block

    def apply_transposed(self, block):
        self.calls.append("apply_transposed")
        return self.matrix.T @ block


class WithGram(Blocks):
    def gram(self):
        self.calls.append("gram")
        return self.matrix @ self.matrix.T


def test_an_object_with_a_gram_matrix_is_multiplied_only_when_asked():
    source = WithGram(R, R)
    operator = LowRankPlusIdentity(source, 0.5)
    assert source.calls == []
    np.testing.assert_allclose(np.sort(operator.eigenvalues()), np.linalg.eigvalsh(DENSE))
    assert source.calls == ["gram"]
    operator.scaled(2.0).norm_bound()
    assert source.calls == ["gram"], "a positive multiple keeps the decomposition"


def test_an_object_without_a_gram_matrix_has_it_from_products():
    tall = np.random.default_rng(1).standard_normal((37, 50))
    operator = LowRankPlusIdentity(Blocks(tall, tall), 0.5)
    np.testing.assert_allclose(operator.eigenvalues()[-37:], 0.5 + np.linalg.eigvalsh(tall @ tall.T))


def test_an_object_over_torch_stays_in_torch():
    torch = pytest.importorskip("torch")
    matrix = torch.as_tensor(R, dtype=torch.float32)
    operator = LowRankPlusIdentity(Blocks(matrix, matrix), 0.5)
    product = operator.apply(torch.ones((7, 2), dtype=torch.float32))
    assert product.dtype == torch.float32
    np.testing.assert_allclose(product.numpy(), DENSE @ np.ones((7, 2)), rtol=1e-5)
    assert operator.eigenvalues().dtype == torch.float32


def test_where_products_live_can_be_said():
    torch = pytest.importorskip("torch")
    operator = LowRankPlusIdentity(LinearOperator((3, 7), matvec=lambda v: R @ v, rmatvec=lambda u: R.T @ u), 0.5)
    assert operator.like.dtype == np.float64
    on_torch = LowRankPlusIdentity(
        LinearOperator((3, 7), matvec=lambda v: R @ v, rmatvec=lambda u: R.T @ u, dtype=np.float64),
        0.5,
        like=torch.empty(0, dtype=torch.float64),
    )
    np.testing.assert_allclose(on_torch.apply(torch.eye(7, dtype=torch.float64)).numpy(), DENSE)


def test_a_tensor_that_requires_gradients_is_taken_where_none_are_asked_for():
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        operator = LowRankPlusIdentity(torch.as_tensor(R).requires_grad_(), 0.5)
    assert operator.trace() == pytest.approx(np.trace(DENSE))


def test_its_smallest_eigenvalue_has_no_rounding():
    assert LowRankPlusIdentity(R, 1e-6).order == 1
    assert LowRankPlusIdentity(R.T, 1e-6).order == 3


def test_diagonal_plus_low_rank_loads_as_low_rank_plus_identity():
    d = np.geomspace(1e-3, 1e3, 7)
    operator = DiagonalPlusLowRank(d, R)
    scaling = operator.jacobi_scaling()
    loaded = operator.scaled(0.25, scaling)
    assert isinstance(loaded, LowRankPlusIdentity)
    np.testing.assert_allclose(loaded.shift, 0.25, rtol=1e-15)
    np.testing.assert_allclose(loaded.dense(), 0.25 * scaling[:, None] * operator.dense() * scaling, rtol=1e-12)


def test_an_object_is_loaded_without_being_formed():
    d, source = np.geomspace(0.1, 10, 7), WithGram(R, R)
    operator = DiagonalPlusLowRank(d, source)
    loaded = operator.scaled(1.0, operator.jacobi_scaling())
    expected = np.eye(7) + (R / d**0.5).T @ (R / d**0.5)
    np.testing.assert_allclose(np.sort(loaded.eigenvalues()), np.linalg.eigvalsh(expected))
    assert "gram" not in source.calls, "the Gram matrix of R is not that of R S"


def test_a_diagonal_with_a_zero_has_no_such_scaling():
    assert DiagonalPlusLowRank([0.0, 1.0], [[1.0, 1.0]]).jacobi_scaling() is None


def test_general_scaling_of_low_rank_plus_identity_is_diagonal_plus_low_rank():
    s = np.linspace(1, 2, 7)
    scaled = LowRankPlusIdentity(R, 0.5).scaled(3.0, s)
    assert isinstance(scaled, DiagonalPlusLowRank)
    back = scaled.scaled(1 / 3, 1 / s)
    assert isinstance(back, LowRankPlusIdentity)
    np.testing.assert_allclose(back.dense(), DENSE, rtol=1e-14, atol=1e-14)


def test_wide_normal_operators_keep_their_low_rank():
    assert Normal(R, 0.5).jacobi_scaling() is None
    assert Normal(R.T, 0.5).jacobi_scaling() is not None
    assert Normal(R).scaled(1.0, np.ones(7)).ridge == 0.0


def test_a_zero_column_is_left_alone():
    x = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]])
    np.testing.assert_array_equal(Normal(x).jacobi_scaling(), [0.25, 1.0])


def test_gram_matrix_of_single_precision_is_computed_in_double():
    r = np.random.default_rng(3).standard_normal((4, 200)).astype(np.float32)
    r[1] = r[0] + np.float32(1e-4) * r[1]
    exact = np.linalg.eigvalsh(r.astype(float) @ r.T.astype(float))
    np.testing.assert_allclose(LowRankPlusIdentity(r, 0.0).factor.spectrum[0], exact, rtol=1e-6)


def test_a_gram_matrix_that_does_not_belong_is_refused():
    class Wrong(Blocks):
        def gram(self):
            return -self.matrix @ self.matrix.T

    with pytest.raises(ValueError, match=r"not positive semidefinite.*gram\(\)"):
        LowRankPlusIdentity(Wrong(R, R), 0.5).eigenvalues()


def test_products_of_the_wrong_shape_are_refused():
    class Wrong(Blocks):
        def apply(self, block):
            return self.matrix.T @ (self.matrix @ block)

    with pytest.raises(ValueError, match=r"R of shape \(3, 7\) returned R V of shape \(7, 2\), not \(3, 2\)"):
        LowRankPlusIdentity(Wrong(R, R), 0.5).apply(np.ones((7, 2)))


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 10), st.floats(0.01, 10), st.integers(0, 2**32))
def test_any_size(r, n, shift, weight, seed):
    rng = np.random.default_rng(seed)
    matrix, block = rng.standard_normal((r, n)), rng.standard_normal((n, 2))
    operator = LowRankPlusIdentity(matrix, shift, weight=weight)
    dense = shift * np.eye(n) + weight * matrix.T @ matrix
    scale = np.linalg.norm(dense)
    np.testing.assert_allclose(operator @ block, dense @ block, rtol=0, atol=1e-12 * scale * np.abs(block).sum())
    np.testing.assert_allclose(np.sort(operator.eigenvalues()), np.linalg.eigvalsh(dense), rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(operator.trace(), np.trace(dense), rtol=1e-12)


def test_inputs_are_not_written_on():
    matrix, d = R.copy(), np.linspace(1, 2, 7)
    operator = DiagonalPlusLowRank(d, matrix)
    operator.scaled(2.0, operator.jacobi_scaling()).dense()
    operator.dense()
    np.testing.assert_array_equal(matrix, R)
    np.testing.assert_array_equal(d, np.linspace(1, 2, 7))
    assert to_numpy(operator.apply(np.ones((7, 1)))).shape == (7, 1)
