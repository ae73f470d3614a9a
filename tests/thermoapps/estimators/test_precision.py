"""The precision matrix of Bayesian ridge regression: written once, inverted once, and continued in its ridge."""

import numpy as np
import pytest
from helpers import spd

pytest.importorskip("sklearn")

import thermolinalg as tla
from thermoapps.generalized_linear import ThermodynamicLogisticRegression
from thermoapps.least_squares import ThermodynamicBayesianRidge
from thermoapps.least_squares._precision import _Series


@pytest.mark.parametrize("unit", [1.0, 1e-24, 1e24])
def test_a_series_of_an_inverse_is_right_as_far_as_it_says_that_it_reaches(unit):
    gram, first = unit * (spd(40, 1e4) - np.eye(40) * 1e-5), unit * 0.1
    series = _Series(gram, np.linalg.inv(gram + first * np.eye(40)), first)
    reached = [ridge for ridge in first * np.linspace(0.5, 1.6, 111) if series.reaches(ridge)]
    assert first * 0.87 > min(reached) > first * 0.6
    assert first * 1.13 < max(reached) < first * 1.4
    load = np.arange(40.0)
    for ridge in (min(reached), first, max(reached)):
        exact = np.linalg.inv(gram + ridge * np.eye(40))
        np.testing.assert_allclose(series.at(ridge), exact, atol=1e-7 * np.abs(exact).max())
        np.testing.assert_allclose(series.times(load, ridge), exact @ load, rtol=1e-6)
        np.testing.assert_allclose(series.trace(ridge), np.trace(exact @ gram), rtol=1e-8)


def test_couplings_are_written_once_for_all_ridges(monkeypatch):
    written, rng = [], np.random.default_rng(0)
    X = rng.standard_normal((160, 140))
    y = X[:, 0] + rng.standard_normal(160)
    program = tla.program
    monkeypatch.setattr(tla, "program", lambda A, **options: written.append(A) or program(A, **options))
    model = ThermodynamicBayesianRidge(rng=0).fit(X, y)
    assert len(written) == 1
    assert model.n_iter_ > 3
    assert model.device_time_ > 0


def test_classes_keep_their_scores_around_zero():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 3))
    model = ThermodynamicLogisticRegression(rng=0).fit(X, np.argmax(X + rng.gumbel(size=X.shape), axis=1))
    assert model.n_iter_[0] < 10
    np.testing.assert_allclose(model.coef_.sum(axis=0), 0.0, atol=1e-14)
