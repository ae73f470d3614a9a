"""Schedules, and runs that stop and go on bit for bit."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from thermolinalg.simulation.nonlinear import (
    BAOAB,
    MALA,
    Annealing,
    Clamps,
    Equation,
    EulerMaruyama,
    GeometricRamp,
    Heun,
    LeimkuhlerMatthews,
    LinearRamp,
    Network,
    TamedEuler,
    Wells,
    simulate,
)

INTEGRATORS = [EulerMaruyama(), TamedEuler(), Heun(), LeimkuhlerMatthews(), MALA(), BAOAB()]
A = np.array([[0.0, 1.0, 0.5], [1.0, 0.0, -1.0], [0.5, -1.0, 0.0]])
POSITIVE = st.floats(1e-3, 1e3)
ANNEALING = Annealing(
    Network(sp.csr_array(A), [0.1, 0.0, -0.1]),
    temperature=GeometricRamp(1.0, 0.1, time=4.0),
    coupling=LinearRamp(0.5, 1.0, time=4.0),
    pump=LinearRamp(-1.0, 1.0, time=4.0),
    lower=-1.5,
    upper=1.5,
)


@given(POSITIVE, POSITIVE, POSITIVE, st.floats(0, 1))
def test_ramps_are_their_formulas(start, end, time, share):
    t = share * time
    np.testing.assert_allclose(LinearRamp(start, end, time)(t), start + (end - start) * t / time, rtol=1e-9)
    np.testing.assert_allclose(GeometricRamp(start, end, time)(t), start * (end / start) ** (t / time), rtol=1e-9)
    for ramp in (LinearRamp(start, end, time), GeometricRamp(start, end, time)):
        assert ramp(-1.0) == ramp(0.0) == pytest.approx(start)
        assert ramp(time) == ramp(2 * time) == pytest.approx(end)
        assert eval(repr(ramp)) == ramp


def test_ramps_follow_each_other():
    up, down = LinearRamp(0.0, 1.0, time=2.0), LinearRamp(3.0, 2.0, time=1.0)
    both = up.then(down)
    assert [both(t) for t in (0.0, 1.0, 2.0, 2.5, 3.0, 9.0)] == [0.0, 0.5, 3.0, 2.5, 2.0, 2.0]
    assert both.time == 3.0
    assert both.then(up) == up.then(down.then(up))


def test_the_equation_at_a_time():
    x, t = np.array([[0.5], [-1.0], [2.0]]), 2.0
    equation = ANNEALING(t)
    np.testing.assert_allclose(equation.temperature, 10**-0.5)
    expected = 0.75 * (A @ x - [[0.1], [0.0], [-0.1]]) + x**3 - 0.0 * x
    np.testing.assert_allclose(-equation.force(x), expected)
    np.testing.assert_allclose(equation.value(x), 0.75 * (x.T @ A @ x / 2 - [0.1, 0.0, -0.1] @ x)[0] + np.sum(x**4) / 4)
    assert (equation.lower, equation.upper) == (-1.5, 1.5)


def test_multiples_of_energies():
    energy, x = Network(A) + Clamps(0.2, 2.0), np.random.default_rng(0).standard_normal((3, 4))
    np.testing.assert_allclose((-3 * energy).value(x), -3 * energy.value(x))
    np.testing.assert_allclose((energy * 0.5 + Wells(1.0)).gradient(x), energy.gradient(x) / 2 + Wells(1.0).gradient(x))


@pytest.mark.parametrize("integrator", INTEGRATORS, ids=lambda integrator: type(integrator).__name__)
@pytest.mark.parametrize("equation", [ANNEALING, ANNEALING(1.0)], ids=["schedule", "constant"])
@pytest.mark.parametrize("shape", [(3,), (3, 5)], ids=["one", "five"])
def test_two_halves_are_one_run_bit_for_bit(integrator, equation, shape):
    options, start = {"step": 0.07, "integrator": integrator}, np.full(shape, 0.3)
    whole = simulate(equation, start, time=4.0, readings=4, rng=1, **options)
    first = simulate(equation, start, time=1.0, readings=1, rng=1, **options)
    halted = pickle.loads(pickle.dumps(first.checkpoint))
    for _ in range(2):  # a checkpoint is not used up
        second = simulate(equation, halted, time=3.0, readings=3, integrator=integrator)
        np.testing.assert_array_equal(np.concatenate([first.x, second.x]), whole.x)
        np.testing.assert_array_equal(np.concatenate([first.times, second.times]), whole.times)
    assert second.acceptance == whole.acceptance


def test_a_run_goes_on_in_other_steps_with_other_noise():
    first = simulate(ANNEALING, np.zeros((3, 2)), time=1.0, step=0.1, rng=2)
    on = simulate(ANNEALING, first.checkpoint, time=1.0, readings=2, step=0.05, rng=3)
    np.testing.assert_allclose(on.times, [1.5, 2.0])
    assert on.step == pytest.approx(0.05)
    assert not np.array_equal(on.x, simulate(ANNEALING, first.checkpoint, time=1.0, readings=2, step=0.05).x)


def test_a_callback_sees_the_readings_and_ends_the_run():
    seen = []

    def watch(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == 2:
            raise StopIteration

    run = simulate(ANNEALING, np.zeros((3, 2)), time=4.0, readings=4, step=0.1, rng=4, callback=watch)
    assert run.x.shape == (2, 3, 2)
    np.testing.assert_array_equal(run.times, [info.time for info in seen])
    np.testing.assert_array_equal(run.last, seen[-1].x)


def test_what_an_interrupted_run_has_done_is_kept():
    kept = []

    def watch(intermediate_result):
        if len(kept) == 2:
            raise KeyboardInterrupt
        kept.append(intermediate_result.checkpoint)

    whole = simulate(ANNEALING, np.zeros((3, 2)), time=4.0, readings=4, step=0.1, rng=5)
    with pytest.raises(KeyboardInterrupt):
        simulate(ANNEALING, np.zeros((3, 2)), time=4.0, readings=4, step=0.1, rng=5, callback=watch)
    rest = simulate(ANNEALING, kept[-1], time=2.0, readings=2)
    np.testing.assert_array_equal(rest.x, whole.x[2:])


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("integrator", INTEGRATORS, ids=lambda integrator: type(integrator).__name__)
def test_single_precision_stays_single(kind, integrator):
    equation = Equation(Network(kind(A), [0.1, 0.0, 0.2]) + Wells([0.5, 1.0, 1.5]), 0.3, lower=-1.0, upper=[1, 2, 1])
    run = simulate(equation, np.zeros((3, 4), dtype=np.float32), time=1.0, step=0.1, integrator=integrator, rng=6)
    assert run.x.dtype == np.float32


def test_many_cells_stay_sparse():
    d = 100_000  # a dense matrix of them would not fit
    ring = sp.diags_array([np.ones(d - 1), np.ones(d - 1)], offsets=[-1, 1])
    cells = Annealing(Network(ring), GeometricRamp(1.0, 0.01, time=2.0), pump=LinearRamp(0.0, 1.0, time=2.0))
    x = simulate(cells, np.zeros((d, 1)), time=2.0, step=0.1, rng=7).last
    assert np.mean(x[1:] * x[:-1]) < 0


@given(st.floats(-3, 3), st.floats(0.1, 2))
def test_what_overshoots_is_reflected(x, room):
    folded = Equation(Wells(1.0), lower=0.0, upper=room).folded(np.array([[x]]))[0, 0]
    mirrored = -x if x < 0 else 2 * room - x if x > room else x
    np.testing.assert_allclose(folded, min(max(mirrored, 0.0), room), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LinearRamp(0.0, np.inf, time=1.0), ValueError, "finite ends"),
        (lambda: LinearRamp(0.0, 1.0, time=0.0), ValueError, "positive time"),
        (lambda: GeometricRamp(1.0, 0.0, time=1.0), ValueError, "0 takes a LinearRamp"),
        (lambda: GeometricRamp(1.0, 1.0, time=np.nan), ValueError, "positive time"),
        (lambda: Annealing(Network(A), "hot"), TypeError, "temperature must be a number or a function"),
        (lambda: Annealing(Network(A), None), TypeError, "temperature must be a number or a function"),
        (lambda: Annealing(3.0, 1.0), TypeError, r"gradient\(x\)"),
        (lambda: Annealing(Network(A), lambda t: -1.0)(0.0), ValueError, "temperature"),
        (lambda: np.nan * Network(A), ValueError, "finite number"),
        (lambda: simulate(ANNEALING, [0.0] * 3, time=1.0, callback=3), TypeError, "callback"),
    ],
)
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
