from __future__ import annotations

import copy
import functools
import io
import itertools

import pytest

torch = pytest.importorskip("torch")

from cases import MODELS  # noqa: E402
from oracles import curvature, trained  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    TNGD,
    ConjugateGradient,
    CrossEntropy,
    EmpiricalFisher,
    ExactGaussNewton,
    KroneckerFactored,
    LevenbergMarquardt,
    LineSearch,
    MeanSquaredError,
    MonteCarloFisher,
    NaturalGradient,
    Recorder,
    RefusedStepWarning,
    SignDescent,
    Solver,
    SolverReport,
    Thermodynamic,
    Woodbury,
)

DAMPING = 0.05


def mlp(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(1, 3, 2), nn.Flatten(), nn.LayerNorm(9), nn.Linear(9, 3))


def batch(data=7, seed=1):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(data, 4, dtype=torch.float64, generator=generator)
    return inputs, torch.randint(0, 3, (data,), generator=generator)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def gradients(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def dense_step(model, inputs, targets, loss=None, damping=DAMPING):
    """(GGN + λI)⁻¹ g, everything by automatic differentiation, in the shapes of the trained parameters."""
    loss = loss or CrossEntropy()
    parameters = list(trained(model).values())
    slopes = torch.autograd.grad(loss.value(model(inputs), targets), parameters)
    g = torch.cat([slope.flatten() for slope in slopes])
    A = curvature(model, inputs, targets, loss) + damping * torch.eye(len(g), dtype=g.dtype)
    parts = torch.linalg.solve(A, g).split([p.numel() for p in parameters])
    return [part.view_as(p) for part, p in zip(parts, parameters, strict=True)]


def assert_moved(model, before, directions, lr, rtol=1e-10):
    after = trained(model)
    assert before.keys() == after.keys()
    for (name, start), direction in zip(before.items(), directions, strict=True):
        torch.testing.assert_close(after[name].detach(), start - lr * direction, rtol=rtol, atol=1e-12)


def copies(model):
    return {name: p.detach().clone() for name, p in trained(model).items()}


# -- one step --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize("name", ["mlp", "half frozen", "used twice", "conv2d", "low-rank adaptation", "residual"])
def test_one_step_is_the_dense_natural_gradient_step(name, closure):
    model, inputs = MODELS[name].make()
    model.train()
    outputs = model(inputs)
    targets = torch.randint(0, outputs.shape[-1], outputs.shape[:-1])
    expected, before = dense_step(model, inputs, targets), copies(model)
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING)
    if closure:
        loss = opt.step(lambda: (model(inputs), targets))
    else:
        loss = opt.backward(model(inputs), targets)
        opt.step()
    torch.testing.assert_close(loss, CrossEntropy().value(outputs, targets).detach())
    assert_moved(model, before, expected, 0.3)


@pytest.mark.parametrize(
    "solver", [Woodbury(), Thermodynamic(time=1e4), ConjugateGradient(progress=0, max_iterations=400)], ids=repr
)
def test_solvers_agree_on_converged_directions(solver):
    model, (inputs, targets) = mlp(), batch()
    expected, before = dense_step(model, inputs, targets), copies(model)
    opt = NaturalGradient(model, lr=1.0, damping=DAMPING, solver=solver)
    opt.step(lambda: (model(inputs), targets))
    assert_moved(model, before, expected, 1.0, rtol=1e-7)


def test_gradient_stands_where_backward_puts_it():
    model, (inputs, targets) = mlp(), batch()
    nn.functional.cross_entropy(model(inputs), targets).backward()
    expected = gradients(model)
    model.zero_grad()
    opt = NaturalGradient(model)
    opt.backward(model(inputs), targets)
    torch.testing.assert_close(gradients(model), expected)
    opt.step()
    torch.testing.assert_close(gradients(model), expected)  # and stays there
    opt.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_other_terms_of_the_loss_add_to_the_gradient():
    model, (inputs, targets) = mlp(), batch()

    def penalty():
        return 0.1 * sum(p.square().sum() for p in model.parameters())

    (nn.functional.cross_entropy(model(inputs), targets) + 2 * penalty()).backward()
    expected = gradients(model)
    model.zero_grad()
    opt = NaturalGradient(model)
    for part in (slice(0, 3), slice(3, None)):
        penalty().backward()
        opt.backward(model(inputs[part]), targets[part])
    torch.testing.assert_close(gradients(model), expected)


@pytest.mark.parametrize(
    ("loss", "columns"),
    [(CrossEntropy(), 2), (MonteCarloFisher("cross_entropy", 3), 3), (EmpiricalFisher("cross_entropy"), 1)],
)
def test_rows_of_each_curvature(loss, columns):
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, loss=loss)
    opt.step(lambda: (model(inputs), targets))
    assert opt.report.rows == 7 * columns


@pytest.mark.parametrize(("curvature", "kind"), [("monte_carlo", MonteCarloFisher), ("empirical", EmpiricalFisher)])
def test_curvature_by_name(curvature, kind):
    assert isinstance(NaturalGradient(mlp(), curvature=curvature).loss, kind)


def test_regression():
    model = mlp()
    inputs, targets = batch()[0], torch.randn(7, 3, dtype=torch.float64)
    expected, before = dense_step(model, inputs, targets, MeanSquaredError()), copies(model)
    opt = NaturalGradient(model, lr=1.0, damping=DAMPING, loss="mse")
    opt.backward(model(inputs), targets)
    opt.step()
    assert_moved(model, before, expected, 1.0)


# -- data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[7], [3, 4], [1, 1, 5], [2, 2, 2, 1]])
def test_micro_batches_are_one_batch(sizes):
    model, (inputs, targets) = mlp(), batch()
    expected, before = dense_step(model, inputs, targets), copies(model)
    whole = nn.functional.cross_entropy(model(inputs), targets)
    gradient = torch.cat([slope.flatten() for slope in torch.autograd.grad(whole, list(model.parameters()))])
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING)
    for part, labels in zip(inputs.split(sizes), targets.split(sizes), strict=True):
        opt.backward(model(part), labels)
    torch.testing.assert_close(gradients(model), gradient)
    opt.step()
    assert (opt.report.data, opt.report.rows) == (7, 14)
    assert opt.report.loss == pytest.approx(whole.item())
    assert_moved(model, before, expected, 0.3)


def test_odd_last_batch_and_batch_of_one():
    model = mlp()
    opt = TNGD(model, lr=0.1)
    inputs, targets = batch(9)
    for part, labels in zip(inputs.split(4), targets.split(4), strict=True):
        loss = opt.backward(model(part), labels)
        opt.step()
        opt.zero_grad()
        assert bool(loss.isfinite())
    assert (opt.report.data, opt.report.rows) == (1, 2)


def test_zero_grad_forgets_the_rows():
    model, (inputs, targets) = mlp(), batch()
    before = copies(model)
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING)
    opt.backward(model(inputs[:3] * 5), targets[:3])
    opt.zero_grad()
    with pytest.raises(RuntimeError, match="backward"):
        opt.step()
    opt.backward(model(inputs[:3] * 5), targets[:3])
    model.zero_grad()
    opt.backward(model(inputs), targets)
    opt.step()
    assert_moved(model, before, dense_step(mlp(), inputs, targets), 0.3)


def test_evaluation_is_not_recorded():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING)
    before = copies(model)
    outputs = model(inputs)
    with torch.no_grad():
        model(torch.randn(3, 4, dtype=torch.float64))
    model.eval()
    model(torch.randn(3, 4, dtype=torch.float64))
    model.train()
    opt.backward(outputs, targets)
    opt.step()
    assert_moved(model, before, dense_step(mlp(), inputs, targets), 0.3)
    model.eval()
    outputs = model(inputs)
    with pytest.raises(RuntimeError, match="no pass was recorded"):
        opt.backward(outputs, targets)


def test_a_pass_is_used_once():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model)
    outputs = model(inputs)
    opt.backward(outputs, targets)
    with pytest.raises(RuntimeError, match="no pass was recorded"):
        opt.backward(outputs, targets)


def test_dropout_keeps_its_mask():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 3)).double()
    inputs, targets = batch()
    masked = []

    def closure():
        outputs = model(inputs)
        masked.append(outputs.detach())
        return outputs, targets

    opt = NaturalGradient(model, lr=1e-9)
    opt.step(closure)
    torch.testing.assert_close(masked[1], masked[0], rtol=1e-6, atol=1e-6)
    assert opt.report.ratio == pytest.approx(1.0, rel=1e-3)
    after = torch.rand(3)
    opt.step(closure)
    assert not torch.allclose(masked[2], masked[0])  # the next step has another one
    torch.manual_seed(0)
    assert not torch.equal(torch.rand(3), after)


# -- what torch optimisers do ----------------------------------------------------------------------------------------


def test_parameter_groups_have_rates_of_their_own():
    model, (inputs, targets) = mlp(), batch()
    expected, before = dense_step(model, inputs, targets), copies(model)
    groups = [{"params": model[0].parameters(), "lr": 0.5}, {"params": model[2].parameters()}]
    opt = NaturalGradient(model, lr=0.1, damping=DAMPING, params=groups)
    opt.backward(model(inputs), targets)
    opt.step()
    rates = [0.5, 0.5, 0.1, 0.1]
    for (name, start), direction, lr in zip(before.items(), expected, rates, strict=True):
        torch.testing.assert_close(trained(model)[name].detach(), start - lr * direction, rtol=1e-10, atol=1e-12)


def test_a_part_of_the_parameters():
    model, (inputs, targets) = mlp(), batch()
    frozen = copy.deepcopy(model)
    frozen[0].requires_grad_(False)
    expected, before = dense_step(frozen, inputs, targets), copies(model)
    opt = NaturalGradient(model, lr=1.0, damping=DAMPING, params=model[2].parameters())
    opt.backward(model(inputs), targets)
    opt.step()
    after = trained(model)
    assert all(torch.equal(after[name], before[name]) for name in ("0.weight", "0.bias"))
    for name, direction in zip(("2.weight", "2.bias"), expected, strict=True):
        torch.testing.assert_close(after[name].detach(), before[name] - direction, rtol=1e-10, atol=1e-12)


def test_parameters_can_be_frozen_and_added_later():
    model, (inputs, targets) = mlp(), batch()
    opt = TNGD(model, lr=0.1, params=model[2].parameters(), momentum=0.9, weight_decay=0.1)
    opt.step(lambda: (model(inputs), targets))
    opt.add_param_group({"params": model[0].parameters(), "lr": 0.01})
    for _ in range(2):
        opt.step(lambda: (model(inputs), targets))
    model[2].requires_grad_(False)
    before = flat(model[2])
    moving = flat(model[0])
    opt.step(lambda: (model(inputs), targets))
    assert torch.equal(flat(model[2]), before)
    assert not torch.equal(flat(model[0]), moving)
    assert opt.report.rows == 14


def test_schedulers_change_the_rate():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, lr=1.0, damping=DAMPING)
    scheduler = torch.optim.lr_scheduler.StepLR(opt, step_size=1, gamma=0.1)
    opt.step(lambda: (model(inputs), targets))
    scheduler.step()
    expected, before = dense_step(model, inputs, targets), copies(model)
    opt.step(lambda: (model(inputs), targets))
    assert_moved(model, before, expected, 0.1)


def test_clipping_scales_the_direction():
    model, (inputs, targets) = mlp(), batch()
    expected, before = dense_step(model, inputs, targets), copies(model)
    opt = NaturalGradient(model, lr=1.0, damping=DAMPING)
    opt.backward(model(inputs), targets)
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    assert norm > 0.01
    opt.step()
    assert opt.report.gradient_norm == pytest.approx(0.01, rel=1e-4)
    scale = 0.01 / (norm + 1e-6)  # as torch clips
    assert_moved(model, before, [scale * direction for direction in expected], 1.0)


def test_momentum_and_decay_act_on_directions():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, lr=0.2, damping=DAMPING, momentum=0.9, weight_decay=0.01)
    reference, buffer = mlp(), None
    for _ in range(3):
        directions = dense_step(reference, inputs, targets)
        with torch.no_grad():
            moved = [d + 0.01 * p for d, p in zip(directions, reference.parameters(), strict=True)]
            buffer = moved if buffer is None else [0.9 * b + m for b, m in zip(buffer, moved, strict=True)]
            for p, b in zip(reference.parameters(), buffer, strict=True):
                p -= 0.2 * b
        opt.backward(model(inputs), targets)
        opt.step()
        opt.zero_grad()
    torch.testing.assert_close(flat(model), flat(reference), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "update",
    [torch.optim.Adam, torch.optim.RMSprop, functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True)],
)
def test_any_torch_optimiser_applies_the_direction(update):
    model, (inputs, targets) = mlp(), batch()
    reference = mlp()
    inner = update(reference.parameters(), lr=0.01)
    opt = NaturalGradient(model, lr=0.01, damping=DAMPING, update=update)
    for _ in range(3):
        for p, direction in zip(reference.parameters(), dense_step(reference, inputs, targets), strict=True):
            p.grad = direction
        inner.step()
        opt.backward(model(inputs), targets)
        opt.step()
        opt.zero_grad()
    torch.testing.assert_close(flat(model), flat(reference), rtol=1e-8, atol=1e-10)


def test_adam_without_memory_is_sign_descent_and_says_so():
    inputs, targets = batch()
    moved = []
    for update in (functools.partial(torch.optim.Adam, betas=(0.0, 0.0), eps=0.0), SignDescent):
        model = mlp()
        if update is SignDescent:
            opt = TNGD(model, lr=0.01, update=update)
        else:
            with pytest.warns(UserWarning, match="sign descent"):
                opt = TNGD(model, lr=0.01, update=update)
        opt.step(lambda model=model: (model(inputs), targets))
        moved.append(flat(model))
    torch.testing.assert_close(*moved)
    assert float((moved[0] - flat(mlp())).abs().max()) == pytest.approx(0.01)


def test_hooks_are_removed():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model)
    model(inputs)
    opt.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with pytest.raises(RuntimeError, match="no pass was recorded"):
        opt.backward(model(inputs), targets)


def test_models_can_be_copied_while_they_are_trained():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, lr=1.0, damping=DAMPING)
    outputs = model(inputs)
    average = copy.deepcopy(model)
    average(inputs)
    torch.save(model, io.BytesIO())
    before, expected = copies(model), dense_step(average, inputs, targets)
    opt.backward(outputs, targets)
    opt.step()
    assert_moved(model, before, expected, 1.0)


# -- checkpoints -----------------------------------------------------------------------------------------------------

RUNS = {
    "device with noise": lambda model: TNGD(model, lr=0.05, time=3.0, delay=0.5, temperature=1e-3, rng=5, momentum=0.9),
    "adam": lambda model: TNGD(model, lr=0.01, update=torch.optim.Adam),
    "conjugate gradients": lambda model: NaturalGradient(model, solver=ConjugateGradient()),
    "Levenberg–Marquardt": lambda model: NaturalGradient(model, damping=LevenbergMarquardt(), lr=1.0),
    "exact Gauss–Newton": lambda model: NaturalGradient(
        model, lr=5.0, solver=ExactGaussNewton(momentum=0.5, line_search=LineSearch())
    ),
    "Kronecker factors": lambda model: NaturalGradient(model, lr=0.1, solver=KroneckerFactored(period=2)),
    "Monte Carlo": lambda model: NaturalGradient(
        model, loss=MonteCarloFisher("cross_entropy", generator=torch.Generator().manual_seed(3))
    ),
}


@pytest.mark.parametrize("run", RUNS)
def test_a_resumed_run_goes_on_bit_by_bit(run):
    def steps(model, opt, numbers):
        losses = []
        for number in numbers:
            inputs, targets = batch(seed=number)
            losses.append(float(opt.step(lambda: (model(inputs), targets))))  # noqa: B023
        return losses

    model = mlp().float().double()
    opt = RUNS[run](model)
    steps(model, opt, range(3))
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "opt": opt.state_dict()}, file)
    expected = steps(model, opt, range(3, 7))

    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again = mlp(seed=9)
    resumed = RUNS[run](again)
    again.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["opt"])
    assert steps(again, resumed, range(3, 7)) == expected
    assert torch.equal(flat(again), flat(model))
    assert resumed.report.step == 6


def test_loaded_groups_are_those_of_the_update():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING, momentum=0.5)
    state = opt.state_dict()
    opt.load_state_dict(state)
    opt.param_groups[0]["lr"] = 0.7
    expected, before = dense_step(model, inputs, targets), copies(model)
    opt.step(lambda: (model(inputs), targets))
    assert_moved(model, before, expected, 0.7)
    assert opt.update.state is opt.state
    assert len(opt.state) == 4


def test_foreign_states_are_refused():
    model, (inputs, targets) = mlp(), batch()
    opt = TNGD(model)
    with pytest.raises(ValueError, match="natural_gradient"):
        opt.load_state_dict(torch.optim.SGD(model.parameters(), lr=0.1).state_dict())
    opt.step(lambda: (model(inputs), targets))
    with pytest.raises(ValueError, match="Thermodynamic"):
        NaturalGradient(mlp()).load_state_dict(opt.state_dict())
    with pytest.raises(TypeError, match="state_dict"):
        copy.deepcopy(opt)


# -- mixed precision -------------------------------------------------------------------------------------------------


def test_scaler_leaves_the_step_as_it_is():
    model, (inputs, targets) = mlp(), batch()
    expected, before = dense_step(model, inputs, targets), copies(model)
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING)
    slopes = torch.autograd.grad(nn.functional.cross_entropy(model(inputs), targets), list(model.parameters()))
    gradient = torch.cat([slope.flatten() for slope in slopes])
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for part, labels in zip(inputs.split([3, 4]), targets.split([3, 4]), strict=True):
        opt.backward(model(part), labels, scaler=scaler)
    torch.testing.assert_close(gradients(model), 2.0**10 * gradient)
    scaler.step(opt)
    scaler.update()
    assert_moved(model, before, expected, 0.3, rtol=1e-8)
    off = torch.amp.GradScaler("cpu", enabled=False)
    opt.zero_grad()
    opt.backward(model(inputs), targets, scaler=off)
    assert off.step(opt) is None


def test_scaler_skips_steps_that_overflow():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    before = flat(model)
    opt.backward(model(inputs), targets, scaler=scaler)
    model[0].weight.grad[0, 0] = torch.inf
    scaler.step(opt)
    scaler.update()
    opt.zero_grad()
    assert torch.equal(flat(model), before)
    assert scaler.get_scale() == 2.0**9
    opt.backward(model(inputs), targets, scaler=scaler)
    scaler.step(opt)
    assert not torch.equal(flat(model), before)


@pytest.mark.parametrize("build", [mlp, convolutional])
def test_autocast(build):
    inputs, targets = batch(32)
    inputs = inputs.float() if build is mlp else inputs.float()[:, None]
    model = build().float()
    start = copy.deepcopy(model)
    opt = TNGD(model, lr=0.3, damping=0.5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(inputs)
    assert outputs.dtype == torch.bfloat16
    opt.backward(outputs, targets)
    opt.step()
    full = TNGD(start, lr=0.3, damping=0.5)
    before = flat(start)
    full.backward(start(inputs), targets)
    full.step()
    assert flat(model).dtype == torch.float32
    difference = float((flat(model) - flat(start)).norm() / (flat(start) - before).norm())
    assert difference < 0.05


# -- damping, trust region, guard ------------------------------------------------------------------------------------


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
    assert opt._descent.left == pytest.approx(1.5e-6)
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
    share = opt._descent.length
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
    assert opt._descent.state is None
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


# -- errors ----------------------------------------------------------------------------------------------------------


def test_bare_parameters_are_refused_with_the_remedy():
    with pytest.raises(TypeError, match="pass the model, and params="):
        NaturalGradient(mlp().parameters())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"trust_region": 0.0}, ValueError, "trust_region"),
        ({"curvature": "hessian"}, ValueError, "curvature"),
        ({"loss": "hinge"}, ValueError, "loss"),
        ({"damping": -1.0}, ValueError, "damping"),
        ({"damping": "auto"}, TypeError, "damping"),
        ({"update": torch.optim.Adam, "momentum": 0.9}, TypeError, "momentum"),
        ({"update": lambda groups, lr: None}, TypeError, "Optimizer"),
        ({"unsupported": "skip"}, ValueError, "unsupported"),
        ({"params": [torch.zeros(3, requires_grad=True)]}, ValueError, "params|parameters"),
    ],
)
def test_settings_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        NaturalGradient(mlp(), **options)


def test_order_of_calls_is_checked():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, damping=LevenbergMarquardt())
    with pytest.raises(RuntimeError, match="closure"):
        opt.step()
    with pytest.raises(RuntimeError, match="no pass was recorded"):
        opt.backward(torch.zeros(3, 3, requires_grad=True), targets)
    opt.backward(model(inputs), targets)
    with pytest.raises(RuntimeError, match="zero_grad"):
        opt.step(lambda: (model(inputs), targets))
    opt.zero_grad()
    opt.step(lambda: (model(inputs), targets))
