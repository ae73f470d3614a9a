from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from thermoapps.natural_gradient import StepReport, TimingModel, Timings  # noqa: E402


@pytest.mark.parametrize(
    ("d", "seconds"), [(100, 3.2e-6), (1000, 0.32e-3), (3000, 2.9e-3), (5000, 8e-3), (10_000, 32e-3)]
)
def test_loading_a_full_matrix(d, seconds):
    timing = TimingModel(array="full").device(parameters=d, rows=1, time=0.0)
    assert timing.write_matrix == pytest.approx(seconds, rel=0.02)
    assert timing.write_vector == timing.read == pytest.approx(d * 16 / 50e9)


def test_factors_of_the_curvature():
    timing = TimingModel().device(parameters=1000, rows=640, time=50.0)
    assert timing.write_matrix == pytest.approx(640 * (640 + 2000) * 16 / 50e9)
    assert timing.evolve == pytest.approx(50e-6)
    assert timing.total == pytest.approx(timing.write_vector + timing.write_matrix + timing.evolve + timing.read)


def test_time_of_a_step():
    report = StepReport(
        0,
        loss=1.0,
        data=64,
        rows=640,
        parameters=1000,
        device_time=50.0,
        timings=Timings(0.001, 0.002, solve=5.0, update=0.003),
    )
    step = TimingModel().step(report)
    assert step.digital == pytest.approx(0.006)  # simulating the device is no part of it
    assert step.total == pytest.approx(0.006 + step.device.total)
    assert step.overlapped == max(step.digital, step.device.total)
    assert report.hardware == step
    assert report.scalars()["hardware/device"] == step.device.total
    assert StepReport(step=0, loss=1.0, data=64, rows=640).hardware is None
    assert any("16-bit" in line for line in step.assumptions)
    with pytest.raises(ValueError, match="digital"):
        TimingModel().step(StepReport(step=0, loss=1.0, data=64, rows=640))


@pytest.mark.parametrize("settings", [{"bits": 0}, {"bandwidth": 0.0}, {"time_constant": -1.0}, {"array": "sparse"}])
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        TimingModel(**settings)
