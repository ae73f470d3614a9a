"""`langevin`: what it adds to SciPy's contract of `cg` (that is tested in tests/scipy_contracts), and its edges."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import scipy.sparse
from cases import path
from helpers import relative_residual, spd
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import newton_krylov
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg

from thermolinalg import Imperfections, LangevinDevice, Schedule, Underdamped, langevin, operators


def test_its_signature_begins_like_that_of_cg():
    ours, scipys = inspect.signature(langevin).parameters, inspect.signature(cg).parameters
    assert [str(p).split(":")[0] for p in ours][: len(scipys)] == list(scipys)
    for name, parameter in scipys.items():
        assert (ours[name].kind, ours[name].default) == (parameter.kind, parameter.default)
    assert all(p.kind is p.KEYWORD_ONLY for p in list(ours.values())[len(scipys) :])


# -- forms and shapes of A and b ---------------------------------------------------------------------------------------


FORMS = {
    "list": lambda A: A.tolist(),
    "fortran": np.asfortranarray,
    "sparse array": scipy.sparse.csc_array,
    "sparse matrix": scipy.sparse.coo_matrix,
    "linear operator": aslinearoperator,
    "operator": operators.Dense,
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3)])
def test_every_form_of_a(form, shape):
    A, b = spd(40), np.random.default_rng(1).standard_normal(shape)
    x, info = langevin(form(A), b, rtol=1e-9)
    assert info == 0
    assert type(info) is int
    assert x.shape == (shape if shape == (40, 3) else cg(A, b)[0].shape)
    assert relative_residual(A, x.reshape(40, -1), b.reshape(40, -1)) <= 1e-9


@pytest.mark.parametrize("kind_b", "fdFD")
@pytest.mark.parametrize("kind_a", "fdFD")
def test_the_dtype_is_that_of_cg(kind_a, kind_b):
    A, b = spd(6, dtype=kind_a), np.ones(6, dtype=kind_b) * (1 if kind_b in "fd" else 1 + 1j)
    x, info = langevin(A, b)
    assert info == 0
    assert x.dtype == cg(A, b)[0].dtype
    assert relative_residual(A, x[:, None], b[:, None]) <= 1.1e-5


def test_integers_and_read_only_input():
    A, b, x0 = np.array([[4, 1], [1, 3]]), np.array([1, 2]), np.array([5, 5])
    for array in (A, b, x0):
        array.flags.writeable = False
    x, info = langevin(A, b, x0, rtol=1e-10)
    assert info == 0
    np.testing.assert_allclose(x, [1 / 11, 7 / 11])


def test_one_unknown_and_none():
    assert langevin([[4.0]], [2.0], rtol=1e-12)[0] == pytest.approx([0.5])
    x, info = langevin(np.empty((0, 0)), np.empty(0))
    assert x.shape == (0,)
    assert info == 0
    x, info = langevin(np.eye(3), np.empty((3, 0)))
    assert x.shape == (3, 0)
    assert info == 0


def test_torch_stays_torch():
    torch = pytest.importorskip("torch")
    for dtype, rtol in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
        A, b = torch.asarray(spd(20)).to(dtype), torch.ones(20, dtype=dtype)
        for x0 in (None, torch.zeros(20, dtype=dtype), "Mb"):
            x, info = langevin(A, b, x0, rtol=rtol, M=torch.eye(20, dtype=dtype))
            assert info == 0
            assert x.dtype == dtype
            assert torch.linalg.norm(b - A @ x) <= 1.01 * rtol * torch.linalg.norm(b)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**16), st.sampled_from([1e-3, 1e-8]))
def test_it_keeps_its_word(d, k, seed, rtol):
    A, b = spd(d, seed=seed), np.random.default_rng(seed + 1).standard_normal((d, k))
    x, info = langevin(A, b, rtol=rtol, rng=seed)
    assert info == 0
    assert relative_residual(A, x.reshape(d, k), b) <= rtol


@pytest.mark.parametrize("scale_a", [1e-300, 1e-150, 1.0, 1e150, 1e300])
@pytest.mark.parametrize("scale_b", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_numbers_of_any_size(scale_a, scale_b):
    A, b, exact = np.array([[4.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0]), np.array([1 / 11, 7 / 11])
    if abs(np.log10(scale_b) - np.log10(scale_a)) > 305:
        with pytest.raises(ValueError, match="range"):
            langevin(scale_a * A, scale_b * b)
    else:
        x, info = langevin(scale_a * A, scale_b * b, rtol=1e-10)
        assert info == 0
        np.testing.assert_allclose(x, exact * (scale_b / scale_a), rtol=1e-9)


# -- starts, tolerances, runs ------------------------------------------------------------------------------------------


def test_x0():
    A, b = spd(15), np.ones((15, 2))
    exact = np.linalg.solve(A, b)
    seen = []
    x, info = langevin(A, b, exact, callback=seen.append)
    assert info == 0
    assert not seen
    np.testing.assert_array_equal(x, exact)
    assert not np.shares_memory(x, exact)
    assert langevin(A, b[:, 0], exact[:, :1])[1] == 0
    with pytest.raises(ValueError, match="x0"):
        langevin(A, b, exact[:, 0])
    with pytest.raises(ValueError, match="'Mb'"):
        langevin(A, b, "Ab")
    with pytest.raises(ValueError, match="x0 is complex"):
        langevin(A, b, exact * 1j)


def test_vanishing_columns_have_vanishing_solutions():
    b = np.ones((8, 3))
    b[:, 1] = 0
    x, info = langevin(spd(8), b, np.ones((8, 3)))
    assert info == 0
    assert not x[:, 1].any()
    assert x[:, 0].all()


def test_converging_in_the_last_allowed_run_is_converging():
    A, b = spd(30), np.ones(30)
    iterates = []
    assert langevin(A, b, rtol=1e-8, callback=iterates.append, rng=7)[1] == 0
    runs = len(iterates)
    assert runs > 1
    assert langevin(A, b, rtol=1e-8, maxiter=runs, rng=7)[1] == 0
    assert langevin(A, b, rtol=1e-8, maxiter=runs - 1, rng=7)[1] == runs - 1
    with pytest.raises(ValueError, match="maxiter"):
        langevin(A, b, maxiter=0)


def test_tolerances_are_joined_by_the_larger():
    A, b = spd(10), np.full(10, 1e3)
    first, _ = langevin(A, b, rtol=0.0, atol=1e-4, rng=0)
    assert 1e-14 < np.linalg.norm(b - A @ first) <= 1e-4
    untouched, info = langevin(A, b, rtol=1e-10, atol=np.inf)
    assert info == 0
    assert not untouched.any()
    for wrong in (-1.0, np.nan, None, "legacy"):
        with pytest.raises(ValueError, match="rtol"):
            langevin(A, b, rtol=wrong)
    complex_b = b * (1 + 1j)
    x, info = langevin(A, complex_b, rtol=0.0, atol=1e-4, rng=0)
    assert info == 0
    assert np.linalg.norm(complex_b - A @ x) <= 1e-4


def test_the_same_rng_gives_the_same_numbers():
    A, b = spd(10), np.ones(10)
    one, other = (langevin(A, b, rtol=1e-3, rng=3)[0] for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert (langevin(A, b, rtol=1e-3, rng=4)[0] != one).any()


# -- callback and preconditioner ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [float, complex])
def test_callback_sees_iterates_in_the_shape_of_x(dtype):
    A, b = spd(12, dtype=dtype), np.ones((12, 2))
    iterates, reports = [], []

    def keep(intermediate_result):
        reports.append(intermediate_result)

    x, _ = langevin(A, b, rtol=1e-8, callback=iterates.append, rng=1)
    assert all(xk.shape == x.shape for xk in iterates)
    np.testing.assert_array_equal(iterates[-1], x)
    langevin(A, b, rtol=1e-8, callback=keep, rng=1)
    assert [r.n_runs for r in reports] == list(range(1, len(iterates) + 1))
    for report, xk in zip(reports, iterates, strict=True):
        np.testing.assert_array_equal(report.x, xk)
        np.testing.assert_allclose(report.residual_norm, np.linalg.norm(b - A @ xk, axis=0), rtol=1e-3)


def test_stop_iteration_stops_cleanly():
    A, b = spd(20), np.ones(20)
    seen = []

    def stop_at_second(xk):
        seen.append(xk)
        if len(seen) == 2:
            raise StopIteration

    x, info = langevin(A, b, rtol=1e-12, callback=stop_at_second)
    assert info == 2
    np.testing.assert_array_equal(x, seen[-1])


@pytest.mark.parametrize("dtype", [float, complex])
def test_an_exact_preconditioner_needs_one_run(dtype):
    A, b = spd(25, dtype=dtype), np.ones((25, 2)) * (1 if dtype is float else 1j)
    seen = []
    _, info = langevin(A, b, M=np.linalg.inv(A), rtol=1e-10, callback=seen.append)
    assert info == 0
    assert len(seen) == 1


def test_a_preconditioner_helps_a_poor_device():
    A, b = np.diag(np.linspace(1, 1000, 50)) + spd(50), np.ones(50)
    poor = LangevinDevice(imperfections=Imperfections(matrix_bits=4, mismatch=0.2))
    alone, helped = [], []
    langevin(A, b, rtol=1e-9, device=poor, rng=0, callback=alone.append)
    _, info = langevin(A, b, rtol=1e-9, device=poor, rng=0, M=np.diag(1 / np.diag(A)), callback=helped.append)
    assert info == 0
    assert len(helped) < len(alone)


def test_wrong_preconditioners():
    with pytest.raises(ValueError, match="M has shape"):
        langevin(np.eye(3), np.ones(3), M=np.eye(2))
    with pytest.raises(ValueError, match="M is complex"):
        langevin(np.eye(3), np.ones(3), M=1j * np.eye(3))


# -- devices and schedules ---------------------------------------------------------------------------------------------


DEVICES = {
    "biased": LangevinDevice(imperfections=Imperfections(matrix_bits=8, mismatch=0.01)),
    "noisy converters": LangevinDevice(imperfections=Imperfections(input_bits=8, output_bits=8, offset=0.01)),
    "hot": LangevinDevice(imperfections=Imperfections(temperature_error=0.5)),
    "underdamped": LangevinDevice(law=Underdamped()),
}


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_every_device_converges(device):
    A, b = spd(30), np.random.default_rng(0).standard_normal((30, 2))
    x, info = langevin(A, b, rtol=1e-10, device=device, rng=0)
    assert info == 0
    assert relative_residual(A, x, b) <= 1e-10


def test_a_given_schedule_is_used():
    A, b = spd(20), np.ones(20)
    short, long = [], []
    for seen, duration in ((short, 1e4), (long, 1e8)):
        schedule = Schedule(burn_in=50, duration=duration)
        x, info = langevin(A, b, rtol=1e-8, schedule=schedule, rng=0, callback=seen.append)
        assert info == 0
        assert relative_residual(A, x[:, None], b[:, None]) <= 1e-8
    assert len(long) < len(short)
    readings = Schedule(burn_in=50, readings=200, spacing=5)
    assert langevin(A, b, schedule=readings, rng=0)[1] == 0


# -- what is not positive definite -------------------------------------------------------------------------------------


def test_indefinite_is_held_in_the_embedding():
    for A in (np.diag([1.0, -2.0, 3.0]), spd(10) - 2 * np.eye(10), -spd(10)):
        b = np.ones(len(A))
        x, info = langevin(A, b, rtol=1e-9, rng=0)
        assert info == 0
        assert np.linalg.norm(A @ x - b) <= 1e-9 * np.linalg.norm(b)


@pytest.mark.parametrize("b", [[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]], ids=["consistent", "inconsistent"])
def test_singular_is_refused(b):
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        langevin(np.ones((3, 3)), b)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        langevin(np.zeros((3, 3)), b)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, aslinearoperator])
def test_general_a_goes_through_the_normal_operator(form):
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((12, 12)) + 4 * np.eye(12), rng.standard_normal((12, 2))
    for M in (None, np.linalg.inv(A)):
        x, info = langevin(form(A), b, rtol=1e-8, M=M)
        assert info == 0
        assert relative_residual(A, x, b) <= 1e-8


def test_a_map_without_adjoint_is_formed_or_refused():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((6, 6)) + 4 * np.eye(6), rng.standard_normal(6)
    x, info = langevin(LinearOperator((6, 6), matvec=lambda v: A @ v, dtype=float), b, rtol=1e-8)
    assert info == 0
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
    shift = LinearOperator((2000, 2000), matvec=lambda v: 2 * v.ravel() + np.roll(v.ravel(), 1), dtype=float)
    with pytest.raises(ValueError, match="rmatvec"):
        langevin(shift, np.ones(2000))


# -- newton_krylov -----------------------------------------------------------------------------------------------------


def test_newton_krylov_with_a_symmetric_jacobian():
    d = 30
    laplacian = path(d) * (d + 1) ** 2

    def bratu_like(u):
        return laplacian @ u + np.exp(u) - 1 - np.linspace(0, 1, d)

    u = newton_krylov(bratu_like, np.zeros(d), method=langevin, f_tol=1e-8)
    assert np.max(abs(bratu_like(u))) <= 1e-8


def test_newton_krylov_with_any_jacobian():
    def fun(x):
        return np.array([x[0] + 0.5 * x[1] ** 3 - 1.0, 2 * x[1] - np.sin(x[0]), np.exp(x[2]) - x[0]])

    x = newton_krylov(fun, [0.5, 0.5, 0.5], method=langevin, f_tol=1e-8)
    assert np.max(abs(fun(x))) <= 1e-8
