"""Presets: every number with a source, and systems solved to the tolerance on every one of them."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import spd

import thermolinalg as tla
from thermolinalg import Imperfections, LangevinDevice
from thermolinalg.devices import PCB2024, Ideal, IntegratedCMOS, PaperTNGD, Pessimistic
from thermolinalg.testing import check_device

PRESETS = [Ideal, PaperTNGD, PCB2024, IntegratedCMOS, Pessimistic]
READ = ["temperature", "covariance", "autocovariance"]
SPREAD = ["mean", "variance", "stationarity", "warm start", "readings", "scaling", "timetable"]
BIASED = [*SPREAD, *READ, "singular", "spectrum", "readings along", "work"]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_number_has_a_source_and_survives_json(preset):
    made = preset(die=3)
    assert all(row.source or row.value == "unknown" for row in made.rows())
    for part in made.parts.values():
        stated = [getattr(part, name) for name in part.quantities() if part.known(name) != getattr(type(part), name)]
        assert all(hasattr(value, "source") for value in stated)
    again = Imperfections.from_json(made.to_json())
    assert again == made
    assert str(again) == str(made)
    assert replace(made, matrix_bits=4).couplings.bits == 4
    assert replace(made, matrix_bits=4).inputs == made.inputs


def test_the_paper_says_bits_and_nothing_else():
    lines = str(PaperTNGD()).splitlines()
    assert sum("16  " in line and "arXiv:2405.13817" in line for line in lines) == 3
    assert sum(line.endswith("unknown") for line in lines) == len(lines) - 4


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("condition", [3.0, 100.0])
def test_systems_are_solved_to_the_tolerance(preset, condition):
    A, b = spd(16, condition), np.random.default_rng(0).standard_normal(16)
    for die in range(3):
        device = LangevinDevice(imperfections=preset(die=die), law=tla.Overdamped(1e-4))
        x, info = tla.solve(A, b, device=device, rng=0, return_info=True)
        assert info.success
        assert np.linalg.norm(b - A @ x) <= 1e-10 * np.linalg.norm(b)


@pytest.mark.parametrize("preset", [Ideal, PaperTNGD, PCB2024, IntegratedCMOS])
def test_they_do_what_a_device_must_but_for_their_bias(preset):
    law = tla.Overdamped(0.1)
    passed = check_device(LangevinDevice(law, imperfections=preset(die=0)), temperature=0.1, skip=BIASED)
    assert {"protocol", "error bars", "noise", "ledger", "inputs"} <= set(passed)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_singular_matrix_is_refused_although_its_copy_may_not_be(preset):
    with pytest.raises(np.linalg.LinAlgError, match="A is singular to working precision"):
        tla.solve(np.ones((2, 2)), np.ones(2), device=LangevinDevice(imperfections=preset(die=0)), rng=0)


def test_too_few_runs_ask_for_more():
    A, far = spd(40, 10.0), LangevinDevice(imperfections=Imperfections(mismatch=0.9, die=1))
    with pytest.warns(tla.ThermodynamicWarning, match=r"in 4 runs of the device; pass .*, or a larger maxiter="):
        tla.solve(A, np.ones(40), device=far, rng=0, maxiter=4)
    assert tla.solve(A, np.ones(40), device=far, rng=0, return_info=True)[1].success


@pytest.mark.slow
def test_many_short_steps_are_progress_and_what_stagnates_says_why():
    """On devices whose copy of A has another spectrum residuals fall by a tenth a run, or hardly."""
    X = np.random.default_rng(1000).standard_normal((1000, 2000))
    A, b = X @ X.T / 2000, np.random.default_rng(1).standard_normal(1000)
    better, worse = (LangevinDevice(imperfections=Pessimistic(die=1, **bits)) for bits in ({"matrix_bits": 10}, {}))
    x, info = tla.solve(A, b, device=better, rng=0, return_info=True)
    assert info.success
    assert info.n_runs > 60
    assert np.linalg.norm(b - A @ x) <= 1e-10 * np.linalg.norm(b)
    with pytest.warns(tla.ThermodynamicWarning, match=r"last \d+ gained little: .* off by 0\.\d+, .* 1/κ, 0\.03;"):
        _, info = tla.solve(A, b, device=worse, rng=0, return_info=True)
    assert "device=None" in info.message
    assert "maxiter" not in info.message
