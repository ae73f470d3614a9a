"""Parameters of half precision and of several precisions: curvature in single precision or more, beside float64."""

import copy

import pytest

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from networks import MODELS, normalised  # noqa: E402
from oracles import trained  # noqa: E402
from small_problem import batch, dense_step, flat, mlp  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import TNGD, LevenbergMarquardt, NaturalGradient, Recorder  # noqa: E402

HALVES = torch.bfloat16, torch.float16


def recorded(model, inputs, targets, **options):
    recorder = Recorder(model, **options)
    with recorder:
        outputs = model(inputs)
    return recorder.rows(outputs, targets, "cross_entropy")


def beside_double(half, inputs, eps, **options):
    """Gram matrix and gradient of a model are those of its copy in double precision."""
    wide = copy.deepcopy(half).double()
    inputs_wide = inputs.double() if inputs.is_floating_point() else inputs
    outputs = wide(inputs_wide)
    targets = torch.randint(0, outputs.shape[-1], outputs.shape[:-1])
    rows, gradient, loss = recorded(half, inputs, targets, **options)
    expected = recorded(wide, inputs_wide, targets, **options)
    assert rows.dtype == gradient.dtype == loss.dtype == torch.float32
    assert close(rows.gram().double(), expected.rows.gram(), 4 * eps)
    assert close(gradient.double(), expected.gradient, 8 * eps)
    R = rows.apply(torch.eye(rows.shape[1]))
    assert close(rows.gram(), R @ R.T, 1e-6)
    assert close(rows.apply_transposed(torch.eye(rows.shape[0])).T, R, 1e-6)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", MODELS)
def test_curvature_of_halves(name, dtype):
    model, inputs = MODELS[name].make()
    beside_double(model.to(dtype), inputs.to(dtype) if inputs.is_floating_point() else inputs, torch.finfo(dtype).eps)


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layer, self.last = kind(3, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.layer(x)[0][:, -1])


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("unsupported", ["raise", "row_by_row"])
def test_statistics_of_halves(dtype, unsupported):
    torch.manual_seed(0)
    model, inputs = normalised(2, nn.BatchNorm2d(4)), torch.randn(6, 2, 5, 5)
    model(inputs)
    beside_double(model.to(dtype), inputs.to(dtype), 2 * torch.finfo(dtype).eps, unsupported=unsupported)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_halves(kind):
    torch.manual_seed(0)
    beside_double(Recurrent(kind).bfloat16(), torch.randn(4, 3, 3).bfloat16(), torch.finfo(torch.bfloat16).eps)


class Mixed(nn.Module):
    """Layers of several precisions, each called in its own."""

    def __init__(self, *dtypes):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4, dtype=dtype) for dtype in dtypes])

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x.to(layer.weight.dtype)))
        return x


@pytest.mark.parametrize(
    "dtypes",
    [
        (torch.float32, torch.float64),
        (torch.float64, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.bfloat16, torch.float64),
    ],
)
def test_several_precisions_work_in_the_best_of_them(dtypes):
    torch.manual_seed(0)
    model, inputs, targets = Mixed(*dtypes), torch.randn(6, 4), torch.randint(0, 4, (6,))
    wide = copy.deepcopy(model).double()
    start, eps = flat(wide), max(torch.finfo(dtype).eps for dtype in dtypes)
    expected = torch.cat([part.flatten() for part in dense_step(wide, inputs.double(), targets)])
    opt = NaturalGradient(model, lr=0.5, damping=0.05)
    opt.backward(model(inputs), targets)
    opt.step()
    assert [p.dtype for p in model.parameters()] == [dtype for dtype in dtypes for _ in range(2)]
    moved = torch.cat([p.detach().double().flatten() for p in model.parameters()]) - start
    assert close(moved, -0.5 * expected, 8 * eps)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("closure", [False, True])
def test_steps_of_halves(dtype, closure):
    """Directions are those of double precision, and parameters are rounded once when they are written back."""
    half, (inputs, targets) = mlp().to(dtype), batch()
    inputs = inputs.to(dtype)
    wide = copy.deepcopy(half).double()
    start, eps = flat(wide), torch.finfo(dtype).eps
    expected = torch.cat([part.flatten() for part in dense_step(wide, inputs.double(), targets)])
    opt = TNGD(half, lr=0.5, damping=0.05, time=1e4)
    if closure:
        opt.step(lambda: (half(inputs), targets))
    else:
        opt.backward(half(inputs), targets)
        opt.step()
    assert all(p.dtype == dtype for p in half.parameters())
    apart = (flat(half).double() - (start - 0.5 * expected)).abs()
    assert bool((apart <= eps * (start.abs() + 4 * expected.norm())).all())


@pytest.mark.parametrize("dtype", HALVES)
def test_halves_train(dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2)).to(dtype)
    inputs = torch.randn(64, 4)
    targets = (inputs[:, 0] * inputs[:, 1] > 0).long()
    opt = NaturalGradient(model, lr=0.5, damping=LevenbergMarquardt(initial=0.1, smallest=1e-2))
    losses = [float(opt.step(lambda: (model(inputs.to(dtype)), targets))) for _ in range(30)]
    assert losses[-1] < 0.3 * losses[0]


def test_scaled_losses_of_halves():
    """A scaler unscales parameters of bfloat16 and single precision; those of float16 it refuses itself."""
    half, (inputs, targets) = mlp().bfloat16(), batch()
    plain, inputs = copy.deepcopy(half), inputs.bfloat16()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    scaled, unscaled = (NaturalGradient(model, lr=0.3, damping=0.1) for model in (half, plain))
    scaled.backward(half(inputs), targets, scaler=scaler)
    scaler.step(scaled)
    unscaled.backward(plain(inputs), targets)
    unscaled.step()
    assert close(flat(half).float(), flat(plain).float(), 0.01)


def test_copies_of_halves_go_on_alike():
    half, (inputs, targets) = mlp().bfloat16(), batch()
    opt = TNGD(half, lr=0.1, temperature=1e-4, rng=0)
    opt.step(lambda: (half(inputs.bfloat16()), targets))
    again, other = copy.deepcopy((half, opt))
    for model, optimizer in ((half, opt), (again, other)):
        optimizer.step(lambda model=model: (model(inputs.bfloat16()), targets))
    assert torch.equal(flat(half), flat(again))
    assert trained(half).keys() == trained(again).keys()
