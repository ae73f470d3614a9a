"""Which engine runs: the cheapest one that can, with its reason, and one set-up however often it is asked."""

import re

import numpy as np
import pytest
import scipy.sparse
from cases import cases, grid
from helpers import spd
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg.laws import EulerMaruyama, Overdamped, Skew, Underdamped
from thermolinalg.matrix_functions.select import Choice, Engines, Price
from thermolinalg.matrix_functions.singular import SingularEngines
from thermolinalg.operators import (
    BlockDiagonal,
    Circulant,
    Dense,
    Diagonal,
    Kronecker,
    KroneckerSum,
    LowRankPlusIdentity,
    MatrixFree,
    Sparse,
)

LAW = Overdamped()
IN_EQUILIBRIUM = LAW.window(1e4, 1e5)
SHORT = LAW.window(0.1, 0.5)

EXACT = {
    "diagonal": Diagonal([1.0, 2.0]),
    "circulant": Circulant([2.0, -0.5, -0.5]),
    "low": LowRankPlusIdentity(np.ones((2, 300)), 1.0),
    "kronecker": Kronecker(spd(20), spd(20)),
    "kronecker sum": KroneckerSum(spd(20), spd(20)),
    "block": BlockDiagonal([spd(100), Diagonal(np.ones(100))]),
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("law", [IN_EQUILIBRIUM, SHORT], ids=["in equilibrium", "short"])
def test_structures_have_engines_of_their_own(name, law):
    choice = Engines(EXACT[name]).choose(law, ("average",))
    assert choice.engine.name.lower().startswith(name.split()[0])
    assert choice.reason


@pytest.mark.parametrize(
    ("operator", "law", "name", "reason"),
    [
        (Dense(spd(50)), SHORT, "eigendecomposition", "small"),
        (Dense(spd(200)), IN_EQUILIBRIUM, "factorised (Cholesky)", "one factorisation"),
        (Sparse(grid(15, 0.5)), IN_EQUILIBRIUM, "factorised (sparse LDLᵀ)", "one factorisation"),
        (Dense(spd(200, 1e4)), LAW.window(1.0, 1e4), "eigendecomposition", "every eigenvalue"),
        (Sparse(grid(40, 1.0)), SHORT, "chebyshev", "cost less than its eigendecomposition"),
        (MatrixFree(aslinearoperator(grid(40, 1.0))), SHORT, "chebyshev", "products only; .* exact to its noise"),
        (MatrixFree(aslinearoperator(grid(20, 1.0))), SHORT, "lanczos", "products only"),
    ],
)
def test_the_cheapest_engine_that_can(operator, law, name, reason):
    choice = Engines(operator).choose(law, ("average",))
    assert name in choice.engine.name
    assert re.search(reason, choice.reason)
    assert choice.engine.supports(law)


@pytest.mark.parametrize("case", cases("spd", "operator", without="torch"))
@pytest.mark.parametrize("law", [LAW, Underdamped(), EulerMaruyama(step_size=0.01)], ids=lambda law: type(law).__name__)
def test_whatever_is_chosen_gives_the_same_mean(case, law):
    operator, dense = case.make(), case.dense()
    d = operator.shape[0]
    b = np.random.default_rng(0).standard_normal((d, 1))
    for run in (law.step(1.0), law.window(2.0, 5.0, 10), law.window(0.5, 2.0)):
        inputs = [b if name == "b" else None for name in run.inputs]
        found = Engines(operator).choose(run, ("state",)).engine.apply(run, inputs, ("state",))[0]
        expected = _by_eigenvectors(dense, run, b)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * abs(expected).max())


def _by_eigenvectors(matrix, law, b):
    lam, q = np.linalg.eigh(matrix)
    response = law.functions(lam)[law.outputs.index("state")][law.inputs.index("b")]
    return q @ (response[:, None] * (q.T @ b))


def test_large_arrays_are_looked_at_for_longer():
    values, v = np.linspace(0.03, 1.0, 2500), np.random.default_rng(0).standard_normal((2500, 1))
    v = v / np.linalg.norm(v)
    w = values[:, None] * v
    A = np.diag(values) - 2 * (v @ w.T + w @ v.T) + 4 * (v.T @ w) * (v @ v.T)  # of a random basis
    price = Engines(Dense(A)).price(LAW.average(100.0, 1e5, 100_000), ("average",))
    assert "products with A cost less than its eigendecomposition" in price.reason


def test_engines_are_built_once():
    engines = Engines(Dense(spd(200)))
    first = engines.choose(IN_EQUILIBRIUM, ("average",)).engine
    assert engines.choose(IN_EQUILIBRIUM, ("average", "state"), 50).engine is first
    assert engines.choose(LAW.stationary(), ("state",)).engine is first


def test_an_eigendecomposition_at_hand_is_used():
    engines = Engines(Dense(spd(200, 1e4)))
    short = engines.choose(LAW.window(1.0, 1e4), ("average",)).engine
    again = engines.choose(IN_EQUILIBRIUM, ("average",))
    assert again.engine is short
    assert "at hand" in again.reason


@pytest.mark.parametrize("case", cases("spd", "operator", without="torch"))
def test_the_interval_holds_the_spectrum(case):
    values = np.linalg.eigvalsh(case.dense())
    lower, upper = Engines(case.make()).interval()
    assert lower == pytest.approx(values[0], rel=0.1)
    assert upper == pytest.approx(values[-1], rel=0.1)


def test_costs_are_declared_before_running():
    choice = Engines(Dense(spd(200))).choose(IN_EQUILIBRIUM, ("average",))
    assert isinstance(choice, Choice)
    assert choice.cost.total(10) > choice.cost.setup > 0


def test_choosing_takes_no_more_products_than_forming_would():
    products = []

    def product(v):
        products.append(1)
        return v * np.linspace(1, 2, 600)

    operator = MatrixFree(LinearOperator((600, 600), matvec=product, dtype=np.float64))
    Engines(operator).choose(SHORT, ("average",))
    assert len(products) < 100


def test_a_map_too_ill_conditioned_for_polynomials_is_formed():
    soft = grid(33, 0.0) - (4 - 4 * np.cos(np.pi / 34) - 1e-6) * scipy.sparse.eye_array(33**2)
    engines = Engines(MatrixFree(aslinearoperator(soft)))
    choice = engines.choose(LAW.stationary(), ("state",))
    assert "forming A takes 1089 products" in choice.reason
    assert engines.interval()[0] == pytest.approx(1e-6, rel=1e-6)


PRICED = {
    "small": (lambda: Dense(spd(50)), SHORT),
    "in equilibrium": (lambda: Dense(spd(200)), IN_EQUILIBRIUM),
    "sparse": (lambda: Sparse(grid(15, 0.5)), IN_EQUILIBRIUM),
    "eigenvalues": (lambda: Dense(spd(200, 1e4)), LAW.window(1.0, 1e4)),
    "polynomial": (lambda: Sparse(grid(40, 1.0)), SHORT),
    "products": (lambda: MatrixFree(aslinearoperator(grid(40, 1.0))), SHORT),
    "low": (lambda: EXACT["low"], IN_EQUILIBRIUM),
}


@pytest.mark.parametrize("name", PRICED)
@pytest.mark.parametrize("columns", [1, 7])
def test_a_price_is_what_the_choice_declares(name, columns):
    make, law = PRICED[name]
    price = Engines(make()).price(law, ("average",), columns)
    assert isinstance(price, Price)
    engines = Engines(make())
    choice = engines.choose(law, ("average",), columns)
    assert (price.name, price.reason) == (choice.engine.name, choice.reason)
    assert price.cost == choice.cost
    # What is built already is not paid for again.
    again = engines.price(law, ("average",), columns)
    assert again.name == choice.engine.name
    if choice.cost is None or "at hand" in again.reason:
        assert again.cost == choice.engine.cost(law, ("average",), columns)


@pytest.mark.parametrize("name", ["eigenvalues", "small"])
def test_nothing_is_decomposed_for_a_price(name, monkeypatch):
    make, law = PRICED[name]

    def refuse(self, operator):
        raise AssertionError("an eigendecomposition was computed")

    monkeypatch.setattr("thermolinalg.matrix_functions.select.DenseEngine.__init__", refuse)
    d = make().shape[0]
    price = Engines(make()).price(law, ("average",))
    assert price.name == "dense eigendecomposition"
    assert price.cost.setup >= 6 * d**3


def test_more_columns_change_the_engine_where_that_is_cheaper():
    """A polynomial is paid for column by column, a decomposition once."""
    engines = Engines(Sparse(grid(25, 1.0)))
    one, many = (engines.price(SHORT, ("average",), columns) for columns in (1, 10**6))
    assert (one.name, many.name) == ("chebyshev", "dense eigendecomposition")


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_engines_of_an_embedding_are_priced_as_they_are_chosen(kind):
    a = np.random.default_rng(0).standard_normal((150, 150))
    matrix = Dense(a, symmetric=False) if kind == "dense" else Sparse(_sparse_of(a), symmetric=False)
    smallest = np.linalg.svd(matrix.dense(), compute_uv=False)[-1]
    law = Skew(0.1 * smallest, 1.0)
    engines = SingularEngines(matrix)
    long, short = law.average(1e6 / smallest, 1e7 / smallest), law.step(1.0)
    price = engines.price(short, ("state",), 3)
    assert price.name == "singular value decomposition"
    assert "svd" not in engines._built
    assert price.cost.total(3) > 150**3
    price = engines.price(long, ("average",), 3)
    choice = engines.choose(long, ("average",), 3)
    assert (price.name, price.reason, price.cost) == (choice.engine.name, choice.reason, choice.cost)
    assert "LU" in price.name


def _sparse_of(a):
    return scipy.sparse.csr_array(np.where(abs(a) > 1.5, a, 0) + 5 * np.eye(len(a)))
