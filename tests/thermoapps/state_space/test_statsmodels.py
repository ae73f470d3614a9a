"""Series and models of statsmodels, by both."""

import warnings

import numpy as np
import pytest
from helpers import close
from linear_gaussian import random_model

from thermoapps.state_space import filter, fit, smooth


def theirs(model):
    """Their smoother of one of our models, exact to rounding."""
    pytest.importorskip("statsmodels")
    from statsmodels.tsa.statespace.initialization import Initialization
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

    y = np.asarray(model["y"], float)
    d = len(model["F"])
    smoother = KalmanSmoother(k_endog=y.shape[1], k_states=d, k_posdef=d)
    smoother.bind(y.copy())
    smoother.tolerance = 0  # no steady state, at which their recursions stop at 1e-10
    names = {"transition": "F", "state_cov": "Q", "design": "H", "obs_cov": "R"}
    for name, ours in names.items():
        smoother[name] = np.asarray(model[ours], float)
    smoother["selection"] = np.eye(d)
    P = np.asarray(model["initial_covariance"])
    if np.isinf(P).any():
        smoother.initialization = Initialization(d, "diffuse")
    else:
        smoother.initialize_known(model["initial_mean"], P)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smoother.smooth()


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n", [1, 30, 200])
def test_their_smoother(n, missing):
    model = random_model(n, n=n, d=3, m=2, missing=missing and n > 1)
    model["F"] *= 0.95 / np.abs(np.linalg.eigvals(model["F"])).max()
    found, known, right = smooth(**model, rng=0), filter(**model, rng=0), theirs(model)
    assert close(found.means, right.smoothed_state.T)
    assert close(found.covariances, right.smoothed_state_cov.transpose(2, 0, 1))
    assert close(found.cross_covariances, right.smoothed_state_autocov.transpose(2, 1, 0)[: n - 1])
    assert close(known.means, right.filtered_state.T)
    assert close(known.covariances, right.filtered_state_cov.transpose(2, 0, 1))
    assert close(known.predictions.mean, right.predicted_state.T[:n])
    assert abs(found.log_likelihood - right.llf) < 1e-10 * abs(right.llf)


def test_their_exact_diffuse_start():
    model = random_model(5, n=60, d=3, m=1, diffuse=True)
    model["F"] *= 0.95 / np.abs(np.linalg.eigvals(model["F"])).max()
    found, known, right = smooth(**model, rng=0), filter(**model, rng=0), theirs(model | {"initial_mean": np.zeros(3)})
    assert close(found.means, right.smoothed_state.T, 1e-8)
    assert close(found.covariances, right.smoothed_state_cov.transpose(2, 0, 1), 1e-8)
    assert known.n_diffuse + 1 == right.nobs_diffuse
    assert close(known.means[3:], right.filtered_state.T[3:], 1e-8)
    assert abs(found.log_likelihood - right.llf) < 1e-8 * abs(right.llf)


def test_their_local_level_of_the_nile():
    sm = pytest.importorskip("statsmodels.api")
    y = sm.datasets.nile.load_pandas().data["volume"].to_numpy(dtype=float)

    def level(theta):
        return {"F": 1.0, "Q": np.exp(theta[0]), "H": 1.0, "R": np.exp(theta[1]), "initial_covariance": np.inf}

    found = fit(level, [7.0, 9.0], y, rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.tsa.UnobservedComponents(y, "llevel", use_exact_diffuse=True)
        right = model.smooth([np.exp(found.theta[1]), np.exp(found.theta[0])])
    ours = smooth(**found.system, y=y, rng=0)
    assert close(ours.means[:, 0], right.smoothed_state[0])
    assert close(ours.covariances[:, 0, 0], right.smoothed_state_cov[0, 0])
    assert abs(right.llf - found.log_likelihood) < 1e-8
