"""What both engines that know A by its products only must do: the law's own functions of A, and nothing else."""

import numpy as np
import pytest
import scipy.sparse
from cases import path
from helpers import rotated
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from thermolinalg.laws import Overdamped
from thermolinalg.matrix_functions.base import Engine
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.operators import Dense, MatrixFree, Sparse

ENGINES = [ChebyshevEngine, LanczosEngine]
DEVICE = Overdamped(temperature=0.7)
LAWS = {
    "step": DEVICE.step(3.0),
    "stationary": DEVICE.stationary(),
    "continuous window": DEVICE.window(1.0, 10.0),
    "window": DEVICE.window(20.0, 100.0, 1000),
    "long window": DEVICE.window(1e4, 1e5, 10),
}
FINITE = ["step", "continuous window", "window"]


def inputs_of(law, d, columns=3, shared=("x0", "b"), seed=1):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((d, 1 if name in shared else columns)) for name in law.inputs]


def by_eigenvectors(matrix, law, inputs):
    """Σ_j f_ij(A) V_j from the eigendecomposition, and nothing of the engines."""
    lam, q = np.linalg.eigh(np.asarray(matrix, dtype=np.float64))
    rows = law.functions(np.maximum(lam, 0.0))
    return [
        sum(q @ (f[:, None] * (q.T @ v)) for f, v in zip(row, inputs, strict=True) if f is not None and v is not None)
        for row in rows
    ]


def assert_close(found, expected, rtol):
    assert len(found) == len(expected)
    for block, reference in zip(found, expected, strict=True):
        assert block.shape == reference.shape
        error = np.linalg.norm(block - reference, axis=0) / np.linalg.norm(reference, axis=0)
        assert error.max() <= rtol


@pytest.mark.parametrize("build", ENGINES)
def test_the_contract(build):
    assert isinstance(build(Dense(np.eye(2))), Engine)


@pytest.mark.parametrize("build", ENGINES)
@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("condition", [1.0, 10.0, 1e3])
@pytest.mark.parametrize("d", [1, 2, 17, 200])
def test_equals_the_eigendecomposition(build, name, condition, d):
    matrix = rotated(np.logspace(-np.log10(condition), 0, d))
    law = LAWS[name]
    inputs = inputs_of(law, d)
    engine = build(Dense(matrix))
    assert_close(engine.apply(law, inputs, law.outputs), by_eigenvectors(matrix, law, inputs), 1e-8)
    assert engine.converged
    assert engine.error <= engine.rtol


@pytest.mark.parametrize("build", ENGINES)
@pytest.mark.parametrize("name", FINITE)
def test_finite_times_at_a_condition_number_of_a_million(build, name):
    matrix = rotated(np.logspace(-6, 0, 200))
    law = LAWS[name]
    inputs = inputs_of(law, 200)
    engine = build(Dense(matrix))
    found = engine.apply(law, inputs, law.outputs)
    assert engine.converged
    assert_close(found, by_eigenvectors(matrix, law, inputs), 1e-8)


@pytest.mark.parametrize("build", ENGINES)
@pytest.mark.parametrize("name", FINITE)
def test_singular_matrices_at_finite_times(build, name):
    factor = np.random.default_rng(3).standard_normal((120, 40)) / 12
    matrix, law = factor @ factor.T, LAWS[name]
    inputs = inputs_of(law, 120)
    assert_close(build(Dense(matrix)).apply(law, inputs, law.outputs), by_eigenvectors(matrix, law, inputs), 1e-8)


@pytest.mark.parametrize("build", ENGINES)
def test_a_stationary_law_of_a_singular_matrix_is_refused(build):
    factor = np.random.default_rng(3).standard_normal((60, 20))
    law = DEVICE.stationary()
    with pytest.raises(np.linalg.LinAlgError, match="infinite at λ = 0"):
        build(Dense(factor @ factor.T)).apply(law, inputs_of(law, 60), law.outputs)


@pytest.mark.parametrize("build", ENGINES)
def test_indefinite_matrices_are_refused_with_evidence(build):
    matrix = rotated(np.r_[-0.3, np.linspace(0.5, 1, 50)])
    law = DEVICE.step(1.0)
    with pytest.raises(np.linalg.LinAlgError, match=r"vᵀAv/vᵀv = -0\.\d+"):
        build(Dense(matrix)).apply(law, inputs_of(law, 51), law.outputs)


@pytest.mark.parametrize("build", ENGINES)
@given(
    columns=st.integers(1, 4),
    given_inputs=st.lists(st.sampled_from(["none", "zero", "shared", "wide"]), min_size=4, max_size=4),
    outputs=st.lists(st.sampled_from(["average", "state"]), min_size=1, max_size=2, unique=True),
)
def test_blocks_of_one_column_are_shared_and_missing_ones_are_zero(build, columns, given_inputs, outputs):
    law, matrix, rng = LAWS["window"], rotated(np.linspace(0.2, 1, 25)), np.random.default_rng(5)
    make = {
        "none": lambda: None,
        "zero": lambda: np.zeros((25, columns)),
        "shared": lambda: rng.standard_normal((25, 1)),
        "wide": lambda: rng.standard_normal((25, columns)),
    }
    inputs = [make[kind]() for kind in given_inputs]
    originals = [None if v is None else v.copy() for v in inputs]
    found = build(Dense(matrix)).apply(law, inputs, outputs)
    reference = dict(zip(law.outputs, by_eigenvectors(matrix, law, inputs), strict=True))
    for name, block in zip(outputs, found, strict=True):
        np.testing.assert_allclose(block - reference[name], 0, atol=1e-7)
        assert block.shape[0] == 25
    for before, after in zip(originals, inputs, strict=True):
        assert (before is None) == (after is None)
        assert before is None or np.array_equal(before, after)


@pytest.mark.parametrize("build", ENGINES)
def test_columns_of_very_different_size_all_meet_the_tolerance(build):
    law, matrix = DEVICE.step(2.0), rotated(np.linspace(0.1, 1, 80))
    inputs = inputs_of(law, 80, shared=())
    for block in inputs:
        block *= np.array([1e-150, 1.0, 1e150])
    assert_close(build(Dense(matrix)).apply(law, inputs, law.outputs), by_eigenvectors(matrix, law, inputs), 1e-8)


@pytest.mark.parametrize("build", ENGINES)
def test_blocks_that_do_not_fit_are_refused(build):
    law = DEVICE.step(1.0)
    with pytest.raises(ValueError, match="columns do not fit"):
        build(Dense(np.eye(3))).apply(law, [None, np.ones((3, 2)), np.ones((3, 3))], law.outputs)


@pytest.mark.parametrize("build", ENGINES)
def test_products_that_are_not_finite_are_refused(build):
    broken = LinearOperator((4, 4), matvec=lambda x: np.full(4, np.nan), dtype=np.float64)
    law = DEVICE.step(1.0)
    with pytest.raises(ValueError, match="NaN or infinit"):
        build(MatrixFree(broken), interval=(0.5, 1.0)).apply(law, inputs_of(law, 4), law.outputs)


@pytest.mark.parametrize("build", ENGINES)
def test_sparse_and_matrix_free_operators(build):
    d = 300
    chain = path(d, 0.1)
    law = LAWS["window"]
    inputs = inputs_of(law, d)
    reference = by_eigenvectors(chain.toarray(), law, inputs)
    for operator in (Sparse(chain), MatrixFree(scipy.sparse.linalg.aslinearoperator(chain))):
        assert_close(build(operator).apply(law, inputs, law.outputs), reference, 1e-8)


@pytest.mark.parametrize("build", ENGINES)
def test_a_product_may_return_its_own_argument(build):
    identity = MatrixFree(LinearOperator((6, 6), matvec=lambda x: x, matmat=lambda x: x, dtype=np.float64))
    law = DEVICE.step(1.5)
    inputs = inputs_of(law, 6)
    engine = build(identity, interval=(0.5, 2.0))
    assert_close(engine.apply(law, inputs, law.outputs), by_eigenvectors(np.eye(6), law, inputs), 1e-8)


@pytest.mark.parametrize("build", ENGINES)
@pytest.mark.parametrize("name", LAWS)
def test_float32_stays_float32_at_its_own_accuracy(build, name):
    matrix = rotated(np.linspace(0.05, 1, 100)).astype(np.float32)
    law = LAWS[name]
    inputs = [v.astype(np.float32) for v in inputs_of(law, 100)]
    engine = build(Dense(matrix))
    found = engine.apply(law, inputs, law.outputs)
    assert all(block.dtype == np.float32 for block in found)
    assert engine.converged
    assert_close(found, by_eigenvectors(matrix, law, inputs), 1e-4)


@pytest.mark.parametrize("build", ENGINES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_tensors_stay_torch_tensors(build, dtype):
    torch = pytest.importorskip("torch")
    matrix = rotated(np.linspace(0.1, 1, 60))
    law = LAWS["continuous window"]
    inputs = inputs_of(law, 60)
    place = {"dtype": getattr(torch, dtype)}
    engine = build(Dense(torch.as_tensor(matrix, **place)))
    found = engine.apply(law, [torch.as_tensor(v, **place) for v in inputs], law.outputs)
    assert all(block.dtype == place["dtype"] for block in found)
    reference = by_eigenvectors(matrix, law, inputs)
    assert_close([block.numpy() for block in found], reference, 1e-8 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize("build", ENGINES)
def test_the_interval_is_taken_as_given_or_estimated(build):
    matrix = rotated(np.linspace(0.1, 1, 150))
    assert build(Dense(matrix), interval=(0.05, 1.5)).interval() == (0.05, 1.5)
    engine = build(Dense(matrix))
    assert engine.interval() == pytest.approx((0.1, 1), rel=0.05)
    assert 0 < engine.n_matvec <= 40
    assert engine.eigenvalues() is None


@pytest.mark.parametrize("build", ENGINES)
def test_engines_of_one_operator_share_the_interval(build):
    operator = Dense(rotated(np.linspace(0.1, 1, 150)))
    found = LanczosEngine(operator).spectrum()
    engine = build(operator, interval=found)
    assert engine.spectrum() is found
    assert engine.n_matvec == 0


@pytest.mark.parametrize("build", ENGINES)
@pytest.mark.parametrize("interval", [(1.0, 0.5), (-0.1, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_intervals_that_are_none_are_refused(build, interval):
    with pytest.raises(ValueError, match="interval must be"):
        build(Dense(np.eye(2)), interval=interval)


@pytest.mark.parametrize("build", ENGINES)
def test_the_price_is_declared_before_running(build):
    matrix, law = rotated(np.linspace(0.1, 1, 150)), LAWS["window"]
    engine = build(Dense(matrix))
    one, ten = (engine.cost(law, law.outputs, columns) for columns in (1, 10))
    before = engine.n_matvec
    engine.apply(law, inputs_of(law, 150), law.outputs)
    assert engine.n_matvec - before <= 1.5 * one.products
    assert one.per_column >= 2 * 150**2 * one.products
    assert ten.memory > one.memory
