from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from networks import MODELS  # noqa: E402
from small_problem import DAMPING, assert_moved, batch, copies, dense_step, gradients, mlp  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    TNGD,
    ConjugateGradient,
    CrossEntropy,
    EmpiricalFisher,
    LevenbergMarquardt,
    MeanSquaredError,
    MonteCarloFisher,
    NaturalGradient,
    Thermodynamic,
    UnsupportedLayerError,
    Woodbury,
)


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


def test_outputs_of_another_pass_are_refused():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model)
    outputs = model(inputs)
    later = model(inputs)
    for wrong in (outputs, outputs + later):
        with pytest.raises(UnsupportedLayerError, match="not of the last pass alone"):
            opt.backward(wrong, targets)


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
