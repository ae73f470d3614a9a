"""Layers without a rule are replayed for single data: their rows are exact, and nothing is left of the replay."""

import pytest

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from oracles import check_exact  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import NaturalGradient, Recorder, UnsupportedLayerError, curvature_rows  # noqa: E402


def inputs(*shape, data=5):
    return torch.randn(data, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


class Attending(nn.Module):
    """Attention with a mask, whose outputs, views in a tuple, are changed in place."""

    def __init__(self, mask=False):
        super().__init__()
        self.attention, self.out, self.mask = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 2), mask

    def forward(self, x):
        mask = torch.ones(x.shape[1], x.shape[1]).tril() == 0 if self.mask else None
        y, _ = self.attention(x, x, x, attn_mask=mask)
        y += x
        return self.out(y.mean(1))


class Named(nn.Module):
    """Returns a dictionary of its own kind, with a view in it."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.randn(6))

    def forward(self, x):
        return {"hidden": (x * self.gain).view(-1, 2, 3), "input": x}


class Unpacks(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = Named(), nn.Linear(3, 2)

    def forward(self, x):
        hidden = self.inner(x)["hidden"]
        hidden += 1
        return self.out(hidden.square().mean(1))


class Remembers(nn.Module):
    """Keeps what it has seen in a buffer, in an attribute and in a list."""

    def __init__(self, inplace):
        super().__init__()
        self.gain, self.inner, self.inplace = nn.Parameter(torch.ones(1)), nn.Linear(4, 2), inplace
        self.register_buffer("mean", torch.zeros(()))
        self.last, self.all = None, []

    def forward(self, x):
        y = self.inner(x) * self.gain
        if self.inplace:
            self.mean.mul_(0.9).add_(0.1 * y.detach().mean())
        else:
            self.mean = 0.9 * self.mean + 0.1 * y.detach().mean()
        self.last = y.detach()
        self.all.append(self.last)
        return y


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (Attending, (3, 4)),
        (lambda: Attending(mask=True), (3, 4)),
        (lambda: Attending(mask=True), (5, 4)),  # a mask as long as there are data
        (Unpacks, (6,)),
        (
            lambda: nn.Sequential(nn.ConvTranspose1d(2, 3, 2), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(15, 2)),
            (2, 4),
        ),
        (lambda: Remembers(inplace=False), (4,)),
        (lambda: Remembers(inplace=True), (4,)),
    ],
)
def test_rows_are_exact(build, shape):
    torch.manual_seed(0)
    check_exact(build().double(), inputs(*shape))


@pytest.mark.parametrize("inplace", [False, True])
def test_what_a_layer_remembers_is_left_alone(inplace):
    model = Remembers(inplace).double()
    opt = NaturalGradient(model, loss="mse")
    for step in range(2):
        outputs = model(inputs(4))
        before = {name: value.clone() for name, value in model.state_dict().items()}, outputs.detach().clone()
        opt.backward(outputs, torch.zeros_like(outputs))
        torch.testing.assert_close((model.state_dict(), model.last), before, rtol=0, atol=0)
        assert len(model.all) == step + 1
        opt.step()
        opt.zero_grad()
    model.eval()(inputs(4))


@pytest.mark.parametrize("factor", [1, 2])
def test_hooks_look_on_undisturbed_and_may_change_outputs(factor):
    torch.manual_seed(0)
    model, seen = Remembers(inplace=False).double(), []
    hook = (lambda module, args, out: seen.append(out)) if factor == 1 else (lambda module, args, out: factor * out)
    model.inner.register_forward_hook(hook)
    check_exact(nn.Sequential(model, nn.Linear(2, 2).double()), inputs(4))
    assert len(seen) == (factor == 1)
    assert len(model.inner._forward_hooks) == 1


class Averages(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return (x - x.mean(0)) * self.gain


def test_a_layer_that_mixes_data_within_itself_gives_other_outputs():
    model = nn.Sequential(Averages(), nn.Linear(4, 2)).double()
    with pytest.raises(UnsupportedLayerError, match=r"'0' \(Averages\).*gives other outputs"):
        check_exact(model, inputs(4))
    check_exact(model, inputs(4), unsupported="row_by_row")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_layers_called_in_low_precision_are_replayed_in_that_of_their_parameters(dtype):
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 4), Attending()), inputs(3, 4).float()
    exact = curvature_rows(model, x, torch.zeros(5, 2), "mse").rows.gram()
    recorder = Recorder(model)
    with torch.autocast("cpu", dtype), recorder:
        outputs = model(x)
    assert close(recorder.rows(outputs, torch.zeros(5, 2), "mse").rows.gram(), exact, 0.1)
