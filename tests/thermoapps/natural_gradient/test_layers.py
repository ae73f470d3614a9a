"""Rules of single layers: patches of convolutions, and the several ways to one Gram matrix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import Recorder  # noqa: E402
from thermoapps.natural_gradient.layers import DenseRows, EmbeddingRows, LinearRows, factored  # noqa: E402
from thermoapps.natural_gradient.layers.base import LayerRows  # noqa: E402
from thermoapps.natural_gradient.layers.convolution import patches  # noqa: E402

SIZES = st.integers(1, 3)


@given(
    dims=st.integers(1, 3),
    kernel=SIZES,
    stride=SIZES,
    dilation=st.integers(1, 2),
    padding=st.integers(0, 2),
    mode=st.sampled_from(["zeros", "reflect", "replicate", "circular"]),
    groups=st.sampled_from([1, 2]),
)
def test_a_convolution_is_its_weight_times_its_patches(dims, kernel, stride, dilation, padding, mode, groups):
    kind = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}[dims]
    layer = kind(
        4, 6, kernel, stride=stride, dilation=dilation, padding=padding, padding_mode=mode, groups=groups, bias=False
    ).double()
    inputs = torch.randn(2, 4, *[6, 5, 7][:dims], dtype=torch.float64)
    expected = layer(inputs).flatten(2)
    weight = layer.weight.reshape(groups, 6 // groups, -1)
    assert close(torch.einsum("ngti,goi->ngot", patches(layer, inputs), weight).flatten(1, 2), expected)
    last = layer.weight.reshape(groups, 6 // groups, 4 // groups, -1).mT.flatten(2)
    assert close(
        torch.einsum("ngti,goi->ngot", patches(layer, inputs, channels_last=True), last).flatten(1, 2), expected
    )


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name(padding):
    layer = nn.Conv2d(2, 3, (4, 3), padding=padding, dilation=(1, 2), bias=False).double()
    inputs = torch.randn(2, 2, 6, 7, dtype=torch.float64)
    assert close(patches(layer, inputs)[:, 0] @ layer.weight.flatten(1).T, layer(inputs).flatten(2).mT)


def linear(n, t, v, seed, weight, bias):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, t, 4, generator=generator, dtype=torch.float64)
    cotangents = torch.randn(v, n, t, 3, generator=generator, dtype=torch.float64)
    parameters = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return LinearRows("layer", parameters, inputs, cotangents)


def embedding(n, t, v, seed, weight):
    generator = torch.Generator().manual_seed(seed)
    indices = torch.randint(0, len(weight), (n, t), generator=generator)
    return EmbeddingRows("words", {"weight": weight}, indices, torch.randn(v, n, t, 4, dtype=torch.float64))


def gram(left, right, add=None):
    """R R'ᵀ of two layers' rows."""
    total = torch.zeros(left.columns * left.data, right.columns * right.data, dtype=torch.float64)
    (add or type(left).add_gram_with)(left, right, total)
    return total


@pytest.mark.parametrize("budget", [1, 100, 1 << 24])
@pytest.mark.parametrize("positions", [(1, 1), (3, 3), (2, 5), (1, 4)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_all_ways_to_a_gram_matrix_agree(monkeypatch, positions, with_bias, budget):
    """Two batches of different sizes, as accumulation stacks them."""
    weight, bias = torch.zeros(3, 4, dtype=torch.float64), torch.zeros(3, dtype=torch.float64) if with_bias else None
    left = linear(3, positions[0], 2, 0, weight, bias)
    right = linear(4, positions[1], 5, 1, weight, bias)
    expected = gram(left, right, LayerRows.add_gram_with)
    monkeypatch.setattr(factored, "BUDGET", budget)
    monkeypatch.setattr("thermoapps.natural_gradient.layers.base.BUDGET", budget)
    assert close(gram(left, right, LayerRows.add_gram_with), expected)
    assert close(left._contraction(right, torch.float64), expected)
    assert close(gram(left, right), expected)
    assert close(gram(left.dense(), right), expected)
    assert close(gram(left.dense(), right.dense()), expected)
    if positions == (1, 1):
        assert close(gram(left, right, LinearRows._add_hadamard), expected)


def test_tied_embedding_and_decoder_share_their_gram_matrix():
    weight = torch.zeros(9, 4, dtype=torch.float64)
    words = embedding(3, 5, 2, 0, weight)
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(3, 2, 4, generator=generator, dtype=torch.float64)
    decoder = LinearRows("decoder", {"weight": weight}, inputs, torch.randn(2, 3, 2, 9, dtype=torch.float64))
    expected = words.dense().matrix.flatten(0, 1) @ decoder.dense().matrix.flatten(0, 1).T
    assert close(gram(words, decoder), expected)
    assert close(gram(decoder, words), expected.T)


def test_embedding_rows_are_made_for_what_was_looked_up_only(monkeypatch):
    weight = torch.zeros(1000, 4, dtype=torch.float64)
    words = embedding(2, 3, 2, 0, weight)
    asked = []
    original = EmbeddingRows.instantiate
    monkeypatch.setattr(
        EmbeddingRows, "instantiate", lambda self, role, index: asked.append(len(index)) or original(self, role, index)
    )
    expected = words._contraction(words, torch.float64)
    assert close(gram(words, words, LayerRows.add_gram_with), expected)
    assert sum(asked) <= 6


def test_layers_without_common_parameters_have_no_gram_matrix():
    left = linear(2, 1, 2, 0, torch.zeros(3, 4), None)
    right = linear(3, 1, 2, 0, torch.zeros(3, 4), None)
    assert torch.equal(gram(left, right), torch.zeros(4, 6, dtype=torch.float64))


def test_stored_rows_are_joined_along_their_columns():
    rows = torch.randn(3, 2, 5)
    weight = torch.zeros(5)
    parts = [DenseRows("layer", {"weight": weight}, part) for part in rows.split(1)]
    assert torch.equal(parts[0].joined(parts[1:]).matrix, rows)


def row_of_each_datum(model, call):
    """Gauss–Newton matrix of the mean squared error, from one backward pass for each output."""
    outputs = call()
    flat = outputs.reshape(len(outputs), -1)
    entries = [torch.autograd.grad(z, list(model.parameters()), retain_graph=True) for z in flat.flatten()]
    J = torch.stack([torch.cat([part.flatten() for part in parts]) for parts in entries])
    return 2 / flat.numel() * J.T @ J


def curvature_of(model, call, targets):
    recorder = Recorder(model).attach()
    rows = recorder.rows(call(), targets, "mse").rows
    recorder.detach()
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    return R.T @ R


@pytest.mark.parametrize(("shape", "slopes"), [((4,), 1), ((4, 6), 1), ((4, 6), 6), ((4, 6, 2), 6)])
def test_rectifiers_with_trained_slopes(shape, slopes):
    torch.manual_seed(0)
    first, second = nn.PReLU(slopes).double(), nn.PReLU().double()
    model = nn.Sequential(first, nn.Tanh(), second, nn.Softplus(), second)
    inputs = torch.randn(*shape, dtype=torch.float64)
    expected = row_of_each_datum(model, lambda: model(inputs))
    assert close(curvature_of(model, lambda: model(inputs), torch.zeros(shape)), expected)


class Tagger(nn.Module):
    """Recurrent layers of either order, read out at the last step."""

    def __init__(self, kind, batch_first):
        super().__init__()
        self.recurrent, self.head = kind(3, 2, batch_first=batch_first), nn.Linear(2, 2)

    def forward(self, x):
        if self.recurrent.batch_first:
            return self.head(self.recurrent(x)[0][:, -1])
        return self.head(self.recurrent(x.transpose(0, 1))[0][-1])


class Stepped(nn.Module):
    """A cell called once for each step."""

    def __init__(self, kind):
        super().__init__()
        self.cell, self.head = kind(3, 2), nn.Linear(2, 2)

    def forward(self, x):
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.head(state[0] if isinstance(state, tuple) else state)


class Placed(nn.Module):
    """Tokens and their places, which all data share."""

    def __init__(self):
        super().__init__()
        self.tokens, self.places, self.head = nn.Embedding(5, 3), nn.Embedding(6, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.tokens(x) + self.places(torch.arange(x.shape[1]))))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(kind, batch_first):
    torch.manual_seed(0)
    model, inputs = Tagger(kind, batch_first).double(), torch.randn(4, 3, 3, dtype=torch.float64)
    expected = row_of_each_datum(model, lambda: model(inputs))
    assert close(curvature_of(model, lambda: model(inputs), torch.zeros(4, 2)), expected)


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_cells(kind):
    torch.manual_seed(0)
    model, inputs = Stepped(kind).double(), torch.randn(4, 3, 3, dtype=torch.float64)
    expected = row_of_each_datum(model, lambda: model(inputs))
    assert close(curvature_of(model, lambda: model(inputs), torch.zeros(4, 2)), expected)


@pytest.mark.parametrize("length", [2, 3, 4, 6])
def test_embedded_places_that_all_data_share(length):
    torch.manual_seed(0)
    model, inputs = Placed().double(), torch.randint(0, 5, (3, length))
    expected = row_of_each_datum(model, lambda: model(inputs))
    assert close(curvature_of(model, lambda: model(inputs), torch.zeros(3, length, 2)), expected)


def test_attention_with_dropout_keeps_the_masks_of_its_pass():
    torch.manual_seed(0)
    encoder = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.3, batch_first=True).double().train()
    inputs = torch.randn(3, 4, 4, dtype=torch.float64)

    def call():
        torch.manual_seed(1)
        return encoder(inputs).mean(1)

    assert close(curvature_of(encoder, call, torch.zeros(3, 4)), row_of_each_datum(encoder, call))


@pytest.mark.parametrize("ignored", [False, True])
def test_flattened_logits_are_the_positions_of_their_data(ignored):
    torch.manual_seed(0)
    model, inputs = Placed().double(), torch.randint(0, 5, (3, 4))
    targets = torch.randint(0, 2, (3, 4))
    if ignored:
        targets[0, 1:] = targets[1, 0] = -100

    def matrix(outputs_of, targets):
        recorder = Recorder(model).attach()
        rows, gradient, _ = recorder.rows(outputs_of(model(inputs)), targets, nn.CrossEntropyLoss())
        recorder.detach()
        R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
        return R.T @ R, gradient

    flat, slope = matrix(lambda z: z.view(-1, 2), targets.view(-1))
    whole, same = matrix(lambda z: z.mT, targets)
    assert close(flat, whole)
    assert close(slope, same)
