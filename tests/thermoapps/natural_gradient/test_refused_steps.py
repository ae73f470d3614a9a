from __future__ import annotations

import copy
import itertools

import pytest

torch = pytest.importorskip("torch")

from oracles import curvature  # noqa: E402
from small_problem import DAMPING, assert_moved, batch, copies, dense_step, flat, mlp  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    TNGD,
    CrossEntropy,
    ExactGaussNewton,
    KroneckerFactored,
    LevenbergMarquardt,
    LineSearch,
    NaturalGradient,
    Recorder,
    RefusedStepWarning,
    Solver,
    SolverReport,
)


def test_levenberg_marquardt_takes_back_a_bad_step():
    model, (inputs, targets) = mlp(), batch()
    before = flat(model)
    rule = LevenbergMarquardt(initial=1e-6, attempts=1)
    opt = NaturalGradient(model, lr=1e4, damping=rule, momentum=0.9)
    loss = opt.step(lambda: (model(inputs), targets))
    assert torch.equal(flat(model), before)
    assert not opt.report.accepted
    assert opt.report.new_loss > float(loss)
    assert "would go" in opt.report.message
    assert opt._progress.damping == pytest.approx(1.5e-6)
    assert not opt.state


def test_levenberg_marquardt_tries_again_with_more_damping():
    model, (inputs, targets) = mlp(), batch()
    rule = LevenbergMarquardt(initial=1e-4, increase=10.0, attempts=12)
    opt = TNGD(model, lr=20.0, damping=rule, time=1e3)
    loss = opt.step(lambda: (model(inputs), targets))
    report = opt.report
    assert report.accepted
    assert report.attempts > 1
    assert report.damping == pytest.approx(1e-4 * 10 ** (report.attempts - 1))
    assert report.device_time == 1e3 * report.attempts
    assert nn.functional.cross_entropy(model(inputs), targets).item() == pytest.approx(report.new_loss)
    assert report.new_loss < float(loss)


def test_levenberg_marquardt_fits_a_least_squares_problem():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    inputs = torch.linspace(-2, 2, 40, dtype=torch.float64)[:, None]
    targets = torch.sin(2 * inputs)
    opt = NaturalGradient(model, lr=1.0, damping=LevenbergMarquardt(initial=1.0), loss="mse")
    losses = [float(opt.step(lambda: (model(inputs), targets))) for _ in range(80)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))
    assert losses[-1] < 1e-5


def test_line_search_of_exact_gauss_newton():
    model, (inputs, targets) = mlp(), batch()
    expected, before = dense_step(model, inputs, targets), copies(model)
    opt = NaturalGradient(model, lr=20.0, damping=DAMPING, solver=ExactGaussNewton(line_search=LineSearch()))
    with pytest.raises(RuntimeError, match="LineSearch judges"):
        opt.step()
    loss = opt.step(lambda: (model(inputs), targets))
    report = opt.report
    share = opt._progress.length
    assert 0 < share < 1
    assert_moved(model, before, expected, 20.0 * share)
    assert nn.functional.cross_entropy(model(inputs), targets).item() == pytest.approx(report.new_loss)
    assert report.new_loss < float(loss)
    change = torch.cat([20.0 * share * d.flatten() for d in expected])
    start = mlp()
    G = curvature(start, inputs, targets, CrossEntropy())
    assert report.divergence == pytest.approx(float(change @ G @ change) / 2)


def test_line_search_that_finds_nothing_leaves_the_model():
    model, (inputs, targets) = mlp(), batch()
    before = flat(model)
    search = LineSearch(max_trials=1)
    opt = NaturalGradient(model, lr=1e4, damping=1e-4, solver=ExactGaussNewton(line_search=search))
    opt.step(lambda: (model(inputs), targets))
    assert not opt.report.accepted
    assert "no step length" in opt.report.message
    assert torch.equal(flat(model), before)


def test_kronecker_factors_are_kept_for_solvers_that_need_them():
    inputs, targets = batch()
    moved = []
    for step in ("optimizer", "by hand"):
        model = mlp()
        solver = KroneckerFactored()
        if step == "optimizer":
            opt = NaturalGradient(model, lr=0.1, damping=DAMPING, solver=solver)
            opt.step(lambda model=model: (model(inputs), targets))
        else:
            recorder = Recorder(model, keep_factors=True)
            with recorder:
                outputs = model(inputs)
            rows, gradient, _ = recorder.rows(outputs, targets, "cross_entropy")
            direction, _, _ = solver.direction(rows, gradient, DAMPING, None)
            moved.append(flat(model) - 0.1 * direction)
            break
        moved.append(flat(model))
    torch.testing.assert_close(*moved)


def test_ratio_is_one_for_a_quadratic_loss():
    torch.manual_seed(0)
    model = nn.Linear(4, 3).double()
    inputs, targets = batch()[0], torch.randn(7, 3, dtype=torch.float64)
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING, loss="mse", momentum=0.5)
    for _ in range(3):
        opt.step(lambda: (model(inputs), targets))
        assert opt.report.ratio == pytest.approx(1.0)


@pytest.mark.parametrize("closure", [False, True])
def test_trust_region_bounds_the_divergence(closure):
    model, (inputs, targets) = mlp(), batch()
    start = copy.deepcopy(model)
    opt = NaturalGradient(model, lr=1.0, damping=DAMPING, trust_region=1e-4)
    if closure:
        opt.step(lambda: (model(inputs), targets))
    else:
        opt.backward(model(inputs), targets)
        opt.step()
    change = flat(model) - flat(start)
    G = curvature(start, inputs, targets, CrossEntropy())
    assert float(change @ G @ change) / 2 == pytest.approx(1e-4, rel=1e-9)
    assert opt.report.divergence == 1e-4
    assert "trust region" in opt.report.message
    p, q = start(inputs).log_softmax(1), model(inputs).log_softmax(1)
    divergence = (p.exp() * (p - q)).sum(1).mean()
    assert divergence.item() == pytest.approx(1e-4, rel=0.1)
    full = torch.cat([d.flatten() for d in dense_step(start, inputs, targets)])
    torch.testing.assert_close(change / change.norm(), -full / full.norm())


class Broken(Solver):
    def direction(self, rows, gradient, damping, state=None):
        return torch.full_like(gradient, torch.nan), {"broken": True}, SolverReport("Broken")


def test_directions_that_are_not_finite_are_refused():
    model, (inputs, targets) = mlp(), batch()
    before = flat(model)
    opt = NaturalGradient(model, solver=Broken())
    with pytest.warns(RefusedStepWarning, match="direction is not finite"):
        opt.step(lambda: (model(inputs), targets))
    assert torch.equal(flat(model), before)
    assert opt._progress.solver is None
    assert not opt.report.accepted


@pytest.mark.parametrize("closure", [False, True])
def test_steps_that_overflow_are_refused(closure):
    model, (inputs, targets) = mlp(), batch()
    before = flat(model)
    opt = NaturalGradient(model, lr=float("inf"), momentum=0.9)
    if not closure:
        opt.backward(model(inputs), targets)
    with pytest.warns(RefusedStepWarning, match="parameters would not be finite"):
        opt.step((lambda: (model(inputs), targets)) if closure else None)
    assert torch.equal(flat(model), before)
    assert not opt.state
    opt.param_groups[0]["lr"] = 0.1
    opt.step(lambda: (model(inputs), targets))
    assert opt.report.accepted


def test_losses_that_are_not_finite_are_refused():
    model, (inputs, targets) = mlp(), batch()
    before = flat(model)
    opt = TNGD(model)
    inputs[0, 0] = torch.nan
    with pytest.warns(RefusedStepWarning, match="loss or its gradient is not finite"):
        opt.step(lambda: (model(inputs), targets))
    assert torch.equal(flat(model), before)
    assert not opt.report.accepted


def test_a_loss_that_becomes_infinite_takes_a_step_back():
    model, (inputs, targets) = mlp(), batch()
    before, calls = flat(model), []

    def closure():
        calls.append(None)
        return model(inputs) * (1 if len(calls) == 1 else torch.inf), targets

    opt = NaturalGradient(model)
    with pytest.warns(RefusedStepWarning, match="would go"):
        opt.step(closure)
    assert torch.equal(flat(model), before)
