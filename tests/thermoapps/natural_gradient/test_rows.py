"""Curvature rows against dense automatic differentiation, for every layer and loss of the case table."""

import pytest

torch = pytest.importorskip("torch")

from cases import LOSSES, MODELS  # noqa: E402
from oracles import close, curvature, trained  # noqa: E402

from thermoapps.natural_gradient import Recorder  # noqa: E402


def recorded(model, inputs, make_targets, loss, **options):
    recorder = Recorder(model, **options)
    with recorder:
        outputs = model(inputs)
    torch.manual_seed(7)
    targets = make_targets(outputs.detach())
    return recorder.rows(outputs, targets, loss), targets, outputs


@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("model_name", MODELS)
def test_products_and_gram_agree_with_dense_curvature(model_name, loss_name):
    loss, make_targets = LOSSES[loss_name]
    model, inputs = MODELS[model_name].make()
    (rows, gradient, value), targets, outputs = recorded(model, inputs, make_targets, loss, unsupported="row_by_row")
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    close(R.T @ R, curvature(model, inputs, targets, loss))
    close(rows.gram(), R @ R.T)
    close(rows.apply_transposed(torch.eye(rows.shape[0], dtype=rows.dtype)), R.T)

    expected = loss.value(outputs, targets)
    close(value, expected.detach())
    slopes = torch.autograd.grad(expected, list(trained(model).values()))
    close(gradient, torch.cat([slope.flatten() for slope in slopes]))
