"""Curvature rows against two other libraries, where they are installed."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import curvature_rows  # noqa: E402

LOSSES = {
    "cross_entropy": (nn.CrossEntropyLoss(), lambda b: torch.randint(0, 3, (b,))),
    "mse": (nn.MSELoss(), lambda b: torch.randn(b, 3, dtype=torch.float64)),
    "bce_with_logits": (nn.BCEWithLogitsLoss(), lambda b: torch.rand(b, 3, dtype=torch.float64).round()),
}


def problem(loss):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(36, 6), nn.Sigmoid(), nn.Linear(6, 3)
    ).double()
    inputs, targets = torch.randn(5, 2, 5, 5, dtype=torch.float64), LOSSES[loss][1](5)
    return model, inputs, targets


@pytest.mark.parametrize("loss", LOSSES)
def test_products_agree_with_curvlinops(loss):
    curvlinops = pytest.importorskip("curvlinops")
    model, inputs, targets = problem(loss)
    rows = curvature_rows(model, inputs, targets, loss).rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = curvlinops.GGNLinearOperator(
            model, LOSSES[loss][0], list(model.parameters()), [(inputs, targets)], check_deterministic=False
        )
        v = torch.randn(rows.shape[1], 2, dtype=torch.float64)
        expected = peer @ v
    assert close(rows.apply_transposed(rows.apply(v)), expected)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_gram_matrix_has_the_spectrum_of_backpacks_roots(loss):
    backpack = pytest.importorskip("backpack")
    extensions = pytest.importorskip("backpack.extensions")
    model, inputs, targets = problem(loss)
    rows = curvature_rows(model, inputs, targets, loss).rows
    extended, function = backpack.extend(model), backpack.extend(LOSSES[loss][0])
    with warnings.catch_warnings(), backpack.backpack(extensions.SqrtGGNExact()):
        warnings.simplefilter("ignore")
        function(extended(inputs), targets).backward()
    V = torch.cat([parameter.sqrt_ggn_exact.flatten(0, 1).flatten(1) for parameter in model.parameters()], 1)
    expected = torch.linalg.eigvalsh(V @ V.T)[-rows.shape[0] :]
    assert close(torch.linalg.eigvalsh(rows.gram()), expected)
