"""The error budget of a raw run against its true error, over many seeds."""

import pickle

import numpy as np
import pytest
from helpers import general, spd

import thermolinalg as tla
from thermolinalg import Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import PCB2024, Calibrated, Converter, Couplings, Ensemble, LatticeDevice
from thermolinalg.estimation.budget import Budget

SEEDS = 25
COLD = Overdamped(1e-10)
CAUSED = {
    "matrix": Imperfections(matrix_bits=8),
    "inputs": Imperfections(input_bits=7),
    "outputs": Imperfections(output_bits=7),
    "mismatch": Imperfections(mismatch=0.01),
    "offset": Imperfections(offset=0.01),
    "drift": Imperfections(couplings=Couplings(drift=0.01, age=10.0)),
}


def ratio(device, rtol=1e-4, schedule=None, seeds=SEEDS):
    """Root mean square of the true error over that of the budget; and the budgets."""
    squares, budgets = [], []
    for seed in range(seeds):
        A, b = spd(10, 8.0, seed), np.random.default_rng(seed).standard_normal(10)
        x, info = tla.solve(A, b, refine=False, rtol=rtol, device=device, rng=seed, schedule=schedule, return_info=True)
        budgets.append(info.budget)
        squares.append(np.mean((x - np.linalg.solve(A, b)) ** 2) / np.mean(info.budget.total**2))
    return np.mean(squares) ** 0.5, budgets


@pytest.mark.parametrize("cause", CAUSED)
def test_each_cause_is_named_and_as_large_as_the_error(cause):
    found, budgets = ratio(LangevinDevice(COLD, imperfections=CAUSED[cause]))
    assert 0.6 < found < 1.5
    for budget in budgets:
        assert np.linalg.norm(budget[cause]) > 0.9 * np.linalg.norm(budget.total)


def test_all_causes_together_add_up():
    worn = Imperfections(matrix_bits=9, mismatch=0.005, offset=0.005, input_bits=9, output_bits=9)
    found, budgets = ratio(LangevinDevice(Overdamped(1e-4), imperfections=worn), rtol=1e-2)
    assert 0.6 < found < 1.5
    for budget in budgets:
        squares = sum(np.asarray(part) ** 2 for part in budget.parts.values())
        np.testing.assert_allclose(budget.total, squares**0.5)


REFINED = {
    "ideal": LangevinDevice(),
    "mismatch": LangevinDevice(imperfections=Imperfections(mismatch=0.01)),
    "few bits": LangevinDevice(imperfections=Imperfections(matrix_bits=4, input_bits=8, output_bits=8)),
    "unequal": LangevinDevice(imperfections=PCB2024()),
}


@pytest.mark.parametrize("device", REFINED.values(), ids=REFINED)
def test_a_refined_answer_knows_what_its_residual_leaves(device):
    squares, seeds = [], 4
    for seed in range(seeds):
        A, b = spd(10, 8.0, seed), np.random.default_rng(seed).standard_normal((10, 2))
        x, info = tla.solve(A, b, rtol=1e-5, device=device, rng=seed, return_info=True)
        assert set(info.budget.parts) == {"residual", "rounding"}
        assert info.budget.total.shape == x.shape
        squares.append(np.mean((x - np.linalg.solve(A, b)) ** 2) / np.mean(info.budget.total**2))
    # A bound where the copy is too far off to tell the error.
    assert (0.2 if device in (REFINED["ideal"], REFINED["mismatch"]) else 0.03) < np.mean(squares) ** 0.5 < 2.0


def test_columns_that_no_run_has_reached_have_no_bound(monkeypatch):
    def stop(intermediate_result):
        raise StopIteration

    monkeypatch.setattr("thermolinalg.primitives.solver.COLUMNS", 2)
    _, info = tla.inv(spd(6, 8.0), rng=0, callback=stop, return_info=True)
    np.testing.assert_array_equal(np.isfinite(info.budget.total), np.tile(np.arange(6) < 2, (6, 1)))


def test_noise_and_burn_in():
    found, _ = ratio(LangevinDevice(), rtol=0.05)
    assert 0.7 < found < 1.3
    found, budgets = ratio(LangevinDevice(Overdamped(1e-12)), schedule=Schedule(burn_in=20.0, duration=0.1))
    assert found < 1.0
    assert budgets[0]["burn_in"].max() > 100 * budgets[0]["thermal"].max()


@pytest.mark.parametrize(
    "device",
    [
        Ensemble(LangevinDevice(COLD, imperfections=Imperfections(matrix_bits=8)), 16),
        Ensemble(LangevinDevice(COLD, imperfections=Imperfections(matrix_bits=8)), 16, "stochastic"),
        Ensemble(LangevinDevice(COLD, imperfections=Imperfections(matrix_bits=8, mismatch=0.005)), 16),
        Calibrated(LangevinDevice(COLD, imperfections=Imperfections(mismatch=0.02, output_bits=10))),
    ],
    ids=["dither", "stochastic", "mismatch stays", "calibrated"],
)
def test_what_mitigation_leaves(device):
    found, budgets = ratio(device)
    assert 0.4 < found < 2.0
    assert all(np.any(budget["mitigation"] > 0) for budget in budgets)


def test_what_is_unknown_is_none_with_a_reason():
    stuck = LangevinDevice(COLD, imperfections=Imperfections(couplings=Couplings(stuck_off=0.01), die=1))
    _, info = tla.solve(spd(6), np.ones(6), device=stuck, refine=False, rng=0, return_info=True)
    assert info.budget["matrix"] is None
    assert info.budget.total is None
    assert "does not tell" in info.budget.reasons["matrix"]
    assert "unknown: " in str(info.budget)
    low = LangevinDevice(Overdamped(1e-6), tla.AsWritten(), Imperfections(outputs=Converter(full_scale=0.5)))
    _, info = tla.solve(np.eye(3), np.ones(3), device=low, refine=False, rng=0, return_info=True)
    assert info.budget["clipping"] is None
    assert "clipped" in info.budget.reasons["clipping"]


def test_a_lattice_walk_errs_by_its_noise():
    found, budgets = ratio(LatticeDevice(), rtol=0.05, seeds=15)
    assert 0.7 < found < 1.3
    assert budgets[0]["drift"].max() == 0


def test_every_shape_and_way_has_one():
    device = LangevinDevice(COLD, imperfections=Imperfections(mismatch=0.01))
    A, b = general(np.geomspace(0.3, 1, 4)), np.ones((4, 2))
    for matrix, load in ((A, b), (spd(4), b[:, 0]), (spd(4) + 0j, b * 1j)):
        x, info = tla.solve(matrix, load, device=device, refine=False, rng=0, return_info=True)
        assert info.budget.total.shape == x.shape
        assert str(pickle.loads(pickle.dumps(info)).budget) == str(info.budget)


def test_columns_side_by_side():
    one, other = Budget({"a": np.ones((2, 1)), "b": None}, {"b": "why"}), Budget({"a": np.ones((2, 3)), "b": None})
    both = Budget.side_by_side([one, other])
    assert both["a"].shape == (2, 4)
    assert both["b"] is None
    assert both.reasons == {"b": "why"}
