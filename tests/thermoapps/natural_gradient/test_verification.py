"""Gradients that cancel are rounding: no evidence against rows, and no cover for wrong ones."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from thermoapps.natural_gradient import NaturalGradient, UnsupportedLayerError, layers  # noqa: E402


class Reader(nn.Module):
    """Scores of places, of which the softmax knows differences only."""

    def __init__(self):
        super().__init__()
        self.hidden, self.score = nn.Linear(4, 6), nn.Linear(6, 1)

    def forward(self, x):
        return self.score(torch.tanh(self.hidden(x)))[..., 0]


class Attending(nn.Module):
    """The bias of keys shifts all scores of a query alike."""

    def __init__(self, width):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.last = nn.Linear(width, 3)

    def forward(self, x):
        shares = (self.query(x) @ self.key(x).mT).softmax(-1)
        return self.last((shares @ self.value(x)).mean(1))


def alike(x):
    return x[:, :1].expand_as(x).contiguous()


CASES = {
    "bias of scores": lambda: (model := Reader(), [model.score.bias], torch.randn(5, 7, 4)),
    "places alike": lambda: (model := Reader(), list(model.parameters()), alike(torch.randn(5, 7, 4))),
    "bias of keys": lambda: (model := Attending(8), [model.key.bias], torch.randn(5, 7, 8)),
    "one key": lambda: (model := Attending(1), [model.key.bias], torch.randn(5, 7, 1)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("case", CASES)
def test_gradients_that_cancel_are_not_refused(case, dtype):
    for seed in range(10):
        torch.manual_seed(seed)
        model, parameters, x = CASES[case]()
        model, x = model.to(dtype), x.to(dtype)
        opt = NaturalGradient(model, params=parameters)
        opt.backward(model(x), torch.randint(0, 3, (5,)))
        opt.step()
        assert opt.report.accepted
        assert opt.report.gradient_norm < 100 * torch.finfo(dtype).eps
        opt.close()


def test_wrong_rows_of_gradients_that_cancel_are_refused(monkeypatch):
    """The first place is forgotten, so that the rows of a bias no longer cancel."""

    def forgetful(uses, parameters):
        cotangents = uses[0].cotangents[0].clone()
        cotangents[:, :, 0] = 0
        return layers.DenseRows.of_parts(uses[0].name, parameters, {"bias": cotangents.sum(2)})

    monkeypatch.setitem(layers.RULES, nn.Linear.forward, forgetful)
    model, parameters, x = CASES["bias of scores"]()
    with pytest.raises(UnsupportedLayerError, match="do not give the gradient"):
        NaturalGradient(model, params=parameters).backward(model(x), torch.randint(0, 3, (5,)))
