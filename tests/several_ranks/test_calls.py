"""Calls on several ranks: the answers of one, and right ones."""

import numpy as np
import pytest
import scipy.sparse as sp
from ranks import forked, on_ranks
from scipy.sparse.linalg import splu

import thermolinalg as tla
from thermolinalg.devices import AsWritten
from thermolinalg.distributed import RowPartitioned, Serial, Stencil, gather, scatter
from thermolinalg.operators import Diagonal

from .problems import grid, scattered_graph, shared

SIDE, SHIFT = 20, 0.5
GRID, GRAPH = grid(SIDE, SHIFT), scattered_graph(400)
B = np.random.default_rng(0).standard_normal((SIDE * SIDE, 2))
EXACT = splu(GRID.tocsc()).solve(B)


def calls(comm):
    """What every call that takes rows on ranks answers, brought together."""
    A = shared(GRID, comm)
    b = scatter(B, A)
    prepared = tla.program(A, rng=3)
    x, info = tla.solve(A, b, rng=0, return_info=True)
    raw, told = tla.solve(A, b[:, 0], refine=False, rng=1, return_info=True)
    iterates = []
    found, status = tla.langevin(A, b[:, 0], x0=0.1 * b[:, 0], rtol=1e-6, rng=2, callback=iterates.append)
    return {
        "solve": gather(x),
        "error bar": gather(info.standard_error),
        "condition": np.array(info.condition),
        "raw": gather(raw),
        "raw error bar": gather(told.standard_error),
        "langevin": gather(found),
        "status": np.array([status, len(iterates) > 1, info.success]),
        "sample": gather(tla.sample(A, 3, rng=4)),
        "sample around a mean": gather(tla.sample(A, (2, 2), mean=b[:, 0], temperature=2.0, rng=4)),
        "sample of a covariance": gather(tla.sample(cov=A, size=2, rng=4)),
        "correlated": gather(tla.sample(A, schedule=tla.Schedule(burn_in=1.0, readings=3, spacing=0.5), rng=4)),
        "prepared": gather(prepared.solve(b)),
        "shifted": gather(prepared.shifted(1.0).solve(b)),
        "settled": gather(prepared.program.settle(b, 2.0, rng=np.random.default_rng(5)).value),
        "equilibrium": gather(prepared.program.settle(b, np.inf, rng=np.random.default_rng(5)).value),
        "variance": np.asarray(prepared.variance_of(b[:, 0])),
        "inverse operator": gather(tla.ThermodynamicInverse(A, rng=0) @ b),
        "diagonal": gather(tla.inv_diagonal(A, rtol=0.2, rng=6)),
        "preconditioned": gather(tla.solve(A, b, M=Diagonal(1 / A.diagonal()), rng=7)),
        "started from M b": gather(tla.langevin(A, b, x0="Mb", M=Diagonal(1 / A.diagonal()), rng=7)[0]),
        "distorted loads": gather(tla.solve(A, b, device=rounding_device(), M=Diagonal(1 / A.diagonal()), rng=8)),
        "stencil": gather(tla.solve(Stencil.laplacian((SIDE, SIDE), SHIFT, comm), scatter(B, grid_of(comm)), rng=0)),
        "negative": gather(tla.solve(-A, b, rng=0)),
    }


def grid_of(comm):
    return Stencil.laplacian((SIDE, SIDE), SHIFT, comm)


def rounding_device():
    return tla.LangevinDevice(imperfections=tla.Imperfections(input_bits=10, output_bits=10, offset=1e-3))


@pytest.fixture(scope="module")
def alone():
    return calls(Serial())


LOOSE = {
    # Refinement ends anywhere below its tolerance; what noise it leaves is known to the rounding of what it refined.
    **dict.fromkeys(
        ["solve", "prepared", "shifted", "preconditioned", "negative", "stencil", "inverse operator"], 1e-9
    ),
    **{"distorted loads": 1e-9, "langevin": 1e-6, "started from M b": 1e-5, "error bar": 1e-3},
}


@pytest.mark.slow
@forked
def test_answers_do_not_depend_on_the_number_of_ranks(alone):
    for found in on_ranks(3, calls):
        for name, answer in found.items():
            scale, tolerance = abs(alone[name]).max(), LOOSE.get(name, 1e-10)
            np.testing.assert_allclose(answer / scale, alone[name] / scale, rtol=0, atol=tolerance, err_msg=name)


def test_refined_answers_meet_their_tolerances(alone):
    sizes = np.linalg.norm(B, axis=0)
    for name in ("solve", "prepared", "inverse operator", "preconditioned", "distorted loads", "stencil"):
        assert (np.linalg.norm(GRID @ alone[name] - B, axis=0) <= 1.01e-10 * sizes).all(), name
    assert (np.linalg.norm(GRID @ alone["negative"] + B, axis=0) <= 1.01e-10 * sizes).all()
    assert np.linalg.norm(GRID @ alone["langevin"] - B[:, 0]) <= 1.01e-6 * sizes[0]
    assert (np.linalg.norm(GRID @ alone["started from M b"] - B, axis=0) <= 1.01e-5 * sizes).all()
    shifted = GRID + sp.eye_array(SIDE * SIDE)
    assert (np.linalg.norm(shifted @ alone["shifted"] - B, axis=0) <= 1.01e-10 * sizes).all()
    assert alone["status"].tolist() == [0, 1, 1]
    ends = (SHIFT + 8 * trig(np.pi / 2 / (SIDE + 1)) ** 2 for trig in (np.cos, np.sin))
    assert alone["condition"] == pytest.approx(np.divide(*ends), rel=0.2)
    np.testing.assert_allclose(alone["variance"], B[:, 0] @ EXACT[:, 0], rtol=1e-9)


def test_error_bars_cover_what_they_should(alone):
    errors = (alone["raw"] - EXACT[:, 0]) / alone["raw error bar"]
    # Neighbours err alike: of 400 nodes some 60 are independent.
    assert 0.6 < (errors**2).mean() < 1.6
    assert (abs(alone["solve"] - EXACT) < 10 * alone["error bar"]).all()


def test_samples_have_their_law():
    A = RowPartitioned(GRID, Serial())
    d, count = SIDE * SIDE, 200
    x = gather(tla.sample(A, count, mean=A.vector(B[:, 0]), temperature=2.0, rng=0)) - B[:, 0]
    # xᵀAx/T is χ² with d degrees of freedom; so is that of A² with ‖A x‖² = Σ λ_i T χ²_i.
    energy = np.sum(x * (GRID @ x.T).T, axis=1) / 2.0
    assert abs(energy.mean() - d) < 5 * (2 * d / count) ** 0.5
    assert abs(energy.var() / (2 * d) - 1) < 5 * (2 / count) ** 0.5
    force = np.sum((GRID @ x.T) ** 2) / count / 2.0
    assert abs(force - GRID.trace()) < 5 * (2 * (GRID @ GRID).trace() / count) ** 0.5


def test_a_finite_time_has_its_law():
    A = RowPartitioned(GRID, Serial())
    program = tla.LangevinDevice(loading=AsWritten()).program(A)
    b, t = A.vector(np.tile(B[:, :1], (1, 200))), 0.7
    x = gather(program.settle(b, t, rng=np.random.default_rng(0)).value)
    dense, modes = np.linalg.eigh(GRID.toarray())
    coordinates = modes.T @ x
    mean, variance = (1 - np.exp(-dense * t)) / dense * (modes.T @ B[:, 0]), (1 - np.exp(-2 * dense * t)) / dense
    z = (coordinates - mean[:, None]) / np.sqrt(variance)[:, None]
    assert abs(z.mean()) < 5 / z.size**0.5
    assert abs((z**2).mean() - 1) < 5 * (2 / z.size) ** 0.5
    assert abs((z.mean(axis=1) ** 2).mean() * 200 - 1) < 5 * (2 / len(dense)) ** 0.5


def test_the_diagonal_of_the_inverse_is_read_off(alone):
    truth = np.diag(np.linalg.inv(GRID.toarray()))
    rms = np.sqrt(np.mean((alone["diagonal"] / truth - 1) ** 2))
    assert 0.1 < rms < 0.3  # rtol was 0.2


@pytest.mark.parametrize("factor", [1e12, 1e-12, 1e200, 1e-200])
def test_any_scale(factor):
    A = RowPartitioned(GRID * factor, Serial())
    x = gather(tla.solve(A, A.vector(B), rng=0)) * factor
    assert np.linalg.norm(GRID @ x - B) <= 2e-10 * np.linalg.norm(B)


def test_rows_of_different_units_are_balanced():
    A = RowPartitioned(GRAPH, Serial())
    b = np.random.default_rng(0).standard_normal(400)
    x, info = tla.solve(A, A.vector(b), rng=0, return_info=True)
    assert info.success
    backward = np.linalg.norm(GRAPH @ gather(x) - b) / np.linalg.norm(b)
    assert backward <= 1.01e-10
    assert info.condition < 1e3  # that of GRAPH as it stands is 1e8


def test_single_precision_stays():
    A = RowPartitioned(GRID.astype(np.float32), Serial())
    x = tla.solve(A, A.vector(B.astype(np.float32)), rng=0)
    assert x.dtype == np.float32
    assert np.linalg.norm(GRID @ gather(x).astype(float) - B) <= 1e-4 * np.linalg.norm(B)
    assert tla.sample(A, 2, rng=0).dtype == np.float32


@pytest.mark.parametrize("size", [1, pytest.param(3, marks=forked)])
@pytest.mark.parametrize("A", [sp.csr_array([[4.0]]), 3.0 * sp.eye_array(50).tocsr(), grid(2)], ids=["1", "cI", "4"])
def test_small_matrices(A, size):
    b = np.arange(1.0, A.shape[0] + 1)

    def answer(comm):
        op = shared(A, comm)
        return gather(tla.solve(op, scatter(b, op), rng=0)), gather(tla.sample(op, 2, rng=0)).shape

    for x, shape in [answer(Serial())] if size == 1 else on_ranks(size, answer):
        np.testing.assert_allclose(A @ x, b, rtol=1e-8)
        assert shape == (2, A.shape[0])


def test_a_point_of_a_spectrum_is_no_trouble_for_maps_either():
    A = sp.linalg.aslinearoperator(3.0 * sp.eye_array(2000).tocsr())
    np.testing.assert_allclose(tla.solve(A, np.ones(2000), rng=0), np.full(2000, 1 / 3), rtol=1e-9)


def test_a_zero_load_has_a_zero_answer():
    A = RowPartitioned(GRID, Serial())
    assert not gather(tla.solve(A, A.vector(0 * B), rng=0)).any()


def chain(shift):
    line = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(300, 300)).tolil()
    line[0, 0] = line[-1, -1] = 1.0
    return (line + shift * sp.eye_array(300)).tocsr()


LINEAR = np.linalg.LinAlgError

REFUSALS = {
    "inv": (lambda A, b: tla.inv(A), TypeError, "entries of A in one place"),
    "inv, read": (lambda A, b: tla.inv(A, refine=False), TypeError, "entries of A in one place"),
    "a covariance": (
        lambda A, b: tla.program(A).program.covariance(tla.Schedule(burn_in=9.0, readings=9, spacing=9.0), rng=None),
        TypeError,
        "entries of A in one place",
    ),
    "pinv": (lambda A, b: tla.pinv(A), TypeError, "entries of A in one place"),
    "slogdet": (lambda A, b: tla.slogdet(A), TypeError, "entries of A in one place"),
    "logabsdet": (lambda A, b: tla.logabsdet(A), TypeError, "(take no such A|entries of A)"),
    "lstsq": (lambda A, b: tla.lstsq(A, b), TypeError, "(take no such A|entries of A)"),
    "expm": (lambda A, b: tla.expm(A), TypeError, "array is needed"),
    "expm_multiply": (lambda A, b: tla.expm_multiply(A, b), TypeError, "(take no such A|entries of A)"),
    "Lyapunov": (lambda A, b: tla.solve_continuous_lyapunov(A, A), TypeError, "array is needed"),
    "stable": (lambda A, b: tla.solve(A, b, assume_a="stable"), TypeError, "dense arrays"),
    "general": (lambda A, b: tla.solve(A, b, assume_a="gen"), LINEAR, "definite couplings only"),
    "entries": (lambda A, b: tla.solve(A, b, assume_a="tridiagonal"), TypeError, "entries"),
    "indefinite": (
        lambda A, b: tla.solve(RowPartitioned(GRID - 3 * sp.eye_array(SIDE**2).tocsr(), Serial()), b),
        LINEAR,
        "not positive semidefinite.*definite couplings only",
    ),
    "singular": (
        lambda A, b: tla.solve(C := RowPartitioned(chain(0.0), Serial()), C.vector(np.ones(300))),
        tla.SingularError,
        "singular to working precision",
    ),
    "a rounded copy": (
        lambda A, b: tla.solve(A, b, device=tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=8))),
        TypeError,
        "entries of A in one place",
    ),
    "b of NumPy": (lambda A, b: tla.solve(A, B), TypeError, "A.vector"),
    "A of NumPy": (lambda A, b: tla.solve(GRID, b), TypeError, "thermolinalg.distributed"),
    "M of NumPy": (lambda A, b: tla.solve(A, b, M=sp.eye_array(SIDE**2)), TypeError, "same ranks"),
    "b that is too short": (lambda A, b: tla.solve(A, b[:5]), ValueError, "5 rows where A has 400"),
    "NaN": (lambda A, b: tla.solve(A, b * np.nan), ValueError, "NaN"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_needs_more_than_products_is_refused_in_a_sentence(name):
    call, kind, match = REFUSALS[name]
    A = RowPartitioned(GRID, Serial())
    with pytest.raises(kind, match=match):
        call(A, A.vector(B))


@pytest.mark.parametrize("size", [pytest.param(3, marks=forked)])
def test_refusals_leave_all_ranks_together(size):
    def refused(comm):
        A = shared(GRID - 3 * sp.eye_array(SIDE**2).tocsr(), comm)
        with pytest.raises(LINEAR, match="definite"):
            tla.solve(A, scatter(B, A))
        good = shared(GRID, comm)
        return gather(tla.solve(good, scatter(B, good), rng=0))

    for x in on_ranks(size, refused):
        np.testing.assert_allclose(x, EXACT, atol=1e-7)


def test_explained():
    told = tla.explain(RowPartitioned(GRID, Serial()))
    assert told.structure == "row-partitioned"
    assert told.solve.name == "chebyshev"
    assert told.solve.flops < 1e8
