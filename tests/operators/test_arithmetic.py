"""Sums and multiples keep the rules; all other expressions stay SciPy's."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg.operators import (
    BlockDiagonal,
    Circulant,
    Dense,
    Diagonal,
    Kronecker,
    LowRankPlusIdentity,
    Operator,
    Scaled,
    Sum,
    Toeplitz,
)

V = np.array([1.0, -2.0, 3.0])

every_structure = pytest.mark.parametrize(
    "operator",
    [
        Diagonal([1.0, 2.0]),
        Dense(np.array([[2.0, 1.0], [1.0, 2.0]])),
        Circulant([3.0, 1.0]),
        LowRankPlusIdentity([[1.0, 2.0]], 0.5),
        Kronecker([[2.0, 1.0], [1.0, 2.0]]),
        BlockDiagonal([Diagonal([1.0]), Toeplitz([2.0])]),
        Diagonal([1.0, 2.0]) + Toeplitz([2.0, 1.0]),
    ],
    ids=lambda operator: operator.structure,
)


@pytest.fixture
def a():
    return Diagonal([1.0, 2.0, 3.0])


@pytest.fixture
def b():
    return Toeplitz([2.0, 1.0, 0.5])


def test_sum_of_operators_is_an_operator_with_all_rules(a, b):
    total = a + b + a
    assert isinstance(total, Sum)
    assert [term.structure for term in total.terms] == ["diagonal", "Toeplitz", "diagonal"]
    np.testing.assert_allclose(total.dense(), 2 * a.dense() + b.dense())
    assert total.trace() == 18
    assert total.norm_bound() >= np.linalg.norm(total.dense(), 2)


@pytest.mark.parametrize(
    "multiple", [lambda a: 2 * a, lambda a: a * 2.0, lambda a: a / 0.5, lambda a: np.float32(2) * a]
)
@every_structure
def test_positive_multiple_keeps_the_structure(operator, multiple):
    assert type(multiple(operator)) is type(operator)
    np.testing.assert_allclose(multiple(operator).dense(), 2 * operator.dense())


@pytest.mark.parametrize("factor", [0, float("nan"), float("inf"), np.float64(0)])
def test_other_multiples_say_why_not(a, factor):
    with pytest.raises(ValueError, match="finite number that is not zero, got"):
        factor * a
    with pytest.raises(ValueError, match="finite number that is not zero, got"):
        a * factor


@every_structure
def test_negatives_and_differences_are_operators(operator):
    for negative, factor in [(-operator, -1), (-2 * operator, -2), (operator / np.float64(-4), -0.25)]:
        assert isinstance(negative, Operator)
        np.testing.assert_array_equal(negative.dense(), factor * operator.dense())
        np.testing.assert_array_equal((-negative).dense(), -factor * operator.dense())
    difference = operator - Diagonal([0.5, 0.25])
    assert isinstance(difference, Sum)
    np.testing.assert_array_equal(difference.dense(), operator.dense() - np.diag([0.5, 0.25]))


def test_expressions_of_scipy_still_work(a, b):
    for expression, expected in [
        (a - aslinearoperator(np.eye(3)), a.dense() - np.eye(3)),
        (a @ b, a.dense() @ b.dense()),
        (a**2, a.dense() @ a.dense()),
        (a + aslinearoperator(np.eye(3)), a.dense() + np.eye(3)),
        (aslinearoperator(np.eye(3)) + a, a.dense() + np.eye(3)),
        (2j * a, 2j * a.dense()),
    ]:
        assert isinstance(expression, LinearOperator)
        assert not isinstance(expression, Operator)
        np.testing.assert_allclose(expression @ V, expected @ V)
    np.testing.assert_allclose(a * V, a.dense() @ V)


def test_what_cannot_be_added(a):
    with pytest.raises(ValueError, match=r"\(3, 3\) and \(2, 2\)"):
        a + Diagonal([1.0, 2.0])
    with pytest.raises(ValueError, match="at least one"):
        Sum([])
    with pytest.raises(TypeError):
        a + np.eye(3)


def test_operators_of_two_libraries_do_not_add_up(a):
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="all live in NumPy or all in torch"):
        a + Diagonal(torch.ones(3))


def test_sum_takes_the_wider_precision():
    total = Diagonal(np.ones(2, dtype=np.float32)) + Diagonal(np.ones(2))
    assert total.dtype == np.float64


def test_sum_of_non_symmetric_terms_transposes():
    matrix = np.array([[1.0, 2.0], [0.0, 1.0]])
    total = Dense(matrix, symmetric=False) + Diagonal([1.0, 1.0])
    assert not total.symmetric
    np.testing.assert_allclose(total.rmatvec(np.array([1.0, 0.0])), (matrix.T + np.eye(2))[:, 0])


def test_structure_without_a_rule_for_scaling_is_wrapped(b):
    scaled = b.scaled(2.0, np.array([1.0, 2.0, 3.0]))
    assert isinstance(scaled, Scaled)
    assert 2 * scaled.trace() == (2 * scaled).trace()
