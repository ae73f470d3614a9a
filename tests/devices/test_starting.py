"""Prepared starts: the slow modes where they settle, what that saves, and that nothing slow is passed over."""

import numpy as np
import pytest
import scipy.sparse
from helpers import grid_laplacian, rotated, spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import Capacitors, PreparedStart
from thermolinalg.testing import check_device

SLOW = np.array([0.01, 0.02, *np.geomspace(1.0, 4.0, 38)])
A = rotated(SLOW)
B = np.random.default_rng(1).standard_normal((40, 3))
STILL = LangevinDevice(Overdamped(0.0), AsWritten())


def test_a_run_is_the_exact_law_from_the_start():
    program = PreparedStart(STILL, modes=2).program(A)
    burn_in, duration = 0.7, 3.0
    drawn = program.average(B, Schedule(burn_in, duration), rng=np.random.default_rng(0)).value
    values, vectors = np.linalg.eigh(A)
    slow = vectors[:, :2]
    begin = slow @ (slow.T @ B / values[:2, None])
    np.testing.assert_allclose(program.begin(B), begin, atol=1e-7 * np.abs(begin).max())
    kept = np.exp(-values * burn_in) * -np.expm1(-values * duration) / (values * duration)
    settled = np.linalg.solve(A, B)
    expected = settled - vectors @ (kept[:, None] * (vectors.T @ (settled - begin)))
    np.testing.assert_allclose(drawn, expected, atol=1e-6 * np.abs(settled).max())


@pytest.mark.parametrize("modes", [1, 2, 3])
def test_the_burn_in_is_that_of_the_first_mode_not_prepared(modes):
    start = PreparedStart(STILL, modes).program(A).start
    assert start.modes == min(modes, 2) or start.gain > 99
    assert start.gain == pytest.approx(SLOW[modes] / SLOW[0], rel=0.05)


@pytest.mark.parametrize("iterations", [3, 10, 30, 100])
def test_what_is_left_of_the_slow_modes_is_below_what_is_told(iterations):
    A = rotated(np.array([0.01, 0.02, *np.linspace(0.2, 4.0, 118)]))
    program = PreparedStart(STILL, 2, iterations).program(A)
    vectors = np.linalg.eigh(A)[1][:, :2]
    b = np.random.default_rng(3).standard_normal((120, 1))
    settled = np.linalg.solve(A, b)
    away = vectors.T @ (settled - (program.begin(b) if program.start.modes else 0 * b))
    assert np.abs(away).max() <= 1.5 * max(program.start.left, 1e-9) * np.linalg.norm(b) / SLOW[0]
    run = program.average(b, Schedule(program.start.burn_in, 1e-3), rng=np.random.default_rng(0)).value
    assert np.linalg.norm(run - settled) <= 2e-7 * np.linalg.norm(b) / SLOW[0]


def test_more_steps_of_the_search_save_more():
    A = rotated(np.array([0.01, 0.02, *np.linspace(0.2, 4.0, 118)]))
    gains = [PreparedStart(STILL, 2, n).program(A).start.gain for n in (1, 30, 100)]
    assert gains[0] == 1.0
    assert 1.0 < gains[1] < gains[2]
    assert gains[2] == pytest.approx(20.0, rel=0.1)


def test_modes_of_equal_eigenvalue_are_all_found():
    grid = grid_laplacian(20, 0.0)
    path = 2 - 2 * np.cos(np.pi * np.arange(1, 21) / 21)
    exact = np.sort(np.add.outer(path, path).ravel())
    for modes in (1, 2, 3):  # the second and third are equal, so that two cannot be told apart from three
        start = PreparedStart(LangevinDevice(loading=AsWritten()), modes, 400).program(grid).start
        prepared = {1: 1, 2: 1, 3: 3}[modes]
        assert start.modes == prepared
        assert start.gain == pytest.approx(exact[prepared] / exact[0], rel=0.05)


def test_a_basis_may_be_given_in_any_coordinates():
    rng, V = np.random.default_rng(0), np.linalg.eigh(A)[1][:, :2]
    mixed = V @ rng.standard_normal((2, 2)) * 1e6
    program = PreparedStart(STILL, mixed).program(A)
    assert program.start.modes == 2
    np.testing.assert_allclose(program.begin(B), V @ (V.T @ B / SLOW[:2, None]), atol=1e-6)


def test_a_mode_that_is_not_found_yet_promises_nothing():
    A = scipy.sparse.diags_array(np.array([0.01, 0.02, *np.linspace(0.6, 1.4, 800)]), format="csr")
    slowest = np.eye(802, 1)
    for iterations in (1, 2, 5, 100):
        gain = PreparedStart(STILL, slowest, iterations).program(A).start.gain
        assert 1.0 <= gain < 2.1


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("refine", [True, False])
def test_solves_report_what_was_saved(scale, refine):
    d = scale ** (np.arange(40) % 3 / 2)
    matrix = d[:, None] * A * d
    options = {"rng": 0, "refine": refine, "return_info": True}
    x, info = tla.solve(matrix, B[:, 0], device=PreparedStart(LangevinDevice(), 2), **options)
    _, plain = tla.solve(matrix, B[:, 0], **options)
    assert info.success
    assert info.start.gain > 30
    assert info.schedule.burn_in == pytest.approx(plain.schedule.burn_in / info.start.gain)
    assert info.start.products > 0
    assert info.ledger.values_in == 2 * plain.ledger.values_in * info.n_runs / plain.n_runs
    assert "slow modes start where they settle" in info.reason
    if refine:
        np.testing.assert_allclose(d * x, np.linalg.solve(A, B[:, 0] / d), rtol=1e-6)
    else:
        assert info.systematic is not None
        assert np.linalg.norm(info.budget["burn_in"]) <= 2e-6 * np.linalg.norm(x)
        assert (abs(x - np.linalg.solve(matrix, B[:, 0])) < 6 * info.standard_error).all()


def test_an_imperfect_copy_settles_elsewhere_and_saves_less():
    for part in ({"mismatch": 1e-6}, {"capacitors": Capacitors(mismatch=1e-6)}):
        device = PreparedStart(LangevinDevice(imperfections=Imperfections(**part)), 2)
        info = tla.solve(A, B[:, 0], device=device, rng=0, return_info=True)[1]
        assert info.success
        assert 1.0 < info.start.gain < 4.0
    rough = PreparedStart(LangevinDevice(imperfections=Imperfections(mismatch=0.01)), 2)
    assert rough.program(A, rng=0).start.gain == 1.0


@pytest.mark.slow
def test_it_is_a_device_like_others():
    passed = check_device(PreparedStart(LangevinDevice(), 1), skip=("timetable",))
    assert {"mean", "error bars", "noise", "warm start"} <= set(passed)
    grid = grid_laplacian(30, 0.01)
    prepared = tla.program(grid, device=PreparedStart(LangevinDevice(), 3), rng=0)
    for seed in range(2):
        b = np.random.default_rng(seed).standard_normal(900)
        np.testing.assert_allclose(grid @ prepared.solve(b), b, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"modes": 0}, "modes must be"),
        ({"iterations": 0}, "iterations must be"),
        ({"modes": np.ones((3, 2))}, "independent columns"),
        ({"modes": np.ones((3, 1, 1))}, "modes"),
        ({"modes": 1j * np.eye(3)}, "real independent columns"),
        ({"modes": np.full((3, 1), np.nan)}, "modes contains NaN"),
    ],
)
def test_bad_modes_are_refused(options, match):
    with pytest.raises((ValueError, TypeError), match=match):
        PreparedStart(LangevinDevice(), **options)


def test_what_has_no_slow_modes_is_refused():
    with pytest.raises(ValueError, match="modes has 3 rows, and A has 5"):
        PreparedStart(LangevinDevice(), np.eye(3)).program(spd(5))
    with pytest.raises(TypeError, match="leave PreparedStart out"):
        PreparedStart(LangevinDevice()).program(np.triu(np.ones((4, 4))))


def test_general_matrices_are_prepared_in_their_normal_operator():
    options = {"device": PreparedStart(LangevinDevice(), 1), "rng": 0, "return_info": True}
    x, info = tla.solve(np.triu(np.ones((4, 4))), np.ones(4), **options)
    np.testing.assert_allclose(x, [0, 0, 0, 1], atol=1e-8)
    assert info.start.modes == 1


def test_a_plan_counts_the_search_as_work_of_the_host():
    grid = grid_laplacian(12, 0.01)
    plain, prepared = (
        tla.plan(grid, rtol=1e-3, device=device).refined
        for device in (LangevinDevice(), PreparedStart(LangevinDevice(), 3))
    )
    start = PreparedStart(LangevinDevice(), 3).program(grid).start
    assert prepared.host_operations - plain.host_operations == 2 * grid.nnz * start.products
    assert prepared.ledger.device_time < plain.ledger.device_time
