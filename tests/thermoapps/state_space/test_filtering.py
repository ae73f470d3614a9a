"""Filtering and forecasts against the joint Gaussian of what is known by then."""

import numpy as np
import pytest
from helpers import close
from linear_gaussian import CASES, joint, plain_smoother, random_model

import thermolinalg as tla
from thermoapps.state_space import filter, smooth

CHANGING = ("y", "inputs")


def known_by(model, t):
    """The model with nothing observed after t."""
    y = np.array(model["y"], dtype=float)
    y = y.reshape(len(y), -1)
    y[t + 1 :] = np.nan
    return model | {"y": y}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("model", CASES.values(), ids=CASES)
def test_every_time_knows_what_was_seen_by_then(model):
    found = filter(**model, rng=0)
    n = len(found.means)
    assert np.isnan(found.means[: found.n_diffuse]).all()
    assert np.isinf(found.covariances[: found.n_diffuse]).all()
    for t in sorted({found.n_diffuse, n // 2, n - 1}):
        right = joint(**known_by(model, t))
        assert close(found.means[t], right.means[t], 1e-10)
        assert close(found.covariances[t], right.covariances[t], 1e-10)
        if t + 1 < n:
            assert close(found.predictions.mean[t + 1], right.means[t + 1], 1e-10)
            assert close(found.predictions.covariance[t + 1], right.covariances[t + 1], 1e-10)
    right = joint(**model)
    assert abs(found.log_likelihood - right.log_likelihood) < 1e-10 * max(abs(right.log_likelihood), 1)


def test_diffuse_states_are_known_as_soon_as_they_are_determined():
    trend = filter(**CASES["smooth trend"], rng=0)
    assert trend.n_diffuse == 1
    later = CASES["smooth trend"] | {"y": [np.nan, 1.0, np.nan, 2.0, 3.0]}
    assert filter(**later, rng=0).n_diffuse == 3


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 33])
def test_every_length(n):
    model = random_model(n, n=n, missing=n > 3)
    model["F"] *= 0.9 / np.abs(np.linalg.eigvals(model["F"])).max()
    found, right = filter(**model, rng=0), plain_smoother(**model)
    assert close(found.means, right.filtered[0], 1e-9)
    assert close(found.covariances, right.filtered[1], 1e-9)


@pytest.mark.parametrize("name", ["regular", "missing", "autoregression, exact", "smooth trend", "partly diffuse"])
def test_forecasts_are_rows_of_nan(name):
    model, steps = CASES[name], 3
    y = np.asarray(model["y"], float).reshape(len(model["y"]), -1)
    longer = joint(**(model | {"y": np.concatenate([y, np.full((steps, y.shape[1]), np.nan)])}))
    for call in (smooth, filter):
        found = call(**model, rng=0).forecast(steps)
        assert close(found.means, longer.means[-steps:], 1e-10)
        assert close(found.covariances, longer.covariances[-steps:], 1e-10)
        H, R = np.asarray(model["H"]), np.asarray(model["R"])
        assert close(found.observation_means, found.means @ H.T, 1e-12)
        assert close(found.observation_covariances, H @ found.covariances @ H.T + R, 1e-12)


def test_what_may_change_has_no_forecast_but_rows_of_nan():
    for name in ("changing", "inputs"):
        with pytest.raises(ValueError, match="append rows of NaN"):
            smooth(**CASES[name], rng=0).forecast(2)
    with pytest.raises(ValueError, match="steps must be a whole number"):
        smooth(**CASES["regular"], rng=0).forecast(-1)


def test_an_empty_series_is_answered():
    empty = filter(1.0, 1.0, 1.0, 1.0, [], initial_covariance=1.0, rng=0)
    assert empty.means.shape == (0, 1)
    assert empty.predictions.mean.shape == (0, 1)
    assert empty.log_likelihood == 0.0
    with pytest.raises(ValueError, match="append rows of NaN"):
        empty.forecast(1)


def test_states_that_are_never_determined_are_refused():
    with pytest.raises(tla.SingularError, match="finite initial variance"):
        filter(np.eye(2), np.eye(2), [[1.0, 0.0]], 1.0, [1.0, 2.0], initial_covariance=np.inf, rng=0)
