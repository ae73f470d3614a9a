"""Recording: what is recorded when, what is refused by name, and what is left as it was."""

import gc
import weakref

import pytest

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from networks import Flat, Scale, mlp  # noqa: E402
from oracles import check_exact, curvature, from_the_same_graph  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

from thermoapps.natural_gradient import MeanSquaredError, Recorder, UnsupportedLayerError, curvature_rows  # noqa: E402


def batch(*shape, data=5):
    torch.manual_seed(1)
    return torch.randn(data, *shape, dtype=torch.float64)


# -- when something is recorded ---------------------------------------------------------------------------------------


def test_attached_hooks_keep_the_last_training_pass_only():
    model, inputs = mlp().double(), batch(4)
    recorder = Recorder(model).attach()
    model.eval()
    with pytest.raises(RuntimeError, match="no pass was recorded"):
        recorder.rows(model(inputs), torch.zeros(5, 3), "mse")
    model.train()
    model(inputs[:2])
    outputs = model(inputs)
    with torch.no_grad():
        model(inputs[:3])
    model.eval()(inputs[:1])
    assert recorder.rows(outputs, torch.zeros(5, 3), "mse").rows.shape == (15, 51)
    recorder.detach()
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


def test_a_context_records_in_eval_mode_too_and_leaves_no_hooks():
    model, inputs = mlp().double().eval(), batch(4)
    check_exact(model, inputs)
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())


def test_an_attached_recorder_stays_attached_after_a_context():
    model, inputs = mlp().double().train(), batch(4)
    recorder = Recorder(model).attach()
    with recorder:
        model.eval()(inputs)
    outputs = model.train()(inputs[:2])
    assert recorder.rows(outputs, torch.zeros(2, 3), "mse").rows.shape[0] == 6


def test_a_record_is_forgotten():
    model = mlp().double().train()
    recorder = Recorder(model).attach()
    inputs = batch(4)
    kept = weakref.ref(inputs)
    model(inputs)
    del inputs
    gc.collect()
    assert kept() is not None
    recorder.clear()
    gc.collect()
    assert kept() is None


def test_nothing_else_changes():
    model, inputs = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), Scale(5)).double(), batch(4)
    recorder = Recorder(model)
    with recorder:
        outputs = model(inputs)
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    first = recorder.rows(outputs, torch.zeros_like(outputs), "mse")
    second = recorder.rows(outputs, torch.zeros_like(outputs), "mse")
    assert torch.equal(first.rows.gram(), second.rows.gram())
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    outputs.sum().backward()


# -- what has to be exact ---------------------------------------------------------------------------------------------


def test_dropout_has_one_mask_for_everything():
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(inplace=True), nn.Linear(8, 3)).double().train()
    check_exact(model, batch(4))


class Functional(nn.Module):
    """A decoder that uses the embedding's matrix without calling a layer."""

    def __init__(self):
        super().__init__()
        self.words, self.mixer = nn.Embedding(6, 4), nn.Linear(4, 4)

    def forward(self, tokens):
        return functional.linear(torch.tanh(self.mixer(self.words(tokens))), self.words.weight).mean(1)


def test_an_embedding_whose_weight_is_used_directly_too_is_done_row_by_row():
    model, tokens = Functional().double(), torch.randint(0, 6, (5, 3))
    check_exact(model, tokens)
    check_exact(model, tokens, unsupported="row_by_row")


def test_plain_gradients_for_what_has_no_rule():
    model, tokens = Functional().double(), torch.randint(0, 6, (5, 3))
    recorder = Recorder(model, unsupported="gradient")
    with recorder:
        outputs = model(tokens)
    rows, gradient, _ = recorder.rows(outputs, torch.zeros_like(outputs), "mse")
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    expected = from_the_same_graph(model, outputs)
    expected[:24], expected[:, :24] = 0, 0
    assert close(R.T @ R, expected)
    slopes = torch.autograd.grad(outputs.square().mean(), list(model.parameters()))
    assert close(gradient, torch.cat([slope.flatten() for slope in slopes]))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.inner(x)[0])


class Normalised(nn.Module):
    """Draws random numbers, so that it cannot be replayed."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return functional.dropout(x, 0.5) * self.gain


@pytest.mark.parametrize(
    ("build", "shape", "name"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 4), Normalised()), (4,), "'1' (Normalised)"),
        (lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 1)), nn.Tanh()), (4,), "weight"),
    ],
)
def test_what_cannot_be_replayed_is_named_or_done_row_by_row(build, shape, name):
    model = build().double()
    with pytest.raises(UnsupportedLayerError) as raised:
        check_exact(model, batch(*shape))
    assert name in str(raised.value)
    check_exact(model, batch(*shape), unsupported="row_by_row")


def test_recurrent_layers_are_done_row_by_row_unasked():
    check_exact(Recurrent().double(), batch(6, 3))


class Positions(nn.Module):
    def __init__(self, length, leading):
        super().__init__()
        self.places, self.out, self.leading = nn.Embedding(length, 4), nn.Linear(4, 3), leading

    def forward(self, x):
        index = torch.arange(x.shape[1])
        return self.out(torch.tanh(x + self.places(index[None] if self.leading else index)))


@pytest.mark.parametrize("length", [3, 5])
def test_positions_that_all_data_share(length):
    inputs = batch(length, 4)
    check_exact(Positions(length, leading=True).double(), inputs)
    check_exact(Positions(length, leading=False).double(), inputs)


def test_windows_cut_out_of_each_datum():
    """Layers may see several windows of a datum as so many data, as long as those of a datum lie together."""

    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.out = nn.Conv1d(2, 3, 2), nn.GroupNorm(1, 3), nn.Linear(9, 3)

        def forward(self, x):
            y = self.norm(self.conv(x.reshape(-1, 2, 4)))
            return self.out(torch.tanh(y).flatten(1)).reshape(len(x), -1)

    check_exact(Windows().double(), batch(3, 2, 4))


def test_a_transformer_with_the_data_on_the_second_axis_is_refused():
    model = nn.Sequential(nn.Linear(4, 4), nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0)).double()
    with pytest.raises(UnsupportedLayerError, match="data mix after layer '0'"):
        check_exact(model, batch(3, 4))


@pytest.mark.parametrize("training", [True, False])
def test_multi_head_attention_is_taken_by_its_projections(training):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False)[0]

    rows = check_exact(Attention().double().train(training), batch(3, 4))
    names = {"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"}
    assert {layer.name for layer in rows.layers} == {f"attention.{name}" for name in names}


def test_scaled_embedding_gradients_are_refused():
    model = nn.Sequential(nn.Embedding(5, 3, scale_grad_by_freq=True), Flat())
    with pytest.raises(UnsupportedLayerError, match="scale_grad_by_freq=False"):
        curvature_rows(model, torch.randint(0, 5, (4, 3)), torch.zeros(4, 3), "mse")


@pytest.mark.parametrize("between", [lambda y: y, lambda y: y[[1, 0, 2, 3, 4]][[1, 0, 2, 3, 4]]])
def test_checkpointed_layers(between):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.out = mlp(), nn.Linear(3, 2)

        def forward(self, x):
            return self.out(checkpoint(lambda x: between(self.inner(x)), x, use_reentrant=False))

    check_exact(Checkpointed().double(), batch(4))


def test_an_input_modified_after_use_is_refused():
    class Modifies(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.scale = nn.Linear(4, 4), Scale(4)

        def forward(self, x):
            x = x.clone()
            y = self.inner(x)
            x += 1
            return y + x

    model = Modifies().double()
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation|modified in place"):
        check_exact(model, batch(4))


def test_mixed_precision_comes_close():
    model, inputs = mlp(), batch(4).float()
    exact = curvature_rows(model, inputs, torch.zeros(5, 3), "mse")
    recorder = Recorder(model)
    with torch.autocast("cpu", torch.bfloat16):
        with recorder:
            outputs = model(inputs)
        assert outputs.dtype == torch.bfloat16
        rows, gradient, loss = recorder.rows(outputs, torch.zeros(5, 3), "mse")
    assert rows.dtype == gradient.dtype == loss.dtype == torch.float32
    assert close(rows.gram(), exact.rows.gram(), 0.03)
    assert close(gradient, exact.gradient, 0.03)


def test_sparse_embedding_gradients():
    check_exact(nn.Sequential(nn.Embedding(50, 3, sparse=True), Flat()).double(), torch.randint(0, 50, (4, 3)))


# -- how it is called -------------------------------------------------------------------------------------------------


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = mlp()

    def forward(self, features, scale):
        return {"logits": self.inner(features) * scale}


@pytest.mark.parametrize(
    "inputs", [{"features": batch(4), "scale": 2.0}, (batch(4), 2.0)], ids=["by name", "by position"]
)
def test_inputs_and_outputs_in_dictionaries(inputs):
    model, y = Wrapped().double(), torch.zeros(5, 3, dtype=torch.float64)
    rows, _, loss = curvature_rows(model, inputs, y, "mse", outputs_of=lambda result: result["logits"])
    expected = model(batch(4), 2.0)["logits"]
    assert loss == expected.square().mean()
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    assert close(R.T @ R, from_the_same_graph(model, expected))


def test_some_parameters_in_another_order():
    model, inputs, targets = mlp().double(), batch(4), torch.zeros(5, 3, dtype=torch.float64)
    chosen = [model[2].bias, model[0].weight]
    rows, gradient, _ = curvature_rows(model, inputs, targets, "mse", parameters=chosen)
    G = curvature(model, inputs, targets, MeanSquaredError())
    order = torch.cat([torch.arange(48, 51), torch.arange(24)])
    R = rows.apply(torch.eye(27, dtype=torch.float64))
    assert close(R.T @ R, G[order][:, order])
    assert gradient.shape == (27,)


def test_layers_frozen_later_are_left_out():
    model, inputs = mlp().double(), batch(4)
    recorder = Recorder(model)
    model[0].requires_grad_(False)
    with recorder:
        outputs = model(inputs)
    assert recorder.rows(outputs, torch.zeros(5, 3), "mse").rows.shape == (15, 21)


def test_a_layer_that_returns_nothing_differentiable():
    class Detached(Scale):
        def forward(self, x):
            return super().forward(x).detach()

    rows = check_exact(nn.Sequential(Detached(4), nn.Linear(4, 3)).double(), batch(4))
    assert not rows.rmatvec(torch.ones(15, dtype=torch.float64))[:5].any()


def test_what_the_outputs_do_not_depend_on_has_zero_columns():
    model = nn.ModuleDict({"used": nn.Linear(4, 3), "idle": nn.Linear(4, 3)}).double()
    recorder = Recorder(model)
    with recorder:
        model["idle"](batch(4))
        outputs = model["used"](batch(4))
    rows, gradient, _ = recorder.rows(outputs, torch.zeros(5, 3), "mse")
    assert not rows.rmatvec(torch.ones(15, dtype=torch.float64))[15:].any()
    assert not gradient[15:].any()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: Recorder(mlp(), [torch.zeros(3)]), ValueError, "not the model's"),
        (lambda: Recorder(mlp().requires_grad_(False)), ValueError, "no parameters that require"),
        (lambda: Recorder(mlp(), unsupported="skip"), ValueError, "row_by_row"),
        (lambda: Recorder(mlp()).rows({"logits": 1}, torch.zeros(1), "mse"), TypeError, "got dict"),
        (lambda: Recorder(mlp()).rows(torch.zeros(2, 3), torch.zeros(2, 3), "mse"), RuntimeError, "no_grad"),
    ],
)
def test_refusals(call, error, match):
    with pytest.raises(error, match=match):
        call()
