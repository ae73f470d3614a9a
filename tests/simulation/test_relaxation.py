"""How symmetric drifts forget, by their eigenvectors, against fifty digits."""

import mpmath
import numpy as np
import pytest

from thermolinalg.simulation._transition import transition
from thermolinalg.simulation.doubling import Doubling
from thermolinalg.simulation.relaxation import GeneralRelaxation, SymmetricRelaxation, relaxation_of

RNG = np.random.default_rng(5)
TURNED = np.linalg.qr(RNG.standard_normal((7, 7)))[0]
DRIFTS = {
    "one node": np.array([[0.3]]),
    "equal rates": 2.0 * np.eye(4),
    "condition 1e6": (TURNED * np.geomspace(1e-6, 1, 7)) @ TURNED.T,
    "nodes 1e12 apart": np.diag(np.geomspace(1e-12, 1, 5))
    + np.diag([1e-13, 0, 0, 0], 1)
    + np.diag([1e-13, 0, 0, 0], -1),
}
NOISES = {
    "full": lambda d: np.cov(np.random.default_rng(d).standard_normal((d, 3 * d + 2))).reshape(d, d),
    "one node's": lambda d: np.diag([1.0] + [0.0] * (d - 1)),
    "unequal": lambda d: np.diag(np.geomspace(1e-20, 1, d)),
}


def law(M: np.ndarray, D: np.ndarray, t: float) -> dict[str, np.ndarray]:
    """Stationary covariance, and decay, covariance and response after a time t."""
    with mpmath.workdps(50):
        weights, V = mpmath.eigsy(mpmath.matrix(M))
        F = V.T * mpmath.matrix(D) * V
        d, t = len(M), mpmath.mpf(t)
        sums = [[weights[i] + weights[j] for j in range(d)] for i in range(d)]
        told = {
            "settled": mpmath.matrix([[F[i, j] / sums[i][j] for j in range(d)] for i in range(d)]),
            "covariance": mpmath.matrix(
                [[-F[i, j] * mpmath.expm1(-sums[i][j] * t) / sums[i][j] for j in range(d)] for i in range(d)]
            ),
            "decay": mpmath.diag([mpmath.exp(-weights[i] * t) for i in range(d)]),
            "response": mpmath.diag([-mpmath.expm1(-weights[i] * t) / weights[i] for i in range(d)]),
        }
        return {name: np.array((V * X * V.T).tolist(), dtype=float).reshape(d, d) for name, X in told.items()}


@pytest.mark.parametrize("drift", DRIFTS)
@pytest.mark.parametrize("noise", NOISES)
def test_symmetric_drifts_settle_and_move_as_fifty_digits_say(drift: str, noise: str) -> None:
    M = (DRIFTS[drift] + DRIFTS[drift].T) / 2
    D, found = NOISES[noise](len(M)), relaxation_of(M)
    assert isinstance(found, SymmetricRelaxation)
    lost = 1e-16 * (1e6 if drift == "condition 1e6" else 1) * 100
    for t in (0.0, 1e-3, 0.7, 40.0):
        true, moved = law(M, D, t), found.transition(D, t)
        for part in ("decay", "covariance", "response"):
            X = true[part]
            np.testing.assert_allclose(getattr(moved, part), X, rtol=lost, atol=1e-14 * np.abs(X).max())
    X, sizes = found.covariance(D), np.sqrt(np.diag(true["settled"]))
    np.testing.assert_array_less(np.abs(X - true["settled"]), lost * sizes[:, None] * sizes + 1e-300)


def test_the_time_is_that_at_which_the_start_is_forgotten() -> None:
    M = DRIFTS["condition 1e6"]
    M = (M + M.T) / 2
    found = relaxation_of(M)
    assert np.linalg.norm(transition(M, np.zeros_like(M), found.time).decay, 2) == pytest.approx(1e-8, rel=1e-3)
    assert found.norm == pytest.approx(1.0)
    assert found.scaled(-2.0).norm == pytest.approx(2.0)
    assert found.scaled(0.5).time == pytest.approx(2 * found.time)
    turned = found.scaled(-1.0)
    np.testing.assert_allclose(turned.eigenvalues, np.linalg.eigvalsh(-M), atol=1e-15)
    for unsettled in (turned, relaxation_of(np.diag([0.0, 1.0])), relaxation_of(np.diag([1e-17, 1.0]))):
        with pytest.raises(np.linalg.LinAlgError, match="forgotten"):
            _ = unsettled.time
        with pytest.raises(np.linalg.LinAlgError, match="forgotten"):
            unsettled.covariance(np.eye(len(unsettled.M)))


def test_other_drifts_are_doubled() -> None:
    M = np.array([[1.0, 5.0], [0.0, 2.0]])
    found = relaxation_of(M)
    assert isinstance(found, GeneralRelaxation)
    np.testing.assert_array_equal(found.covariance(np.eye(2)), Doubling(M).covariance(np.eye(2)))
    assert found.norm == pytest.approx(np.linalg.norm(M, 2))
    assert found.scaled(3.0).time < found.time
