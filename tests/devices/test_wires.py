"""Wires whose resistance makes an element depend on its place: the mesh, its first order, and devices on it."""

import numpy as np
import pytest
import scipy.sparse
from helpers import spd
from hypothesis import given
from hypothesis import strategies as st

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped
from thermolinalg.devices import Calibrated, Couplings, TiledDevice
from thermolinalg.devices.imperfections.wires import first_order_drop, wired
from thermolinalg.testing import check_device


def meshed(G, r):
    """The same by nodal analysis of every resistor of both arrays."""
    d, top = len(G), abs(G).max()
    nodes = np.arange(2 * d * d).reshape(2, d, d)
    seen = np.zeros((d, d))
    for sign in (1, -1):
        Y, drive = np.zeros((2 * d * d, 2 * d * d)), np.zeros((2 * d * d, d))

        def resistor(a, b, conductance, Y=Y):
            Y[a, a] += conductance
            if b is not None:
                Y[b, b] += conductance
                Y[a, b] -= conductance
                Y[b, a] -= conductance

        for i in range(d):
            for j in range(d):
                resistor(nodes[0, i, j], nodes[1, i, j], max(sign * G[i, j], 0.0) / top)
                resistor(nodes[0, i, j], nodes[0, i - 1, j] if i else None, 1 / r)
                resistor(nodes[1, i, j], nodes[1, i, j - 1] if j else None, 1 / r)
        drive[nodes[0, 0], range(d)] = 1 / r
        seen += sign * top * np.linalg.solve(Y, drive)[nodes[1, :, 0]] / r
    return seen


@given(d=st.integers(1, 5), r=st.floats(1e-4, 10.0), seed=st.integers(0, 99), scale=st.sampled_from([1e-12, 1.0, 1e12]))
def test_what_an_array_comes_to_is_that_of_its_mesh(d, r, seed, scale):
    G = scale * np.random.default_rng(seed).standard_normal((d, d))
    np.testing.assert_allclose(wired(G, r), meshed(G, r), rtol=1e-9, atol=1e-12 * scale)
    S = G + G.T
    np.testing.assert_array_equal(wired(S, r), wired(S, r).T)


def test_the_first_order_is_that_of_short_wires():
    G = np.random.default_rng(0).standard_normal((7, 7))
    for r in (1e-3, 1e-5, 1e-12):
        missed = abs(G - wired(G, r) - first_order_drop(G, r)).max()
        assert missed < 5000 * r**2 + 1e-13
    assert abs(first_order_drop(G, 1e-3)).max() > 1e-3
    # An element by itself has its own two ways, (1 + 1) r at the corner and (2 + 3) r elsewhere.
    alone = np.zeros((4, 4))
    alone[1, 2] = 2.0
    np.testing.assert_allclose(wired(alone, 0.1)[1, 2], 2.0 / (1 + 0.5))
    np.testing.assert_allclose(wired(np.array([[-3.0]]), 0.1), [[-3.0 / 1.2]])


def test_nothing_is_nothing():
    np.testing.assert_array_equal(wired(np.zeros((2, 2)), 0.1), 0.0)
    np.testing.assert_array_equal(first_order_drop(np.zeros((2, 2)), 0.1), 0.0)
    assert wired(np.zeros((0, 0)), 0.1).shape == (0, 0)
    assert wired(np.eye(2, dtype=np.float32), 0.1).dtype == np.float32


def far(resistance, **others):
    return LangevinDevice(
        Overdamped(1e-10), imperfections=Imperfections(couplings=Couplings(wire_resistance=resistance, **others))
    )


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_a_device_holds_the_mesh(form):
    A = spd(6)
    device = LangevinDevice(Overdamped(0.0), AsWritten(), far(0.01).imperfections)
    program = device.program(form(A), rng=0)
    np.testing.assert_allclose(program.effective.dense(), meshed(A, 0.01))
    x = program.settle(np.ones((6, 1)), np.inf, rng=np.random.default_rng(0)).value[:, 0]
    np.testing.assert_allclose(x, np.linalg.solve(meshed(A, 0.01), np.ones(6)))
    assert program.distortion == pytest.approx(np.linalg.norm(meshed(A, 0.01) - A) / np.linalg.norm(A))


@pytest.mark.parametrize("others", [{}, {"mismatch": 0.01, "bits": 8}, {"mismatch": 0.01, "symmetric": False}])
def test_systems_are_solved_to_the_tolerance(others):
    for A in (spd(12, 100.0), -spd(5), np.triu(np.ones((5, 5)))):
        x, info = tla.solve(A, np.ones(len(A)), device=far(2e-3, **others), rng=0, return_info=True)
        assert info.success
        assert np.linalg.norm(A @ x - 1) < 1e-9


@pytest.mark.parametrize(("resistance", "others"), [(1e-4, {}), (1e-3, {}), (1e-3, {"drift": 0.01, "age": 10.0})])
def test_a_raw_run_knows_what_wires_take(resistance, others):
    ratios = []
    for seed in range(8):
        A, b = spd(8, 8.0, seed), np.random.default_rng(seed).standard_normal(8)
        x, info = tla.solve(A, b, refine=False, device=far(resistance, **others), rtol=1e-4, rng=seed, return_info=True)
        error = x - np.linalg.solve(A, b)
        ratios.append(np.linalg.norm(error) / np.linalg.norm(info.budget["drift"]))
        assert np.linalg.norm(error) <= 1.2 * np.linalg.norm(info.budget.total)
    np.testing.assert_allclose(ratios, 1.0, rtol=0.15)


def test_long_wires_are_no_success_of_a_raw_run():
    A, b = spd(24, 1e3), np.random.default_rng(1).standard_normal(24)
    with pytest.warns(tla.ThermodynamicWarning, match="not healthy"):
        _, info = tla.solve(A, b, refine=False, device=far(0.02), rng=0, return_info=True)
    assert not info.success
    assert info.systematic is None


def test_calibration_finds_them_and_tiles_shorten_them():
    A, b = spd(10, 10.0), np.ones(10)

    def error(device):
        x, _ = tla.solve(A, b, refine=False, device=device, rtol=1e-6, rng=0, return_info=True)
        return np.linalg.norm(x - np.linalg.solve(A, b))

    assert error(Calibrated(far(1e-3))) < 0.02 * error(far(1e-3))
    with pytest.raises(ValueError, match="up to 256 nodes"):
        far(1e-3).program(scipy.sparse.eye_array(300, format="csr"))
    line = 3.0 * np.eye(16) - np.eye(16, k=1) - np.eye(16, k=-1)
    x, info = tla.solve(line, np.ones(16), rtol=1e-6, device=TiledDevice(far(1e-3), cells=8), rng=0, return_info=True)
    assert info.success
    np.testing.assert_allclose(line @ x, 1.0, atol=1e-4)


@pytest.mark.slow
def test_short_wires_make_the_ideal_device():
    # The copy of a singular matrix is none.
    device = LangevinDevice(imperfections=far(1e-7).imperfections)
    assert {"mean", "variance", "readings along"} <= set(check_device(device, skip=["singular", "spectrum"]))


def test_that_a_matrix_is_singular_is_judged_by_itself():
    with pytest.raises(np.linalg.LinAlgError, match="A is singular to working precision"):
        tla.solve(np.ones((2, 2)), np.ones(2), device=far(1e-3), rng=0)
