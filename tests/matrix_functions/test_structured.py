"""Engines of structured operators: every engine × law against the dense eigendecomposition, input for input.

All these engines use the symmetric square root of the noise covariance, so equal normal vectors give equal outputs.
"""

import numpy as np
import pytest
from helpers import spd
from hypothesis import given
from hypothesis import strategies as st

from thermolinalg._arrays import is_torch, to_numpy
from thermolinalg.laws import Overdamped, Underdamped
from thermolinalg.matrix_functions.base import Cost, Diagonalising, Engine
from thermolinalg.matrix_functions.block import BlockEngine, exact_engine
from thermolinalg.matrix_functions.circulant import CirculantEngine
from thermolinalg.matrix_functions.dense import DenseEngine
from thermolinalg.matrix_functions.diagonal import DiagonalEngine
from thermolinalg.matrix_functions.kronecker import KroneckerEngine
from thermolinalg.matrix_functions.low_rank import LowRankEngine
from thermolinalg.operators import (
    BlockDiagonal,
    Circulant,
    Dense,
    Diagonal,
    Kronecker,
    KroneckerSum,
    LowRankPlusIdentity,
    Normal,
)


def path(n):
    return 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)


class OnlyProducts:
    """R by its products and its Gram matrix, never as an array."""

    def __init__(self, matrix):
        self.like, self.shape = matrix, tuple(matrix.shape)
        self.apply, self.apply_transposed = lambda v: matrix @ v, lambda u: matrix.T @ u
        self.gram = lambda: matrix @ matrix.T


DEFINITE = {
    "diagonal": lambda rng, put: DiagonalEngine(Diagonal(put(rng.uniform(0.1, 5, 7)))),
    "low rank": lambda rng, put: LowRankEngine(LowRankPlusIdentity(put(rng.standard_normal((3, 12))), 0.3)),
    "low rank, scaled": lambda rng, put: LowRankEngine(
        LowRankPlusIdentity(put(rng.standard_normal((3, 12))), 0.3, weight=0.1).scaled(2.0)
    ),
    "low rank, repeated rows": lambda rng, put: LowRankEngine(LowRankPlusIdentity(put(np.ones((4, 9))), 0.3)),
    "low rank, zero": lambda rng, put: LowRankEngine(LowRankPlusIdentity(put(np.zeros((2, 5))), 0.3)),
    "low rank, tall": lambda rng, put: LowRankEngine(LowRankPlusIdentity(put(rng.standard_normal((9, 4))), 0.3)),
    "low rank, products": lambda rng, put: LowRankEngine(
        LowRankPlusIdentity(OnlyProducts(put(rng.standard_normal((3, 12)))), 0.3)
    ),
    "low rank, normal": lambda rng, put: LowRankEngine(Normal(put(rng.standard_normal((3, 12))), 0.3)),
    "Kronecker": lambda rng, put: KroneckerEngine(Kronecker(put(spd(3, seed=rng)), put(spd(4, seed=rng)), shift=0.1)),
    "Kronecker, damped": lambda rng, put: KroneckerEngine(
        Kronecker(put(spd(2, seed=rng)), put(spd(3, seed=rng)), put(spd(2, seed=rng)), damping=0.2)
    ),
    "Kronecker sum": lambda rng, put: KroneckerEngine(KroneckerSum(put(path(3)), put(path(4)), weight=0.7)),
    "circulant": lambda rng, put: CirculantEngine(Circulant(put([3.0, -1.0, 0.2, 0.2, -1.0]))),
    "circulant, even": lambda rng, put: CirculantEngine(Circulant(put([3.0, -1.0, 0.2, -1.0]))),
    "circulant, single": lambda rng, put: CirculantEngine(Circulant(put([3.0]))),
    "block": lambda rng, put: BlockEngine(
        BlockDiagonal(
            [
                put(spd(3, seed=rng)),
                Diagonal(put([1.0, 2.0])),
                LowRankPlusIdentity(put(rng.standard_normal((2, 6))), 0.5),
                BlockDiagonal([Circulant(put([3.0, 1.0])), Kronecker(put(spd(2, seed=rng)), put(spd(2, seed=rng)))]),
            ]
        )
    ),
}
SEMIDEFINITE = {
    "diagonal": lambda rng, put: DiagonalEngine(Diagonal(put([0.0, 1.0, 0.0, 2.0]))),
    "low rank": lambda rng, put: LowRankEngine(LowRankPlusIdentity(put(rng.standard_normal((3, 12))), 0.0)),
    "Kronecker": lambda rng, put: KroneckerEngine(Kronecker(put(spd(2, seed=rng)), put(np.ones((3, 3))))),
    "Kronecker sum": lambda rng, put: KroneckerEngine(KroneckerSum(put(np.ones((2, 2))), put(np.ones((3, 3))))),
    "circulant": lambda rng, put: CirculantEngine(Circulant(put([2.0, -1.0, 0.0, -1.0]))),
    "block": lambda rng, put: BlockEngine(BlockDiagonal([put(np.ones((2, 2))), Diagonal(put([0.0, 1.0]))])),
}
OVERDAMPED = Overdamped(temperature=0.7)
TRANSIENT = {
    "step": OVERDAMPED.step(0.8),
    "short step": OVERDAMPED.step(1e-6),
    "window": OVERDAMPED.window(0.5, 3.0),
    "window from the start": OVERDAMPED.window(0.0, 3.0),
    "window of readings": OVERDAMPED.window(0.5, 3.0, readings=10),
    "without noise": Overdamped(temperature=0.0).window(0.5, 3.0),
    "underdamped step": Underdamped(temperature=0.7, friction=1.3).step(0.8),
}
LAWS = TRANSIENT | {"long step": OVERDAMPED.step(1e3), "stationary": OVERDAMPED.stationary()}

PLACES = {"numpy64": 1e-10, "numpy32": 1e-4, "torch64": 1e-10, "torch32": 1e-4}


@pytest.fixture(params=PLACES)
def put(request):
    """Moves arrays to a library and a precision."""
    dtype = f"float{request.param[-2:]}"
    if request.param.startswith("numpy"):
        return lambda x: np.asarray(x, dtype=dtype)
    torch = pytest.importorskip("torch")
    return lambda x: torch.as_tensor(np.asarray(x, dtype=dtype))


@pytest.fixture
def tolerance(request):
    return PLACES[request.node.callspec.params["put"]]


def blocks_for(law, d, rng, columns=3):
    """One block per input; the load is one column, shared by all."""
    return [rng.standard_normal((d, 1 if name == "b" else columns)) for name in law.inputs]


def reference(operator, law, inputs):
    """All outputs by the textbook formula: eigenvectors of the dense matrix, in double precision."""
    values, vectors = np.linalg.eigh(to_numpy(operator.dense()).astype(float))
    rows = law.functions(np.clip(values, 0, None))
    return [
        sum(
            vectors @ (f[:, None] * (vectors.T @ block))
            for f, block in zip(row, inputs, strict=True)
            if f is not None and block is not None
        )
        for row in rows
    ]


def agree(engine, law, put, tolerance):
    inputs = blocks_for(law, engine.operator.shape[0], np.random.default_rng(3))
    given = [put(block) for block in inputs]
    before = [to_numpy(block).copy() for block in given]
    outputs = engine.apply(law, given, law.outputs)
    for actual, expected in zip(outputs, reference(engine.operator, law, inputs), strict=True):
        assert actual.dtype == engine.operator.like.dtype
        assert is_torch(actual) == is_torch(engine.operator.like)
        np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=tolerance * np.abs(expected).max())
    for block, unchanged in zip(given, before, strict=True):
        np.testing.assert_array_equal(to_numpy(block), unchanged)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
@pytest.mark.parametrize("build", DEFINITE.values(), ids=DEFINITE)
def test_positive_definite(build, law, put, tolerance):
    agree(build(np.random.default_rng(5), put), law, put, tolerance)


@pytest.mark.parametrize("law", TRANSIENT.values(), ids=TRANSIENT)
@pytest.mark.parametrize("build", SEMIDEFINITE.values(), ids=SEMIDEFINITE)
def test_modes_that_nothing_holds(build, law, put, tolerance):
    engine = build(np.random.default_rng(5), put)
    # A square root of a variance turns rounding errors δ of an eigenvalue zero into √δ, but only beyond t.
    agree(engine, law, put, tolerance)


@pytest.mark.parametrize("build", DEFINITE.values(), ids=DEFINITE)
def test_contract(build):
    engine = build(np.random.default_rng(5), np.asarray)
    assert isinstance(engine, Engine)
    values = np.linalg.eigvalsh(engine.operator.dense())
    np.testing.assert_allclose(np.sort(engine.eigenvalues()), values, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(engine.interval(), (values[0], values[-1]), rtol=1e-10)
    for law in LAWS.values():
        assert engine.supports(law)
        cost = engine.cost(law, law.outputs)
        assert isinstance(cost, Cost)
        assert cost.per_column > 0


@pytest.mark.parametrize("build", [build for name, build in DEFINITE.items() if name[:3] in ("dia", "Kro", "cir")])
def test_modes_are_an_orthonormal_eigenbasis(build, put, tolerance):
    engine = build(np.random.default_rng(5), put)
    assert isinstance(engine, Diagonalising)
    d = engine.operator.shape[0]
    q = engine.from_modes(put(np.eye(d)))
    assert q.dtype == engine.operator.like.dtype
    q, matrix, values = (to_numpy(x).astype(float) for x in (q, engine.operator.dense(), engine.eigenvalues()))
    np.testing.assert_allclose(q.T @ q, np.eye(d), atol=tolerance)
    np.testing.assert_allclose(q * values @ q.T, matrix, atol=tolerance * values.max())
    np.testing.assert_allclose(to_numpy(engine.to_modes(put(np.eye(d)))), q.T, atol=tolerance)


@pytest.mark.parametrize("build", DEFINITE.values(), ids=DEFINITE)
def test_outputs_by_name_and_absent_inputs(build):
    engine = build(np.random.default_rng(5), np.asarray)
    d, law = engine.operator.shape[0], OVERDAMPED.window(0.5, 3.0)
    x0, b, z1, z2 = blocks_for(law, d, np.random.default_rng(3))
    both = engine.apply(law, [x0, b, z1, z2], ["state", "average"])
    expected = reference(engine.operator, law, [x0, b, z1, z2])
    np.testing.assert_allclose(both[0], expected[1], atol=1e-10)
    np.testing.assert_allclose(both[1], expected[0], atol=1e-10)
    (only,) = engine.apply(law, [None, b, None, None], ["average"])
    np.testing.assert_allclose(only, reference(engine.operator, law, [None, b, None, None])[0], atol=1e-10)
    (nothing,) = engine.apply(law, [None] * 4, ["state"])
    np.testing.assert_array_equal(nothing, np.zeros((d, 1)))
    # The second normal vector reaches the average alone.
    average, state = engine.apply(law, [None, None, None, z2], ["average", "state"])
    assert np.abs(average).max() > 0
    np.testing.assert_array_equal(state, np.zeros((d, 1)))


@pytest.mark.parametrize(
    "build",
    [
        lambda: DiagonalEngine(Diagonal([1.0, -0.1])),
        lambda: CirculantEngine(Circulant([1.0, -1.0, 0.0, -1.0])),
        lambda: KroneckerEngine(Kronecker(np.diag([1.0, -1.0]), np.eye(2))),
        lambda: BlockEngine(BlockDiagonal([np.eye(2), -np.eye(2)])),
    ],
    ids=["diagonal", "circulant", "Kronecker", "block"],
)
def test_indefinite_operators_are_refused_with_evidence(build):
    with pytest.raises(np.linalg.LinAlgError, match="smallest eigenvalue is -"):
        build()


def test_a_small_negative_eigenvalue_is_not_lost_among_many():
    """What counts as rounding grows with the factors, not with their product."""
    many = np.ones(200, dtype=np.float32)
    with pytest.raises(np.linalg.LinAlgError, match=r"smallest eigenvalue is -0\.001"):
        KroneckerEngine(KroneckerSum(np.diag(many), np.diag(np.append(many, np.float32(-1.001)))))
    with pytest.raises(np.linalg.LinAlgError, match=r"smallest eigenvalue is -0\.001"):
        DiagonalEngine(Diagonal(np.append(np.ones(10**5, dtype=np.float32), np.float32(-0.001))))


def test_two_negative_factors_make_a_positive_product():
    engine = KroneckerEngine(Kronecker(-np.eye(2), -np.diag([1.0, 2.0])))
    assert engine.interval() == (1.0, 2.0)


def test_low_rank_needs_one_shift():
    with pytest.raises(ValueError, match="one shift for all nodes"):
        LowRankEngine(Normal(np.ones((2, 3)), [1.0, 2.0, 3.0]))


def test_one_product_with_the_factor_serves_all_inputs():
    calls = []

    class Counted(OnlyProducts):
        def __init__(self, matrix):
            super().__init__(matrix)
            self.apply = lambda v: calls.append(("R", v.shape[1])) or matrix @ v
            self.apply_transposed = lambda u: calls.append(("Rᵀ", u.shape[1])) or matrix.T @ u

    engine = LowRankEngine(LowRankPlusIdentity(Counted(np.ones((2, 6))), 0.5))
    assert calls == []
    law = OVERDAMPED.window(0.5, 3.0)
    engine.apply(law, blocks_for(law, 6, np.random.default_rng(0)), law.outputs)
    assert calls == [("R", 10), ("Rᵀ", 3), ("Rᵀ", 3)]


def test_blocks_may_choose_their_engines():
    operator = BlockDiagonal([np.eye(2), Diagonal([1.0])])
    assert [type(engine) for engine in BlockEngine(operator).engines] == [DenseEngine, DiagonalEngine]
    assert [type(engine) for engine in BlockEngine(operator, DenseEngine).engines] == [DenseEngine, DenseEngine]
    assert exact_engine(Dense(np.eye(2))).name == DenseEngine.name


@pytest.mark.parametrize("shift", [1e-8, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize("spread", [1.0, 1e-6, 1e-12])
def test_low_rank_keeps_its_digits(shift, spread):
    """Relative to ‖f(A)‖‖V‖, over fifteen decades of shift and twelve of singular values of R."""
    rng = np.random.default_rng(11)
    vectors = np.linalg.qr(rng.standard_normal((40, 4)))[0]
    r = (np.geomspace(1, spread, 4)[:, None] * vectors.T) if spread < 1 else 3 * vectors.T
    singular = np.geomspace(1, spread, 4) if spread < 1 else np.full(4, 3.0)
    engine = LowRankEngine(LowRankPlusIdentity(r, shift))
    b = rng.standard_normal((40, 1))
    (actual,) = engine.apply(OVERDAMPED.stationary(), [None, b, None], ["state"])
    exact = b / shift + vectors @ ((1 / (shift + singular**2) - 1 / shift)[:, None] * (vectors.T @ b))
    assert np.linalg.norm(actual - exact) <= 1e-12 * np.linalg.norm(b) / shift


def test_modes_at_rounding_level_do_not_blow_up():
    """Repeated rows in single precision: their differences are noise, far above a tiny shift."""
    rng = np.random.default_rng(2)
    row = rng.standard_normal((1, 1000)).astype(np.float32)
    engine = LowRankEngine(LowRankPlusIdentity(np.repeat(row, 6, axis=0), 1e-9))
    b = rng.standard_normal((1000, 1)).astype(np.float32)
    (actual,) = engine.apply(OVERDAMPED.stationary(), [None, b, None], ["state"])
    wide, direction = b.astype(float), row.T.astype(float)
    exact = 1e9 * (wide - direction @ (direction.T @ wide) / (direction.T @ direction))
    assert np.linalg.norm(actual - exact) <= 1e-6 * np.linalg.norm(exact)


@given(st.integers(1, 8), st.integers(1, 12), st.floats(1e-3, 10), st.integers(0, 2**32))
def test_low_rank_of_any_size(r, d, shift, seed):
    rng = np.random.default_rng(seed)
    agree(LowRankEngine(LowRankPlusIdentity(rng.standard_normal((r, d)), shift)), LAWS["window"], np.asarray, 1e-10)


@given(st.integers(1, 17), st.integers(0, 2**32))
def test_circulant_of_any_size(d, seed):
    column = np.random.default_rng(seed).uniform(-1, 1, d)
    column[1:] += column[:0:-1].copy()
    column[0] = np.abs(column[1:]).sum() + 0.1
    agree(CirculantEngine(Circulant(column)), LAWS["window"], np.asarray, 1e-10)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans(), st.integers(0, 2**32))
def test_kronecker_of_any_size(sizes, product, seed):
    rng = np.random.default_rng(seed)
    build = Kronecker if product else KroneckerSum
    operator = build(*(spd(n, seed=rng) + 0.1 * np.eye(n) for n in sizes))
    agree(KroneckerEngine(operator), LAWS["window"], np.asarray, 1e-10)


@pytest.mark.slow
def test_low_rank_on_a_million_nodes():
    rng = np.random.default_rng(0)
    r, d = 50, 10**6
    operator = LowRankPlusIdentity(rng.standard_normal((r, d), dtype=np.float32), 1.0)
    law = OVERDAMPED.step(1.0)
    inputs = [None, rng.standard_normal((d, 1), dtype=np.float32), rng.standard_normal((d, 1), dtype=np.float32)]
    (state,) = LowRankEngine(operator).apply(law, inputs, law.outputs)
    assert np.isfinite(state).all()
