from __future__ import annotations

import io
import math

import pytest

torch = pytest.importorskip("torch")

from thermoapps.natural_gradient import TNGD, NaturalGradient, ProgressBar, ScalarWriter, StepReport  # noqa: E402


def trained(opt_of, steps=2):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)).double()
    inputs, targets = torch.randn(6, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1, 2])
    opt = opt_of(model)
    for _ in range(steps):
        opt.step(lambda: (model(inputs), targets))
    return opt


class Writer:
    def __init__(self):
        self.written = []

    def add_scalar(self, tag, scalar_value, global_step):
        self.written.append((tag, scalar_value, global_step))


def test_what_a_step_reports():
    report = trained(lambda model: TNGD(model, time=7.0, delay=1.0), steps=3).report
    assert (report.step, report.data, report.rows, report.parameters, report.damping) == (2, 6, 12, 43, 0.01)
    assert report.device_time == 8.0
    assert report.solver.rank == 12
    assert report.solver.smallest_eigenvalue == pytest.approx(0.01)
    assert 0 < report.cosine <= 1 + 1e-12
    assert report.new_loss < report.loss
    assert report.ratio > 0
    assert report.divergence > 0
    assert report.accepted
    times = report.timings
    assert min(times.forward, times.rows, times.solve, times.update) > 0
    assert times.total == times.forward + times.rows + times.solve + times.update


def test_time_split_of_accumulated_batches():
    model = torch.nn.Linear(4, 3)
    opt = NaturalGradient(model)
    for _ in range(2):
        opt.backward(model(torch.ones(2, 4)), torch.tensor([0, 1]))
    opt.step()
    times = opt.report.timings
    assert min(times.forward, times.rows, times.solve, times.update) > 0


def test_scalars_are_flat_finite_numbers():
    scalars = trained(TNGD).report.scalars()
    assert {"loss", "cosine", "damping", "ratio", "device_time", "timings/solve", "solver/rank"} <= scalars.keys()
    assert all(isinstance(value, float) and math.isfinite(value) for value in scalars.values())
    assert scalars["accepted"] == 1.0
    assert "ratio" not in StepReport(step=0, loss=1.0, data=1, rows=1).scalars()


def test_callbacks_see_every_step():
    writer, seen = Writer(), []
    bar = ProgressBar(total=3, file=io.StringIO())
    trained(lambda model: NaturalGradient(model, callbacks=[ScalarWriter(writer, "ngd/"), seen.append, bar]), steps=3)
    assert [report.step for report in seen] == [0, 1, 2]
    assert ("ngd/loss", seen[1].loss, 1) in writer.written
    assert bar.bar.n == 3
    assert "loss" in bar.bar.postfix
    bar.close()


def test_progress_bar_counts_refused_steps():
    bar = ProgressBar(file=io.StringIO())
    bar(StepReport(step=0, loss=1.0, data=1, rows=1, accepted=False))
    assert "refused=1" in bar.bar.postfix
    bar.close()
