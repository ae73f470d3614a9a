"""The augmented system of least squares, and a skew device as its noisy inverse."""

import numpy as np
import pytest
import scipy.sparse
from helpers import augmented

import thermolinalg as tla
from thermolinalg.devices import Schedule
from thermolinalg.matrix_functions.singular import SingularEngines
from thermolinalg.operators import Dense, SkewEmbedding, Sparse
from thermolinalg.systems.least_squares import Augmented, LeastSquaresInverse

RNG = np.random.default_rng(4)
SHAPES = [(7, 4), (4, 7), (5, 5)]
UPPER, LOWER = 0.3, 0.07


def matrix(shape, rank=None):
    rank = rank or min(shape)
    return RNG.standard_normal((shape[0], rank)) @ RNG.standard_normal((rank, shape[1]))


@pytest.mark.parametrize("make", [Dense, lambda a, symmetric: Sparse(scipy.sparse.csr_array(a), symmetric=symmetric)])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_augmented_matrix(shape, make):
    a = matrix(shape)
    operator, dense = Augmented(make(a, symmetric=False), UPPER, LOWER), augmented(a, UPPER, LOWER)
    block = RNG.standard_normal((sum(shape), 3))
    np.testing.assert_allclose(operator.apply(block), dense @ block, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(operator.apply_transposed(block), dense.T @ block, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(operator.dense(), dense)
    np.testing.assert_allclose(operator.absolute(abs(block)), abs(dense) @ abs(block), rtol=1e-13)
    low = 1e-18 * RNG.standard_normal(block.shape)
    exact = augmented(a.astype(np.longdouble), np.longdouble(UPPER), np.longdouble(LOWER))
    b = dense @ block
    wide = b - exact @ (block.astype(np.longdouble) + low)
    residual = operator.extended_residual(b, block, low)
    np.testing.assert_allclose(residual, wide.astype(float), rtol=0, atol=20 * 2.0**-63 * abs(dense).max() * 3)
    assert operator.extended_eps <= 2.0**-63


@pytest.mark.parametrize("lower", [0.0, LOWER])
@pytest.mark.parametrize("shape", SHAPES)
def test_its_solution_is_that_of_the_damped_problem(shape, lower):
    """u = (b − A x)/α, and x minimises ‖b − A x‖² + αδ‖x‖²."""
    a, b = matrix(shape), RNG.standard_normal((shape[0], 2))
    if not lower and shape[0] < shape[1]:
        return
    m, n = shape
    z = np.linalg.solve(augmented(a, UPPER, lower), np.vstack([b, np.zeros((n, 2))]))
    x = np.linalg.solve(a.T @ a + UPPER * lower * np.eye(n), a.T @ b)
    np.testing.assert_allclose(z[m:], x, rtol=1e-10)
    np.testing.assert_allclose(z[:m], (b - a @ x) / UPPER, rtol=1e-9, atol=1e-12)


def inverse(a, alpha, rows, full, share):
    operator = Dense(a, symmetric=False)
    program = tla.LangevinDevice().program(SingularEngines(operator).embedding(alpha))
    return LeastSquaresInverse(program, operator, alpha, rows, full, share)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_read_has_nothing_in_the_null_space(shape, known):
    a = matrix(shape, rank=3)
    _, s, vt = np.linalg.svd(a)
    alpha, rows = 0.1 * s[2], vt[:3].T
    device = inverse(a, alpha, rows if known else None, False, 0.01)
    m, n = shape
    b = np.vstack([RNG.standard_normal((m, 2)), np.zeros((n, 2))])
    schedule = device.timetable(b, 1e-3)
    reading = device.average(b, schedule, rng=np.random.default_rng(0))
    left = reading.value[m:] - rows @ (rows.T @ reading.value[m:])
    raw = device.program.average(b, schedule, rng=np.random.default_rng(0)).value[m:]
    assert abs(raw - rows @ (rows.T @ raw)).max() > 1e-5 * abs(raw).max()
    assert np.all(np.linalg.norm(left, axis=0) <= 20 * np.finfo(float).eps * np.linalg.norm(reading.value[m:], axis=0))
    x = np.linalg.pinv(a, rcond=1e-10) @ b[:m]
    assert np.all(abs(reading.value[m:] - x) <= 0.02 * np.linalg.norm(x) + 6 * reading.standard_error[m:])
    errors = np.array([
        device.average(b, schedule, rng=np.random.default_rng(i)).value[m:] for i in range(40)
    ]).std(axis=0, ddof=1)  # fmt: skip
    ratio = errors / reading.standard_error[m:]
    assert abs(np.log(np.median(ratio))) <= 0.35


def test_full_rank_is_read_as_it_is():
    a = matrix((7, 4))
    device = inverse(a, 0.1, None, True, 0.01)
    b, schedule = RNG.standard_normal((11, 1)), Schedule(100.0, 1e5)
    own = device.average(b, schedule, rng=np.random.default_rng(1))
    plain = tla.LangevinDevice().program(SkewEmbedding(Dense(a, symmetric=False), 0.1))
    theirs = plain.average(b, schedule, rng=np.random.default_rng(1))
    np.testing.assert_allclose(own.value, theirs.value, rtol=1e-10)
    assert device.rate() == pytest.approx(plain.rate())
    assert device.ledger is device.program.ledger
    assert device.describe()["engine"]
