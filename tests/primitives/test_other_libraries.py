"""Arrays of any library of the array API standard: read as NumPy's, and answered to the last bit as those are."""

import numpy as np
import pytest
from helpers import general, normal, spd

import thermolinalg as tla

xp = pytest.importorskip("array_api_strict")

SMALL, LARGE, LOPSIDED = spd(8), spd(150), general(np.geomspace(1, 9, 150))
TALL = general(np.geomspace(1, 9, 20), 40, 20)
SHORT = tla.Schedule(burn_in=1.0, duration=2.0)

CALLS = {
    "eigendecomposition": lambda a: tla.solve(a(SMALL), a(normal(8)), rng=0),
    "Cholesky": lambda a: tla.solve(a(LARGE), a(normal((150, 3))), rng=0),
    "LU": lambda a: tla.solve(a(LOPSIDED), a(normal(150)), rng=0),
    "a short run": lambda a: tla.solve(a(LARGE), a(normal(150)), refine=False, schedule=SHORT, rng=0),
    "a drift": lambda a: tla.solve(a(LOPSIDED @ LOPSIDED.T), a(normal(150)), assume_a="stable", rng=0),
    "preconditioned": lambda a: tla.solve(a(LARGE), a(normal(150)), M=a(np.diag(1 / np.diag(LARGE))), rng=0),
    "langevin": lambda a: tla.langevin(a(SMALL), a(normal(8)), x0=a(np.ones(8)), rng=0)[0],
    "batch": lambda a: tla.solve(a(np.stack([SMALL, 2 * SMALL])), a(normal((2, 8, 1))), rng=0),
    "least squares": lambda a: tla.lstsq(a(TALL), a(normal(40)), rng=0).x,
    "pinv": lambda a: tla.pinv(a(TALL), rng=0),
    "inv": lambda a: tla.inv(a(SMALL), rng=0),
    "inv_diagonal": lambda a: tla.inv_diagonal(a(LARGE), rng=0),
    "slogdet": lambda a: tla.slogdet(a(SMALL), rng=0)[1],
    "expm": lambda a: tla.expm(a(-SMALL), rng=0),
    "expm_multiply": lambda a: tla.expm_multiply(a(-SMALL), a(normal(8)), rng=0),
    "lyapunov": lambda a: tla.solve_continuous_lyapunov(a(SMALL), a(np.eye(8)), rng=0),
    "sample": lambda a: tla.sample(a(SMALL), 3, b=a(normal(8)), rng=0),
    "sample of a covariance": lambda a: tla.sample(cov=a(SMALL), mean=a(normal(8)), size=3, rng=0),
    "inverse operator": lambda a: tla.ThermodynamicInverse(a(SMALL), rng=0) @ a(normal(8)),
    "quadratic form": lambda a: tla.program(a(SMALL), rng=0).quadratic_form(a(normal(8)))[0],
    "variances": lambda a: tla.program(a(SMALL), rng=0).variance_of(a(normal((2, 8)))),
    "an update": lambda a: tla.program(a(SMALL), rng=0).update(a(2 * SMALL)).solve(a(normal(8))),
    "Kronecker": lambda a: tla.solve(tla.operators.Kronecker(a(SMALL), a(spd(3))), a(normal(24)), rng=0),
    "low rank": lambda a: tla.solve(tla.operators.LowRankPlusIdentity(a(normal((2, 9))), 0.1), a(normal(9)), rng=0),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_answer_is_that_for_numpy(name):
    found, expected = CALLS[name](xp.asarray), CALLS[name](np.asarray)
    assert type(found) is type(expected)
    assert np.array_equal(found, expected)
