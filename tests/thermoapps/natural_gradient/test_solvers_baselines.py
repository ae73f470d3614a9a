from __future__ import annotations

import io
import logging

import pytest

torch = pytest.importorskip("torch")

from explicit_rows import ExplicitRows, damped, random_rows  # noqa: E402
from helpers import close  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    CostModel,
    EmpiricalFisher,
    ExactGaussNewton,
    InverseFree,
    LineSearch,
    Scheduled,
    Thermodynamic,
    Woodbury,
    curvature_rows,
)

DAMPING = 0.05


def fisher_rows(n=6, p=20, seed=0):
    """Per-datum gradients over √n as rows, and their mean."""
    rows, _ = random_rows(n, p, seed=seed)
    return rows, rows.R.T @ torch.full((n,), n**-0.5, dtype=torch.float64)


def saved(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("share", ["mean", "per_batch"])
def test_inverse_free_is_exact_in_the_first_epoch_and_shares_afterwards(share):
    solver, state = InverseFree(batches=2, share=share), None
    batches = [fisher_rows(seed=seed) for seed in (1, 2)]
    weights = []
    for rows, g in batches:
        direction, state, _ = solver.direction(rows, g, DAMPING, state)
        exact, _, _ = Woodbury().direction(rows, g, DAMPING)
        assert close(direction, exact)
        K = rows.R @ rows.R.T
        weights.append(torch.linalg.solve(6 * K + 6 * DAMPING * torch.eye(6, dtype=K.dtype), torch.ones(6).double()))
    state = saved(state)
    for number, seed in [(0, 1), (1, 5), (0, 1)]:
        rows, g = fisher_rows(seed=seed)
        rows.gram = None  # never formed again
        direction, state, _ = solver.direction(rows, g, DAMPING, state)
        c = sum(weights) / 2 if share == "mean" else weights[number]
        assert close(direction, 6**0.5 * rows.R.T @ c)


def test_inverse_free_layer_by_layer():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)).double()
    inputs, targets = torch.randn(7, 4).double(), torch.randint(3, (7,))
    rows, g, _ = curvature_rows(model, inputs, targets, EmpiricalFisher("cross_entropy"))
    direction, _, _ = InverseFree(batches=1).direction(rows, g, DAMPING)
    R = rows.apply(torch.eye(rows.shape[1], dtype=torch.float64))
    start = 0
    for layer in (model[0], model[2]):
        part = slice(start, start := start + sum(p.numel() for p in layer.parameters()))
        expected, _, _ = Woodbury().direction(ExplicitRows(R[:, part]), g[part], DAMPING)
        assert close(direction[part], expected)


def test_inverse_free_refuses_what_it_cannot_use():
    rows, g = fisher_rows()
    solver = InverseFree(batches=1)
    with pytest.raises(ValueError, match="empirical"):
        solver.direction(rows, g + 1, DAMPING)
    with pytest.raises(ValueError, match="damping"):
        solver.direction(rows, g, 0.0)
    _, state, _ = solver.direction(rows, g, DAMPING)
    with pytest.raises(ValueError, match="odd batches"):
        solver.direction(*fisher_rows(n=5), DAMPING, state)
    assert not InverseFree(1).direction(ExplicitRows(0 * rows.R), 0 * g, DAMPING)[0].any()


def test_exact_gauss_newton_averages_directions():
    solver, state, average = ExactGaussNewton(momentum=0.7), None, 0
    for step, seed in enumerate((1, 2, 3), start=1):
        rows, g = random_rows(7, 20, seed=seed)
        direction, state, report = solver.direction(rows, g, DAMPING, state)
        average = 0.7 * average + 0.3 * torch.linalg.solve(damped(rows, DAMPING), g)
        assert close(direction, average / (1 - 0.7**step))
        state = saved(state)
    assert report.solver == "ExactGaussNewton"


def test_line_search_takes_the_first_length_that_is_good_enough():
    search, seen = LineSearch(), []

    def loss_at(length):
        seen.append(length)
        return (1 - 2.5 * length) ** 2

    length = search.length(loss_at, loss=1.0, slope=-5.0, longest=1.0)
    assert seen == [0.8**k for k in range(len(seen))] or seen == pytest.approx([0.8**k for k in range(len(seen))])
    assert loss_at(length) <= 1 - 0.1 * 5 * length
    assert loss_at(length / 0.8) > 1 - 0.1 * 5 * length / 0.8
    assert search.length(lambda _: float("nan"), loss=1.0, slope=-5.0, longest=1.0) == 0.0
    assert search.length(lambda _: 0.0, loss=1.0, slope=-1.0, longest=1.0, previous=0.2) == pytest.approx(0.3)


@pytest.mark.parametrize("damping", [DAMPING, 1e-9])
def test_inverse_free_on_sequences_with_ignored_labels(damping):
    torch.manual_seed(0)
    inputs, labels = torch.randn(6, 5, 4), torch.randint(0, 3, (6, 5))
    inputs[1], labels[1] = inputs[0], labels[0]  # equal rows: to rounding, a Gram matrix below zero
    labels[2:, :2] = -100
    rows, g, _ = curvature_rows(torch.nn.Linear(4, 3), inputs, labels, EmpiricalFisher("cross_entropy"))
    direction, _, _ = InverseFree(batches=1).direction(rows, g, damping)
    exact, _, _ = Woodbury().direction(rows, g, damping)
    assert direction.isfinite().all()
    assert damping < DAMPING or close(direction, exact, 1e-5)


def test_scheduled_takes_the_cheapest_way_and_says_so(caplog):
    rows, g = random_rows(7, 20)
    fast, slow = CostModel(operations_per_second=1e15), CostModel(operations_per_second=1e2, accuracy=1e-6)
    with caplog.at_level(logging.INFO):
        direction, _, report = Scheduled(cost=fast).direction(rows, g, DAMPING)
    assert report.solver == "Woodbury"
    assert report.message in caplog.text
    assert close(direction, torch.linalg.solve(damped(rows, DAMPING), g))
    solver = Scheduled(cost=slow)
    direction, state, report = solver.direction(rows, g, DAMPING)
    assert report.solver == "Thermodynamic"
    assert close(direction, torch.linalg.solve(damped(rows, DAMPING), g), 1e-4)
    again, _, _ = solver.direction(rows, 0.5 * g, DAMPING, saved(state))
    device = Thermodynamic(time=slow.run_time(DAMPING))
    assert close(again, device.direction(rows, 0.5 * g, DAMPING, state["Thermodynamic"])[0], 1e-12)


def test_scheduled_costs():
    costs = CostModel(accuracy=0.01, operations_per_second=1e9).seconds(
        rows=3000, parameters=10_000, condition=100.0, damping=0.1
    )
    assert costs["Woodbury"] == pytest.approx((9e9 + 4 * 3e7) / 1e9)
    assert costs["ConjugateGradient"] == pytest.approx((27 * 2 * 9e6 + 8 * 3e7) / 1e9)
    assert min(costs, key=costs.get) == "Thermodynamic"
    rows, g = random_rows(7, 20)
    _, _, report = Scheduled().direction(rows, g, DAMPING)
    values = torch.linalg.eigvalsh(damped(rows, DAMPING))
    bound = float(report.message.split("at most ")[1].split(",")[0])
    assert bound == pytest.approx(float(values[-1] / DAMPING), rel=0.05)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: InverseFree(0), "batches"),
        (lambda: InverseFree(3, share="all"), "share"),
        (lambda: ExactGaussNewton(momentum=1.0), "momentum"),
        (lambda: LineSearch(shrink=1.0), "shrink"),
        (lambda: LineSearch(grow=0.5), "grow"),
        (lambda: CostModel(accuracy=0.0), "accuracy"),
        (lambda: CostModel(operations_per_second=0.0), "operations_per_second"),
    ],
)
def test_settings_are_checked(build, message):
    with pytest.raises(ValueError, match=message):
        build()
