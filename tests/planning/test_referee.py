"""Methods at equal work: each against its closed form."""

from itertools import islice

import numpy as np
import pytest

import thermolinalg as tla
from thermolinalg.hardware import A100
from thermolinalg.planning import referee


def spd(d: int, condition: float) -> np.ndarray:
    Q = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    A = (Q * np.geomspace(1 / condition, 1, d)) @ Q.T
    return (A + A.T) / 2


A, B = spd(60, 20), np.random.default_rng(1).standard_normal(60)
VALUES, VECTORS = np.linalg.eigh(A)


def iterate(method, steps: int) -> tuple[float, np.ndarray]:
    return next(islice(method(A, B), steps - 1, None))


@pytest.mark.parametrize(
    ("method", "left"),
    [
        (referee._covariance, lambda n: (1 - 2 * referee.STEP * VALUES) ** n),
        (referee._newton_schulz, lambda n: (1 - VALUES) ** (2.0**n)),
    ],
)
@pytest.mark.parametrize("steps", [1, 3, 6])
def test_iterations_on_the_inverse_have_closed_forms(method, left, steps):
    """What is left of b along each eigenvector."""
    _, x = iterate(method, steps)
    assert np.allclose(VECTORS.T @ (B - A @ x), left(steps) * (VECTORS.T @ B), rtol=1e-9, atol=1e-12)


def test_the_stepped_device_errs_by_its_window():
    """A x̄ − b is white with the variance 2T/T_w, and for T_w = 2^14 h boundary terms are a tenth of it at most."""
    steps = 2**15
    _, x = iterate(referee._stepped, steps)
    gain = 1 / abs(B).max()
    expected = (2 / (steps / 2 * referee.STEP) * len(B)) ** 0.5 / gain
    assert np.linalg.norm(A @ x - B) == pytest.approx(expected, rel=0.1 + 4 / (2 * len(B)) ** 0.5)


def test_conjugate_gradients_end():
    iterates = list(islice(referee._conjugate_gradients(A, B), 500))
    assert len(iterates) < 500
    assert np.linalg.norm(A @ iterates[-1][1] - B) < 1e-12 * np.linalg.norm(B)


def test_work_is_what_it_takes():
    told = tla.plan(A, B, rtol=1e-6, digital=A100, referee=True)
    methods = {each.name: each.residuals for each in told.referee}
    assert told.referee[0].work == (1.0, 10.0, 100.0, 1000.0)
    assert max(methods["LAPACK"]) < 1e-13
    assert methods["Newton-Schulz"][:2] == (None, None)  # a step takes twelve factorisations
    assert methods["Newton-Schulz"][3] < 1e-12
    assert methods["covariance equation"][3] > 1e-12
    assert methods["device, stepped in time"][0] > methods["device, stepped in time"][3] > 1e-2
    assert "1000 d³/3" in str(told)
    assert told.to_dict()["referee"][1]["name"] == "CG"


def test_large_matrices_get_less_work(monkeypatch):
    monkeypatch.setattr(referee, "MOST_OPERATIONS", 15 * 60**3 / 3)
    assert tla.plan(A, rtol=1e-3, digital=A100, referee=True).referee[0].work == (1.0, 10.0)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.diag([1.0, -1.0]), "positive definite A"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "positive definite A"),
        (np.eye(1001), "up to 1000 rows"),
    ],
)
def test_what_cannot_be_compared_is_refused(matrix, words):
    with pytest.raises(ValueError, match=words):
        tla.plan(matrix, rtol=1e-3, digital=A100, referee=True)


def test_one_row_and_a_load_of_zero():
    for matrix, b in ((np.array([[2.0]]), [1.0]), (np.eye(3), np.zeros(3))):
        told = tla.plan(matrix, np.array(b), rtol=1e-3, digital=A100, referee=True)
        assert told.referee[0].residuals[0] < 1e-15
