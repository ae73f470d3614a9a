from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import aslinearoperator

from thermolinalg.laws import EulerMaruyama
from thermolinalg.simulation import LinearProcess, LinearSDE, Transition, integrate

SPD = np.array([[3.0, 1.0], [1.0, 2.0]])
GOLDEN = np.array([[1.0, 5.0], [0.0, 2.0]])
LOAD = np.array([1.0, -2.0])
START = np.array([2.0, -1.0])
METHODS = ["itoEuler", "stratHeun"]
LONGER = ["itoSRI2", "itoint", "stratSRS2", "stratKP2iS", "stratint"]


def replicas(x, k):
    return np.broadcast_to(np.asarray(x, dtype=float)[:, None], (len(x), k))


def stepped_law(process, step, n_steps):
    """Law of n steps of Euler–Maruyama: the calculus of the exact law with I − hM in place of e^{−Mh}."""
    one = np.eye(len(process.M))
    single = Transition(one - step * process.M, step * process.D, step * one)
    law = single
    for _ in range(n_steps - 1):
        law = law.then(single)
    return law


EQUATIONS = {
    "overdamped": LinearSDE.overdamped(SPD, LOAD, temperature=0.5),
    "non-normal": LinearSDE(GOLDEN, LOAD, [[1.0, 0.5], [0.0, 1.0]]),
    "underdamped": LinearSDE.underdamped(SPD, LOAD, mass=0.5, friction=2.0, temperature=0.3),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_euler_maruyama_follows_its_own_law(name, assert_moments):
    equation = EQUATIONS[name]
    x0 = np.arange(1.0, len(equation.force) + 1)
    law = stepped_law(equation.exact(), 0.05, 20)
    states = integrate(equation, replicas(x0, 20_000), step=0.05, n_steps=20, every=20, rng=1)
    assert_moments(states[-1].T, law.mean(x0, equation.force), law.covariance)


@pytest.mark.parametrize("name", EQUATIONS)
def test_euler_maruyama_converges_to_the_exact_law(name, assert_moments):
    """Its law is off by O(h), and small enough steps cannot be told from the exact law."""
    process = EQUATIONS[name].exact()
    exact = process.transition(0.5)
    errors = [np.linalg.norm(stepped_law(process, 0.5 / n, n).covariance - exact.covariance) for n in (200, 400, 800)]
    assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, rtol=0.05)

    x0 = np.ones(len(process.M))
    states = integrate(EQUATIONS[name], replicas(x0, 4000), step=0.5 / 400, n_steps=400, every=400, rng=2)
    assert_moments(states[-1].T, exact.mean(x0, process.c), exact.covariance)


def test_euler_maruyama_follows_the_scalar_law(assert_moments):
    lam = np.array([0.5, 2.0, 6.0])
    law = EulerMaruyama(step_size=0.25, temperature=0.7).step(1.5)
    ((decay, response, noise),) = law.functions(lam)
    device = LinearSDE.overdamped(np.diag(lam), np.ones(3), temperature=0.7)
    states = integrate(device, np.full((3, 20_000), 2.0), step=0.25, n_steps=6, every=6, rng=9)
    assert_moments(states[-1].T, 2 * decay + response, np.diag(noise**2))


def test_noiseless_steps_converge_at_first_order():
    equation = LinearSDE(GOLDEN, LOAD, 0.0)
    exact = equation.exact().transition(1.0).mean(START, LOAD)
    ends = [integrate(equation, START, step=1 / n, n_steps=n)[-1] for n in (100, 200, 400)]
    errors = [np.linalg.norm(end - exact) for end in ends]
    assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, rtol=0.05)


def test_stationary_variance_is_multiplied_by_the_known_factor(covariance_error):
    """2/(2 − λh), the signature of the plain method: a 'corrected' one would fail here."""
    lam, step, temperature = np.array([0.5, 2.0, 3.5]), 0.4, 0.7
    device = LinearSDE.overdamped(np.diag(lam), np.ones(3), temperature=temperature)
    end = integrate(device, np.zeros((3, 40_000)), step=step, n_steps=60, every=60, rng=3)[-1].T
    exact = np.diag(temperature / lam)
    assert covariance_error(end, 1 / lam, exact * 2 / (2 - lam * step)) < 4.5
    assert covariance_error(end, 1 / lam, exact) > 50
    assert_allclose(end.mean(axis=0), 1 / lam, atol=0.05)  # the mean has no such factor


@pytest.mark.parametrize("method", [*METHODS, *(pytest.param(name, marks=pytest.mark.slow) for name in LONGER)])
def test_sdeint_methods_follow_the_exact_law(method, assert_moments):
    """The check of the exact law by an integrator that knows nothing of it."""
    equation = EQUATIONS["non-normal"]
    law = equation.exact().transition(0.3)
    k = 150 if method == "stratKP2iS" else 1000
    states = integrate(equation, replicas(START, k), step=0.01, n_steps=30, every=10, method=method, rng=4)
    assert states.shape == (4, 2, k)
    assert_array_equal(states[0], replicas(START, k))
    assert_moments(states[-1].T, law.mean(START, LOAD), law.covariance)


@pytest.mark.slow
def test_sdeint_reaches_the_underdamped_device(assert_moments):
    equation = EQUATIONS["underdamped"]
    law = equation.exact().transition(0.3)
    states = integrate(equation, np.zeros((4, 1000)), step=0.01, n_steps=30, method="itoSRI2", rng=5)
    assert_moments(states[-1].T, law.mean(np.zeros(4), equation.force), law.covariance)


@pytest.mark.parametrize("method", ["euler_maruyama", "stratHeun"])
def test_readings_are_every_so_many_steps(method):
    equation = EQUATIONS["overdamped"]
    every, fifth = (integrate(equation, START, step=0.1, n_steps=20, every=n, method=method, rng=6) for n in (1, 5))
    assert every.shape == (21, 2)
    assert_array_equal(every[::5], fifth)


def test_every_way_to_give_the_drift_and_the_noise_is_the_same():
    plain = integrate(LinearSDE(SPD, LOAD, 0.5), START, step=0.1, n_steps=10, rng=7)
    drifts = [SPD.tolist(), scipy.sparse.csr_array(SPD), aslinearoperator(SPD), lambda x: SPD @ x]
    for drift in drifts:
        assert_allclose(integrate(LinearSDE(drift, LOAD, 0.5), START, step=0.1, n_steps=10, rng=7), plain, rtol=1e-14)
    for noise in ([0.5, 0.5], 0.5 * np.eye(2), scipy.sparse.csr_array(0.5 * np.eye(2))):
        assert_allclose(integrate(LinearSDE(SPD, LOAD, noise), START, step=0.1, n_steps=10, rng=7), plain, rtol=1e-14)


@pytest.mark.parametrize("method", ["euler_maruyama", "itoEuler"])
def test_loads_are_separate_replicas(method):
    loads = np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -5.0]])
    states = integrate(LinearSDE(SPD, loads, 0.0), START, step=0.1, n_steps=300, method=method)
    assert states.shape == (301, 2, 3)
    assert_allclose(states[-1], np.linalg.solve(SPD, loads), rtol=1e-12, atol=1e-12)


def test_exact_counterpart():
    process = EQUATIONS["underdamped"].exact()
    assert isinstance(process, LinearProcess)
    mean, covariance = process.stationary()
    assert_allclose(mean[:2], np.linalg.solve(SPD, LOAD), rtol=1e-13)
    assert_allclose(covariance[:2, :2], 0.3 * np.linalg.inv(SPD), rtol=1e-13)
    assert_allclose(covariance[2:, 2:], 0.3 / 0.5 * np.eye(2), rtol=1e-13, atol=1e-15)
    assert_allclose(covariance[:2, 2:], 0, atol=1e-14)


@pytest.mark.parametrize("method", ["euler_maruyama", "itoEuler", "itoSRI2", "stratHeun"])
def test_a_step_beyond_two_over_the_largest_eigenvalue_is_refused(method):
    device = LinearSDE.overdamped(np.diag([1.0, 10.0]), np.zeros(2))
    assert np.isfinite(integrate(device, np.zeros(2), step=0.199, n_steps=500, method=method, rng=0)).all()
    for step in (0.2001, 0.5):
        with pytest.raises(ValueError, match=r"too long.*eigenvalue 10.*below 0.2\)"):
            integrate(device, np.zeros(2), step=step, n_steps=10, method=method)


def test_the_largest_eigenvalue_is_found_by_products_alone():
    d = 300
    chain = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(d, d))  # spectrum up to 4
    device = LinearSDE.overdamped(lambda x: chain @ x, np.zeros(d))
    integrate(device, np.zeros(d), step=0.49, n_steps=3, rng=0)
    with pytest.raises(ValueError, match="too long"):
        integrate(device, np.zeros(d), step=0.51, n_steps=3)


def test_an_oscillation_needs_a_shorter_step_than_its_modulus_says():
    """Explicit steps turn a weakly damped oscillation into a growing one at h = 2 Re λ/|λ|² = γ/k, here 0.01."""
    device = LinearSDE.underdamped(np.array([[100.0]]), np.zeros(1), friction=1.0)
    integrate(device, np.zeros(2), step=0.009, n_steps=10)
    with pytest.raises(ValueError, match=r"below 0.01\)"):
        integrate(device, np.zeros(2), step=0.011, n_steps=10)


def test_an_equation_that_grows_by_itself_may_grow_until_it_overflows():
    unstable = LinearSDE(-np.eye(2), np.zeros(2), 1.0)
    assert np.isfinite(integrate(unstable, START, step=0.1, n_steps=100, rng=0)).all()
    for method in ("euler_maruyama", "itoEuler"):
        with pytest.raises(OverflowError, match="unstable"):
            integrate(unstable, START, step=1.0, n_steps=2000, every=2000, method=method, rng=0)


def test_same_seed_same_path_and_fresh_entropy_without():
    device = EQUATIONS["overdamped"]
    paths = [
        integrate(device, START, step=0.1, n_steps=5, rng=rng) for rng in (8, np.random.default_rng(8), None, None)
    ]
    assert_array_equal(paths[0], paths[1])
    assert not np.array_equal(paths[2], paths[3])


def test_inputs_are_not_overwritten():
    drift, load, noise, x0 = SPD.copy(), LOAD.copy(), np.ones(2), START.copy()
    for method in ("euler_maruyama", "itoSRI2"):
        integrate(LinearSDE(drift, load, noise), x0, step=0.1, n_steps=5, method=method)
    for value, expected in ((drift, SPD), (load, LOAD), (noise, np.ones(2)), (x0, START)):
        assert_array_equal(value, expected)


@pytest.mark.parametrize("method", ["euler_maruyama", "itoEuler"])
def test_progress_bar(method, capsys):
    integrate(EQUATIONS["overdamped"], START, step=0.1, n_steps=5, method=method)
    assert capsys.readouterr().err == ""
    integrate(EQUATIONS["overdamped"], START, step=0.1, n_steps=5, method=method, progress=True)
    assert "stepping" in capsys.readouterr().err


def test_missing_sdeint_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sdeint", None)
    with pytest.raises(ImportError, match=r"pip install thermolinalg\[sde\]"):
        integrate(EQUATIONS["overdamped"], START, step=0.1, n_steps=5, method="itoEuler")
    integrate(EQUATIONS["overdamped"], START, step=0.1, n_steps=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x0": np.ones(3)}, r"x0 must have shape \(2,\)"),
        ({"x0": 1.0}, r"x0 must have shape \(2,\)"),
        ({"x0": [np.nan, 0.0]}, "x0 must be finite"),
        ({"step": 0.0}, "step > 0"),
        ({"step": np.nan}, "step > 0"),
        ({"n_steps": 0}, "n_steps ≥ 1"),
        ({"every": 0}, "divisor"),
        ({"every": 3}, "divisor"),
        ({"method": "runge_kutta"}, "euler_maruyama.*itoEuler"),
        ({"method": "deltaW"}, "euler_maruyama.*itoEuler"),
    ],
)
def test_bad_call(arguments, message):
    good = {"x0": START, "step": 0.1, "n_steps": 10}
    with pytest.raises(ValueError, match=message):
        integrate(EQUATIONS["overdamped"], **{**good, **arguments})


def test_replicas_and_loads_must_be_as_many():
    with pytest.raises(ValueError, match="x0 has 2 columns and force has 3"):
        integrate(LinearSDE(SPD, np.ones((2, 3)), 1.0), np.ones((2, 2)), step=0.1, n_steps=1)


@pytest.mark.parametrize(
    ("drift", "force", "noise", "error", "message"),
    [
        (SPD, 1.0, 1.0, ValueError, "force must have shape"),
        (SPD, [], 1.0, ValueError, "force must have shape"),
        (SPD, [1j, 0], 1.0, TypeError, "force is complex"),
        (SPD, LOAD, np.inf, ValueError, "noise must be finite"),
        (SPD, LOAD, np.ones(3), ValueError, "noise must be a number or of length 2"),
        (SPD, LOAD, np.ones((3, 2)), ValueError, "noise must have 2 rows"),
        (SPD, LOAD, scipy.sparse.eye_array(3), ValueError, "noise must have 2 rows"),
        ([[1j, 0], [0, 1]], LOAD, 1.0, TypeError, "drift is complex"),
        ([[np.nan, 0], [0, 1]], LOAD, 1.0, ValueError, "drift must be finite"),
        (SPD + 1j, LOAD, 1.0, TypeError, "drift is complex"),
        (np.eye(3), LOAD, 1.0, ValueError, r"drift must have shape \(2, 2\)"),
    ],
)
def test_bad_equation(drift, force, noise, error, message):
    with pytest.raises(error, match=message):
        LinearSDE(drift, force, noise)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mass": 0.0}, "mass > 0"),
        ({"friction": -1.0}, "friction ≥ 0"),
        ({"temperature": -1.0}, "temperature ≥ 0"),
    ],
)
def test_bad_device(arguments, message):
    with pytest.raises(ValueError, match=message):
        LinearSDE.underdamped(SPD, LOAD, **arguments)
    if "temperature" in arguments:
        with pytest.raises(ValueError, match=message):
            LinearSDE.overdamped(SPD, LOAD, **arguments)
