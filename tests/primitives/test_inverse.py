"""inv to a tolerance against NumPy's; raw against the law of sample covariances, in standard errors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from helpers import spd
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla
from thermolinalg.operators import BlockDiagonal, Circulant, Diagonal, Kronecker, LowRankPlusIdentity, Toeplitz
from thermolinalg.simulation import LinearSDE, integrate
from thermolinalg.testing import assert_coverage, spd_matrices

AS_WRITTEN = tla.LangevinDevice(loading=tla.AsWritten())
INDEPENDENT = tla.Schedule(burn_in=100, readings=400, spacing=100)
CORRELATED = tla.Schedule(burn_in=30, readings=1500, spacing=0.5)


def standard_errors(x, info, exact):
    """Distance of every entry from the exact inverse."""
    return np.abs(x - exact) / info.standard_error


# -- to a tolerance ---------------------------------------------------------------------------------------------------


@given(
    A=spd_matrices(max_size=14, condition=1e5, structure=("dense", "kronecker", "low rank", "laplacian", "circulant")),
    seed=st.integers(0, 2**20),
)
def test_agrees_with_numpy(A, seed):
    x, info = tla.inv(A, rng=seed, return_info=True)
    dense = A if isinstance(A, np.ndarray) else A @ np.eye(A.shape[0])
    assert info.success
    assert np.all(info.residual_norm <= 1e-10)
    exact = np.linalg.inv(dense)
    rounding = 1e-14 * np.linalg.norm(dense) * np.linalg.norm(exact)
    assert_allclose(np.linalg.norm(dense @ x - np.eye(len(dense)), axis=0), info.residual_norm, atol=rounding)
    assert_allclose(x, exact, atol=1e-9 * np.abs(exact).max() * np.linalg.cond(dense) ** 0.5)


@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")
@given(A=spd_matrices(max_size=8, condition=1e12), seed=st.integers(0, 2**20))
def test_success_means_a_small_residual_however_ill_conditioned(A, seed):
    x, info = tla.inv(A, rng=seed, return_info=True)
    assert np.all(np.isfinite(x))
    assert info.success
    assert np.all((info.residual_norm <= 1e-10) | (info.backward_error <= (8 + len(A) ** 0.5) * np.finfo(float).eps))
    rounding = 1e-14 * np.linalg.norm(x)
    assert np.all(np.linalg.norm(A @ x - np.eye(len(A)), axis=0) <= info.residual_norm + rounding)
    exact = np.linalg.inv(A)
    assert_allclose(x, exact, atol=(1e-6 + 1e-15 * np.linalg.cond(A)) * np.abs(exact).max())


@pytest.mark.parametrize("dtype", [float, complex])
def test_general_matrices_through_the_normal_operator(dtype):
    rng = np.random.default_rng(1)
    a = rng.standard_normal((7, 7)) + (1j * rng.standard_normal((7, 7)) if dtype is complex else 0)
    assert_allclose(tla.inv(a, rng=0), np.linalg.inv(a), rtol=1e-8, atol=1e-9)
    symmetric = a + a.T
    assert_allclose(tla.inv(symmetric, assume_a="sym", rng=0) @ symmetric, np.eye(7), atol=1e-8)


def test_complex_hermitian():
    a = spd(6, 4, dtype=complex)
    assert_allclose(tla.inv(a, rng=0) @ a, np.eye(6), atol=1e-9)


def test_triangles():
    a = spd(5, 4)
    nan = np.where(np.tri(5, k=-1) == 1, np.nan, 0.0)
    assert_allclose(tla.inv(a + nan, assume_a="pos", check_finite=False), np.linalg.inv(a), atol=1e-8)
    assert_allclose(tla.inv(a + nan.T, assume_a="pos", check_finite=False, lower=True), np.linalg.inv(a), atol=1e-8)


def test_blocks_of_columns(monkeypatch):
    monkeypatch.setattr("thermolinalg.primitives.solver.COLUMNS", 4)
    a = spd(10, 4)
    x, info = tla.inv(a, rng=0, return_info=True)
    assert_allclose(x, np.linalg.inv(a), atol=1e-8)
    assert info.residual_norm.shape == (10,)
    assert info.standard_error.shape == (10, 10)
    assert info.ledger.programs == 1


def test_what_was_not_reached_is_said():
    with pytest.warns(tla.ThermodynamicWarning, match="maxiter="):
        _, info = tla.inv(spd(5, 4), maxiter=1, rng=0, return_info=True)
    assert not info.success
    assert info.status > 0


# -- raw: the law -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [INDEPENDENT, CORRELATED, None])
@pytest.mark.parametrize("device", [AS_WRITTEN, tla.LangevinDevice(), tla.LangevinDevice(law=tla.Underdamped())])
def test_raw_within_its_error_bars(device, schedule):
    a = spd(6, 4)
    x, info = tla.inv(a, refine=False, schedule=schedule, device=device, rng=0, return_info=True)
    assert np.all(standard_errors(x, info, np.linalg.inv(a)) < 4.5)
    assert_allclose(x, x.T, rtol=1e-12, atol=1e-14)
    assert_allclose(info.residual_norm, np.linalg.norm(a @ x - np.eye(6), axis=0), rtol=1e-9)
    assert info.device_time == info.schedule.total


@pytest.mark.parametrize("schedule", [INDEPENDENT, pytest.param(CORRELATED, marks=pytest.mark.slow)])
def test_error_bars_cover(schedule):
    a = spd(4, condition=3)
    exact, seeds = np.linalg.inv(a), 500
    inside = np.zeros((4, 4))
    for seed in range(seeds):
        x, info = tla.inv(a, refine=False, schedule=schedule, device=AS_WRITTEN, rng=seed, return_info=True)
        inside += standard_errors(x, info, exact) < 1.96
    for i, j in zip(*np.triu_indices(4), strict=True):
        assert_coverage(int(inside[i, j]), seeds)
    assert 0.93 < inside.mean() / seeds < 0.97


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [float, complex])
def test_error_bars_cover_through_the_real_form_and_the_normal_operator(dtype):
    rng = np.random.default_rng(5)
    general = (
        2 * np.eye(3)
        + 0.5 * rng.standard_normal((3, 3))
        + (0.5j * rng.standard_normal((3, 3)) if dtype is complex else 0)
    )
    hermitian = spd(3, condition=3, dtype=dtype)
    for a in (general, hermitian):
        exact, squares = np.linalg.inv(a), []
        for seed in range(400):
            x, info = tla.inv(a, refine=False, schedule=INDEPENDENT, rng=seed, return_info=True)
            squares.append(standard_errors(x, info, exact) ** 2)
        # Mean squares of 400 errors in units of their bar: 1 within four standard errors, 4·sqrt(2/400).
        assert_allclose(np.mean(squares, axis=0), 1, atol=0.29)
        assert_allclose(np.mean(squares), 1, atol=0.12)


@pytest.mark.slow
def test_divided_by_degrees_of_freedom():
    """Five readings tell N − 1 from N, in the mean and in the variance."""
    a, few = np.diag([1.0, 2.0]), tla.Schedule(burn_in=100, readings=5, spacing=100)
    runs = np.array([tla.inv(a, refine=False, schedule=few, device=AS_WRITTEN, rng=seed) for seed in range(4000)])
    normalised = runs * np.sqrt(np.outer([1, 2], [1, 2]))
    assert_allclose(normalised.mean(axis=0), np.eye(2), atol=5 * np.sqrt(2 / 4 / 4000))
    kurtosis = 3.0  # excess of a chi-square with four degrees of freedom
    assert_allclose(normalised[:, 0, 0].var(), 2 / 4, rtol=5 * np.sqrt((2 + kurtosis) / 4000))
    assert_allclose(normalised[:, 0, 1].var(), 1 / 4, rtol=0.15)


@pytest.mark.parametrize("readings", [2, 3, 6, 7, 8, 30])
def test_wishart_of_any_rank(readings):
    """The generalised variance: E det W = n!/(n − d)! for n ≥ d degrees of freedom, and zero below."""
    d, a = 6, spd(6, 4)
    schedule = tla.Schedule(burn_in=200, readings=readings, spacing=200)
    runs = np.array([tla.inv(a, refine=False, schedule=schedule, device=AS_WRITTEN, rng=seed) for seed in range(400)])
    n = readings - 1
    assert np.linalg.matrix_rank(runs[0]) == min(n, d)
    mean, error = runs.mean(axis=0), runs.std(axis=0) / 20
    assert np.all(np.abs(mean - np.linalg.inv(a)) < 4.5 * error)
    if n >= d:
        logs = np.linalg.slogdet(runs @ a * n)[1]
        from scipy.special import psi

        expected = sum(psi((n - i) / 2) + np.log(2) for i in range(d))
        assert abs(logs.mean() - expected) < 4.5 * logs.std() / 20


@pytest.mark.slow
def test_error_falls_as_the_square_root_of_readings():
    a, counts = spd(8, 4), np.array([100, 1000, 10_000])
    exact = np.linalg.inv(a)
    for spacing in (100.0, 1.0):
        errors = []
        for n in counts:
            schedule = tla.Schedule(burn_in=100, readings=int(n), spacing=spacing)
            runs = [
                np.linalg.norm(tla.inv(a, refine=False, schedule=schedule, device=AS_WRITTEN, rng=seed) - exact) ** 2
                for seed in range(30)
            ]
            errors.append(np.mean(runs) ** 0.5)
        slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
        assert abs(slope + 0.5) < 0.06


def test_the_asked_accuracy_is_what_comes():
    a = spd(10, condition=1.01)  # where (tr Σ)² = d ‖Σ‖²: the bound that sets N is met
    exact = np.linalg.inv(a)
    errors = [np.linalg.norm(tla.inv(a, refine=False, rtol=0.05, rng=seed) - exact) for seed in range(50)]
    assert_allclose(np.mean(np.square(errors)) ** 0.5, 0.05 * np.linalg.norm(exact), rtol=0.1)


@pytest.mark.slow
def test_burn_in_that_is_too_short_shows():
    """From rest, one mode: E[covariance] follows from the moments of an autoregression that starts at zero."""
    lam, t0, h, n = 0.5, 0.3, 0.8, 6
    schedule = tla.Schedule(burn_in=t0, readings=n, spacing=h)
    runs = np.array(
        [
            tla.inv(np.array([[lam]]), refine=False, schedule=schedule, device=AS_WRITTEN, rng=s)[0, 0]
            for s in range(1500)
        ]
    )
    t = t0 + h * np.arange(n)
    between = (np.exp(-lam * np.abs(t[:, None] - t)) - np.exp(-lam * (t[:, None] + t))) / lam
    expected = (np.trace(between) - between.sum() / n) / (n - 1)
    assert abs(runs.mean() - expected) < 4.5 * runs.std() / 1500**0.5
    assert expected < 0.8 / lam


def test_same_law_as_plain_time_stepping():
    """First and second moments of the raw inverse against covariances of stepped paths."""
    a, step, runs = spd(3, condition=3), 0.02, 300
    schedule = tla.Schedule(burn_in=2.0, readings=40, spacing=0.4)
    ours = np.array([tla.inv(a, refine=False, schedule=schedule, device=AS_WRITTEN, rng=seed) for seed in range(runs)])
    path = integrate(
        LinearSDE.overdamped(a, np.zeros(3)), np.zeros((3, runs)), step=step, n_steps=2100, every=20, rng=0
    )
    readings = path[5:45]  # at 2.0, 2.4, …
    centred = readings - readings.mean(axis=0)
    theirs = np.einsum("tik,tjk->kij", centred, centred) / 39
    error = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / runs)
    assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4.5 * error + 0.01)  # λδ/2 ≤ 1 % from stepping
    ratio = ours.var(axis=0) / theirs.var(axis=0)
    assert np.all(np.abs(np.log(ratio)) < 0.7)


@pytest.mark.parametrize("scale", [2.0**-900, 2.0**-10, 2.0**40, 2.0**900])
@pytest.mark.parametrize("refine", [True, False])
def test_scale_equivariance(scale, refine):
    a = spd(5, 4)
    x, info = tla.inv(a, refine=refine, rng=3, return_info=True)
    y, scaled = tla.inv(scale * a, refine=refine, rng=3, return_info=True)
    assert_allclose(y * scale, x, rtol=1e-7)
    assert_allclose(scaled.standard_error * scale, info.standard_error, rtol=1e-3 if refine else 1e-7, atol=1e-14)


def test_coupled_units():
    """Nodes in very different units: D A D has the inverse D⁻¹ A⁻¹ D⁻¹."""
    a, units = spd(4, 4), np.array([1e-8, 1.0, 1e5, 1e9])
    x, info = tla.inv(units[:, None] * a * units, refine=False, rng=0, return_info=True)
    assert np.all(standard_errors(x, info, np.linalg.inv(a) / units / units[:, None]) < 4.5)


# -- what A can be ----------------------------------------------------------------------------------------------------

STRUCTURED = {
    "sparse": lambda: scipy.sparse.csr_array(np.diag(np.full(6, 3.0)) + np.eye(6, k=1) + np.eye(6, k=-1)),
    "matrix-free": lambda: aslinearoperator(spd(6, 4)),
    "diagonal": lambda: Diagonal(np.linspace(1, 3, 6)),
    "circulant": lambda: Circulant([3.0, -1, 0, 0, 0, -1]),
    "toeplitz": lambda: Toeplitz([3.0, 1, 0.5, 0, 0, 0]),
    "kronecker": lambda: Kronecker(spd(2, 4, seed=1), spd(3, 4, seed=2)),
    "block": lambda: BlockDiagonal([spd(2, 4, seed=1), spd(4, 4, seed=2)]),
    "low rank": lambda: LowRankPlusIdentity(np.random.default_rng(0).standard_normal((2, 6)), 0.5),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_structures(name):
    a = STRUCTURED[name]()
    exact = np.linalg.inv(a @ np.eye(6))
    assert_allclose(tla.inv(a, rng=0), exact, rtol=1e-7, atol=1e-9)
    for schedule in (INDEPENDENT, CORRELATED):
        x, info = tla.inv(a, refine=False, schedule=schedule, device=AS_WRITTEN, rng=0, return_info=True)
        bar = np.where(info.standard_error < 1e-12, 1.0, info.standard_error)  # blocks apart do not know each other
        assert np.all(np.abs(x - exact) < 4.5 * bar)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("refine", [True, False])
def test_torch(dtype, refine):
    torch = pytest.importorskip("torch")
    a = torch.as_tensor(spd(5, 4), dtype=getattr(torch, dtype))
    for schedule in (None,) if refine else (None, CORRELATED):
        x, info = tla.inv(a, refine=refine, schedule=schedule, rng=0, return_info=True)
        assert x.dtype == a.dtype
        assert isinstance(info.standard_error, torch.Tensor)
        error = 1e-4 if refine else 4.5 * info.standard_error
        assert bool((abs(x - torch.linalg.inv(a)) <= error).all())


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision(dtype, refine):
    a = spd(5, 4, dtype=complex if dtype is np.complex64 else float).astype(dtype)
    for schedule in (None,) if refine else (None, CORRELATED):
        x, info = tla.inv(a, refine=refine, schedule=schedule, rng=0, return_info=True)
        assert x.dtype == dtype
        assert np.all(np.abs(x - np.linalg.inv(a)) <= (1e-4 if refine else 4.5 * info.standard_error))


def test_one_node_batches_and_nothing():
    assert_allclose(tla.inv([[4.0]]), [[0.25]])
    x, info = tla.inv([[4.0]], refine=False, rng=0, return_info=True)
    assert abs(x[0, 0] - 0.25) < 4.5 * info.standard_error[0, 0]
    a = np.stack([spd(3, 4, seed=s) for s in range(6)]).reshape(2, 3, 3, 3)
    assert_allclose(tla.inv(a) @ a, np.broadcast_to(np.eye(3), a.shape), atol=1e-8)
    _, infos = tla.inv(a, refine=False, rng=0, return_info=True)
    assert len(infos) == 6
    assert tla.inv(np.empty((0, 0))).shape == (0, 0)


# -- devices that are not ideal ---------------------------------------------------------------------------------------


def test_offsets_cancel_and_converters_round():
    a = spd(3, 4)
    for bits, schedule in ((0, INDEPENDENT), (0, CORRELATED), (12, INDEPENDENT), (12, CORRELATED)):
        device = tla.LangevinDevice(
            loading=tla.AsWritten(), imperfections=tla.Imperfections(offset=3.0, output_bits=bits)
        )
        x, info = tla.inv(a, refine=False, schedule=schedule, device=device, rng=0, return_info=True)
        assert np.all(standard_errors(x, info, np.linalg.inv(a)) < 4.5)
    hot = tla.LangevinDevice(imperfections=tla.Imperfections(temperature_error=0.5))
    with pytest.warns(tla.ThermodynamicWarning, match="not healthy"):
        x, info = tla.inv(a, refine=False, device=hot, rng=0, rtol=1e-3, return_info=True)
    assert not info.success
    assert info.health.failed[0] == "equipartition"
    assert_allclose(x, 1.5 * np.linalg.inv(a), rtol=0.05, atol=0.01)
    assert_allclose(tla.inv(a, device=hot, rng=0), np.linalg.inv(a), rtol=1e-8)


def test_time_stepping_device_is_biased_as_its_law_says():
    device = tla.LangevinDevice(law=tla.EulerMaruyama(step_size=0.5), loading=tla.AsWritten())
    for spacing in (200.0, 0.5):
        schedule = tla.Schedule(burn_in=200, readings=40_000, spacing=spacing)
        with pytest.warns(tla.ThermodynamicWarning, match="equipartition"):
            x, info = tla.inv(
                np.diag([1.0, 2.5]), refine=False, schedule=schedule, device=device, rng=0, return_info=True
            )
        biased = np.diag([1 / (1 - 0.25), 0.4 / (1 - 0.625)])
        assert np.all(standard_errors(x, info, biased) < 4.5)


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refine", [True, False])
def test_refuses_what_has_no_inverse(refine):
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        tla.inv(np.ones((3, 3)), refine=refine, rng=0)
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        tla.inv(np.diag([1.0, -1.0]), assume_a="pos", refine=refine, rng=0)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        tla.inv(np.array([[1.0, 2.0], [2.0, 4.0]]) + np.eye(2, k=1) * 1e-300, assume_a="gen", rng=0)


def test_refuses_bad_arguments():
    a = spd(3, 4)
    for kwargs, message in [
        ({"rtol": -1.0}, "rtol"),
        ({"rtol": 0.0, "refine": False}, "rtol"),
        ({"rtol": 1e-200, "refine": False}, "rtol"),
        ({"atol": -1.0}, "atol"),
        ({"maxiter": 0}, "maxiter"),
        ({"assume_a": "kaboom"}, "assume_a"),
        ({"refine": False, "schedule": tla.Schedule(burn_in=1, duration=10)}, "readings"),
        ({"refine": False, "schedule": tla.Schedule(burn_in=1, readings=1, spacing=10)}, "two readings"),
        ({"refine": False, "device": tla.LangevinDevice(law=tla.Overdamped(0.0))}, "temperature"),
    ]:
        with pytest.raises(ValueError, match=message):
            tla.inv(a, **kwargs)
    with pytest.raises(ValueError, match="square"):
        tla.inv(np.ones((2, 3)))
    with pytest.raises(ValueError, match="NaN"):
        tla.inv(np.full((2, 2), np.nan))


def test_input_is_untouched():
    a = spd(4, 4)
    before = a.copy()
    tla.inv(a, overwrite_a=True)
    tla.inv(a, overwrite_a=True, refine=False)
    assert np.array_equal(a, before)
