"""Which engine runs: the cheapest one that can, with its reason, and one set-up however often it is asked."""

import numpy as np
import pytest
from cases import cases, grid, spd
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped
from thermolinalg.matrix_functions.select import Choice, Engines
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
        (MatrixFree(aslinearoperator(grid(40, 1.0))), SHORT, "lanczos", "products only"),
    ],
)
def test_the_cheapest_engine_that_can(operator, law, name, reason):
    choice = Engines(operator).choose(law, ("average",))
    assert name in choice.engine.name
    assert reason in choice.reason
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
