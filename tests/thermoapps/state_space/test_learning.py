"""Slopes against differences, and searches that end at the maximum."""

import numpy as np
import pytest
from linear_gaussian import random_model

import thermolinalg as tla
from thermoapps.state_space import expectation_maximisation, fit, score, smooth

NILE = [1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140]
NILE += [1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969]
NILE += [831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759]
NILE += [781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890]
NILE += [744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740]
"""Annual flow of the Nile at Aswan, 1871–1970 (Durbin and Koopman 2012, section 2.2.2)."""

STEP = 1e-5
SYMMETRIC = ("Q", "R", "initial_covariance")


def level(theta):
    return {"F": 1.0, "Q": np.exp(theta[0]), "H": 1.0, "R": np.exp(theta[1]), "initial_covariance": np.inf}


def differences(model, name):
    """Slope of the log-likelihood in an array, by central differences."""
    array = np.array(model[name])
    slope = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        change = np.zeros_like(array)
        change[index] = STEP
        if name in SYMMETRIC:
            change = (change + np.swapaxes(change, -1, -2)) / 2
        ends = [smooth(**(model | {name: array + sign * change}), rng=0).log_likelihood for sign in (1, -1)]
        slope[index] = (ends[0] - ends[1]) / (2 * STEP)
    return slope


@pytest.mark.parametrize("changing", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_slopes(changing):
    model = random_model(3, n=4, missing=True, changing=changing, inputs=True)
    found = score(**model, rng=0)
    for name in found.slopes:
        assert np.allclose(found[name], differences(model, name), rtol=1e-6, atol=1e-6), name
    assert np.isclose(found.log_likelihood, smooth(**model, rng=0).log_likelihood)


def test_the_nile_has_the_variances_of_the_book():
    found = fit(level, np.log([1000.0, 10000.0]), NILE, rng=0)
    assert found.success
    assert np.allclose(np.exp(found.theta), [1469.1, 15099.0], rtol=1e-4)
    assert np.isclose(found.log_likelihood, -633.4646, atol=1e-4)  # exact diffuse
    assert max(found.history) <= found.log_likelihood + 1e-9

    # Information from second differences of the likelihood itself.
    def value(change):
        return smooth(**level(found.theta + change), y=NILE, rng=0).log_likelihood

    h, e = 1e-3, np.eye(2)
    hessian = [
        [(value(h * (a + b)) - value(h * (a - b)) - value(h * (b - a)) + value(-h * (a + b))) / (4 * h * h) for a in e]
        for b in e
    ]
    assert np.allclose(found.standard_errors, np.sqrt(np.diag(np.linalg.inv(-np.array(hessian)))), rtol=1e-4)


def test_expectation_maximisation_ends_at_the_same_maximum():
    found = expectation_maximisation(1.0, 1469.0, 1.0, 15000.0, NILE, initial_covariance=np.inf, tol=1e-10, rng=0)
    assert found.success
    assert np.isclose(found.log_likelihood, -633.4646, atol=1e-4)
    assert np.all(np.diff(found.history) > -1e-9)


@pytest.mark.parametrize("update", [["F", "Q"], ["H", "R"], ["initial"], ["F", "Q", "H", "R", "initial"]])
def test_every_turn_is_uphill_to_where_the_slope_is_zero(update):
    model = random_model(8, n=8, missing=True)
    model["Q"], model["R"] = model["Q"] + np.eye(2), model["R"] + np.eye(2)
    seen = []
    found = expectation_maximisation(
        **model, update=update, maxiter=8, tol=0.0, callback=lambda fit: seen.append(fit), rng=0
    )
    assert np.all(np.diff(found.history) > -1e-10)
    assert len(seen) == len(found.history)
    untouched = {"F", "Q", "H", "R"} - set(update)
    assert all(found.system[name] is model[name] for name in untouched)


def test_the_end_is_where_the_slope_is_zero():
    model = random_model(8, n=20, d=1, m=2)
    found = expectation_maximisation(**model, update=["R"], tol=1e-11, rng=0)
    R = found.system["R"]
    assert np.abs(score(**found.system, y=model["y"], rng=0)["R"] @ R).max() < 1e-3


@pytest.mark.slow
def test_a_parameter_on_the_edge_of_a_singular_covariance():
    def damped(theta):  # the level has no noise of its own, so that F's slope leaves the range of Q
        return {
            "F": [[1.0, 1.0], [0.0, theta[0]]],
            "Q": np.diag([0.0, np.exp(theta[1])]),
            "H": [[1.0, 0.0]],
            "R": 1.0,
            "initial_covariance": 10.0,
        }

    def leaving(theta):
        return damped([0.5, 0.0]) | {"F": [[1.0, theta[0]], [0.0, 0.5]]}

    y = np.cumsum(np.cumsum(np.random.default_rng(0).standard_normal(30)))
    assert fit(damped, [0.5, 0.0], y, rng=0).success
    found = fit(leaving, [0.5], y, rng=0)
    around = [smooth(**leaving([found.theta[0] + h]), y=y, rng=0).log_likelihood for h in (-1e-2, 0.0, 1e-2)]
    assert around[1] > max(around[0], around[2])


def test_a_callback_ends_the_search_with_what_there_is():
    def stop(_):
        raise StopIteration

    found = expectation_maximisation(1.0, 1.0, 1.0, 1.0, NILE, initial_covariance=np.inf, callback=stop, rng=0)
    assert not found.success
    assert len(found.history) == 1


def test_an_interrupt_leaves_the_last_fit_with_the_callback():
    kept = []

    def interrupt(result):
        kept.append(result)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        expectation_maximisation(1.0, 1.0, 1.0, 1.0, NILE, initial_covariance=np.inf, callback=interrupt, rng=0)
    assert kept[0].history
    assert kept[0].system["Q"] == 1.0


def test_a_diffuse_start_is_not_updated():
    with pytest.raises(tla.SingularError, match="give it a finite one"):
        expectation_maximisation(1.0, 1.0, 1.0, 1.0, NILE, initial_covariance=np.inf, update=["initial"], rng=0)
