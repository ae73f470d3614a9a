"""Nonlinear cells against quadrature, the exact laws of linear ones, detailed balance, and each other."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import integrate, stats

from thermolinalg.simulation.nonlinear import (
    BAOAB,
    MALA,
    Clamps,
    Equation,
    EulerMaruyama,
    Heun,
    LeimkuhlerMatthews,
    Network,
    TamedEuler,
    Wells,
    chosen_step,
    simulate,
)

ALL = [EulerMaruyama(), TamedEuler(), Heun(), LeimkuhlerMatthews(), MALA(), BAOAB(), BAOAB(mass=0.5, friction=2.0)]
SMOOTH = [integrator for integrator in ALL if not isinstance(integrator, EulerMaruyama | TamedEuler)]
REPLICAS = 4000
A = np.array([[2.0, 0.5], [0.5, 1.0]])


def names(items):
    return [str(item).removesuffix("()") for item in items]


def moment(equation, power):
    """E[x₁^power] by quadrature, of one cell or of two."""
    low, high = (max(equation.lower, -8.0), min(equation.upper, 8.0))
    d = dimension(equation)
    grid = np.linspace(low, high, 401)
    points = np.stack([axis.ravel() for axis in np.meshgrid(*[grid] * d, indexing="ij")])
    energy = equation.energy.value(points) / equation.temperature
    shape = (len(grid),) * d
    weights = np.exp(energy.min() - energy).reshape(shape)
    values = points[0].reshape(shape) ** power
    total, mean = weights, weights * values
    for _ in range(d):
        total, mean = integrate.simpson(total, x=grid), integrate.simpson(mean, x=grid)
    return float(mean / total)


def dimension(equation):
    parts = getattr(equation.energy, "parts", (equation.energy,))
    return next((len(part.A) for part in parts if isinstance(part, Network)), 1)


EQUATIONS = {
    "linear": Equation(Network(A, [1.0, 0.0]), 0.5),
    "double well": Equation(Wells(1.5), 0.7),
    "coupled wells": Equation(Network(-0.5 * A, [0.2, 0.0]) + Wells(0.5), 0.6),
    "clamped": Equation(Network(0.1 * np.eye(1)) + Clamps(0.5, 3.0), 1.0),
}
RAILED = {
    "half line": Equation(Network(np.eye(1), [-0.5]), 1.0, lower=0.0),
    "box": Equation(Network(A, [1.0, 1.0]), 1.0, lower=-0.5, upper=1.0),
}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("integrator", ALL, ids=names(ALL))
@pytest.mark.parametrize("name", EQUATIONS)
def test_equilibrium_is_that_of_quadrature(name, integrator):
    equation = EQUATIONS[name]
    start = np.random.default_rng(1).standard_normal((dimension(equation), REPLICAS))
    x = simulate(equation, start, time=15.0, tolerance=0.02, integrator=integrator, rng=2).last[0]
    for power in (1, 2, 4):
        values, expected = x**power, moment(equation, power)
        bias = 0.0 if isinstance(integrator, MALA) else 0.03 * moment(equation, 2 * math.ceil(power / 2))
        assert abs(values.mean() - expected) < 4.5 * values.std() / math.sqrt(REPLICAS) + bias


@pytest.mark.parametrize(
    "integrator", [MALA(), EulerMaruyama(), BAOAB()], ids=names([MALA(), EulerMaruyama(), BAOAB()])
)
@pytest.mark.parametrize("name", RAILED)
def test_rails_cut_the_density(name, integrator):
    equation = RAILED[name]
    start = np.full((dimension(equation), REPLICAS), 0.2)
    x = simulate(equation, start, time=6.0, step=0.01, integrator=integrator, rng=3).last[0]
    assert x.min() >= equation.lower
    assert x.max() <= equation.upper
    for power in (1, 2):
        values, expected = x**power, moment(equation, power)
        bias = 0.0 if isinstance(integrator, MALA) else 0.02
        assert abs(values.mean() - expected) < 4.5 * values.std() / math.sqrt(REPLICAS) + bias


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_railed_gaussian_is_truncated(sign):
    equation = Equation(Network(np.eye(1)), 1.0, lower=0.3)
    start = np.full((1, 4000), 1.0)
    x = simulate(equation, start, time=8.0, step=0.2, integrator=MALA(), rng=int(5 + sign)).last[0]
    assert stats.kstest(x, stats.truncnorm(0.3, np.inf).cdf).pvalue > 1e-3


@pytest.mark.parametrize("integrator", ALL, ids=names(ALL))
def test_linear_cells_relax_as_the_law_says(integrator):
    if isinstance(integrator, BAOAB):
        pytest.skip("has inertia")
    equation, b = Equation(Network(A, [1.0, 0.0]), 0.5), np.array([1.0, 0.0])
    x = simulate(equation, np.zeros((2, REPLICAS)), time=0.5, step=0.005, integrator=integrator, rng=4).last
    values, vectors = np.linalg.eigh(A)
    decay = vectors @ np.diag(np.exp(-0.5 * values)) @ vectors.T
    mean = (np.eye(2) - decay) @ np.linalg.solve(A, b)
    covariance = 0.5 * np.linalg.inv(A) @ (np.eye(2) - decay @ decay)
    spread = np.sqrt(np.diag(covariance) / REPLICAS)
    assert np.all(np.abs(x.mean(axis=1) - mean) < 4.5 * spread + 0.01 * np.abs(mean))
    assert np.all(np.abs(np.cov(x) - covariance) < 4.5 * np.sqrt(2 / REPLICAS) * np.max(covariance) + 0.01)


@pytest.mark.parametrize(
    ("integrator", "factor"),
    [
        (EulerMaruyama(), lambda z: 2 / (2 - z)),
        (Heun(), lambda z: (2 - z) / (2 - z + z**2 / 2)),
        (LeimkuhlerMatthews(), lambda z: 1.0),
        (MALA(), lambda z: 1.0),
    ],
)
def test_long_steps_have_the_bias_that_is_stated(integrator, factor):
    z = 0.8
    x = simulate(Equation(Network(np.eye(1))), np.zeros((1, 20_000)), time=16.0, step=z, integrator=integrator, rng=6)
    assert x.step == pytest.approx(z)
    assert np.var(x.last) == pytest.approx(factor(z), rel=4.5 * math.sqrt(2 / 20_000))
    assert integrator.bias(z) >= abs(factor(z) - 1) - 1e-12


def test_positions_of_cells_with_inertia_have_no_bias():
    x = simulate(Equation(Network(np.eye(1))), np.zeros((1, 20_000)), time=24.0, step=1.2, integrator=BAOAB(), rng=7)
    assert np.var(x.last) == pytest.approx(1.0, rel=4.5 * math.sqrt(2 / 20_000))


@pytest.mark.slow
@pytest.mark.parametrize(("integrator", "order"), [(EulerMaruyama(), 1), (Heun(), 2), (LeimkuhlerMatthews(), 2)])
def test_the_bias_of_a_quartic_cell_falls_with_the_stated_order(integrator, order):
    equation = Equation(Wells(0.0), 1.0)
    exact, errors = moment(equation, 2), []
    for step in (0.1, 0.05):
        start = np.random.default_rng(8).uniform(-1, 1, (1, 200_000))
        errors.append(np.mean(simulate(equation, start, time=8.0, step=step, integrator=integrator, rng=8).last ** 2))
    coarse, fine = (abs(error - exact) for error in errors)
    noise = 4.5 * 0.6 / math.sqrt(200_000)
    assert fine < coarse / 2 ** (order - 0.5) + noise
    assert integrator.order == order


@pytest.mark.parametrize("integrator", [MALA(), LeimkuhlerMatthews()], ids=["MALA", "LeimkuhlerMatthews"])
def test_detailed_balance(integrator):
    # In equilibrium, forwards and backwards cannot be told apart: E[f(x₀) g(x_t)] = E[g(x₀) f(x_t)].
    equation = EQUATIONS["coupled wells"]
    start = np.random.default_rng(9).standard_normal((2, 30_000))
    run = simulate(equation, start, time=12.3, readings=41, step=0.05, integrator=integrator, rng=9)
    before, after = run.x[-2], run.x[-1]
    difference = before[0] ** 3 * after[1] - after[0] ** 3 * before[1]
    assert abs(difference.mean()) < 4.5 * difference.std() / math.sqrt(30_000)


@pytest.mark.parametrize("integrator", SMOOTH, ids=names(SMOOTH))
@pytest.mark.parametrize("tolerance", [0.1, 0.01])
def test_a_chosen_step_keeps_its_tolerance(integrator, tolerance):
    equation = Equation(Network(np.array([[30.0]])) + Wells(0.0), 1.0)
    start = np.random.default_rng(10).standard_normal((1, 20_000)) / 5
    x = simulate(equation, start, time=1.5, tolerance=tolerance, integrator=integrator, rng=10)
    assert np.var(x.last) == pytest.approx(moment(equation, 2), rel=tolerance + 4.5 * math.sqrt(2 / 20_000))


def test_metropolis_finds_its_pace():
    equation = Equation(Network(np.diag([1.0, 4.0, 9.0])))
    step = chosen_step(equation, np.zeros((3, 500)), integrator=MALA(), rng=11)
    run = simulate(equation, np.zeros((3, 500)), time=200 * step, step=step, integrator=MALA(), rng=11)
    assert 0.45 < run.acceptance < 0.7
    assert simulate(equation, np.zeros((3, 500)), time=1.0, rng=11).acceptance is None


def test_a_tame_step_bears_what_euler_does_not():
    equation, start = Equation(Wells(0.0, 100.0), 1.0), np.full((1, 50), 30.0)
    with pytest.raises(OverflowError, match=r"TamedEuler\(\) or MALA"):
        simulate(equation, start, time=1.0, step=0.01, integrator=EulerMaruyama(), rng=0)
    tame = simulate(equation, start, time=1.0, step=0.01, integrator=TamedEuler(), rng=0)
    assert np.max(np.abs(tame.last)) < 2


def test_a_schedule_cools_wells_into_their_ground_state():
    # Ising spins ±1 on a ring of six with one load: the ground state follows it.
    ring = -0.5 * (np.roll(np.eye(6), 1, axis=0) + np.roll(np.eye(6), -1, axis=0))
    network = Network(ring, [0.3] * 6)

    def cooling(t):
        return Equation(network + Wells(1.0 + t / 10), temperature=max(0.6 * (1 - t / 20), 0.0))

    for integrator in (LeimkuhlerMatthews(), BAOAB()):
        run = simulate(cooling, np.zeros((6, 200)), time=20.0, step=0.05, integrator=integrator, rng=12)
        assert np.mean(np.all(run.last > 0, axis=0)) > 0.6


def test_metropolis_follows_a_schedule():
    def heating(t):
        return Equation(Network(np.eye(1)), temperature=0.1 if t < 1 else 1.0)

    x = simulate(heating, np.zeros((1, REPLICAS)), time=9.0, step=0.2, integrator=MALA(), rng=13).last
    assert np.var(x) == pytest.approx(1.0, rel=4.5 * math.sqrt(2 / REPLICAS))


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_couplings_of_any_kind(kind):
    x = simulate(Equation(Network(kind(A))), np.zeros((2, 3)), time=1.0, step=0.1, rng=14).last
    np.testing.assert_allclose(x, simulate(Equation(Network(A)), np.zeros((2, 3)), time=1.0, step=0.1, rng=14).last)


@pytest.mark.parametrize("integrator", ALL, ids=names(ALL))
def test_tensors(integrator):
    torch = pytest.importorskip("torch")
    network = Network(torch.as_tensor(A), [0.5, 0.0])
    equation = Equation(network + Wells([0.5, 1.0]) + Clamps(2.0, 1.0), 0.5, lower=[-3.0, -2.0], upper=4.0)
    start = torch.zeros((2, 4000), dtype=torch.float64)
    x = simulate(equation, start, time=4.0, readings=2, step=0.05, integrator=integrator, rng=15).x
    assert isinstance(x, torch.Tensor)
    assert x.shape == (2, 2, 4000)
    twin = Equation(Network(A, [0.5, 0.0]) + Wells([0.5, 1.0]) + Clamps(2.0, 1.0), 0.5, lower=[-3.0, -2.0], upper=4.0)
    other = simulate(twin, np.zeros((2, 4000)), time=4.0, step=0.05, integrator=integrator, rng=16).last
    for mine, theirs in ((x[-1].numpy(), other), (x[-1].numpy() ** 2, other**2)):
        spread = np.hypot(mine.std(axis=1), theirs.std(axis=1)) / math.sqrt(4000)
        assert np.all(np.abs(mine.mean(axis=1) - theirs.mean(axis=1)) < 4.5 * spread)


def test_same_seed_same_readings_and_the_shape_of_one():
    equation = Equation(Wells(1.0))
    runs = [simulate(equation, np.zeros(1), time=1.0, readings=4, step=0.1, rng=17) for _ in range(2)]
    np.testing.assert_array_equal(runs[0].x, runs[1].x)
    assert runs[0].x.shape == (4, 1)
    np.testing.assert_allclose(runs[0].times, [0.25, 0.5, 0.75, 1.0])


def test_gradients_are_those_of_the_values():
    energy = Network(A, [0.3, -0.2]) + Wells([0.5, -1.0], [1.0, 2.0]) + Clamps([0.2, 0.7], 5.0)
    x = np.random.default_rng(18).standard_normal((2, 9))
    for i in range(2):
        shift = 1e-6 * np.eye(2)[:, i : i + 1]
        slope = (energy.value(x + shift) - energy.value(x - shift)) / 2e-6
        np.testing.assert_allclose(energy.gradient(x)[i], slope, rtol=1e-6, atol=1e-7)


class Pull:
    """An energy by its gradient only."""

    def gradient(self, x):
        return x


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Network(np.ones((2, 3))), ValueError, "square"),
        (lambda: Network([[1.0, 2.0], [0.0, 1.0]]), np.linalg.LinAlgError, "symmetric"),
        (lambda: Network(A, [1.0]), ValueError, r"shape \(2,\)"),
        (lambda: Wells(1.0, 0.0), ValueError, "quartic must be positive"),
        (lambda: Wells(np.nan), ValueError, "pump must be finite"),
        (lambda: Clamps(-1.0, 1.0), ValueError, "limit"),
        (lambda: Clamps(1.0, np.inf), ValueError, "hard rails are a box"),
        (lambda: Equation(3.0), TypeError, r"gradient\(x\)"),
        (lambda: Equation(Wells(1.0), -1.0), ValueError, "temperature"),
        (lambda: Equation(Wells(1.0), lower=1.0, upper=1.0), ValueError, "no room"),
        (lambda: Network(A) + 3.0, TypeError, r"gradient\(x\)"),
        (lambda: BAOAB(friction=0.0), ValueError, "friction"),
        (lambda: simulate(Equation(Wells(1.0)), np.zeros((1, 1)), time=0.0), ValueError, "time > 0"),
        (lambda: simulate(Equation(Wells(1.0)), np.zeros((1, 1)), time=1.0, readings=0), ValueError, "readings"),
        (lambda: simulate(Equation(Wells(1.0)), [np.nan], time=1.0), ValueError, "finite voltages"),
        (lambda: simulate(Equation(Wells(1.0)), np.zeros((1, 1, 1)), time=1.0), ValueError, "shape"),
        (lambda: simulate(Equation(Wells(1.0)), [0.0], time=1.0, step=-1.0), ValueError, "step"),
        (lambda: simulate(Equation(Wells(1.0)), [0.0], time=1.0, tolerance=1.0), ValueError, "tolerance"),
        (lambda: simulate(Equation(Wells(1.0)), [0.0], time=1.0, integrator=3), TypeError, "begin and advance"),
        (lambda: simulate(Equation(Wells(1.0)), [0.0], time=1.0, integrator=MALA), TypeError, r"such as MALA\(\)"),
        (lambda: simulate(Equation(Pull()), [0.0], time=1.0, integrator=MALA()), TypeError, r"method value\(x\)"),
        (
            lambda: simulate(Equation(Pull(), 0.0), [0.0], time=1.0, integrator=MALA()),
            ValueError,
            "temperature above 0",
        ),
    ],
)
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_gradient_of_another_shape_is_refused():
    class Flat:
        def gradient(self, x):
            return x[0]

    with pytest.raises(ValueError, match="they must agree"):
        simulate(Equation(Flat()), np.zeros((2, 3)), time=1.0, step=0.1)


def test_an_energy_by_its_gradient_alone_is_enough_elsewhere():
    x = simulate(Equation(Pull()), np.zeros((1, REPLICAS)), time=8.0, rng=19).last
    assert np.var(x) == pytest.approx(1.0, rel=4.5 * math.sqrt(2 / REPLICAS) + 0.01)
