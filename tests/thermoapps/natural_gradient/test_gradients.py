"""`backward` stands where ``loss.backward()`` stood: gradients are autograd's, and rows that contradict them raise."""

import weakref

import pytest

torch = pytest.importorskip("torch")

from networks import mlp  # noqa: E402
from oracles import check_exact  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    CrossEntropy,
    NaturalGradient,
    Recorder,
    UnsupportedLayerError,
    curvature_rows,
    layers,
)
from thermoapps.natural_gradient.curvature import reading  # noqa: E402


def inputs(*shape, data=6):
    return torch.randn(data, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def gradients_of(*modules):
    return [p.grad for module in modules for p in module.parameters()]


class Two(nn.Module):
    """Two layers, and what is done between and after them."""

    def __init__(self, between, width=4):
        super().__init__()
        self.first, self.last, self.between = nn.Linear(4, width), nn.Linear(width, 3), between

    def forward(self, x):
        return self.last(self.between(torch.tanh(self.first(x))))


class Derivative(nn.Module):
    """Derivatives of a network with respect to its inputs, and its value if wanted: forces, differential equations."""

    def __init__(self, order=1, value=False):
        super().__init__()
        self.net, self.order, self.value = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)), order, value

    def forward(self, x):
        x = x.clone().requires_grad_()
        u = self.net(x)
        slope = u
        for _ in range(self.order):
            (slope,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        return slope + u if self.value else slope


class Reentrant(Two):
    def forward(self, x):
        return self.last(checkpoint(self.first, x.clone().requires_grad_(), use_reentrant=True))


# -- gradients --------------------------------------------------------------------------------------------------------


def hooked(model):
    model[0].weight.register_hook(lambda slope: 3 * slope)


def tensor_hooked(model):
    model[0].register_forward_hook(lambda module, args, out: out.register_hook(lambda slope: 2 * slope) and None)


@pytest.mark.parametrize("prepare", [None, hooked, tensor_hooked], ids=["plain", "on a parameter", "on activations"])
@pytest.mark.parametrize("part", ["all", "last layer"])
def test_gradients_are_those_of_loss_backward(prepare, part):
    x, y = inputs(4), torch.tensor([0, 2, 1, 1, 0, 2])
    found = []
    for own in (True, False):
        torch.manual_seed(0)
        model = mlp().double()
        if prepare:
            prepare(model)
        if own:
            NaturalGradient(model, params=(model if part == "all" else model[2]).parameters()).backward(model(x), y)
        else:
            functional.cross_entropy(model(x), y).backward()
        found.append(gradients_of(model))
    torch.testing.assert_close(*found)


def test_what_happens_in_a_backward_pass_happens():
    model, x, y = mlp().double(), inputs(4), torch.randn(6, 3, dtype=torch.float64)
    seen = []
    model[0].bias.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
    upstream = nn.Linear(4, 4).double()  # trained by another optimiser
    opt, other = NaturalGradient(model, loss="mse"), torch.optim.SGD(upstream.parameters(), lr=0.1)
    for part in (slice(0, 2), slice(2, 3), slice(3, None)):
        opt.backward(model(upstream(x[part])), y[part])
    whole = torch.autograd.grad(
        functional.mse_loss(model(upstream(x)), y), [*model.parameters(), *upstream.parameters()]
    )
    torch.testing.assert_close(gradients_of(model, upstream), list(whole))
    torch.testing.assert_close(seen[2], whole[1])
    before = upstream.weight.detach().clone()
    opt.step()
    other.step()
    torch.testing.assert_close(upstream.weight.detach(), before - 0.1 * whole[4])


@pytest.mark.parametrize("scaled", [False, True])
def test_a_criterion_leaves_what_backward_does(scaled):
    y, moved = torch.tensor([0, 2, 1, 1, 0, 2]), []
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**7, enabled=scaled)
    for criterion in (False, True):
        torch.manual_seed(0)
        model = mlp().double()
        opt = NaturalGradient(model, lr=0.3)
        if not criterion:
            opt.backward(model(inputs(4)), y)
        else:
            losses = [opt.criterion(model(x), labels) for x, labels in ((inputs(4)[:4], y[:4]), (inputs(4)[4:], y[4:]))]
            scaler.scale(losses[0] * 4 / 6).backward()
            scaler.scale(losses[1] * 2 / 6).backward()
            scaler.unscale_(opt)
        moved.append(gradients_of(model))
        scaler.step(opt) if criterion else opt.step()
        assert (opt.report.data, opt.report.rows) == (6, 12)
        moved.append([p.detach() for p in model.parameters()])
        moved.append(opt.report.loss)
    torch.testing.assert_close(moved[:3], moved[3:], rtol=1e-6, atol=1e-9)


def test_a_criterion_lets_go_of_what_it_recorded():
    model, x = mlp().double(), inputs(4)
    opt = NaturalGradient(model, loss="mse")
    losses, kept = [], []
    for _ in range(2):
        outputs = model(x)
        kept.append(weakref.ref(outputs))
        losses.append(opt.criterion(outputs, torch.zeros_like(outputs)))
        losses[-1].backward(retain_graph=True)
        losses[-1].backward()  # counted once
        del outputs
        assert opt._given.batch.count == 6
        opt.zero_grad()
    losses.clear()
    assert [each() for each in kept] == [None, None]


def test_a_criterion_among_other_terms():
    model, x, y = mlp().double(), inputs(4), torch.zeros(6, 3, dtype=torch.float64)
    opt = NaturalGradient(model, loss="mse")
    outputs = model(x)
    (opt.criterion(outputs, y) + outputs.sum() + model[0].weight.square().sum()).backward()
    found = gradients_of(model)
    outputs = model(x)
    loss = outputs.square().mean() + outputs.sum() + model[0].weight.square().sum()
    torch.testing.assert_close(found, list(torch.autograd.grad(loss, list(model.parameters()))))
    with torch.no_grad():
        assert opt.criterion(model(x), y) == model(x).square().mean()
    opt.step()
    assert opt.report.rows == 18


def test_the_graph_can_be_kept_for_other_terms():
    model, x = mlp().double(), inputs(4)
    opt = NaturalGradient(model, loss="mse")
    outputs = model(x)
    opt.backward(outputs, torch.zeros_like(outputs), retain_graph=True)
    outputs.sum().backward()
    outputs = model(x)
    expected = torch.autograd.grad(outputs.square().mean() + outputs.sum(), list(model.parameters()))
    torch.testing.assert_close(gradients_of(model), list(expected))


def test_unused_parameters_have_no_gradient_and_stay():
    model = nn.ModuleDict({"used": nn.Linear(4, 3), "idle": nn.Linear(4, 3)}).double()
    opt = NaturalGradient(model, loss="mse", weight_decay=0.1)
    opt._given.recorder._begin(model, (inputs(4),), {})
    opt.backward(model["used"](inputs(4)), torch.zeros(6, 3, dtype=torch.float64))
    before = model["idle"].weight.detach().clone()
    opt.step()
    assert gradients_of(model["idle"]) == [None, None]
    assert torch.equal(model["idle"].weight, before)


# -- what rows cannot see ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (Derivative(), (2,), "derivatives of the network"),
        (Derivative(value=True, order=1), (2,), "derivatives of the network"),
        (Derivative(order=2, value=True), (2,), "derivatives of the network"),
        (Two(lambda h: h + h.roll(2, 0)), (4,), "data mix after layer 'first'"),
        (Two(lambda h: h - h.mean(0)), (4,), "data mix after layer 'first'"),
        (Two(lambda h: h[[1, 0, 2, 3, 4, 5]]), (4,), "data mix after layer 'first'"),
    ],
)
def test_what_no_layer_shows_is_named_or_done_row_by_row(model, shape, message):
    model, x = model.double(), inputs(*shape)
    with pytest.raises(UnsupportedLayerError, match=message):
        check_exact(model, x)
    check_exact(model, x, unsupported="row_by_row")


def test_reentrant_checkpoints_are_refused_with_what_works():
    with pytest.raises(UnsupportedLayerError, match="use_reentrant=False"):
        check_exact(Reentrant(None).double(), inputs(4), unsupported="row_by_row")


def test_sharded_models_are_refused():
    sharded = type("FullyShardedDataParallel", (nn.Sequential,), {})
    with pytest.raises(UnsupportedLayerError, match="FSDP"):
        Recorder(sharded(nn.Linear(2, 2)))


@pytest.mark.parametrize("later", [lambda h: h.flip(0), lambda h: h[[5, 1, 2, 3, 4, 0]]])
def test_data_that_mix_later_are_seen_when_they_do(later):
    order = torch.arange(6)
    model = Two(lambda h: h[order]).double().train()
    opt = NaturalGradient(model, loss="mse")
    x, y = inputs(4), torch.zeros(6, 3, dtype=torch.float64)
    for _ in range(2):
        opt.backward(model(x), y)
        opt.step()
        opt.zero_grad()
    model.between = later
    with pytest.raises(UnsupportedLayerError, match=r"data (that )?mix"):
        opt.backward(model(x), y)


def test_one_datum_does_not_show_whether_data_mix():
    model = Two(lambda h: h.roll(1, 0)).double()
    recorder = Recorder(model)
    for data in (1, 6):
        with recorder:
            outputs = model(inputs(4, data=data))
        if data == 1:
            recorder.rows(outputs, torch.zeros_like(outputs), "mse")
    with pytest.raises(UnsupportedLayerError, match="data mix"):
        recorder.rows(outputs, torch.zeros_like(outputs), "mse")


def doubled(uses, parameters):
    rows = layers.linear_rows(uses, parameters)
    rows.cotangents = rows.cotangents * 1.01
    return rows


def test_a_wrong_rule_is_found_at_the_first_pass_and_now_and_then(monkeypatch):
    model, x, y = mlp().double().train(), inputs(4), torch.zeros(6, 3, dtype=torch.float64)
    opt = NaturalGradient(model, loss="mse")
    opt.backward(model(x), y)
    monkeypatch.setitem(layers.RULES, nn.Linear.forward, doubled)
    with pytest.raises(UnsupportedLayerError, match=r"'0\.weight' \(off by 0\.0099\).* do not give the gradient"):
        curvature_rows(model, x, y, "mse")
    monkeypatch.setattr(reading, "AGAIN", 0)
    opt.backward(model(x), y)
    monkeypatch.setattr(reading, "AGAIN", 1)
    outputs = model(x)
    with pytest.raises(UnsupportedLayerError, match="do not give the gradient"):
        opt.backward(outputs, y)


@pytest.mark.parametrize("curvature", ["ggn", "monte_carlo", "empirical"])
@pytest.mark.parametrize(
    ("loss", "y"), [("cross_entropy", torch.tensor([0, 1, 2, 0, 1, 2])), ("mse", torch.zeros(6, 3))]
)
def test_numbers_that_are_not_finite_are_taken_back_in_every_mode(curvature, loss, y):
    model, x = mlp(), inputs(4).float()
    opt = NaturalGradient(model, loss=loss, curvature=curvature)
    before = [p.detach().clone() for p in model.parameters()]
    x[0, 0] = torch.nan
    opt.backward(model(x), y)
    with pytest.warns(UserWarning, match="not finite"):
        opt.step()
    torch.testing.assert_close([p.detach() for p in model.parameters()], before, rtol=0, atol=0)
    opt.zero_grad()
    opt.backward(model(x[1:]), y[1:])
    opt.step()
    assert opt.report.accepted


class Doubled(CrossEntropy):
    """Its gradient was forgotten."""

    def value(self, outputs, targets):
        return 2 * super().value(outputs, targets)


def test_a_loss_that_contradicts_itself_is_named():
    with pytest.raises(ValueError, match="Doubled contradicts itself"):
        curvature_rows(mlp(), torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]), Doubled())


FITTED = ["cross_entropy", nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), "bce_with_logits", "mse"]


@pytest.mark.parametrize("loss", FITTED, ids=str)
@pytest.mark.parametrize("margin", [10.0, 17.0, 40.0, 1e4])
def test_a_model_that_fits_does_not_contradict_its_loss(loss, margin):
    model, x = nn.Linear(3, 3, bias=False), torch.eye(3)
    with torch.no_grad():
        model.weight.copy_(margin * (2 * torch.eye(3) - 1))
    targets = torch.arange(3)
    if isinstance(loss, str) and loss != "cross_entropy":
        targets = torch.eye(3) if loss == "bce_with_logits" else model(x).detach() * (1 + 2**-22)
    _, gradient, _ = curvature_rows(model, x, targets, loss)
    assert gradient.isfinite().all()


def test_masked_classes_are_compared_like_all():
    recorder = Recorder(Two(lambda h: h).double())
    mask = torch.tensor([0.0, -torch.inf, 0.0], dtype=torch.float64)
    with recorder:
        outputs = recorder.model(inputs(4)) + mask
    recorder.rows(outputs, torch.tensor([0, 2, 0, 2, 0, 2]), "cross_entropy")
    assert len(recorder._reader._examined) == 1


def test_slopes_that_underflow_are_no_sign_of_anything():
    torch.manual_seed(0)
    model = nn.Sequential(*[part for _ in range(20) for part in (nn.Linear(16, 16), nn.ReLU())])
    recorder = Recorder(model)
    with torch.autocast("cpu", torch.float16), recorder:
        outputs = model(torch.randn(32, 16))
    recorder.rows(outputs, torch.zeros(32, 16), "mse")


@pytest.mark.parametrize("loss", ["mse", "bce_with_logits"])
def test_outputs_without_an_axis_of_their_own(loss):
    model, x, y = nn.Linear(4, 1).double(), inputs(4), torch.tensor([0.0, 1, 1, 0, 1, 0], dtype=torch.float64)
    rows, gradient, _ = curvature_rows(nn.Sequential(model, nn.Flatten(0)), x, y, loss)
    same, expected, _ = curvature_rows(model, x, y[:, None], loss)
    torch.testing.assert_close((rows.gram(), gradient), (same.gram(), expected))
