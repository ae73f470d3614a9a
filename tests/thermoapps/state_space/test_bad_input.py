"""What is refused, and that the advice works."""

import numpy as np
import pytest
from linear_gaussian import CASES, joint

import thermolinalg as tla
from thermoapps.state_space import expectation_maximisation, filter, fit, score, smooth

GOOD = {"F": np.eye(2), "Q": np.eye(2), "H": [[1.0, 0.0]], "R": 1.0, "y": [1.0, 2.0, 3.0], "initial_covariance": 1.0}

BAD = [
    ({"F": np.eye(3)[:2]}, ValueError, r"F must have shape \(3, 3\)"),
    ({"F": [[np.nan, 0], [0, 1]]}, ValueError, "F holds NaN"),
    ({"F": np.zeros((0, 0))}, ValueError, "F has no states"),
    ({"F": np.ma.masked_equal(np.eye(2), 0.0)}, TypeError, "F is masked"),
    ({"F": np.eye(2) * 1j}, TypeError, "F must hold real numbers"),
    ({"F": np.ones((4, 2, 2))}, ValueError, "to change with time"),
    ({"Q": np.eye(3)}, ValueError, r"Q must have shape \(2, 2\)"),
    ({"Q": [[1.0, 0.5], [0.0, 1.0]]}, ValueError, "Q is not symmetric"),
    ({"Q": [[1.0, 2.0], [2.0, 1.0]]}, ValueError, "Q is not positive semidefinite"),
    ({"Q": -np.eye(2)}, ValueError, "Q is not positive semidefinite"),
    ({"R": -1.0}, ValueError, "R is not positive semidefinite"),
    ({"R": np.inf}, ValueError, "R holds NaN or infinity"),
    ({"H": [[1.0, 0.0, 0.0]]}, ValueError, "H must have shape"),
    ({"y": [[[1.0]]]}, ValueError, "y must have shape"),
    ({"y": [1.0, np.inf, 2.0]}, ValueError, "missing observations are NaN"),
    ({"y": ["a", "b"]}, TypeError, "y must hold real numbers"),
    ({"initial_covariance": np.eye(3)}, ValueError, "initial_covariance must be a number"),
    ({"initial_covariance": -np.inf}, ValueError, "infinite on its diagonal"),
    ({"initial_covariance": np.full((2, 2), np.inf)}, ValueError, "infinite on its diagonal"),
    ({"initial_covariance": np.nan}, ValueError, "initial_covariance holds NaN"),
    ({"initial_covariance": -1.0}, ValueError, "initial_covariance is not positive semidefinite"),
    ({"initial_mean": [1.0, 2.0, 3.0]}, ValueError, "initial_mean must have shape"),
    ({"inputs": [1.0, 2.0, 3.0]}, ValueError, "pass one of them"),
    ({"B": [[1.0], [1.0]]}, ValueError, "pass inputs"),
    ({"inputs": [1.0, 2.0], "B": [[1.0], [1.0]]}, ValueError, "inputs must have shape"),
    ({"inputs": [1.0, 2.0, np.nan], "D": [[1.0]]}, ValueError, "inputs holds NaN"),
]


@pytest.mark.parametrize("call", [smooth, filter, score, expectation_maximisation])
@pytest.mark.parametrize(("change", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_input(call, change, error, message):
    with pytest.raises(error, match=message):
        call(**(GOOD | change), rng=0)


def test_diffuse_states_that_nothing_tells_of():
    blind = GOOD | {"initial_covariance": np.inf}
    with pytest.raises(tla.SingularError, match="give those a finite initial variance"):
        smooth(**blind, rng=0)
    advised = blind | {"initial_covariance": np.diag([np.inf, 7.0])}
    assert np.allclose(smooth(**advised, rng=0).means, joint(**advised).means)


def test_observations_that_repeat_each_other_without_noise():
    twice = {
        "F": 1.0,
        "Q": 1.0,
        "H": [[1.0], [1.0]],
        "R": np.zeros((2, 2)),
        "y": np.ones((3, 2)),
        "initial_covariance": 1.0,
    }
    with pytest.raises(tla.SingularError, match="give R a small variance"):
        smooth(**twice, rng=0)
    advised = twice | {"R": 1e-10 * np.eye(2)}
    found, right = smooth(**advised, rng=0), joint(**advised)
    assert np.allclose(found.means, right.means)
    assert np.allclose(found.covariances, right.covariances, rtol=1e-6, atol=0)


def test_observations_that_the_time_before_determines():
    trend = {"F": [[1.0, 1.0], [0.0, 1.0]], "Q": np.diag([0.0, 1.0]), "H": [[1.0, 0.0]], "R": 0.0}
    trend |= {"y": [0.0, 1.0, np.nan, 2.0, 5.0], "initial_covariance": np.inf}
    found, right = smooth(**trend, rng=0), joint(**trend)
    assert np.allclose(found.means, right.means, rtol=0, atol=1e-12)
    with pytest.raises(tla.SingularError, match="give R a small variance there, or read measured_covariances"):
        _ = found.covariances
    value, error = found.measured_covariances(1000, rng=1)
    assert np.all(np.abs(value - right.covariances) < 4 * error)
    advised = trend | {"R": 1e-10}
    assert np.allclose(smooth(**advised, rng=0).covariances, joint(**advised).covariances, rtol=1e-8, atol=1e-16)


@pytest.mark.parametrize("growth", [1e4, 1e5])
def test_states_that_outgrow_all_digits(growth):
    explosive = CASES["R far below Q"] | {"R": 1.0, "F": growth * np.array([[0.9, 0.2], [-0.1, 0.8]])}
    found, right = smooth(**explosive, rng=0), joint(**explosive)
    assert np.allclose(found.means, right.means, rtol=1e-12, atol=1e-12 * np.abs(right.means).max())
    for ask in (lambda: found.covariances, lambda: found.log_likelihood, lambda: filter(**explosive)):
        with pytest.raises(tla.SingularError, match=r"grow so much .*; sample and measured_covariances"):
            ask()
    value, error = found.measured_covariances(1000, rng=1)
    assert np.all(np.abs(value - right.covariances) < 4.5 * error)


def test_variances_that_differ_by_more_than_rounding():
    model = CASES["R far below Q"] | {"R": 1.0}
    with pytest.raises(tla.SingularError, match="bring the smallest variances nearer to the largest"):
        smooth(**(model | {"Q": 1e30 * np.eye(2)}), rng=0)
    advised = model | {"Q": 1e20 * np.eye(2)}
    assert np.allclose(smooth(**advised, rng=0).covariances, joint(**advised).covariances, rtol=1e-10)


@pytest.mark.parametrize("large", [1e30, 1e60])
def test_large_numbers_in_the_place_of_infinity(large):
    model = CASES["R far below Q"] | {"R": 1.0}
    with pytest.raises(tla.SingularError, match="or infinity to initial_covariance"):
        filter(**(model | {"initial_covariance": large}), rng=0)
    advised = model | {"initial_covariance": np.inf}
    assert np.allclose(filter(**advised, rng=0).covariances[-1], joint(**advised).covariances[-1], rtol=1e-12)


@pytest.mark.parametrize("size", [-1, 1.5, True])
def test_sizes(size):
    with pytest.raises(ValueError, match="size must be a whole number"):
        smooth(**CASES["regular"], rng=0).sample(size)


def test_one_reading_has_no_error():
    with pytest.raises(ValueError, match="readings must be at least 2"):
        smooth(**CASES["regular"], rng=0).measured_covariances(1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: expectation_maximisation(**GOOD, update=["S"]), "update must name some of"),
        (lambda: expectation_maximisation(**GOOD, update=[]), "update must name some of"),
        (lambda: expectation_maximisation(**(GOOD | {"Q": np.stack([np.eye(2)] * 3)})), "Q changes with time"),
        (lambda: expectation_maximisation(**(GOOD | {"y": []})), "y is empty"),
        (lambda: score(**(GOOD | {"y": []})), "y is empty"),
        (lambda: fit(lambda _: {}, [np.nan], [1.0]), "start must be finite"),
    ],
)
def test_what_learning_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
