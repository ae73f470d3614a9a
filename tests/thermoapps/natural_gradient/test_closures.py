"""Closures of every shape, for steps that need them and for those that do not."""

import pytest

torch = pytest.importorskip("torch")

from small_problem import DAMPING, assert_moved, batch, copies, dense_step, flat, gradients, mlp  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import LevenbergMarquardt, NaturalGradient  # noqa: E402


def closures(opt, model, inputs, targets):
    """The same batch, given in all ways that torch's loops know."""

    def returns_loss():
        opt.zero_grad()
        return opt.backward(model(inputs), targets)

    def returns_nothing():
        returns_loss()

    def of_torch():
        opt.zero_grad()
        loss = opt.criterion(model(inputs), targets)
        loss.backward()
        return loss

    def in_two_parts():
        opt.zero_grad()
        for part in (slice(0, 3), slice(3, None)):
            opt.backward(model(inputs[part]), targets[part])

    return {
        "outputs": lambda: (model(inputs), targets),
        "loss": returns_loss,
        "nothing": returns_nothing,
        "as torch's": of_torch,
        "two parts": in_two_parts,
    }


@pytest.mark.parametrize("kind", ["outputs", "loss", "nothing", "as torch's", "two parts"])
@pytest.mark.parametrize("damping", [DAMPING, LevenbergMarquardt(initial=DAMPING)], ids=["fixed", "judged"])
def test_closures_return_outputs_the_loss_or_nothing(kind, damping):
    model, (inputs, targets) = mlp(), batch()
    before, expected = copies(model), dense_step(model, inputs, targets)
    loss_before = nn.functional.cross_entropy(model(inputs), targets)
    slopes = torch.autograd.grad(loss_before, list(model.parameters()))
    opt = NaturalGradient(model, lr=0.3, damping=damping)
    loss = opt.step(closures(opt, model, inputs, targets)[kind])
    assert_moved(model, before, expected, 0.3)
    torch.testing.assert_close(loss, loss_before.detach())
    assert opt.report.new_loss == pytest.approx(nn.functional.cross_entropy(model(inputs), targets).item())
    torch.testing.assert_close(gradients(model), torch.cat([slope.flatten() for slope in slopes]))
    assert opt.report.rows == 14


def test_a_closure_of_another_kind_is_told_what_is_wanted():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model)

    def of_torch():
        loss = nn.functional.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match=r"calls backward\(outputs, targets\) of this optimizer"):
        opt.step(of_torch)


def test_a_closure_that_does_its_work_once_is_refused():
    model, (inputs, targets) = mlp(), batch()
    opt, results = NaturalGradient(model), [lambda: opt.backward(model(inputs), targets)]
    with pytest.raises(RuntimeError, match="each time it is called"):
        opt.step(lambda: results.pop()() if results else None)


class Slope(nn.Module):
    """u' + u: the closure cannot be called without gradients."""

    def __init__(self):
        super().__init__()
        self.net = mlp()

    def forward(self, x):
        x = x.clone().requires_grad_()
        u = self.net(x).sum(1, keepdim=True)
        return torch.autograd.grad(u.sum(), x, create_graph=True)[0] + u


def test_models_that_differentiate_are_judged():
    model, inputs = Slope(), batch()[0]
    opt = NaturalGradient(model, 1.0, LevenbergMarquardt(initial=0.1), loss="mse", unsupported="row_by_row")
    losses = [float(opt.step(lambda: (model(inputs), torch.ones_like(inputs)))) for _ in range(6)]
    assert opt.report.new_loss < losses[-1] < losses[0] / 50
    assert not opt._given.recorder._uses


def test_losses_of_a_closure_that_is_called_once_more_are_counted_once():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, 0.1)

    def closure():
        opt.zero_grad()
        opt.backward(model(inputs[:3]), targets[:3])
        if not torch.is_grad_enabled():
            raise RuntimeError("element 0 of tensors does not require grad")
        opt.backward(model(inputs[3:]), targets[3:])

    opt.step(closure)
    assert opt.report.new_loss == pytest.approx(nn.functional.cross_entropy(model(inputs), targets).item())


@pytest.mark.parametrize("key", ["trust_region", "learning_rate", "betas"])
def test_settings_of_a_group_that_nothing_reads_are_refused(key):
    model = mlp()
    with pytest.raises(ValueError, match=rf"'{key}'.*those of SGD: .*lr.*weight_decay"):
        NaturalGradient(model, params=[{"params": [model[0].weight], key: 5.0}])
    opt = NaturalGradient(model, params=[{"params": [model[0].weight], "name": "first", "weight_decay": 0.1}])
    with pytest.raises(ValueError, match=f"'{key}'"):
        opt.add_param_group({"params": [model[0].bias], key: 5.0})


def test_decay_of_a_group():
    model, (inputs, targets) = mlp(), batch()
    expected, before = dense_step(model, inputs, targets), flat(model[2])
    groups = [{"params": model[0].parameters()}, {"params": model[2].parameters(), "weight_decay": 0.2}]
    opt = NaturalGradient(model, lr=0.5, damping=DAMPING, params=groups)
    opt.step(lambda: (model(inputs), targets))
    direction = torch.cat([part.flatten() for part in expected[2:]])
    torch.testing.assert_close(flat(model[2]), before - 0.5 * (direction + 0.2 * before))


def test_an_empty_closure_changes_nothing():
    model, (inputs, targets) = mlp(), batch()
    before, expected = copies(model), dense_step(model, inputs, targets)
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING)
    opt.backward(model(inputs), targets)
    assert opt.step(lambda: None) is None
    assert_moved(model, before, expected, 0.3)
    judged = NaturalGradient(model, damping=LevenbergMarquardt())
    judged.backward(model(inputs), targets)
    with pytest.raises(RuntimeError, match="judges a step"):
        judged.step(lambda: None)
