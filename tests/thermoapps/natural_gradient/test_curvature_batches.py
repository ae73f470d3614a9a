"""Curvature of data that have no part in the gradient."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from oracles import curvature  # noqa: E402
from small_problem import DAMPING, batch, flat, gradients, mlp  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    CrossEntropy,
    FixedDamping,
    LevenbergMarquardt,
    MonteCarloFisher,
    NaturalGradient,
    Woodbury,
    curvature_rows,
)
from thermoapps.natural_gradient.step.descent import Descent, Progress  # noqa: E402
from thermoapps.natural_gradient.step.start import Start  # noqa: E402

DATA, MORE = batch(7), batch(12, seed=5)
BOTH = tuple(torch.cat(parts) for parts in zip(DATA, MORE, strict=True))
LR = 0.3


def moved(model, seen):
    """Parameters after a step with the gradient of DATA and the curvature of `seen`, all dense."""
    slopes = torch.autograd.grad(CrossEntropy().value(model(DATA[0]), DATA[1]), list(model.parameters()))
    g = torch.cat([slope.flatten() for slope in slopes])
    A = curvature(model, *seen, CrossEntropy()) + DAMPING * torch.eye(len(g), dtype=g.dtype)
    return flat(model) - LR * torch.linalg.solve(A, g)


@pytest.mark.parametrize("first", ["curvature", "gradient"])
@pytest.mark.parametrize("own", ["backward", "loss.backward", "criterion"])
def test_more_data_for_the_curvature_than_for_the_gradient(own, first):
    model = mlp()
    opt = NaturalGradient(model, lr=LR, damping=DAMPING)
    expected = moved(model, MORE if own == "loss.backward" else BOTH)

    def go_backward():
        if own == "backward":
            opt.backward(model(DATA[0]), DATA[1])
        elif own == "criterion":
            opt.criterion(model(DATA[0]), DATA[1]).backward()
        else:
            nn.functional.cross_entropy(model(DATA[0]), DATA[1]).backward()

    def look():
        opt.add_curvature(model(MORE[0]), MORE[1])

    for act in (look, go_backward) if first == "curvature" else (go_backward, look):
        act()
    opt.step()
    torch.testing.assert_close(flat(model), expected, rtol=1e-10, atol=1e-12)
    assert opt.report.data == (0 if own == "loss.backward" else 7)
    assert math.isnan(opt.report.loss) == (own == "loss.backward")
    assert opt.report.rows == 2 * (12 if own == "loss.backward" else 19)
    with pytest.raises(RuntimeError, match="nothing to step on"):
        opt.step()


@pytest.mark.parametrize("parts", [[12], [5, 7], [1, 1, 10]])
def test_curvature_in_parts_is_that_of_one_batch(parts):
    model = mlp()
    opt = NaturalGradient(model, lr=LR, damping=DAMPING)
    expected = moved(model, BOTH)
    opt.backward(model(DATA[0]), DATA[1])
    before = gradients(model)
    for inputs, targets in zip(MORE[0].split(parts), MORE[1].split(parts), strict=True):
        opt.add_curvature(model(inputs), targets)
    assert torch.equal(gradients(model), before)
    opt.step()
    torch.testing.assert_close(flat(model), expected, rtol=1e-10, atol=1e-12)


def test_sampled_columns_for_more_data():
    model = mlp()
    opt = NaturalGradient(model, lr=LR, damping=DAMPING)
    opt.backward(model(DATA[0]), DATA[1])
    opt.add_curvature(model(MORE[0]), MORE[1], loss=MonteCarloFisher("cross_entropy"))
    opt.step()
    assert opt.report.rows == 2 * 7 + 12


def test_inside_of_closures():
    model = mlp()
    opt = NaturalGradient(model, lr=LR, damping=LevenbergMarquardt(initial=DAMPING))
    expected = moved(model, BOTH)

    def closure():
        opt.add_curvature(model(MORE[0]), MORE[1])
        return model(DATA[0]), DATA[1]

    opt.step(closure)
    torch.testing.assert_close(flat(model), expected, rtol=1e-10, atol=1e-12)
    assert opt.report.new_loss < opt.report.loss
    opt.add_curvature(model(MORE[0]), MORE[1])
    with pytest.raises(RuntimeError, match="add_curvature"):
        opt.step(lambda: (model(DATA[0]), DATA[1]))


def test_curvature_by_products():
    """Rows of one batch, and products in the place of another's."""
    results = []
    for limit in (None, 1.0):
        model = mlp()
        opt = NaturalGradient(model, lr=LR, damping=DAMPING, memory_limit=limit)
        opt.backward(model(DATA[0]), DATA[1])
        opt.add_curvature(model(MORE[0]), MORE[1])
        opt.step()
        results.append(flat(model))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-7)


def test_zero_grad_forgets_curvature_and_a_gradient_is_wanted():
    model = mlp()
    opt = NaturalGradient(model, lr=LR, damping=DAMPING)
    opt.add_curvature(model(MORE[0]), MORE[1])
    with pytest.raises(RuntimeError, match="no gradient"):
        opt.step()
    opt.zero_grad()
    expected = moved(model, DATA)
    opt.backward(model(DATA[0]), DATA[1])
    opt.step()
    torch.testing.assert_close(flat(model), expected, rtol=1e-10, atol=1e-12)


def test_a_step_is_a_function_of_start_and_progress():
    """The same start and progress give the same step, whatever was stepped in between."""
    model = mlp()
    descent = Descent(Woodbury(), FixedDamping(DAMPING), torch.optim.SGD(model.parameters(), lr=LR))

    def step(progress):
        rows, gradient, loss = curvature_rows(model, *DATA, "cross_entropy")
        for parameter in model.parameters():
            parameter.grad = rows.by_parameter(gradient)[id(parameter)]
        return descent.step(Start(rows, loss.item(), 7), progress)

    kept, first = Progress(), flat(model)
    progress, report = step(kept)
    assert kept == Progress()
    assert (progress.step, report.step, report.accepted) == (1, 0, True)
    end = flat(model)
    assert not torch.equal(end, first)
    step(progress)
    nn.utils.vector_to_parameters(first, model.parameters())
    again, report = step(kept)
    assert torch.equal(flat(model), end)
    assert again == progress
