"""Networks of the kinds that people train, small: rows and products beside backward passes through their own graphs."""

import importlib
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from oracles import check_exact, from_the_same_graph, trained  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from thermoapps.natural_gradient import TNGD, CrossEntropy, NaturalGradient, Recorder, UnsupportedLayerError  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
NAMES = ["ResNet-18, a quarter as wide", "ViT", "GPT, 1000 words", "DistilBERT-like, LoRA", "LSTM", "PINN"]


@pytest.fixture(name="kinds")
def _kinds(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    kinds = importlib.import_module("benchmarks.natural_gradient.networks").KINDS
    assert list(kinds) == NAMES
    return kinds


def made(kind):
    torch.manual_seed(0)
    model, inputs = kind.build(True).double().train(), kind.inputs(True)
    return model, inputs.double() if inputs.is_floating_point() else inputs


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_exact(kinds, name):
    model, inputs = made(kinds[name])
    options = {"unsupported": "row_by_row"} if "ResNet" in name else kinds[name].options
    check_exact(model, inputs, **options)


@pytest.mark.parametrize("name", NAMES)
def test_products_are_exact(kinds, name):
    model, inputs = made(kinds[name])
    recorder = Recorder(model, unsupported="row_by_row", memory_limit=2.0, products=10)
    with recorder:
        outputs = model(inputs)
    rows = recorder.rows(outputs, torch.zeros_like(outputs), "mse").rows
    assert not rows.formed
    vectors = torch.randn(rows.shape[1], 3, dtype=rows.dtype)
    assert close(rows.apply_transposed(rows.apply(vectors)), from_the_same_graph(model, outputs) @ vectors, 1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["rows", "products", "samples"])
def test_they_train(kinds, name, way):
    kind = kinds[name]
    model, inputs = made(kind)
    targets = kind.targets(model(inputs))
    options = dict(kind.options)
    if way == "products":
        options["memory_limit"] = 2.0
    elif way == "samples":
        options["curvature"] = "monte_carlo"
    opt = TNGD(model, 0.1, 0.1, time=5.0, loss=kind.loss, **options)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    losses = [float(opt.step(lambda: (model(inputs), targets))) for _ in range(6)]
    assert losses[-1] < 0.99 * losses[0]


class Attention(nn.Module):
    """Attention with a mask for each datum and head, or one for all."""

    def __init__(self, mask, need_weights):
        super().__init__()
        self.attention, self.last = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 3)
        self.mask, self.need_weights = mask, need_weights

    def forward(self, x):
        mask = self.mask(x) if callable(self.mask) else self.mask
        return self.last(self.attention(x, x, x, attn_mask=mask, need_weights=self.need_weights)[0])


def of_each(x):
    """(b · heads, T, T), which is no axis of data; the diagonal is always seen."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.rand(2 * len(x), x.shape[1], x.shape[1], generator=generator) < 0.4
    return hidden & ~torch.eye(x.shape[1], dtype=torch.bool)


@pytest.mark.parametrize("mask", [None, of_each, torch.ones(5, 5).triu(1).bool()])
@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("data", [3, 5])
def test_attention_with_masks(mask, need_weights, data):
    torch.manual_seed(0)
    check_exact(Attention(mask, need_weights).double(), torch.randn(data, 5, 4, dtype=torch.float64))


@pytest.mark.parametrize("options", [{}, {"norm_first": True}, {"activation": "gelu"}])
def test_encoder_layers_at_their_default_dropout(options):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, **options).double().train()
    check_exact(layer, torch.randn(3, 5, 4, dtype=torch.float64))


class PlaceFirst(nn.Module):
    """An encoder whose layers see (T, n, d), as torch's do by default, and a head that sees one of the places."""

    def __init__(self, tokens, inputs_turned, **options):
        super().__init__()
        self.first = nn.Embedding(7, 4) if tokens else nn.Linear(4, 4)
        self.layer = nn.TransformerEncoderLayer(4, 2, 6, **options)
        self.norm, self.last, self.inputs_turned = nn.RMSNorm(4), nn.Linear(4, 3), inputs_turned

    def forward(self, x):
        if not self.inputs_turned:
            x = x.transpose(0, 1)
        return self.last(self.norm(self.layer(self.first(x)))[0])


@pytest.mark.parametrize("tokens", [True, False])
@pytest.mark.parametrize("inputs_turned", [True, False])
@pytest.mark.parametrize("shape", [(3, 5), (6, 3), (3, 6), (3, 3), (1, 4)], ids=str)
@pytest.mark.parametrize("options", [{}, {"norm_first": True, "dropout": 0.0}], ids=str)
def test_encoder_layers_with_the_data_second(tokens, inputs_turned, shape, options):
    torch.manual_seed(0)
    inputs = torch.randint(0, 7, shape) if tokens else torch.randn(*shape, 4, dtype=torch.float64)
    model = PlaceFirst(tokens, inputs_turned, **options).double().train()
    rows = check_exact(model, inputs.transpose(0, 1) if inputs_turned else inputs)
    if shape[0] > 1:  # One datum may as well be several in a row.
        alone = {layer.name for layer in rows.layers if layer.name != "row by row"}
        assert {"first", "layer.linear1", "layer.linear2", "layer.norm1", "layer.norm2", "norm", "last"} <= alone


def test_encoder_layers_with_the_data_second_train():
    torch.manual_seed(0)
    model, inputs, targets = PlaceFirst(True, False), torch.randint(0, 7, (6, 4)), torch.randint(0, 3, (6,))
    opt = NaturalGradient(model, 0.3, 0.1)
    for chosen in (slice(6), slice(4), slice(6)):  # another batch size of the same graph
        loss = opt.backward(model(inputs[chosen]), targets[chosen])
        opt.step()
        opt.zero_grad()
        assert loss.isfinite()


class Token(nn.Module):
    """Parameters of a module that holds layers, spread over the data beside random numbers."""

    def __init__(self, spread):
        super().__init__()
        self.inner, self.last, self.spread = nn.Linear(4, 4), nn.Linear(4, 3), spread
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(6, 1))

    def forward(self, x):
        h = self.spread(self.token, self.places, self.inner(x))
        return self.last(torch.tanh(functional.dropout(h, 0.4)))


SPREAD = {
    "class token": lambda t, p, h: torch.cat([t.expand(len(h), -1, -1), h], 1) + p,
    "twice": lambda t, p, h: p + (t + torch.cat([t.expand(len(h), 1, 4), h], 1)),
}


@pytest.mark.parametrize("name", SPREAD)
def test_parameters_spread_over_the_data(name):
    torch.manual_seed(0)
    rows = check_exact(Token(SPREAD[name]).double(), torch.randn(3, 5, 4, dtype=torch.float64))
    assert {layer.name for layer in rows.layers} == {"inner", "last", "token", "places"}


@pytest.mark.parametrize("change", [lambda t, p, h: h * t[0] + p[:5], lambda t, p, h: h - t + p[:5]])
def test_parameters_that_are_more_than_spread(change):
    torch.manual_seed(0)
    model, inputs = Token(change).double(), torch.randn(3, 5, 4, dtype=torch.float64)
    with pytest.raises(UnsupportedLayerError, match="random"):
        check_exact(model, inputs)
    check_exact(model, inputs, unsupported="row_by_row")


class Layers(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.layer = kind(3, 4, **options)
        self.last = nn.LazyLinear(2)
        self.first = bool(options.get("batch_first"))

    def forward(self, x):
        y = self.layer(x if self.first else x.transpose(0, 1))[0]
        return self.last(y[:, -1] if self.first else y[-1])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize(
    "options",
    [{"batch_first": True}, {}, {"num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.3}],
)
def test_recurrent_layers(kind, options):
    torch.manual_seed(0)
    model, inputs = Layers(kind, **options).double(), torch.randn(4, 3, 3, dtype=torch.float64)
    model(inputs)
    check_exact(model.train(), inputs)


class Shared(nn.Module):
    """Places that are embedded once for all data, added in several ways."""

    def __init__(self, add):
        super().__init__()
        self.words, self.places, self.last, self.add = nn.Embedding(7, 4), nn.Embedding(5, 4), nn.Linear(4, 3), add

    def forward(self, tokens):
        return self.last(torch.tanh(self.add(self.words(tokens), self.places(torch.arange(5)))))


ADDITIONS = {
    "after": lambda h, p: h + p,
    "before": lambda h, p: p + h,
    "unsqueezed": lambda h, p: h + p[None],
    "scaled": lambda h, p: torch.add(h, p, alpha=2.0),
    "subtracted": lambda h, p: p - h,
    "twice": lambda h, p: h + p + torch.sin(p),
    "in place": lambda h, p: (2 * h).add_(p),
}


@pytest.mark.parametrize("name", ADDITIONS)
@pytest.mark.parametrize("data", [3, 5])
def test_places_shared_by_all_data(name, data):
    torch.manual_seed(0)
    model = Shared(ADDITIONS[name]).double()
    tokens = torch.randint(0, 7, (data, 5))
    rows = check_exact(model, tokens)
    by_rule = not any(layer.name == "row by row" for layer in rows.layers)
    assert by_rule == (name in ("after", "before", "unsqueezed", "in place"))


def test_a_step_of_a_language_model_with_few_words_is_exact():
    """Cross-entropy over positions, beside a dense solution."""
    torch.manual_seed(0)
    model, tokens = Shared(ADDITIONS["after"]).double(), torch.randint(0, 7, (3, 5))
    labels = torch.randint(0, 3, (3, 5))
    loss = CrossEntropy()
    outputs = model(tokens)
    J = torch.stack(
        [
            torch.cat(
                [
                    g.flatten()
                    for g in torch.autograd.grad(
                        entry, list(trained(model).values()), retain_graph=True, materialize_grads=True
                    )
                ]
            )
            for entry in outputs.flatten()
        ]
    )
    H = torch.autograd.functional.hessian(lambda z: loss.value(z.view_as(outputs), labels), outputs.detach().flatten())
    g = J.T @ loss.gradient(outputs.detach(), labels).flatten()
    expected = torch.linalg.solve(J.T @ H @ J + 0.1 * torch.eye(len(g), dtype=g.dtype), g)
    before = torch.cat([p.detach().flatten() for p in model.parameters()])
    opt = NaturalGradient(model, 1.0, 0.1)
    opt.backward(model(tokens), labels)
    opt.step()
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert close(before - after, expected, 1e-9)
