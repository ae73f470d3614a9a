"""Zinc in the soil of the Meuse against kriging with the covariance that the field approximates."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import kv

pytest.importorskip("sklearn")

from fields import kriging

from thermoapps.random_field import GaussianField, Grid

RANGE, DEVIATION, NOISE = 1000.0, 0.75, 0.28


def matern(A, B):
    x = np.sqrt(8) * np.maximum(cdist(A, B) / RANGE, 1e-9)
    return DEVIATION**2 * x * kv(1, x)


@pytest.mark.slow
def test_kriging_of_zinc_and_places_held_out(data_folder):
    file = data_folder / "spatial" / "meuse.csv"
    if not file.is_file():
        pytest.skip("no soil samples of the Meuse")
    table = np.genfromtxt(file, delimiter=",", names=True)
    X, y = np.column_stack([table["x"], table["y"]]), np.log(table["zinc"])
    test = np.arange(len(y)) % 3 == 0
    grid = Grid.around(X, 60.0, margin=1000.0)
    field = GaussianField.from_matern(grid, range=RANGE, standard_deviation=DEVIATION).with_trend()
    posterior = field.condition(y[~test], NOISE, at=X[~test], rng=0)
    mean, deviation = posterior.predict(X[test], return_std=True)

    places = np.vstack([X[test], X[~test]])
    H = np.eye(len(y))[np.count_nonzero(test) :]
    exact = kriging(matern(places, places), np.ones((len(y), 1)), H, y[~test], NOISE)
    spread = np.sqrt(np.diag(exact.covariance))[: len(mean)]
    assert np.abs(mean - exact.mean[: len(mean)]).max() < 0.1 * spread.max()
    assert np.abs(deviation / spread - 1).max() < 0.12  # values between nodes 60 m apart are means of these
    assert posterior.log_evidence() == pytest.approx(exact.log_evidence, abs=0.5)
    assert posterior.coefficients == pytest.approx(exact.coefficients, abs=0.02)

    z = (y[test] - mean) / np.hypot(deviation, NOISE)
    assert np.mean((y[test] - mean) ** 2) < 0.4 * np.var(y[test])
    assert 0.85 < np.mean(np.abs(z) < 1.96) <= 1
