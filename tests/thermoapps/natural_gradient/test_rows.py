"""Curvature rows against dense automatic differentiation, for every layer and loss of the case table."""

import pytest

torch = pytest.importorskip("torch")

from helpers import close  # noqa: E402
from networks import LOSSES, MODELS  # noqa: E402
from oracles import curvature, trained  # noqa: E402

from thermoapps.natural_gradient import CurvatureRows, EmpiricalFisher, MonteCarloFisher, Recorder  # noqa: E402
from thermolinalg.operators import LowRankPlusIdentity  # noqa: E402


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
    assert close(R.T @ R, curvature(model, inputs, targets, loss))
    assert close(rows.gram(), R @ R.T)
    assert close(rows.apply_transposed(torch.eye(rows.shape[0], dtype=rows.dtype)), R.T)

    expected = loss.value(outputs, targets)
    assert close(value, expected.detach())
    slopes = torch.autograd.grad(expected, list(trained(model).values()))
    assert close(gradient, torch.cat([slope.flatten() for slope in slopes]))


SOME = ["mlp", "conv2d", "tied language model", "attention", "used twice"]


@pytest.mark.parametrize("data", [1, 3, 32])
@pytest.mark.parametrize("model_name", SOME)
def test_any_number_of_data(model_name, data):
    """One recorder serves batches of all sizes, the first of them of another size."""
    loss, make_targets = LOSSES["cross-entropy"]
    model, inputs = MODELS[model_name].make(data)
    recorder = Recorder(model)
    for batch in (inputs[:2], inputs):
        with recorder:
            outputs = model(batch)
        targets = make_targets(outputs)
        rows = recorder.rows(outputs, targets, loss).rows
        R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
        assert close(R.T @ R, curvature(model, batch, targets, loss))
        assert close(rows.gram(), R @ R.T)


@pytest.mark.parametrize("model_name", SOME)
@pytest.mark.parametrize("sizes", [(2, 3), (1, 1, 3)])
def test_stacked_rows_are_those_of_one_batch(model_name, sizes):
    loss, make_targets = LOSSES["cross-entropy"]
    model, inputs = MODELS[model_name].make(5)
    whole, targets, _ = recorded(model, inputs, make_targets, loss)
    parts = [
        recorded(model, x, lambda _, y=y: y, loss)[0]
        for x, y in zip(inputs.split(sizes), targets.split(sizes), strict=True)
    ]
    stacked = CurvatureRows.stacked([part.rows for part in parts])
    assert stacked.count == whole.rows.count
    v = torch.randn(stacked.shape[1], 2, dtype=torch.float64)
    R = stacked.apply(torch.eye(stacked.shape[1], dtype=torch.float64))
    assert close(stacked.gram(), R @ R.T)
    assert close(stacked.apply_transposed(stacked.apply(v)), whole.rows.apply_transposed(whole.rows.apply(v)))
    assert close(sum(part.rows.count * part.gradient for part in parts) / stacked.count, whole.gradient)


def test_stacking_sequences_of_several_lengths():
    loss, make_targets = LOSSES["cross-entropy"]
    model, short = MODELS["sequence outputs"].make(2)
    longer = torch.randn(3, 5, 4, dtype=torch.float64)
    parts = [recorded(model, x, make_targets, loss) for x in (short, longer)]
    rows = CurvatureRows.stacked([part[0].rows for part in parts])
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    expected = sum(
        curvature(model, x, targets, loss) * part.rows.count
        for (part, targets, _), x in zip(parts, (short, longer), strict=True)
    )
    assert close(R.T @ R, expected / rows.count)
    assert close(rows.gram(), R @ R.T)


@pytest.mark.parametrize("model_name", MODELS)
def test_products_are_adjoint_and_repeat(model_name):
    model, inputs = MODELS[model_name].make()
    rows = recorded(model, inputs, torch.zeros_like, "mse", unsupported="row_by_row")[0].rows
    v, u = torch.randn(rows.shape[1], dtype=rows.dtype), torch.randn(rows.shape[0], dtype=rows.dtype)
    assert close(u @ rows.matvec(v), rows.rmatvec(u) @ v)
    assert torch.equal(rows.matvec(v), rows.matvec(v))
    wide = torch.randn(3, rows.shape[1], dtype=rows.dtype).T
    assert close(rows.apply(wide)[:, 1], rows.matvec(wide[:, 1].clone()))


@pytest.mark.parametrize("model_name", SOME)
def test_kept_factors_give_the_same_curvature(model_name):
    model, inputs = MODELS[model_name].make()
    plain, kept = (
        recorded(model, inputs, torch.zeros_like, "mse", keep_factors=keep)[0].rows for keep in (False, True)
    )
    assert close(kept.gram(), plain.gram())
    v = torch.randn(kept.shape[1], dtype=kept.dtype)
    assert close(kept.rmatvec(kept.matvec(v)), plain.rmatvec(plain.matvec(v)))


def test_wide_blocks_are_multiplied_in_parts(monkeypatch):
    model, inputs = MODELS["embedding"].make()
    rows = recorded(model, inputs, torch.zeros_like, "mse")[0].rows
    V, U = torch.randn(rows.shape[1], 7, dtype=rows.dtype), torch.randn(rows.shape[0], 7, dtype=rows.dtype)
    expected = rows.apply(V), rows.apply_transposed(U)
    monkeypatch.setattr("thermoapps.natural_gradient.curvature.rows.BUDGET", 300)
    assert rows._width == 2
    assert close(rows.apply(V), expected[0])
    assert close(rows.apply_transposed(U), expected[1])


def test_monte_carlo_fisher_of_a_model_is_its_gauss_newton_matrix_on_average():
    loss, make_targets = LOSSES["cross-entropy"]
    model, inputs = MODELS["linear"].make()
    sampled = MonteCarloFisher(loss, samples=4000, generator=torch.Generator().manual_seed(0))
    (rows, _, _), targets, _ = recorded(model, inputs, make_targets, sampled)
    assert rows.shape[0] == 5 * 4000
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    products = (R[:, :, None] * R[:, None, :] * 4000).unflatten(0, (4000, 5)).sum(1)
    error = products.std(0) / 4000**0.5
    deviation = products.mean(0) - curvature(model, inputs, targets, loss)
    assert float((deviation.abs() / error).max()) < 5


def test_empirical_fisher_is_made_of_the_gradients_of_single_data():
    loss, make_targets = LOSSES["cross-entropy"]
    model, inputs = MODELS["sequence outputs"].make()
    (rows, gradient, _), targets, outputs = recorded(model, inputs, make_targets, EmpiricalFisher(loss))
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    n = rows.count
    assert (rows.shape[0], n) == (5, 15)
    for row, z, y in zip(R, outputs, targets, strict=True):
        total = torch.nn.functional.cross_entropy(z, y, reduction="sum")
        slopes = torch.autograd.grad(total, list(model.parameters()), retain_graph=True)
        assert close(row * n**0.5, torch.cat([slope.flatten() for slope in slopes]))
    assert close(R.sum(0) / n**0.5, gradient)


def test_single_precision_rows_give_a_double_precision_gram_matrix():
    model, inputs = MODELS["conv2d"].make()
    exact = recorded(model, inputs, torch.zeros_like, "mse")[0].rows.gram()
    rows = recorded(model.float(), inputs.float(), torch.zeros_like, "mse")[0].rows
    assert rows.gram().dtype == torch.float32
    assert rows.gram(torch.float64).dtype == torch.float64
    assert close(rows.gram().double(), exact, 1e-5)
    R = rows.apply(torch.eye(rows.shape[1])).double()
    assert close(rows.gram(torch.float64), R @ R.T, 1e-6)


def test_the_core_takes_rows_as_a_low_rank_factor():
    model, inputs = MODELS["mlp"].make()
    rows = recorded(model, inputs, torch.zeros_like, "mse")[0].rows
    A = LowRankPlusIdentity(rows, 0.1)
    R = rows.apply(torch.eye(rows.shape[1], dtype=rows.dtype))
    dense = R.T @ R + 0.1 * torch.eye(rows.shape[1], dtype=rows.dtype)
    v = torch.randn(rows.shape[1], 2, dtype=rows.dtype)
    assert close(A.apply(v), dense @ v)
    assert close(A.eigenvalues(), torch.linalg.eigvalsh(dense))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda rows: rows.apply(torch.zeros(3, 1)), r"shape \(15, k\)"),
        (lambda rows: rows.apply_transposed(torch.zeros(15, dtype=torch.float64)), r"shape \(15, k\)"),
        (lambda rows: rows.apply(torch.zeros(15, 1)), "float64 on cpu, got torch.float32"),
        (lambda rows: CurvatureRows.stacked([]), "no rows"),
        (lambda rows: CurvatureRows.stacked([rows, CurvatureRows([], [torch.zeros(3)], 1)]), "same parameters"),
    ],
)
def test_wrong_vectors_are_refused(call, match):
    model, inputs = MODELS["linear"].make()
    rows = recorded(model, inputs, torch.zeros_like, "mse")[0].rows
    with pytest.raises(ValueError, match=match):
        call(rows)
