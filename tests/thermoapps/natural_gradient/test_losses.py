"""Losses: value, gradient and Hessian roots against PyTorch's own functions and automatic differentiation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from networks import LOSSES  # noqa: E402
from oracles import datum_hessians  # noqa: E402
from torch.nn import functional  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    BCEWithLogits,
    CrossEntropy,
    CustomLoss,
    EmpiricalFisher,
    MeanSquaredError,
    MonteCarloFisher,
    PoissonNLL,
    as_loss,
)
from thermoapps.natural_gradient.losses.roots import categorical_root  # noqa: E402

SHAPES = [(5, 3), (1, 4), (4, 3, 2), (2, 2, 3, 4)]


def outputs_and_targets(name, shape):
    torch.manual_seed(0)
    loss, make_targets = LOSSES[name]
    outputs = torch.randn(shape, dtype=torch.float64)
    targets = make_targets(outputs)
    if name == "ignored targets":
        targets.view(-1)[-1] = 0  # so that one is left
    return loss, outputs, targets


def dense_root(root):
    """(b, outputs of a datum, V)."""
    return root.cotangents().flatten(2).permute(1, 2, 0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_gradient_and_root_agree_with_automatic_differentiation(name, shape):
    loss, outputs, targets = outputs_and_targets(name, shape)
    slope = torch.func.grad(lambda z: loss.value(z, targets))(outputs)
    torch.testing.assert_close(loss.gradient(outputs, targets), slope)
    root = loss.hessian_root(outputs, targets)
    S = dense_root(root)
    assert S.shape[2] == root.columns
    torch.testing.assert_close(S @ S.mT, datum_hessians(loss, outputs, targets), rtol=1e-10, atol=1e-13)
    u = torch.randn(len(S), root.columns, dtype=torch.float64)
    torch.testing.assert_close(root.times(u).flatten(1), (S @ u[..., None])[..., 0])
    torch.testing.assert_close(root.cotangents(1, root.columns), root.cotangents()[1:])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_coordinates_of_the_gradient_in_the_root(name, shape):
    loss, outputs, targets = outputs_and_targets(name, shape)
    root = loss.hessian_root(outputs, targets)
    coordinates = loss.root_coordinates(outputs, targets, root)
    if name == "custom":
        assert coordinates is None
        return
    expected = loss.gradient(outputs, targets) * loss.count(outputs, targets)
    torch.testing.assert_close(root.times(coordinates), expected, rtol=1e-12, atol=1e-14)


@given(
    logits=st.lists(st.floats(-30, 30), min_size=2, max_size=6),
    label=st.integers(0, 5),
    dtype=st.sampled_from([32, 64]),
)
def test_coordinates_keep_the_digits_of_well_and_badly_fitted_data(logits, label, dtype):
    dtype = getattr(torch, f"float{dtype}")
    z, y = torch.tensor([logits], dtype=dtype), torch.tensor([label % len(logits)])
    loss = CrossEntropy()
    root = loss.hessian_root(z, y)
    found = root.times(loss.root_coordinates(z, y, root))
    expected = z.double().softmax(-1)
    expected[0, y] = 0.0
    expected[0, y] = -expected.sum()
    assert float((found - expected).abs().max()) <= 40 * torch.finfo(dtype).eps * float(expected.abs().max())


@pytest.mark.parametrize(
    ("name", "outputs", "targets"),
    [
        ("cross_entropy", [[0.0, -1000.0]], [1]),
        ("cross_entropy", [[-1000.0, 0.0, 0.0]], [0]),
        ("bce_with_logits", [[-1000.0]], [[1.0]]),
        ("poisson_nll", [[-1000.0]], [[2.0]]),
    ],
)
def test_gradients_outside_the_range_of_the_root_say_so(name, outputs, targets):
    loss, z, y = as_loss(name), torch.tensor(outputs), torch.tensor(targets)
    assert not bool(loss.root_coordinates(z, y, loss.hessian_root(z, y)).isfinite().all())


def test_values_are_those_of_torch():
    z, y = torch.randn(4, 3), torch.rand(4, 3)
    assert MeanSquaredError().value(z, y) == functional.mse_loss(z, y)
    assert BCEWithLogits().value(z, y) == functional.binary_cross_entropy_with_logits(z, y)
    assert PoissonNLL().value(z, y) == functional.poisson_nll_loss(z, y)
    torch.testing.assert_close(CrossEntropy().value(z, y), functional.cross_entropy(z, y))
    labels = torch.tensor([0, -100, 2, 1])
    torch.testing.assert_close(CrossEntropy().value(z, labels), functional.cross_entropy(z, labels))


def test_classes_along_the_first_axis_as_in_torch():
    z, labels = torch.randn(2, 3, 4, 5, dtype=torch.float64), torch.randint(0, 3, (2, 4, 5))
    loss, last = CrossEntropy(class_dim=1), CrossEntropy()
    torch.testing.assert_close(loss.value(z, labels), functional.cross_entropy(z, labels))
    moved = z.movedim(1, -1)
    torch.testing.assert_close(loss.gradient(z, labels), last.gradient(moved, labels).movedim(-1, 1))
    columns = last.hessian_root(moved, labels).cotangents()
    torch.testing.assert_close(loss.hessian_root(z, labels).cotangents(), columns.movedim(-1, 2))


def test_outputs_without_an_axis_of_their_own():
    z, y = torch.randn(4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    S = MeanSquaredError().hessian_root(z, y).cotangents()
    torch.testing.assert_close(S, torch.full((1, 4), 2**0.5, dtype=torch.float64))


def test_ignored_positions_have_no_columns():
    z = torch.randn(2, 5, 3, dtype=torch.float64)
    labels = torch.tensor([[-100, -100, 1, 2, -100], [0, -100, -100, -100, -100]])
    root = CrossEntropy().hessian_root(z, labels)
    assert root.columns == 2 * 2, "two positions of two columns in the fullest datum"
    assert CrossEntropy().count(z, labels) == 3


@given(
    logits=st.lists(st.floats(-800, 800), min_size=2, max_size=7),
    columns=st.one_of(st.none(), st.integers(1, 7)),
)
def test_categorical_root_keeps_its_accuracy_and_its_bound(logits, columns):
    p = torch.tensor(logits, dtype=torch.float64).softmax(-1)
    root, dropped = categorical_root(p, columns)
    assert root.shape[1] == min(columns or len(p), len(p) - 1)
    difference = torch.diag(p) - torch.outer(p, p) - root @ root.T
    assert torch.linalg.matrix_norm(difference, 2) <= dropped + 1e-15
    assert torch.linalg.eigvalsh(difference).min() > -1e-15
    if columns is None:
        wide = p.numpy().astype(np.longdouble)
        others = wide.sum() - wide if wide.max() < 0.5 else np.array([np.delete(wide, k).sum() for k in range(len(p))])
        np.testing.assert_allclose(
            (root @ root.T).diagonal().numpy(), (wide * others).astype(float), rtol=1e-12, atol=1e-300
        )


def test_truncation_keeps_the_most_probable_classes():
    z = torch.randn(3, 2, 50, dtype=torch.float64) * 3
    labels = torch.zeros(3, 2, dtype=torch.int64)
    exact, kept = CrossEntropy().hessian_root(z, labels), CrossEntropy(columns=5).hessian_root(z, labels)
    assert kept.columns == 2 * 5
    assert exact.dropped == 0
    S, S_kept = dense_root(exact), dense_root(kept)
    error = torch.linalg.matrix_norm(S @ S.mT - S_kept @ S_kept.mT, 2).max()
    assert 0 < error <= kept.dropped + 1e-15
    assert kept.dropped == pytest.approx(float(z.softmax(-1).sort(-1, descending=True).values[..., 5].max()))


@pytest.mark.parametrize("name", LOSSES)
def test_monte_carlo_columns_have_the_hessian_as_second_moment(name):
    loss, outputs, targets = outputs_and_targets(name, (3, 2, 3) if "e" in name else (3, 4))
    samples = 4000
    generator = torch.Generator().manual_seed(1)
    S = dense_root(MonteCarloFisher(loss, samples, generator).hessian_root(outputs, targets)) * samples**0.5
    products = torch.einsum("ais,ajs->aijs", S, S)
    error = products.std(-1) / samples**0.5
    deviation = products.mean(-1) - datum_hessians(loss, outputs, targets)
    assert float((deviation.abs() / (error + 1e-12)).max()) < 5


def test_monte_carlo_columns_repeat_with_the_generator():
    z, labels = torch.randn(3, 4), torch.zeros(3, dtype=torch.int64)
    state = torch.get_rng_state()
    first, second = (
        MonteCarloFisher("cross_entropy", 3, torch.Generator().manual_seed(5)).hessian_root(z, labels).blocks
        for _ in range(2)
    )
    assert torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())


def test_empirical_fisher_is_each_datums_own_gradient():
    z, labels = torch.randn(3, 4, dtype=torch.float64), torch.tensor([1, 0, 3])
    S = dense_root(EmpiricalFisher("cross_entropy").hessian_root(z, labels))
    torch.testing.assert_close(S[..., 0], z.softmax(-1) - functional.one_hot(labels, 4))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: as_loss("hinge"), ValueError, "cross_entropy, mse"),
        (lambda: as_loss(3), TypeError, "got int"),
        (lambda: as_loss(torch.nn.KLDivLoss()), TypeError, "no curvature"),
        (lambda: as_loss(torch.nn.MSELoss(reduction="none")), ValueError, "reduction"),
        (lambda: CrossEntropy(columns=0), ValueError, "columns"),
        (lambda: MonteCarloFisher("mse", 0), ValueError, "samples"),
        (lambda: as_loss("mse").value(torch.zeros(3, 1), torch.zeros(3)), ValueError, r"targets must have .*\(3, 1\)"),
        (lambda: as_loss("cross_entropy").value(torch.zeros(3), torch.zeros(3).long()), ValueError, "axis"),
        (lambda: CrossEntropy().value(torch.zeros(3, 1), torch.zeros(3).long()), ValueError, "two classes"),
        (lambda: CrossEntropy(class_dim=0).value(torch.zeros(3, 2), torch.zeros(2).long()), ValueError, "first axis"),
        (lambda: CrossEntropy().value(torch.zeros(2, 3, 4), torch.zeros(2, 4).long()), ValueError, "class_dim=1"),
        (lambda: CrossEntropy().value(torch.zeros(2, 3), torch.zeros(2, 1)), ValueError, "class probabilities"),
        (lambda: CrossEntropy().value(torch.zeros(2, 3), torch.full((2,), -100)), ValueError, "ignore_index"),
        (
            lambda: CustomLoss(lambda z, y: -(z**2).sum()).hessian_root(torch.ones(2, 3), torch.ones(2)),
            ValueError,
            "negative eigenvalue",
        ),
        (lambda: CustomLoss(lambda z, y: z - y).value(torch.ones(2, 3), torch.ones(2, 3)), ValueError, "scalar"),
    ],
)
def test_refusals_name_the_argument_and_the_remedy(call, error, match):
    with pytest.raises(error, match=match):
        call()


W = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
LABELS = torch.tensor([0, 2, -100, 1, 1])
MODULES = {
    "smoothed": (torch.nn.CrossEntropyLoss(label_smoothing=0.1), LABELS),
    "weighted": (torch.nn.CrossEntropyLoss(W, label_smoothing=0.2), LABELS),
    "other index": (torch.nn.CrossEntropyLoss(W, ignore_index=1), LABELS.clamp_min(0)),
    "sum": (torch.nn.CrossEntropyLoss(W, reduction="sum"), LABELS),
    "probabilities": (torch.nn.CrossEntropyLoss(W, label_smoothing=0.2), torch.rand(5, 3, dtype=torch.float64)),
    "mse": (torch.nn.MSELoss(reduction="sum"), torch.rand(5, 3)),
    "bce": (torch.nn.BCEWithLogitsLoss(W, pos_weight=3 * W), torch.rand(5, 3).round()),
    "poisson": (torch.nn.PoissonNLLLoss(), torch.rand(5, 3)),
    "huber": (torch.nn.HuberLoss(delta=0.5), torch.zeros(5, 3)),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_keep_their_value_and_their_roots_give_its_hessian(name):
    torch.manual_seed(0)
    module, targets = MODULES[name]
    loss, outputs = as_loss(module), torch.randn(5, 3, dtype=torch.float64)
    double = targets.double() if targets.is_floating_point() else targets
    torch.testing.assert_close(loss.value(outputs, targets), module(outputs, double))
    slope = torch.func.grad(lambda z: module(z, double))(outputs)
    torch.testing.assert_close(loss.gradient(outputs, targets), slope)
    root, n = loss.hessian_root(outputs, targets), loss.count(outputs, targets)
    S = dense_root(root)
    torch.testing.assert_close(S @ S.mT, datum_hessians(loss, outputs, targets), rtol=1e-9, atol=1e-12)
    coordinates = loss.root_coordinates(outputs, targets, root)
    if bool(coordinates.isfinite().all()):
        torch.testing.assert_close(root.times(coordinates), n * slope)
