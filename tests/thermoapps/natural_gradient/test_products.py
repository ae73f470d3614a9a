"""Curvature by products through the graph: beside rows, beside dense matrices, and when it is taken."""

import copy

import pytest

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from networks import LOSSES, MODELS  # noqa: E402
from oracles import curvature, from_the_same_graph, trained  # noqa: E402
from small_problem import DAMPING, assert_moved, batch, copies, dense_step, flat, mlp  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    TNGD,
    Asynchronous,
    ConjugateGradient,
    CrossEntropy,
    EulerMaruyama,
    KroneckerFactored,
    Krylov,
    LevenbergMarquardt,
    MonteCarloFisher,
    NaturalGradient,
    Recorder,
    Thermodynamic,
    UnsupportedLayerError,
    as_loss,
)
from thermoapps.natural_gradient.curvature.counting import MemoryLimit, TooManyRowsError, free_memory  # noqa: E402
from thermoapps.natural_gradient.losses.roots import CategoricalRoot  # noqa: E402

TIGHT = 2.0
"""Bytes: whatever there is to choose, products are chosen."""


def by_products(model, inputs, targets, loss, **options):
    recorder = Recorder(model, memory_limit=TIGHT, products=100, **options)
    with recorder:
        outputs = model(inputs)
    rows = recorder.rows(outputs, targets, loss).rows
    assert not rows.formed
    assert rows.shape[1] == sum(p.numel() for p in trained(model).values())
    return rows, outputs


def dense(rows):
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    assert close(rows.apply_transposed(torch.eye(rows.shape[0], dtype=rows.dtype)).T, R)
    return R.T @ R


@pytest.mark.parametrize("name", MODELS)
def test_curvature_of_any_model(name):
    model, inputs = MODELS[name].make()
    targets = torch.randint(0, 3, model(inputs).shape[:-1])
    rows, _ = by_products(model, inputs, targets, "cross_entropy")
    assert close(dense(rows), curvature(model, inputs, targets, CrossEntropy()))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_curvature_of_any_loss(name, shape):
    loss, make_targets = LOSSES[name]
    model, inputs = MODELS["mlp" if len(shape) == 1 else "sequence outputs"].make()
    targets = make_targets(model(inputs).detach())
    rows, _ = by_products(model, inputs, targets, loss)
    assert close(dense(rows), curvature(model, inputs, targets, loss))
    columns, numbers = loss.root_size(model(inputs).detach(), targets)
    root = loss.hessian_root(model(inputs).detach(), targets)
    assert (root.columns, root.blocks.numel()) <= (columns, numbers)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64), label_smoothing=0.1),
        nn.CrossEntropyLoss(reduction="sum", ignore_index=1),
        nn.HuberLoss(),
        CrossEntropy(columns=1),
        MonteCarloFisher("cross_entropy", 3),
    ],
)
def test_roots_and_their_transposes(loss):
    outputs = torch.randn(4, 3, dtype=torch.float64)
    targets = torch.randn_like(outputs) if isinstance(loss, nn.HuberLoss) else torch.tensor([0, 1, 1, 2])
    loss = as_loss(loss)
    root, count = loss.product_root(outputs, targets), loss.root_size(outputs, targets)[0]
    assert root.columns == count + isinstance(root, CategoricalRoot)
    u, z = torch.randn(4, root.columns, dtype=torch.float64), torch.randn_like(outputs)
    assert close((root.times(u) * z).sum(), (u * root.transposed(z)).sum())
    if not isinstance(loss, MonteCarloFisher):
        stored = loss.hessian_root(outputs, targets)
        assert close(root.times(root.transposed(z)), stored.times(stored.transposed(z)))


class Fused(nn.Module):
    """Attention that has no second derivative, and dropout of its own random numbers."""

    def __init__(self, dropout=0.3):
        super().__init__()
        self.words, self.places = nn.Embedding(7, 8), nn.Embedding(5, 8)
        self.mixed, self.last = nn.Linear(8, 24), nn.Linear(8, 7)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, tokens):
        if self.dropout.p:
            self.calls += 1
        h = self.dropout(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))
        q, k, v = (part.unflatten(2, (2, 4)).transpose(1, 2) for part in self.mixed(h).chunk(3, 2))
        return self.last(functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))


def test_fused_attention_is_passed_once_more_with_the_same_random_numbers():
    torch.manual_seed(0)
    model, tokens = Fused().double(), torch.randint(0, 7, (3, 5))
    rows, outputs = by_products(model, tokens, torch.zeros(3, 5, 7, dtype=torch.float64), "mse")
    assert not rows.keeps_graph
    assert float(model.calls) == 1
    assert close(dense(rows), from_the_same_graph(model, outputs))


def test_fused_attention_of_what_cannot_be_passed_once_more():
    model, tokens = Fused().double(), torch.randint(0, 7, (3, 5))
    recorder = Recorder(nn.ModuleList([model]), memory_limit=TIGHT, products=100)
    with recorder:
        outputs = model(tokens)
    with pytest.raises(UnsupportedLayerError, match="sdpa_kernel"):
        recorder.rows(outputs, tokens, "cross_entropy")


class Last(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layer, self.last = kind(3, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.layer(x)[0][:, -1])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_recurrent_layers(kind, dtype):
    torch.manual_seed(0)
    model, inputs = Last(kind).to(dtype), torch.randn(4, 3, 3, dtype=dtype)
    rows, outputs = by_products(model, inputs, torch.zeros(4, 3, dtype=dtype), "mse")
    R = rows.apply(torch.eye(rows.shape[1], dtype=dtype))
    assert close(R.T @ R, from_the_same_graph(model, outputs), 1e-5 if dtype == torch.float32 else 1e-10)


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return slope * 2


def test_what_has_no_second_derivative_is_told():
    model = mlp()
    model[1].forward = Once.apply
    with pytest.raises(UnsupportedLayerError, match="once_differentiable"):
        by_products(model, batch()[0], batch()[1], "cross_entropy")


SOLVERS = {
    "none": (None, 1e-5),
    "woodbury's device": (Thermodynamic(time=float("inf")), 1e-3),
    "krylov": (Krylov(float("inf"), rtol=1e-9), 1e-7),
    "conjugate gradients": (ConjugateGradient(progress=0.0), 1e-7),
    "in rows": (ConjugateGradient(progress=0.0, space="rows"), 1e-7),
    "stepped": (EulerMaruyama(time=500.0), 1e-3),
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("closure", [False, True])
def test_steps_by_products_are_those_by_rows(name, closure):
    (solver, rtol), model, (inputs, targets) = SOLVERS[name], mlp(), batch()
    before, expected = copies(model), dense_step(model, inputs, targets)
    opt = NaturalGradient(model, 0.3, DAMPING, solver=solver, memory_limit=TIGHT)
    if closure:
        opt.step(lambda: (model(inputs), targets))
        assert opt.report.new_loss < opt.report.loss
        moved = torch.cat([(p.detach() - before[k]).flatten() for k, p in trained(model).items()])
        A = curvature(mlp(), inputs, targets, CrossEntropy())
        assert close(torch.tensor(2 * opt.report.divergence, dtype=torch.float64), moved @ A @ moved, 1e-8)
    else:
        opt.backward(model(inputs), targets)
        opt.step()
    assert opt.report.solver.products > 0
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    start = torch.cat([p.flatten() for p in before.values()])
    assert close(after - start, -0.3 * torch.cat([d.flatten() for d in expected]), rtol)


def test_several_batches_by_rows_and_by_products_are_one():
    model, (inputs, targets) = mlp(), batch()
    before, expected = copies(model), dense_step(model, inputs, targets)
    opt = NaturalGradient(model, 1.0, DAMPING, solver=Krylov(float("inf"), rtol=1e-12))
    for part, labels, limit in zip(inputs.split([2, 5]), targets.split([2, 5]), (1e9, TIGHT), strict=True):
        opt._given.recorder._reader.limit = MemoryLimit(limit)
        opt.backward(model(part), labels)
    assert [part.formed for part in opt._given.batch.parts] == [True, False]
    opt.step()
    assert_moved(model, before, expected, 1.0, rtol=1e-7)


def test_steps_taken_back_and_trust_regions():
    model, (inputs, targets) = mlp(), batch()
    rule = LevenbergMarquardt(initial=1e-4, smallest=1e-4, acceptable=2.0, attempts=3)
    opt = NaturalGradient(model, 5.0, rule, memory_limit=TIGHT)
    start = flat(model)
    opt.step(lambda: (model(inputs), targets))
    assert (opt.report.attempts, opt.report.accepted) == (3, False)
    assert torch.equal(flat(model), start)
    other = mlp()
    opt = NaturalGradient(other, 5.0, 0.01, memory_limit=TIGHT, trust_region=1e-3)
    opt.step(lambda: (other(inputs), targets))
    moved = flat(other) - start
    assert close(moved @ curvature(model, inputs, targets, CrossEntropy()) @ moved, torch.tensor(2e-3), 1e-6)


def test_device_goes_on_from_rows_to_products_and_back():
    """Voltages are handed on whichever way a direction was found."""
    first, second, (inputs, targets) = mlp(), mlp(), batch()
    options = {"lr": 0.1, "damping": 0.1, "time": 3.0, "delay": 0.5}
    alike = TNGD(first, **options), TNGD(second, **options)
    for step in range(4):
        alike[1]._given.recorder._reader.limit = MemoryLimit(TIGHT if step % 2 else None)
        for opt, model in zip(alike, (first, second), strict=True):
            opt.step(lambda model=model: (model(inputs), targets))
    assert close(flat(second), flat(first), 1e-5)
    assert close(flat(copy.deepcopy(second)), flat(second), 0)


@pytest.mark.parametrize("build", [mlp, lambda: Fused(0.0).double()])
def test_a_criterion_passes_once_more_as_its_graph_is_freed(build):
    torch.manual_seed(0)
    model, (inputs, targets) = build(), batch()
    if isinstance(model, Fused):
        inputs = targets = torch.randint(0, 7, (3, 5))
    before, expected = copies(model), dense_step(model, inputs, targets)
    opt = NaturalGradient(model, 0.3, DAMPING, solver=Krylov(float("inf"), rtol=1e-12), memory_limit=TIGHT)
    (3 * opt.criterion(model(inputs), targets)).backward()
    for p in model.parameters():
        p.grad /= 3
    opt.step()
    assert_moved(model, before, expected, 0.3, rtol=1e-7)


def test_a_freed_graph_of_what_cannot_be_passed_once_more():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(nn.ModuleList([model]), solver=Krylov(), memory_limit=TIGHT)
    opt.criterion(model(inputs), targets).backward()
    with pytest.raises(UnsupportedLayerError, match=r"Call opt\.backward in the place"):
        opt.step()
    opt.zero_grad()
    opt.backward(model(inputs), targets)
    opt.step()


@pytest.mark.parametrize(
    "solver",
    [KroneckerFactored(), Thermodynamic(readings=3), Asynchronous(KroneckerFactored())],
)
def test_solvers_that_need_rows_refuse_before_any_work(solver):
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, solver=solver, memory_limit=TIGHT)
    with pytest.raises(TooManyRowsError, match=r"14 rows \(2 for each of 7 data\).*Krylov.*monte_carlo"):
        opt.backward(model(inputs), targets)


def test_late_directions_by_products():
    model, (inputs, targets) = mlp(), batch()
    before, expected = copies(model), dense_step(model, inputs, targets)
    opt = NaturalGradient(
        model, 0.3, DAMPING, solver=Asynchronous(Krylov(float("inf"), rtol=1e-12)), memory_limit=TIGHT
    )
    for _ in range(2):
        opt.zero_grad()
        opt.backward(model(inputs), targets)
        opt.step()
    assert_moved(model, before, expected, 0.3, rtol=1e-7)


def test_many_rows_choose_products_and_learn_how_many(monkeypatch):
    torch.manual_seed(0)
    model, inputs, targets = nn.Linear(20, 300), torch.randn(40, 20), torch.randint(0, 300, (40,))
    opt = TNGD(model, lr=0.1, damping=0.1, time=1.0)
    opt.backward(model(inputs), targets)
    opt.step()
    assert opt.report.solver.solver == "Krylov"
    assert opt._given.recorder._reader.expected == opt.report.solver.iterations < 20
    monkeypatch.setattr("thermoapps.natural_gradient.curvature.reading.WORTH", 1e15)
    opt.zero_grad()
    opt.backward(model(inputs[:2]), targets[:2])
    opt.step()
    assert opt.report.solver.solver == "Thermodynamic"


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_limits_are_checked(limit):
    with pytest.raises(ValueError, match="memory_limit must be positive"):
        NaturalGradient(mlp(), memory_limit=limit)


def test_free_memory(tmp_path, monkeypatch):
    module = "thermoapps.natural_gradient.curvature.counting"
    cpu = torch.device("cpu")
    assert 0 < free_memory(cpu) < 1e14
    assert MemoryLimit(0.25).bytes(cpu) < free_memory(cpu) / 2
    monkeypatch.setattr(f"{module}.GROUP", str(tmp_path))
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 300000\nactive_file 100000\n")
    assert free_memory(cpu) == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(cpu) > 500_000
