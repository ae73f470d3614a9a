"""Devices smaller than their problem: right answers of any size, certified; refused where blocks tell nothing of A."""

import mpmath as mp
import numpy as np
import pytest
import scipy.sparse
from helpers import spd
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

import thermolinalg as tla
from thermolinalg import Imperfections, LangevinDevice
from thermolinalg.devices import PCB2024, IntegratedCMOS, RemoteDevice, TiledDevice, by_coupling, contiguous
from thermolinalg.devices.partition import strengths_of, widened
from thermolinalg.hardware import INTEGRATED
from thermolinalg.testing import right_hand_sides, spd_matrices


def laplacian(n, dimensions=1):
    line = scipy.sparse.diags_array([-np.ones(n - 1), 2 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1])
    eye = scipy.sparse.eye_array(n)
    return scipy.sparse.csr_array(
        line if dimensions == 1 else scipy.sparse.kron(line, eye) + scipy.sparse.kron(eye, line)
    )


def exact(A, b):
    """The solution in fifty digits."""
    A = A.toarray() if scipy.sparse.issparse(A) else np.asarray(A)
    with mp.workdps(50):
        return np.array(
            [float(value) for value in mp.lu_solve(mp.matrix(A.tolist()), mp.matrix(np.asarray(b).tolist()))]
        )


SCALES = np.geomspace(1e-6, 1e6, 20)[np.random.default_rng(3).permutation(20)]
PROBLEMS = {
    "a line": laplacian(40),
    "a square": laplacian(7, dimensions=2),
    "dense": spd(30, 100.0),
    "dense, ill-conditioned": spd(24, 1e4),
    "rows scaled by 1e12": SCALES[:, None] * spd(20, 30.0) * SCALES,
    "a diagonal": np.diag(np.geomspace(1, 1e8, 12)),
    "two that are not coupled": scipy.sparse.csr_array(scipy.sparse.block_diag([laplacian(9), laplacian(4)])),
    "a hub": scipy.sparse.csr_array(
        np.eye(20)
        + 0.15 * (np.eye(20)[:, :1] == 0) * (np.arange(20) == 0)
        + 0.15 * ((np.eye(20)[:, :1] == 0) * (np.arange(20) == 0)).T
    ),
    "all of it fits": spd(8, 1e4),
    "a single unknown": np.array([[3.0]]),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_eight_cells_solve_any_size(name):
    A = PROBLEMS[name]
    d, b = A.shape[0], np.random.default_rng(1).standard_normal(A.shape[0])
    x, info = tla.solve(A, b, device=TiledDevice(LangevinDevice(), cells=8), rng=0, return_info=True)
    assert info.success
    truth = exact(A, b)
    assert np.linalg.norm((x - truth) * np.sqrt(A.diagonal())) < 2e-10 * np.linalg.norm(truth * np.sqrt(A.diagonal()))
    blocks = 1 if d <= 8 else info.ledger.programs // (info.n_runs + 1)
    assert info.ledger.runs >= blocks * info.n_runs
    assert ("blocks" in info.reason) == (d > 8)


DEVICES = {
    "eight bits": LangevinDevice(
        imperfections=Imperfections(matrix_bits=8, input_bits=8, output_bits=8, mismatch=0.01)
    ),
    "PCB": LangevinDevice(tla.Overdamped(1e-4), imperfections=PCB2024(die=1)),
    "CMOS": LangevinDevice(tla.Overdamped(1e-4), imperfections=IntegratedCMOS()),
    "underdamped": LangevinDevice(tla.Underdamped()),
    "time stepping": LangevinDevice(tla.EulerMaruyama(step_size=0.05)),
}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("A", [laplacian(30), spd(24, 1e4)], ids=["sparse", "dense, ill-conditioned"])
def test_imperfect_cells(name, A):
    b = np.random.default_rng(2).standard_normal(A.shape[0])
    x, info = tla.solve(A, b, device=TiledDevice(DEVICES[name], cells=8), rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(x - exact(A, b)) < 2e-10 * np.linalg.norm(x)


@given(st.data())
@settings(max_examples=12)
def test_any_cells_and_any_partition(data):
    A = data.draw(
        spd_matrices(2, 20, condition=1e3, structure=["dense", "laplacian", "toeplitz", "diagonal plus low rank"])
    )
    b = data.draw(right_hand_sides(A.shape[0], columns=2))
    cells = data.draw(st.integers(2, 9))
    device = TiledDevice(
        LangevinDevice(),
        cells,
        data.draw(st.integers(0, cells - 2)),
        data.draw(st.sampled_from([by_coupling, contiguous])),
    )
    x, info = tla.solve(A, b, device=device, rng=0, return_info=True)
    assert info.success
    assert np.all(np.linalg.norm(b - A @ x, axis=0) <= 1.01e-10 * np.linalg.norm(b, axis=0))


@pytest.mark.slow
def test_runs_hardly_grow_with_the_size():
    """The coarse problem, tiled itself, takes what is smooth over many blocks; without it runs would double."""
    runs = []
    for n in (8, 16):
        A, b = laplacian(n, dimensions=2), np.random.default_rng(0).standard_normal(n**2)
        info = tla.solve(A, b, device=TiledDevice(LangevinDevice(), cells=8), rng=0, return_info=True)[1]
        assert info.success
        runs.append(info.n_runs)
    assert runs[1] < 1.6 * runs[0]


def test_writes_and_runs_are_booked():
    A, b = laplacian(20), np.ones(20)
    device = TiledDevice(LangevinDevice(), cells=8, overlap=2, partition=contiguous)
    x, info = tla.solve(A, b, device=device, rng=0, return_info=True)
    ledger = info.ledger
    # 4 blocks of up to 8 unknowns and the coarse one of 4: written once to be known, then for each run.
    assert ledger.programs == 5 * (info.n_runs + 1)
    assert ledger.runs == 5 * info.n_runs
    sizes = [7, 8, 8, 3, 4]
    assert ledger.values_in == info.n_runs * sum(sizes)
    assert ledger.written == (info.n_runs + 1) * sum(size**2 for size in sizes)
    assert ledger.device_time == pytest.approx(info.device_time)
    assert ledger.device_time > 0
    assert INTEGRATED.bill(ledger).seconds >= ledger.device_time * INTEGRATED.time_constant.value
    again = tla.solve(A, b, device=device, rng=0)
    np.testing.assert_array_equal(x, again)


def test_columns_and_the_inverse():
    A, B = spd(14, 30.0), np.random.default_rng(0).standard_normal((14, 3))
    B[:, 1] = 0.0
    device = TiledDevice(LangevinDevice(), cells=5)
    X, info = tla.solve(A, B, device=device, rng=0, return_info=True)
    assert info.success
    assert not X[:, 1].any()
    np.testing.assert_allclose(X, np.linalg.solve(A, B), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(tla.inv(A, device=device, rng=0), np.linalg.inv(A), rtol=1e-7, atol=1e-8)


def test_the_error_bar_covers_the_error():
    A = laplacian(30)
    for seed in range(5):
        b = np.random.default_rng(seed).standard_normal(30)
        x, info = tla.solve(A, b, rtol=1e-4, device=TiledDevice(LangevinDevice(), cells=8), rng=seed, return_info=True)
        assert np.linalg.norm(x - exact(A, b)) < np.linalg.norm(info.standard_error)


def test_what_is_not_definite_goes_by_its_normal_equations():
    A = np.random.default_rng(0).standard_normal((12, 12)) / 4 + 2 * np.eye(12)
    for matrix in (A, A.T, -A @ A.T, np.diag([1.0, -1.0] * 6) + 0.1 * (A + A.T)):
        x, info = tla.solve(matrix, np.ones(12), device=TiledDevice(LangevinDevice(), cells=8), rng=0, return_info=True)
        assert info.success
        np.testing.assert_allclose(x, np.linalg.solve(matrix, np.ones(12)), rtol=1e-7)


def test_other_precisions():
    A = spd(16, 10.0)
    x, info = tla.solve(
        A.astype(np.float32), np.ones(16, np.float32), device=TiledDevice(LangevinDevice(), 5), rng=0, return_info=True
    )
    assert x.dtype == np.float32
    assert info.success
    hermitian = A + 0.1j * np.triu(np.ones((16, 16)), 1) - 0.1j * np.tril(np.ones((16, 16)), -1)
    x, info = tla.solve(hermitian, np.ones(16), device=TiledDevice(LangevinDevice(), 5), rng=0, return_info=True)
    assert info.success
    np.testing.assert_allclose(hermitian @ x, np.ones(16), atol=1e-8)


SINGULAR = laplacian(12).toarray()
SINGULAR[0, 0] = SINGULAR[-1, -1] = 1.0

REFUSED = {
    "one run": (
        lambda tiled, A: tla.solve(A, np.ones(12), refine=False, device=tiled),
        ValueError,
        "leave refine=True",
    ),
    "samples": (lambda tiled, A: tla.sample(A, 10, device=tiled), TypeError, "a device that holds all of A"),
    "variances": (lambda tiled, A: tla.inv_diagonal(A, device=tiled), TypeError, "a device that holds all of A"),
    "a determinant": (lambda tiled, A: tla.slogdet(A, device=tiled), TypeError, "such as LangevinDevice"),
    "singular": (lambda tiled, A: tla.solve(SINGULAR, np.ones(12), device=tiled), np.linalg.LinAlgError, "is singular"),
    "stable": (lambda tiled, A: tla.solve(A, np.ones(12), assume_a="stable", device=tiled), TypeError, "not"),
    "no cells": (lambda tiled, A: TiledDevice(LangevinDevice(), 1), ValueError, "pass cells of at least 2"),
    "all overlap": (lambda tiled, A: TiledDevice(LangevinDevice(), 4, 3), ValueError, "between 0 and cells - 2 = 2"),
    "a fraction": (lambda tiled, A: TiledDevice(LangevinDevice(), 4.5), (TypeError, ValueError), "cells"),
    "no device": (lambda tiled, A: TiledDevice(None, 4), TypeError, "method program"),
    "not symmetric": (lambda tiled, A: tiled.program(np.triu(A)), TypeError, "not"),
    "negative": (
        lambda tiled, A: tla.solve(A - 0.5 * np.eye(12), np.ones(12), assume_a="pos", device=tiled),
        np.linalg.LinAlgError,
        "not positive",
    ),
    "a map of many": (
        lambda tiled, A: tla.solve(
            LinearOperator((5000, 5000), lambda v: 2 * v, dtype=float), np.ones(5000), assume_a="pos", device=tiled
        ),
        ValueError,
        "pass it as an array or a sparse array",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, error, match = REFUSED[name]
    with pytest.raises(error, match=match):
        call(TiledDevice(LangevinDevice(), cells=4), spd(12, 10.0))


@pytest.mark.slow
def test_a_remote_chip_is_written_again_for_every_block():
    with RemoteDevice(LangevinDevice()) as chip:
        x, info = tla.solve(laplacian(10), np.ones(10), device=TiledDevice(chip, cells=6), rng=0, return_info=True)
    assert info.success
    np.testing.assert_allclose(laplacian(10) @ x, np.ones(10), atol=1e-9)
    assert info.ledger.programs > info.n_runs


@given(st.integers(1, 30), st.integers(1, 9), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_partitions_cover_everything_once(d, size, overlap, seed):
    rng = np.random.default_rng(seed)
    links = scipy.sparse.random_array((d, d), density=0.2, rng=rng)
    strengths = strengths_of(scipy.sparse.csr_array(links + links.T + 5 * scipy.sparse.eye_array(d)), 8)
    for partition in (by_coupling, contiguous):
        cores = partition(strengths, size)
        assert sorted(np.concatenate(cores)) == list(range(d))
        assert len(cores) == -(-d // size)
        for core in cores:
            block = widened(strengths, core, overlap)
            assert set(core) <= set(block)
            assert len(block) <= len(core) + overlap
            assert np.all(np.diff(block) > 0)


def test_strong_couplings_stay_together():
    order = np.random.default_rng(0).permutation(24)
    A = np.kron(np.eye(4), np.ones((6, 6))) + 0.01 * np.ones((24, 24)) + 6 * np.eye(24)
    for matrix in (A[np.ix_(order, order)], scipy.sparse.csr_array(A[np.ix_(order, order)])):
        cores = by_coupling(strengths_of(matrix, 8), 6)
        assert all(len(set(order[core] // 6)) == 1 for core in cores)
