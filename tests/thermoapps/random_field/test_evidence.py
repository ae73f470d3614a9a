"""Error bars over many seeds, and parameters by evidence."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from fields import FIELDS, exact

from thermoapps.random_field import GaussianField, Grid, fit_matern

SEEDS = 25


@pytest.mark.slow
def test_error_bars_cover_over_seeds():
    """Mean squares of 25 errors in their bars are 1 within five standard errors, 5 √(2/25)."""
    field, at, y = FIELDS["graph"], [2, 9, 20], np.array([1.0, -1.0, 2.0])
    expected = exact("graph", np.eye(30)[at], y, 0.3)
    deviation = np.sqrt(np.diag(expected.covariance))
    logs, spreads = [], []
    for seed in range(SEEDS):
        posterior = field.condition(y, 0.3, at=at, rng=seed)
        value, bar = posterior.log_evidence(method="readings", atol=0.2, return_std=True)
        logs.append((value - expected.log_evidence) / bar)
        read, error = posterior.standard_deviation(method="readings", rtol=0.1, return_error=True)
        spreads.append((read - deviation) / error)
    assert 0.3 < np.mean(np.square(logs)) < 1 + 5 * np.sqrt(2 / SEEDS)
    assert 0.5 < np.mean(np.square(spreads)) < 1.5


def test_the_bar_of_a_factor_holds_the_rounding():
    """In units that are known to 60 digits: a path whose determinants are recurrences."""
    mpmath = pytest.importorskip("mpmath")
    n, kappa = 200, 1e-5
    field = GaussianField.on_grid((n,), kappa=kappa)
    found = field.log_determinant("factor", atol=0.1)
    with mpmath.workdps(60):
        diagonal = [mpmath.mpf(float(entry)) for entry in field.precision.diagonal()]
        before, now = mpmath.mpf(1), diagonal[0]
        for entry in diagonal[1:]:
            before, now = now, entry * now - before
        error = abs(float(mpmath.log(now)) - found.value)
    assert error < found.rounding < 0.01


@pytest.mark.slow
def test_parameters_are_found_again_within_their_errors():
    grid = Grid((40, 40), 0.5)
    truth = {"range": 5.0, "standard_deviation": 2.0, "noise": 0.3}
    rng = np.random.default_rng(0)
    field = GaussianField.from_matern(grid, range=5.0, standard_deviation=2.0)
    places = rng.random((300, 2)) * 19.5
    y = 100 + grid.interpolation(places) @ field.sample(rng=1) + 0.3 * rng.standard_normal(300)
    fit = fit_matern(grid, y, places, trend=True, rng=0)
    for name, value in truth.items():
        assert abs(np.log(getattr(fit, name) / value)) < 4 * fit.log_errors[name] < 2
    scaled = fit_matern(Grid((40, 40), 5e5), 1e12 * y, 1e6 * places, trend=True, rng=0)
    assert scaled.range == pytest.approx(1e6 * fit.range, rel=1e-3)
    assert scaled.standard_deviation == pytest.approx(1e12 * fit.standard_deviation, rel=1e-3)
    assert scaled.noise == pytest.approx(1e12 * fit.noise, rel=1e-3)


def test_given_parameters_stay_and_all_may_be_given():
    grid, y = Grid(30), np.sin(np.arange(30) / 4)
    fit = fit_matern(grid, y, noise=0.1, range=12.0, rng=0)
    assert (fit.noise, fit.range) == (0.1, 12.0)
    assert list(fit.log_errors) == ["standard_deviation"]
    higher = [
        GaussianField.from_matern(grid, range=12.0, standard_deviation=s * fit.standard_deviation)
        .condition(y, 0.1)
        .log_evidence()
        for s in (0.95, 1.05)
    ]
    assert max(higher) < fit.log_evidence
    known = fit_matern(grid, y, noise=0.1, range=12.0, standard_deviation=1.0, rng=0)
    assert known.log_errors == {}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"observations": [1.0, 2.0], "at": [0, 1]}, ValueError, "too few"),
        ({"observations": np.ones(9), "trend": True}, ValueError, "no spread"),
        ({"observations": np.arange(9.0), "noise": -1.0}, ValueError, "noise"),
        ({"observations": np.arange(9.0), "range": 0.0}, ValueError, "range"),
        ({"observations": np.arange(8.0)}, ValueError, "observations must have shape"),
    ],
)
def test_bad_input_of_a_fit_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        fit_matern(Grid(9), **options)
    with pytest.raises(TypeError, match="must be a Grid"):
        fit_matern((9,), np.arange(9.0))
