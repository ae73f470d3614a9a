from __future__ import annotations

import io

import pytest

torch = pytest.importorskip("torch")

from small_problem import DAMPING, assert_moved, batch, copies, dense_step, flat, mlp  # noqa: E402

from thermoapps.natural_gradient import (  # noqa: E402
    TNGD,
    ConjugateGradient,
    ExactGaussNewton,
    KroneckerFactored,
    LevenbergMarquardt,
    LineSearch,
    MonteCarloFisher,
    NaturalGradient,
)

RUNS = {
    "device with noise": lambda model: TNGD(model, lr=0.05, time=3.0, delay=0.5, temperature=1e-3, rng=5, momentum=0.9),
    "adam": lambda model: TNGD(model, lr=0.01, update=torch.optim.Adam),
    "conjugate gradients": lambda model: NaturalGradient(model, solver=ConjugateGradient()),
    "Levenberg–Marquardt": lambda model: NaturalGradient(model, damping=LevenbergMarquardt(), lr=1.0),
    "exact Gauss–Newton": lambda model: NaturalGradient(
        model, lr=5.0, solver=ExactGaussNewton(momentum=0.5, line_search=LineSearch())
    ),
    "Kronecker factors": lambda model: NaturalGradient(model, lr=0.1, solver=KroneckerFactored(period=2)),
    "Monte Carlo": lambda model: NaturalGradient(
        model, loss=MonteCarloFisher("cross_entropy", generator=torch.Generator().manual_seed(3))
    ),
}


@pytest.mark.parametrize("run", RUNS)
def test_a_resumed_run_goes_on_bit_by_bit(run):
    def steps(model, opt, numbers):
        losses = []
        for number in numbers:
            inputs, targets = batch(seed=number)
            losses.append(float(opt.step(lambda: (model(inputs), targets))))
        return losses

    model = mlp().float().double()
    opt = RUNS[run](model)
    steps(model, opt, range(3))
    file = io.BytesIO()
    torch.save({"model": model.state_dict(), "opt": opt.state_dict()}, file)
    expected = steps(model, opt, range(3, 7))

    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again = mlp(seed=9)
    resumed = RUNS[run](again)
    again.load_state_dict(saved["model"])
    resumed.load_state_dict(saved["opt"])
    assert steps(again, resumed, range(3, 7)) == expected
    assert torch.equal(flat(again), flat(model))
    assert resumed.report.step == 6


def test_loaded_groups_are_those_of_the_update():
    model, (inputs, targets) = mlp(), batch()
    opt = NaturalGradient(model, lr=0.3, damping=DAMPING, momentum=0.5)
    state = opt.state_dict()
    opt.load_state_dict(state)
    opt.param_groups[0]["lr"] = 0.7
    expected, before = dense_step(model, inputs, targets), copies(model)
    opt.step(lambda: (model(inputs), targets))
    assert_moved(model, before, expected, 0.7)
    assert opt.update.state is opt.state
    assert len(opt.state) == 4


def test_foreign_states_are_refused():
    model, (inputs, targets) = mlp(), batch()
    opt = TNGD(model)
    with pytest.raises(ValueError, match="natural_gradient"):
        opt.load_state_dict(torch.optim.SGD(model.parameters(), lr=0.1).state_dict())
    opt.step(lambda: (model(inputs), targets))
    with pytest.raises(ValueError, match="Thermodynamic"):
        NaturalGradient(mlp()).load_state_dict(opt.state_dict())
