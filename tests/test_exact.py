"""The solutions that errors are measured against, against arithmetic of sixty digits."""

import mpmath as mp
import numpy as np
import pytest
from exact import error_of, least_squares_error_of, lyapunov_error_of
from helpers import general, rotated

DIGITS = 60


def numbers(matrix):
    return mp.matrix(np.asarray(matrix, dtype=float).reshape(len(matrix), -1).tolist())


def right(found, exact, x):
    """Whether a measured error is the true one, to its own rounding and 1e-27 of the solution."""
    exact = np.array([exact[i] for i in range(len(exact))])
    true = [mp.mpf(value) - truth for value, truth in zip(np.ravel(x), exact, strict=True)]
    deviation = max(abs(mp.mpf(one) - other) for one, other in zip(np.ravel(found), true, strict=True))
    return deviation <= 1e-15 * max(map(abs, true)) + 1e-27 * max(abs(exact))


@pytest.mark.parametrize(
    "A",
    [
        general(np.geomspace(1, 1e-13, 12), seed=2),
        rotated(np.geomspace(1e-9, 1, 5)),
        np.geomspace(1, 1e-12, 9)[:, None] * general(np.ones(9)) * np.geomspace(1e-12, 1, 9),
    ],
    ids=["condition 1e13", "definite", "graded"],
)
def test_errors_of_systems(A):
    b = np.random.default_rng(0).standard_normal(len(A))
    x = np.linalg.solve(A, b)
    with mp.workdps(DIGITS):
        assert right(error_of(x, A, b), mp.lu_solve(numbers(A), numbers(b)), x)


def test_errors_of_many_columns_are_those_of_each():
    A, b = general([1.0, 0.3, 0.1]), np.random.default_rng(1).standard_normal((3, 2))
    x = np.linalg.solve(A, b)
    np.testing.assert_array_equal(error_of(x, A, b)[:, 1], error_of(x[:, 1], A, b[:, 1]))


@pytest.mark.parametrize("smallest", [1e-3, 1e-9])
def test_errors_of_least_squares(smallest):
    A = general(np.geomspace(1, smallest, 4), rows=7)
    b = np.random.default_rng(0).standard_normal(7)
    x = np.linalg.lstsq(A, b, rcond=None)[0]
    with mp.workdps(DIGITS):
        exact = mp.lu_solve(numbers(A).T * numbers(A), numbers(A).T * numbers(b))
        assert right(least_squares_error_of(x, A, b), exact, x)


@pytest.mark.parametrize("smallest", [1e-3, 1e-9])
def test_errors_of_lyapunov_equations(smallest):
    d, rng = 3, np.random.default_rng(0)
    a = rotated(np.geomspace(smallest, 1, d)) + smallest / 5 * np.triu(rng.standard_normal((d, d)), 1)
    q = np.cov(rng.standard_normal((d, 9)))
    x = np.linalg.inv(np.kron(a, np.eye(d)) + np.kron(np.eye(d), a)) @ q.ravel()
    with mp.workdps(DIGITS):
        one, drift = mp.eye(d), numbers(a)
        sum_ = mp.matrix(d * d, d * d)
        for i, j, k, m in np.ndindex(d, d, d, d):
            sum_[d * i + j, d * k + m] = drift[i, k] * one[j, m] + one[i, k] * drift[j, m]
        exact = mp.lu_solve(sum_, numbers(q.reshape(-1, 1)))
        assert right(lyapunov_error_of(x.reshape(d, d), a, q), exact, x)
