from __future__ import annotations

import copy
import functools
import io
import math

import pytest

torch = pytest.importorskip("torch")

from oracles import curvature, trained  # noqa: E402
from small_problem import DAMPING, assert_moved, batch, convolutional, copies, dense_step, flat, gradients, mlp  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    TNGD,
    Asynchronous,
    ConjugateGradient,
    Dense,
    InverseFree,
    KroneckerFactored,
    Krylov,
    LevenbergMarquardt,
    NaturalGradient,
    SignDescent,
    Thermodynamic,
    Woodbury,
    as_loss,
)
from thermolinalg import AsWritten, LangevinDevice, Overdamped  # noqa: E402


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


def split(model, how):
    """Groups with a damping of their own: of a whole layer, of a part of one, of all."""
    biases, weights = [model[0].bias, model[2].bias], [model[0].weight, model[2].weight]
    return {
        "layer": [{"params": model[0].parameters(), "damping": 0.7}, {"params": model[2].parameters()}],
        "biases": [{"params": weights}, {"params": biases, "damping": 3.0}],
        "all": [{"params": biases, "damping": 1e-3}, {"params": weights, "damping": 20.0}],
    }[how]


@pytest.mark.parametrize("how", ["layer", "biases", "all"])
@pytest.mark.parametrize(
    "solver",
    [
        Woodbury(),
        Dense(),
        Thermodynamic(time=1e6),
        Thermodynamic(time=1e4, start="rest", device=LangevinDevice(law=Overdamped(0.0), loading=AsWritten())),
        ConjugateGradient(500, progress=0.0, space="rows"),
        Krylov(math.inf, rtol=1e-12),
        Asynchronous(Woodbury()),
    ],
    ids=repr,
)
def test_parameter_groups_have_a_damping_of_their_own(how, solver):
    model, (inputs, targets) = mlp(), batch()
    groups = split(model, how)
    with pytest.warns(UserWarning, match="damping of their own are damped by it"):
        opt = NaturalGradient(model, lr=1.0, damping=DAMPING, params=groups, solver=solver)
    own = {id(p): group.get("damping", DAMPING) for group in opt.param_groups for p in group["params"]}
    every = dict(model.named_parameters())
    diagonal = torch.cat([torch.full((p.numel(),), own[id(p)], dtype=p.dtype) for p in every.values()])
    A = curvature(model, inputs, targets, as_loss("cross_entropy")) + torch.diag(diagonal)
    gradient = torch.autograd.grad(nn.functional.cross_entropy(model(inputs), targets), every.values())
    expected = flat(model) - torch.linalg.solve(A, torch.cat([slope.flatten() for slope in gradient]))
    for _ in range(2 if isinstance(solver, Asynchronous) else 1):
        opt.zero_grad()
        opt.backward(model(inputs), targets)
        opt.step()
    torch.testing.assert_close(flat(model), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.filterwarnings("ignore:groups with a damping:UserWarning")
def test_a_damping_of_groups_that_is_no_other_changes_nothing():
    one, (inputs, targets) = mlp(), batch()
    other = copy.deepcopy(one)
    groups = [{"params": [p], "damping": 0.5} for p in other.parameters()]
    for model, opt in (one, TNGD(one, lr=0.3, damping=0.5)), (other, TNGD(other, lr=0.3, damping=0.5, params=groups)):
        for _ in range(3):
            opt.step(lambda model=model: (model(inputs), targets))
    torch.testing.assert_close(flat(one), flat(other), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("own", "options", "message"),
    [
        (0.0, {}, "positive"),
        (-1.0, {}, "positive"),
        (math.nan, {}, "positive"),
        ("1", {}, "positive"),
        (True, {}, "positive"),
        (0.1, {"damping": 0.0, "solver": Thermodynamic()}, "positive number"),
        (0.1, {"damping": LevenbergMarquardt()}, "LevenbergMarquardt"),
        (0.1, {"damping": lambda step: 0.1}, "ScheduledDamping"),
        (0.1, {"solver": KroneckerFactored()}, "layer by layer"),
        (0.1, {"solver": Asynchronous(InverseFree(3)), "curvature": "empirical"}, "layer by layer"),
    ],
)
def test_a_damping_of_groups_is_honoured_or_refused(own, options, message):
    model = mlp()
    groups = [{"params": model[0].parameters(), "damping": own}, {"params": model[2].parameters()}]
    with pytest.raises(ValueError, match=message):
        NaturalGradient(model, params=groups, **options)
    opt = NaturalGradient(model, params=[{"params": model[2].parameters()}], **options)
    with pytest.raises(ValueError, match=message):
        opt.add_param_group(groups[0])


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


def test_schedulers_find_the_settings_of_the_update():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=3)
    opt.step(lambda: (model(inputs), targets))
    before = opt.update.param_groups[0]["momentum"]
    scheduler.step()
    assert opt.update.param_groups[0]["momentum"] != before


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


@pytest.mark.parametrize("closure", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("build", [mlp, convolutional])
def test_autocast(build, dtype, closure):
    inputs, targets = batch(32)
    inputs = inputs.float() if build is mlp else inputs.float()[:, None]
    model = build().float()
    start = copy.deepcopy(model)
    opt = TNGD(model, lr=0.3, damping=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, enabled=dtype == torch.float16)

    def passed():
        with torch.autocast("cpu", dtype=dtype):
            outputs = model(inputs)
        assert outputs.dtype == dtype
        return outputs, targets

    if closure:
        opt.step(passed)
        assert opt.report.new_loss < opt.report.loss
    else:
        opt.backward(*passed(), scaler=scaler)
        scaler.step(opt)
        scaler.update()
    full = TNGD(start, lr=0.3, damping=0.5)
    before = flat(start)
    full.backward(start(inputs), targets)
    full.step()
    assert flat(model).dtype == torch.float32
    difference = float((flat(model) - flat(start)).norm() / (flat(start) - before).norm())
    assert difference < 0.05


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: torch.load(saved(pair), weights_only=False)])
def test_copies_go_on_alike_and_apart(copied):
    model, (inputs, targets) = mlp(), batch()
    opt = TNGD(model, lr=0.1, time=3.0, temperature=1e-3, rng=0, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(opt, step_size=1)
    opt.step(lambda: (model(inputs), targets))
    other, again = copied((model, opt))
    before = flat(model)
    again.step(lambda: (other(inputs), targets))
    assert torch.equal(flat(model), before)
    opt.step(lambda: (model(inputs), targets))
    assert torch.equal(flat(model), flat(other))
    scheduler.step()
    assert again.param_groups[0]["lr"] == again.update.param_groups[0]["lr"] != opt.param_groups[0]["lr"]
    again.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in other.modules())


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of the compiler
@pytest.mark.parametrize("given", ["compiled", "as it was"])
def test_compiled_models(given):
    model, (inputs, targets) = mlp(), batch()
    before, expected = copies(model), dense_step(model, inputs, targets)
    compiled = torch.compile(model, backend="aot_eager")
    opt = NaturalGradient(compiled if given == "compiled" else model, lr=0.3, damping=DAMPING)
    opt.backward(compiled(inputs), targets)
    opt.step()
    torch._dynamo.reset()
    assert_moved(model, before, expected, 0.3)


def saved(pair):
    file = io.BytesIO()
    torch.save(pair, file)
    file.seek(0)
    return file
