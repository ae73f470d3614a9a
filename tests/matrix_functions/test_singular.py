"""Engines of the skew embedding: the law of a general linear process, and stable solves whatever the condition."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from helpers import general
from numpy.testing import assert_allclose
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg._arrays import to_numpy
from thermolinalg.laws import Skew
from thermolinalg.matrix_functions.base import Engine
from thermolinalg.matrix_functions.golub_kahan import GolubKahanEngine
from thermolinalg.matrix_functions.quasi_definite import QuasiDefiniteEngine
from thermolinalg.matrix_functions.singular import SingularEngines
from thermolinalg.matrix_functions.singular_factorised import PivotedLUEngine, _resolvent
from thermolinalg.matrix_functions.singular_values import SingularValueEngine
from thermolinalg.operators import Dense, Diagonal, MatrixFree, SkewEmbedding, Sparse
from thermolinalg.simulation import LinearProcess

EPS = np.finfo(float).eps


def dense(a):
    return Dense(a, symmetric=False)


def sparse(a):
    return Sparse(scipy.sparse.csr_array(a), symmetric=False)


def free(a):
    return MatrixFree(aslinearoperator(a), symmetric=False)


VALUES = np.array([0.5, 0.7, 1.0, 1.3, 2.0])
MATRICES = {
    "square": general(VALUES),
    "tall": general(VALUES, rows=8),
    "wide": general(VALUES, columns=7),
    "singular": general(np.array([0.0, 0.0, 0.7, 1.0, 2.0])),
}
ENGINES = {
    "svd": (SingularValueEngine, dense),
    "golub-kahan": (GolubKahanEngine, free),
    "lu": (PivotedLUEngine, dense),
    "sparse lu": (PivotedLUEngine, sparse),
    "quasi-definite": (QuasiDefiniteEngine, sparse),
}
ALPHA, TEMPERATURE = 0.2, 0.7
DEVICE = Skew(ALPHA, TEMPERATURE)
UNIT = 1 / ALPHA
EQUILIBRIUM = {
    "stationary": (DEVICE.stationary(), (400.0,)),
    "step": (DEVICE.step(400.0), (400.0,)),
    "window": (DEVICE.window(20 * UNIT, 20 * UNIT), (20 * UNIT, 20 * UNIT)),
    "long window": (DEVICE.window(20 * UNIT, 1e5 * UNIT), (20 * UNIT, 1e5 * UNIT)),
    "readings": (DEVICE.window(20 * UNIT, 200 * UNIT, 10), (20 * UNIT, 200 * UNIT, 10)),
    "average": (DEVICE.average(20 * UNIT, 20 * UNIT), (20 * UNIT, 20 * UNIT)),
    "default average": (DEVICE.average(16.5 * UNIT, 64 * UNIT), (16.5 * UNIT, 64 * UNIT)),
    "averaged readings": (DEVICE.average(20 * UNIT, 200 * UNIT, 10), (20 * UNIT, 200 * UNIT, 10)),
}
SHORT = {
    "short step": (DEVICE.step(0.8), (0.8,)),
    "short window": (DEVICE.window(0.3, 2.5), (0.3, 2.5)),
    "cold window": (DEVICE.window(0.0, 0.01), (0.0, 0.01)),
    "few readings": (DEVICE.window(0.3, 2.5, 5), (0.3, 2.5, 5)),
    "short average": (DEVICE.average(1.0, 4.0), (1.0, 4.0)),
}


def oracle(a, law, run):
    """Weights of x0 and b, and covariance, of the law's outputs for the dense M, by doubling block exponentials."""
    d = sum(a.shape)
    process = LinearProcess(SkewEmbedding(dense(a), ALPHA).dense(), 2 * TEMPERATURE * np.eye(d))
    law_of_process = process.transition(*run) if len(run) == 1 else process.window_law(*run)
    # The process stacks (state, average).
    where = {"state": slice(0, d), "average": slice(d, 2 * d)}
    pick = np.r_[tuple(np.arange(2 * d)[where[name]] for name in law.outputs)]
    covariance = law_of_process.covariance[np.ix_(pick, pick)]
    return law_of_process.decay[pick], law_of_process.response[pick], covariance


def matrices_of(engine, law, d):
    """What an engine makes of x0, of b, and of each normal input: found by feeding it the unit vectors."""
    parts = []
    for j in range(len(law.inputs)):
        unit = [np.eye(d) if i == j else None for i in range(len(law.inputs))]
        parts.append(np.vstack([block + np.zeros((d, d)) for block in engine.apply(law, unit, law.outputs)]))
    return parts


def assert_law(engine, a, law, run, rtol):
    decay, response, covariance = oracle(a, law, run)
    at_start, at_load, *noises = matrices_of(engine, law, sum(a.shape))
    assert_allclose(at_start, decay, atol=rtol)
    assert_allclose(at_load, response, atol=rtol * np.abs(response).max())
    found = sum(noise @ noise.T for noise in noises)
    scale = np.sqrt(np.outer(covariance.diagonal(), covariance.diagonal()))
    assert np.all(np.abs(found - covariance) <= rtol * scale)


def serves(name, matrix):
    return "lu" not in name or matrix == "square"


@pytest.mark.parametrize("run", SHORT)
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", ["svd", "golub-kahan"])
def test_short_runs(name, matrix, run):
    build, hold = ENGINES[name]
    assert_law(build(hold(MATRICES[matrix])), MATRICES[matrix], *SHORT[run], rtol=1e-11)


@pytest.mark.parametrize("run", EQUILIBRIUM)
@pytest.mark.parametrize(("name", "matrix"), [(e, m) for e in ENGINES for m in MATRICES if serves(e, m)])
def test_runs_in_equilibrium(name, matrix, run):
    build, hold = ENGINES[name]
    engine, (law, times) = build(hold(MATRICES[matrix])), EQUILIBRIUM[run]
    assert isinstance(engine, Engine)
    assert engine.supports(law)
    rtol = {"svd": 1e-10, "golub-kahan": 2e-8}.get(name, 4e-6)
    assert_law(engine, MATRICES[matrix], law, times, rtol=rtol)


@pytest.mark.parametrize("name", ENGINES)
def test_inputs_add_up_and_columns_are_shared(name):
    """One column of one block meets all columns of the others; nothing is overwritten."""
    build, hold = ENGINES[name]
    engine, law = build(hold(MATRICES["square"])), DEVICE.window(20 * UNIT, 64 * UNIT)
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((10, 1 if j == "b" else 3)) for j in law.inputs]
    before = [v.copy() for v in inputs]
    parts = [
        engine.apply(law, [v if i == j else None for i, v in enumerate(inputs)], law.outputs)
        for j in range(len(inputs))
    ]
    for k, block in enumerate(engine.apply(law, inputs, law.outputs)):
        assert block.shape == (10, 3)
        assert_allclose(block, sum(part[k] for part in parts), rtol=1e-5, atol=1e-6)
    for v, copy in zip(inputs, before, strict=True):
        assert np.array_equal(v, copy)
    (nothing,) = engine.apply(law, [None] * 4, ("state",))
    assert nothing.shape[0] == 10
    assert not nothing.any()


@pytest.mark.parametrize("name", ["lu", "sparse lu", "quasi-definite"])
def test_short_runs_are_refused_by_factorisations(name):
    build, hold = ENGINES[name]
    engine = build(hold(MATRICES["square"]))
    law = DEVICE.window(1.0, 1.0)
    assert not engine.supports(law)
    with pytest.raises(ValueError, match="too short"):
        engine.apply(law, [None] * 4, ("average",))


@pytest.mark.parametrize("contraction", [1e-8, 0.01, 0.25, 1.0])
@pytest.mark.parametrize("rtol", [1e-2, 1e-7, 1e-15])
def test_polynomials_of_the_resolvent(contraction, rtol):
    x = np.linspace(0, contraction, 1001)
    coefficients = _resolvent(contraction, rtol)
    assert np.abs(np.polynomial.polynomial.polyval(x, coefficients) * (1 + x) - 1).max() <= max(4 * rtol, 32 * EPS)
    if len(coefficients) > 2:  # and not more turns than needed
        fewer = np.polynomial.Chebyshev.interpolate(lambda x: 1 / (1 + x), len(coefficients) - 3, [0.0, contraction])
        assert np.abs(fewer(x) * (1 + x) - 1).max() > rtol


# -- solves, whatever the condition ----------------------------------------------------------------------------------


def backward_error(a, alpha, z, c):
    """‖c − M z‖/(‖M‖ ‖z‖ + ‖c‖), in extended precision."""
    wide, m = a.astype(np.longdouble), a.shape[0]
    u, v = z[:m].astype(np.longdouble), z[m:].astype(np.longdouble)
    r = c - np.concatenate([alpha * u + wide @ v, alpha * v - wide.T @ u])
    size = np.hypot(np.linalg.norm(a, 2), alpha)
    return float(np.linalg.norm(r) / (size * np.linalg.norm(z) + np.linalg.norm(c)))


@pytest.mark.parametrize("condition", [10.0, 1e3, 1e8, 1e12])
@pytest.mark.parametrize("name", ["lu", "sparse lu", "quasi-definite"])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_solves_are_backward_stable(name, condition, share):
    """α = σ_min/10 and more: the residual is at rounding, and the error what the condition of M makes of it."""
    build, hold = ENGINES[name]
    n = 60
    a = general(np.geomspace(1 / condition, 1, n))
    alpha = share / condition
    rng = np.random.default_rng(1)
    z = rng.standard_normal((2 * n, 2))
    c = (SkewEmbedding(dense(a.astype(np.longdouble)), alpha)._times(z.astype(np.longdouble), 1.0)).astype(float)
    found = build(hold(a)).solve(c, alpha)
    assert backward_error(a, alpha, found, c) < 100 * EPS
    assert np.linalg.norm(found - z) / np.linalg.norm(z) < 100 * EPS * condition


def test_static_pivots_give_way_to_row_exchanges():
    """The bound (σ_max/α)²·eps decides: up to it the sparser factor, with refinement; beyond, the stable one."""
    engine = QuasiDefiniteEngine(sparse(general(np.geomspace(1e-12, 1, 40))))
    assert engine._is_static(2e-7)
    assert not engine._is_static(5e-8)


def test_lost_digits_of_static_pivots_are_refined():
    """At (σ_max/α)²·eps ≈ 1e-2 a plain solve would keep two digits."""
    m, n = 60, 40
    a = general(np.geomspace(1e-9, 1, n), rows=m)
    engine = QuasiDefiniteEngine(sparse(a))
    c = np.random.default_rng(0).standard_normal((m + n, 1))
    assert backward_error(a, 1.6e-7, engine.solve(c, 1.6e-7), c) < 1e-13


# -- the ends of the spectrum ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("hold", [dense, sparse])
@pytest.mark.parametrize("condition", [3.0, 1e4, 1e9, 1e13])
@pytest.mark.parametrize("n", [30, 100])
def test_interval_of_square_matrices(hold, condition, n):
    a = general(np.geomspace(1 / condition, 1, n))
    smallest, largest = SingularEngines(hold(a)).interval()
    exact = np.linalg.svd(a, compute_uv=False)
    assert 0.94 * exact[0] <= largest <= exact[0] * (1 + 1e-12)
    assert abs(smallest - exact[-1]) <= 0.02 * exact[-1] + 20 * EPS


@pytest.mark.parametrize("shape", [(150, 90), (90, 150)])
@pytest.mark.parametrize("condition", [3.0, 1e5, 1e9])
@pytest.mark.parametrize("hold", [dense, sparse])
def test_interval_of_rectangular_matrices(hold, shape, condition):
    a = general(np.geomspace(1 / condition, 1, 90), *shape)
    engines = SingularEngines(hold(a))
    smallest, largest = engines.interval()
    assert 0.94 <= largest <= 1 + 1e-12
    assert smallest == pytest.approx(1 / condition, rel=0.02)
    if shape[0] > shape[1]:
        v = engines.null_vector()
        assert np.linalg.norm(a @ v) <= 1.2 * smallest
        assert np.linalg.norm(v) == pytest.approx(1.0)


def test_interval_by_products_only():
    a = general(np.geomspace(1e-3, 1, 40), rows=1100, columns=1050)
    engines = SingularEngines(free(a))
    smallest, largest = engines.interval()
    assert engines.choose(DEVICE.stationary(), ("state",)).engine.name == "golub-kahan"
    assert largest == pytest.approx(1.0, rel=0.05)
    assert smallest < 1e-6  # 1010 null directions
    v = engines.null_vector()
    assert np.linalg.norm(v) == pytest.approx(1.0)
    assert np.linalg.norm(a @ v) < 1e-3


SINGULAR = {
    "rank deficient": general(np.array([*np.geomspace(0.1, 1, 79), 0.0])),
    "zero column": np.where(np.arange(80) == 17, 0.0, general(np.ones(80))),
    "zero row and column": np.diag(np.arange(80.0)),
    "equal rows": np.vstack([np.eye(79, 80) + 1, np.eye(1, 80) + 1]),
    "zero": np.zeros((80, 80)),
    "nilpotent": np.eye(80, k=1),
    "small": np.ones((3, 3)),
}


@pytest.mark.parametrize("hold", [dense, sparse])
@pytest.mark.parametrize("name", SINGULAR)
def test_singular_matrices_come_out_at_rounding_with_their_null_vector(name, hold):
    a = SINGULAR[name]
    engines = SingularEngines(hold(a))
    smallest, largest = engines.interval()
    exact = np.linalg.norm(a, 2)
    assert 0.9 * exact <= largest <= exact * (1 + 1e-12)
    assert 0 <= smallest <= len(a) * EPS * exact
    v = engines.null_vector()
    assert np.linalg.norm(v) == pytest.approx(1.0)
    assert np.linalg.norm(a @ v) <= 2 * len(a) * EPS * exact


DEGENERATE = {
    "sparse, tall": Sparse(scipy.sparse.csr_array((100, 70)), symmetric=False),
    "sparse, wide": Sparse(scipy.sparse.csr_array((70, 100)), symmetric=False),
    "products only": free(scipy.sparse.csr_array((2000, 1500))),
    "no rows": dense(np.zeros((0, 5))),
    "no columns": dense(np.zeros((5, 0))),
    "nothing": dense(np.zeros((0, 0))),
}


@pytest.mark.parametrize("matrix", DEGENERATE.values(), ids=DEGENERATE)
def test_matrices_of_zeros_and_of_no_size(matrix):
    """M is αI: everything decays, and nothing breaks."""
    engines, d = SingularEngines(matrix), sum(matrix.shape)
    assert engines.interval() == (0.0, 0.0)
    assert engines.largest() == 0.0
    if matrix.shape[1]:
        assert np.linalg.norm(engines.null_vector()) == pytest.approx(1.0)
    law = DEVICE.average(20 * UNIT, 64 * UNIT)
    (mean,) = engines.choose(law, law.outputs).engine.apply(law, [None, np.ones((d, 2)), None], law.outputs)
    assert_allclose(mean, np.full((d, 2), UNIT))


def test_structures_tell_their_singular_values():
    values = np.linspace(-3, 2, 2001)
    assert SingularEngines(Diagonal(values)).interval() == (np.abs(values).min(), 3.0)


# -- which engine ----------------------------------------------------------------------------------------------------

LONG, BRIEF = DEVICE.average(20 * UNIT, 64 * UNIT), DEVICE.average(1.0, 4.0)
BIG, SLIM = general(np.geomspace(2, 5, 80)), general(np.geomspace(0.5, 2, 80), rows=120)


def only_products(shape):
    return MatrixFree(
        LinearOperator(shape, matvec=lambda v: v[: shape[0]], rmatvec=lambda v: v[: shape[1]], dtype=float),
        symmetric=False,
    )


@pytest.mark.parametrize(
    ("matrix", "law", "engine", "reason"),
    [
        (dense(MATRICES["square"]), LONG, SingularValueEngine, "one singular value decomposition"),
        (dense(BIG), LONG, PivotedLUEngine, "one LU of A"),
        (dense(BIG), BRIEF, SingularValueEngine, "one singular value decomposition"),
        (dense(BIG / 20), LONG, SingularValueEngine, "one singular value decomposition"),
        (dense(SLIM), LONG, SingularValueEngine, "one singular value decomposition"),
        (sparse(BIG), LONG, PivotedLUEngine, "one LU of A"),
        (sparse(BIG / 20), LONG, QuasiDefiniteEngine, "one sparse factorisation of the embedding"),
        (sparse(SLIM), LONG, QuasiDefiniteEngine, "one sparse factorisation of the embedding"),
        (sparse(SLIM), BRIEF, SingularValueEngine, "one singular value decomposition"),
        (Sparse(scipy.sparse.eye_array(5000), symmetric=False), BRIEF, GolubKahanEngine, "too large to be formed"),
        (free(SLIM), LONG, SingularValueEngine, "one singular value decomposition"),
        (only_products((3000, 3000)), LONG, GolubKahanEngine, "too large to be formed"),
    ],
)
def test_choice(matrix, law, engine, reason):
    engines = SingularEngines(matrix)
    price = engines.price(law, ("average",), 3)
    assert "svd" not in engines._built
    assert price.cost.total(3) > 0
    choice = engines.choose(law, ("average",), 3)
    assert type(choice.engine) is engine
    assert reason in choice.reason
    assert choice.reason == price.reason
    assert choice.engine.name == price.name
    assert choice.engine.eigenvalues() is None
    assert choice.cost.per_column > 0


def test_what_is_at_hand_serves_on():
    engines = SingularEngines(dense(BIG))
    engines.choose(BRIEF, ("average",))
    assert "at hand" in engines.choose(LONG, ("average",)).reason
    assert engines.interval() == pytest.approx((2.0, 5.0), rel=1e-12)
    assert engines.largest() == pytest.approx(5.0, rel=1e-12)


@pytest.mark.parametrize("hold", [dense, sparse])
def test_engines_travel(hold):
    """Factors do not pickle; what they said they say again."""
    engines = SingularEngines(hold(BIG))
    before = engines.interval()
    assert pickle.loads(pickle.dumps(engines)).interval() == before


# -- other arrays ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES)
def test_float32_is_kept(name):
    build, hold = ENGINES[name]
    a, law = MATRICES["square"], DEVICE.window(20 * UNIT, 64 * UNIT)
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((10, 2)) for _ in law.inputs]
    expected = build(hold(a)).apply(law, inputs, law.outputs)
    found = build(hold(a.astype(np.float32))).apply(law, [v.astype(np.float32) for v in inputs], law.outputs)
    for block, reference in zip(found, expected, strict=True):
        assert block.dtype == np.float32
        assert_allclose(block, reference, atol=2e-5)


@pytest.mark.parametrize("build", [SingularValueEngine, PivotedLUEngine, GolubKahanEngine])
def test_torch(build):
    torch = pytest.importorskip("torch")
    a, law = MATRICES["square"], DEVICE.window(20 * UNIT, 64 * UNIT)
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((10, 2)) for _ in law.inputs]
    expected = build(dense(a)).apply(law, inputs, law.outputs)
    engine = build(dense(torch.as_tensor(a)))
    found = engine.apply(law, [torch.as_tensor(v) for v in inputs], law.outputs)
    for block, reference in zip(found, expected, strict=True):
        assert isinstance(block, torch.Tensor)
        assert_allclose(block.numpy(), reference, rtol=1e-6, atol=1e-8)
    assert engine.interval() == pytest.approx((0.5, 2.0), rel=0.02)
    singular = build(dense(torch.as_tensor(np.diag([1.0, 2.0, 0.0]))))
    assert singular.interval()[0] < 1e-7
    assert_allclose(np.abs(to_numpy(singular.null_vector())), [0.0, 0.0, 1.0], atol=1e-6)


@pytest.mark.parametrize("rows", [100, 130, 145])
def test_a_pattern_without_a_full_diagonal_is_completed_before_it_is_factorised(rows, capfd):
    """SuperLU, given such a pattern, calls BLAS out of bounds, which BLAS reports and memory may not survive."""
    A = scipy.sparse.csr_array(np.random.default_rng(2).standard_normal((rows, 20)))
    engine = PivotedLUEngine(sparse(scipy.sparse.block_array([[scipy.sparse.eye_array(20), A.T], [A, None]])))
    assert engine.interval()[0] < 1e-13 * engine.interval()[1]
    assert capfd.readouterr() == ("", "")
