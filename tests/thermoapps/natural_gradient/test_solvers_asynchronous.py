"""Directions one step late."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from explicit_rows import random_rows  # noqa: E402
from small_problem import DAMPING, batch, flat, mlp  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    Asynchronous,
    ExactGaussNewton,
    KroneckerFactored,
    LevenbergMarquardt,
    LineSearch,
    NaturalGradient,
    Thermodynamic,
    Woodbury,
)

SOLVERS = [Woodbury(), Thermodynamic(time=3.0, delay=1.0, temperature=1e-4, rng=0)]


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_direction_is_that_of_the_batch_before(solver):
    state = late_state = None
    before = torch.zeros(20, dtype=torch.float64)
    for seed in range(4):
        rows, g = random_rows(5, 20, seed=seed)
        direction, state, _ = solver.direction(rows, g, DAMPING, state)
        late, late_state, report = Asynchronous(solver).direction(rows, g, DAMPING, late_state)
        assert torch.equal(late, before)
        assert "one step late" in report.message
        before = direction


@pytest.mark.parametrize("solver", [*SOLVERS, KroneckerFactored()])
def test_parameters_follow_stale_directions(solver):
    model = mlp()
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING, solver=Asynchronous(solver))
    start = flat(model)
    places = []
    for seed in range(3):
        inputs, targets = batch(seed=seed)
        opt.backward(model(inputs), targets)
        opt.step()
        opt.zero_grad()
        places.append(flat(model))
    assert torch.equal(places[0], start)
    at_start = mlp()
    plain = NaturalGradient(at_start, lr=0.3, damping=DAMPING, solver=solver)
    inputs, targets = batch(seed=0)
    plain.backward(at_start(inputs), targets)
    plain.step()
    torch.testing.assert_close(places[1], flat(at_start), rtol=1e-12, atol=1e-12)


def test_resumed_bit_by_bit():
    def steps(model, opt, seeds):
        for seed in seeds:
            inputs, targets = batch(seed=seed)
            opt.backward(model(inputs), targets)
            opt.step()
            opt.zero_grad()

    def make(model):
        return NaturalGradient(model, lr=0.3, damping=DAMPING, solver=Asynchronous(SOLVERS[1]))

    model = mlp()
    opt = make(model)
    steps(model, opt, range(3))
    resumed = copy.deepcopy(model)
    again = make(resumed)
    again.load_state_dict(opt.state_dict())
    steps(model, opt, range(3, 6))
    steps(resumed, again, range(3, 6))
    assert torch.equal(flat(model), flat(resumed))


def test_with_step_rejection():
    model = mlp()
    opt = NaturalGradient(model, lr=1.0, damping=LevenbergMarquardt(initial=1e-3), solver=Asynchronous(Woodbury()))
    inputs, targets = batch()
    losses = [opt.step(lambda: (model(inputs), targets)).item() for _ in range(8)]
    assert losses[-1] < losses[0]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(losses))


@pytest.mark.parametrize("solver", [None, 5, "Woodbury", Woodbury])
def test_what_is_no_solver_is_refused(solver):
    with pytest.raises(TypeError, match="solver must be a Solver"):
        Asynchronous(solver)
    if solver is not None:
        with pytest.raises(TypeError, match="solver must be a Solver"):
            NaturalGradient(mlp(), solver=solver)


def test_line_searches_are_refused():
    with pytest.raises(ValueError, match="no line search"):
        Asynchronous(ExactGaussNewton(line_search=LineSearch()))


def test_states_of_other_solvers_are_refused():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, solver=Asynchronous(Woodbury()))
    opt.backward(model(inputs), targets)
    opt.step()
    other = NaturalGradient(mlp(), solver=Asynchronous(Thermodynamic()))
    with pytest.raises(ValueError, match=r"solver=Asynchronous\(Woodbury\)"):
        other.load_state_dict(opt.state_dict())
