from __future__ import annotations

import copy
import math

import pytest

torch = pytest.importorskip("torch")

from thermoapps.natural_gradient import TNGD, LevenbergMarquardt, NaturalGradient, accuracy, fit  # noqa: E402


def problem():
    torch.manual_seed(0)
    inputs = torch.randn(96, 2)
    targets = (inputs.prod(1) > 0).long()
    model = torch.nn.Sequential(torch.nn.Linear(2, 12), torch.nn.Dropout(0.05), torch.nn.Tanh(), torch.nn.Linear(12, 2))
    return model, [(inputs[start : start + 40], targets[start : start + 40]) for start in range(0, 96, 40)]


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda model: TNGD(model, lr=0.1, time=20.0),
        lambda model: NaturalGradient(model, lr=0.2, damping=LevenbergMarquardt(initial=0.1, smallest=0.01)),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.03),
    ],
    ids=["backward", "closure", "any torch optimiser"],
)
def test_fit_learns_a_product_of_signs(optimizer):
    model, batches = problem()
    history = fit(model, optimizer(model), batches, epochs=25, test_loader=batches, progress=False)
    assert [record["epoch"] for record in history] == list(range(1, 26))
    assert history[-1]["accuracy"] > 0.93
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["seconds"] > history[0]["seconds"] > 0


def test_scheduler_is_stepped_after_each_epoch():
    model, batches = problem()
    opt = TNGD(model, lr=1.0)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(opt, 0.5)
    fit(model, opt, batches, epochs=3, scheduler=scheduler, progress=False)
    assert opt.param_groups[0]["lr"] == pytest.approx(0.125)


def test_accuracy_is_taken_in_eval_mode_and_leaves_the_mode():
    model, batches = problem()
    model.train()
    first = accuracy(model, batches)
    assert accuracy(model, batches) == first
    assert model.training


def test_short_runs_with_a_memory_are_gradient_descent_with_momentum():
    """The limit t → 0: SGD with momentum `memory` and the rate lr (1 − memory)/λ, from the first step on."""
    memory, time, rate = 0.8, 1e-7, 0.3
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    other = copy.deepcopy(model)
    x, y = torch.randn(30, 2).double(), torch.arange(30) % 2
    lr = rate * -math.log(memory) / time / (1 - memory)
    ours, theirs = TNGD(model, lr, time=time, memory=memory), torch.optim.SGD(other.parameters(), rate, momentum=memory)
    for _ in range(6):
        ours.zero_grad()
        ours.backward(model(x), y)
        ours.step()
        theirs.zero_grad()
        torch.nn.functional.cross_entropy(other(x), y).backward()
        theirs.step()
    for ours_p, theirs_p in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours_p, theirs_p, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"memory": 1.0}, "between 0 and 1"),
        ({"memory": 0.0}, "between 0 and 1"),
        ({"memory": float("nan")}, "between 0 and 1"),
        ({"memory": 0.9, "time": 0.0}, "positive and finite"),
        ({"memory": 0.9, "time": math.inf}, "positive and finite"),
        ({"memory": 0.9, "damping": 0.1}, "one of the two"),
    ],
)
def test_memories_that_make_no_sense_are_refused(options, text):
    with pytest.raises(ValueError, match=text):
        TNGD(torch.nn.Linear(2, 2), **options)
