"""Batch normalisation in training mode: gradients through its statistics, curvature with them for constants."""

import copy

import pytest

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from oracles import check_exact  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.nn.modules.batchnorm import _BatchNorm  # noqa: E402

from thermoapps.natural_gradient import TNGD, Recorder, UnsupportedLayerError, curvature_rows  # noqa: E402
from thermoapps.natural_gradient.curvature.backward import vector_jacobian_products  # noqa: E402


def convolutional():
    return nn.Sequential(
        nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4),
        nn.BatchNorm1d(4, affine=False, track_running_stats=False), nn.Tanh(), nn.Linear(4, 3),
    )  # fmt: skip


BUILDS = {
    "convolutional": (convolutional, (2, 5, 5)),
    "sequences": (lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(12, 3)), (4, 3)),
    "first": (lambda: nn.Sequential(nn.BatchNorm1d(4, momentum=None), nn.ReLU(inplace=True), nn.Linear(4, 3)), (4,)),
}


def made(name):
    torch.manual_seed(0)
    build, shape = BUILDS[name]
    return build().double().train(), torch.randn(6, *shape, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])


@torch.no_grad()
def with_statistics_of(model, x):
    """A copy in eval mode whose running averages are the statistics of this batch."""
    frozen = copy.deepcopy(model)
    for place, layer in enumerate(frozen):
        if isinstance(layer, _BatchNorm):
            fixed = nn.BatchNorm1d(x.shape[1], affine=layer.affine).double().eval()
            fixed.running_var, fixed.running_mean = torch.var_mean(x.transpose(0, 1).flatten(1), 1, correction=0)
            fixed.weight, fixed.bias = layer.weight, layer.bias
            flat = nn.Sequential(nn.Flatten(2), fixed, nn.Unflatten(2, x.shape[2:]))
            frozen[place] = layer = flat if x.dim() > 3 else fixed
        x = layer(x)
    return frozen


@pytest.mark.parametrize("name", BUILDS)
def test_gradients_are_exact_and_statistics_constant_in_the_curvature(name):
    model, x, y = made(name)
    frozen = with_statistics_of(model, x)
    expected = torch.autograd.grad(functional.cross_entropy(model(x), y), list(model.parameters()))
    rows, gradient, _ = curvature_rows(model, x, y, "cross_entropy")
    assert close(gradient, torch.cat([slope.flatten() for slope in expected]))
    assert close(rows.gram(), curvature_rows(frozen, x, y, "cross_entropy").rows.gram())
    assert rows.frozen


@pytest.mark.parametrize("name", BUILDS)
def test_row_by_row_is_exact(name):
    model, x, _ = made(name)
    rows = check_exact(model, x, unsupported="row_by_row")
    assert not rows.frozen


def test_columns_travel_together():
    model, x, _ = made("convolutional")
    with Recorder(model):
        outputs = model(x)
    columns = torch.randn(4, *outputs.shape, dtype=torch.float64)
    together = torch.autograd.grad(outputs, model[0].weight, columns, is_grads_batched=True, retain_graph=True)[0]
    single = [torch.autograd.grad(outputs, model[0].weight, column, retain_graph=True)[0] for column in columns]
    assert close(together, torch.stack(single))
    (frozen,) = vector_jacobian_products(outputs, [model[0].weight], columns)
    assert not close(frozen, together, 0.1)


@pytest.mark.parametrize("autocast", [False, True])
def test_training_says_that_curvature_is_approximate(autocast):
    model, x, y = made("convolutional")
    opt = TNGD(model.float(), lr=0.3)
    losses = []
    for _ in range(8):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs = model(x.float())
        losses.append(float(opt.backward(outputs, y)))
        opt.backward(model(x.float()), y)
        opt.step()
        opt.zero_grad()
    assert losses[-1] < losses[0] / 2
    assert opt.report.curvature.startswith("approximate curvature")
    other = nn.Linear(3, 2)
    exact = TNGD(other, loss="mse")
    exact.step(lambda: (other(torch.ones(4, 3)), torch.zeros(4, 2)))
    assert exact.report.curvature == "exact"


def test_statistics_of_several_processes_are_refused():
    model = nn.Sequential(nn.Linear(4, 4), nn.SyncBatchNorm(4))
    with pytest.raises(UnsupportedLayerError, match="between processes"), Recorder(model) as recorder:
        recorder._keep("1", model[1], (torch.ones(2, 4, requires_grad=True),), {}, torch.ones(2, 4))
