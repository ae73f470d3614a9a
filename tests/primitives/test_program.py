"""A prepared device: written once, asked often, with the answers of single calls."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from cases import cases, grid
from helpers import spd
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla
from thermolinalg._arrays import to_numpy

RNG = np.random.default_rng(6)
GENERAL = RNG.standard_normal((9, 9))
MATRICES = {
    "definite": spd(9),
    "negative": -spd(9),
    "general": GENERAL,
    "indefinite": GENERAL + GENERAL.T,
    "graded": np.geomspace(1e-8, 1e8, 9)[:, None] * spd(9) * np.geomspace(1e-8, 1e8, 9),
    "extreme": 1e-290 * spd(9),
    "sparse": grid(3, 0.5),
    "matrix-free": aslinearoperator(spd(9)),
    "complex": GENERAL + 1j * GENERAL.T,
}


def array(A):
    return A.toarray() if scipy.sparse.issparse(A) else np.asarray(A @ np.eye(9))


@pytest.mark.parametrize("name", MATRICES)
def test_calls_are_those_of_solve_and_inv(name):
    A = MATRICES[name]
    device, dense = tla.program(A, rng=0), array(A)
    size = 1 / np.linalg.norm(dense, 2)
    for b in (np.ones(9), RNG.standard_normal((9, 4)), RNG.standard_normal(9) + 1j * RNG.standard_normal(9)):
        x, info = device.solve(size**-1 * b, return_info=True)
        assert info.success
        assert x.shape == b.shape
        rounding = 1e-15 * (abs(dense) @ abs(x))
        assert np.all(abs(dense @ x - size**-1 * b) <= 1e-9 * size**-1 * np.linalg.norm(b) + rounding)
        alone, told = tla.solve(A, size**-1 * b, rng=1, return_info=True)
        np.testing.assert_allclose(x, alone, rtol=1e-5, atol=1e-7 * abs(alone).max())
        assert told.reason.lower() == info.reason.lower()
    inverse, info = device.inv(return_info=True)
    assert info.success
    assert np.linalg.norm(inverse @ dense - np.eye(9)) <= 1e-8 * np.linalg.cond(dense)
    rounding = 1e-15 * np.linalg.norm(abs(dense) @ abs(inverse), axis=0)
    norms = np.linalg.norm(dense @ inverse - np.eye(9), axis=0)
    assert np.all(abs(info.residual_norm - norms) <= 1e-9 + rounding)
    assert info.residual_norm.shape == (9,)
    assert device.shape == A.shape


@pytest.mark.parametrize("case", cases("spd", without="ill-conditioned"))
def test_every_form_of_a_matrix(case):
    A, dense = case.make(), case.dense()
    device = tla.program(A, rng=0)
    b = case.array(np.arange(1.0, len(dense) + 1).astype(dense.real.dtype))
    x = device.solve(b)
    eps = np.finfo(dense.dtype).eps
    assert np.linalg.norm(dense @ to_numpy(x) - to_numpy(b)) <= 1e4 * eps**0.7 * np.linalg.norm(to_numpy(b))
    assert type(x) is type(b) or case.name == "torch low rank"


def test_it_is_written_once_and_its_ledger_runs_on():
    written = []

    class Counting(tla.LangevinDevice):
        def program(self, A, *, rng=None):
            written.append(A)
            return super().program(A, rng=rng)

    device = tla.program(spd(9), device=Counting(), rng=0)
    runs = []
    for _ in range(4):
        device.solve(np.ones(9))
        runs.append(device.ledger.runs)
    device.inv()
    assert len(written) == 1
    assert runs == sorted(set(runs))
    assert device.ledger.runs >= runs[-1] + 9
    assert device.ledger.programs == 1


def test_randomness_is_the_devices_own_or_the_calls():
    raw = {"refine": False, "rtol": 0.1}
    b = np.ones(9)
    first, again = tla.program(spd(9), rng=5), tla.program(spd(9), rng=5)
    one, two = first.solve(b, **raw), first.solve(b, **raw)
    assert np.all(one != two)
    np.testing.assert_array_equal(again.solve(b, **raw), one)
    np.testing.assert_array_equal(again.solve(b, **raw), two)
    np.testing.assert_array_equal(first.solve(b, rng=3, **raw), again.solve(b, rng=3, **raw))
    np.testing.assert_array_equal(tla.solve(spd(9), b, rng=5, **raw), one)


@pytest.mark.parametrize("name", ["definite", "general"])
def test_raw_runs_have_honest_bars(name):
    A = MATRICES[name]
    device, b = tla.program(A, rng=0), np.ones(9)
    truth, inside = np.linalg.solve(A, b), 0
    for _ in range(100):
        x, info = device.solve(b, refine=False, rtol=0.05, return_info=True)
        inside += np.count_nonzero(abs(x - truth) <= 2.037 * info.standard_error)
    # Soft modes are shared by the entries: between 100 and 900 independent trials.
    assert 0.9 <= inside / 900 <= 0.995


def test_a_raw_embedding_is_written_for_its_tolerance_and_kept():
    """A single run needs a smaller α than a refinement, the smaller the less bias is allowed."""
    device = tla.program(GENERAL, rng=0)
    for rtol in (1e-1, 1e-3):
        x, info = device.solve(np.ones(9), refine=False, rtol=rtol, return_info=True)
        bias = info.systematic.max() / np.linalg.norm(x)
        assert bias == pytest.approx(0.025 * rtol / 3, rel=0.3)  # in balanced units
        again = device.solve(np.ones(9), refine=False, rtol=rtol, return_info=True)[1]
        assert again.ledger is info.ledger
    assert device.solve(np.ones(9), return_info=True)[1].success


def test_columns_are_refined_block_by_block(monkeypatch):
    monkeypatch.setattr("thermolinalg.primitives.solver.COLUMNS", 4)
    device = tla.program(spd(9, 1e4), rng=0)
    inverse, info = device.inv(return_info=True)
    assert info.success
    np.testing.assert_allclose(inverse @ spd(9, 1e4), np.eye(9), atol=1e-6)
    assert info.residual_norm.shape == info.backward_error.shape == (9,)
    assert info.device_time == device.ledger.device_time
    for part in (info.noise, info.rounding, info.systematic, info.standard_error):
        assert part.shape == (9, 9)
    np.testing.assert_allclose(info.standard_error, info.noise + info.rounding + info.systematic)
    whole = tla.program(spd(9, 1e4), rng=0).solve(np.eye(9), return_info=True)[1]
    assert info.n_runs > whole.n_runs


def test_the_worst_block_is_the_one_that_is_told(monkeypatch):
    monkeypatch.setattr("thermolinalg.primitives.solver.COLUMNS", 4)
    device = tla.program(spd(9, 1e4), rng=0)
    with pytest.warns(tla.ThermodynamicWarning, match="did not reach"):
        _, info = device.inv(rtol=1e-12, maxiter=1, return_info=True)
    assert not info.success
    assert info.status == 1
    assert info.n_runs == 3


@pytest.mark.parametrize("name", ["definite", "general"])
def test_another_matrix_on_the_same_device(name):
    device = tla.program(MATRICES[name], rng=0)
    device.solve(np.ones(9))
    before = device.ledger.device_time
    other = spd(9, seed=3) if name == "definite" else RNG.standard_normal((9, 9))
    assert device.update(other) is device
    x = device.solve(np.ones(9))
    np.testing.assert_allclose(other @ x, np.ones(9), atol=1e-8)
    assert device.ledger.device_time > before
    assert device.ledger.programs >= 2
    device.update(spd(4))
    assert device.shape == (4, 4)
    np.testing.assert_allclose(device.solve(np.ones(4)), np.linalg.solve(spd(4), np.ones(4)), rtol=1e-8)


@pytest.mark.filterwarnings("ignore:the device is not healthy")  # a bar of first order does not hold so much
def test_it_pickles_with_its_imperfections():
    rough = tla.LangevinDevice(imperfections=tla.Imperfections(mismatch=0.05))
    device = tla.program(spd(9), device=rough, rng=0)
    b, raw = np.ones(9), {"refine": False, "schedule": tla.Schedule(1e4, 1e12)}
    x = device.solve(b, **raw)
    copy = pickle.loads(pickle.dumps(device))
    np.testing.assert_allclose(copy.solve(b, **raw), x, rtol=1e-3)
    other = tla.program(spd(9), device=rough, rng=1).solve(b, **raw)
    assert abs(other - x).max() > 1e-2 * abs(x).max()
    np.testing.assert_allclose(copy.solve(b), np.linalg.solve(spd(9), b), rtol=1e-7)


def test_it_says_what_it_is():
    device = tla.program(GENERAL, rng=0)
    assert repr(device).startswith("<9x9 dense matrix for LangevinDevice(")
    device.solve(np.ones(9))
    assert "9x9 dense matrix, held as embedded" in repr(device)
    assert f"{device.ledger.runs} runs" in repr(device)


def test_empty_systems():
    device = tla.program(np.ones((0, 0)), rng=0)
    assert device.solve(np.ones((0, 2))).shape == (0, 2)
    assert device.inv().shape == (0, 0)
    assert tla.program(spd(3), rng=0).solve(np.ones((3, 0))).shape == (3, 0)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: tla.program(np.ones((2, 3))), ValueError, "square"),
        (lambda: tla.program(np.full((2, 2), np.nan)), ValueError, "NaN"),
        (lambda: tla.program(np.array([[None]])), TypeError, "dtype"),
        (lambda: tla.program(spd(3), device=7), TypeError, "device must"),
        (lambda: tla.program(spd(3)).solve(np.ones(4)), ValueError, "rows"),
        (lambda: tla.program(spd(3)).solve(np.ones(3), rtol=1.0), ValueError, "rtol must be below 1"),
        (lambda: tla.program(spd(3)).solve(np.ones(3), rtol=-1.0), ValueError, "rtol must not be negative"),
        (lambda: tla.program(spd(3)).solve(np.ones(3), atol=np.nan), ValueError, "atol must be finite"),
        (lambda: tla.program(spd(3)).solve(np.ones(3), rtol=0.0, refine=False), ValueError, "rtol must be positive"),
        (lambda: tla.program(spd(3)).solve(np.ones(3), maxiter=0), ValueError, "maxiter must be at least 1"),
        (lambda: tla.program(spd(3)).solve([np.inf, 1, 1]), ValueError, "infinity"),
        (lambda: tla.program(np.ones((3, 3))).solve(np.ones(3)), np.linalg.LinAlgError, "singular"),
        (lambda: tla.program(-spd(3), assume_a="pos").solve(np.ones(3)), np.linalg.LinAlgError, "not positive"),
    ],
)
def test_bad_input(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


def test_shifts_that_are_anticipated_share_one_decomposition():
    A, b = spd(140, 100.0), np.ones(140)
    plain, prepared = tla.program(A, rng=0), tla.program(A, rng=0)
    prepared.anticipate(shifts=True)
    for mu in (0.0, 0.5, -0.005):
        shifted = prepared.shifted(mu)
        np.testing.assert_allclose(shifted.solve(b), np.linalg.solve(A + mu * np.eye(140), b), rtol=1e-8)
        assert shifted.ledger is prepared.ledger
        assert plain.shifted(mu).ledger is not plain.ledger
    assert prepared.ledger.programs == 1


def test_nothing_is_decomposed_for_shifts_of_nodes_of_different_scale():
    A = spd(140, 100.0) * np.outer(*[np.geomspace(1, 1e3, 140)] * 2)
    prepared = tla.program(A, rng=0)
    prepared.anticipate(shifts=True)
    b = np.ones(140)
    assert "factorised" in prepared.solve(b, return_info=True)[1].engine
    np.testing.assert_allclose(prepared.shifted(1.0).solve(b), np.linalg.solve(A + np.eye(140), b), rtol=1e-7)
