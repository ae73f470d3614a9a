"""The contract of every call (docs/contract.md): right, or refused in one sentence whose evidence is true."""

from __future__ import annotations

import re
import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse
from helpers import general, relative_error, rotated
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla

EPS = 2.0**-52
A0, B0 = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])
LOPSIDED = np.array([[2.0, 1.0], [0.0, 3.0]])

# -- ill-conditioned and singular -----------------------------------------------------------------------------------


def pair(d, rcond):
    """Symmetric with unit diagonal, 2 × 2 and the identity: rcond = δ/(2 − δ), whatever it is balanced with."""
    matrix, delta = np.eye(d), 2 * rcond / (1 + rcond)
    matrix[0, 1] = matrix[1, 0] = 1 - delta
    return matrix


def skewed(d, rcond):
    """Not symmetric, the same singular values: the rows of the pair exchanged."""
    return pair(d, rcond)[[1, 0, *range(2, d)]] * np.array([1.0, -1.0] + [1.0] * (d - 2))[:, None]


FORMS = {
    "array": lambda A: A,
    "sparse array": scipy.sparse.csr_array,
    "linear operator": aslinearoperator,
    "single run": lambda A: A,
}


def attempt(form, A, b=None):
    """Solve and return x, the report and the texts of the warnings."""
    raw = {"refine": False, "rtol": 1e-3} if form == "single run" else {}
    b = np.ones(A.shape[0]) if b is None else b
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x, info = tla.solve(FORMS[form](A), b, rng=0, return_info=True, **raw)
    assert all(issubclass(warning.category, tla.ThermodynamicWarning) for warning in caught)
    return x, info, [str(warning.message) for warning in caught]


@pytest.mark.parametrize("make", [pair, skewed])
@pytest.mark.parametrize("d", [2, 12, 90])
@pytest.mark.parametrize("form", FORMS)
def test_an_rcond_below_d_eps_is_refused_and_above_it_warned_of(form, d, make):
    # A map is known by its products: the smallest singular value of a large one to a few per cent.
    below, above = (0.5, 2.0) if form == "linear operator" or d > 2 else (0.74, 1.26)
    with pytest.raises(tla.SingularError, match="singular to working precision") as refusal:
        attempt(form, make(d, below * d * EPS))
    assert refusal.value.smallest < d * EPS * refusal.value.largest
    _, info, told = attempt(form, make(d, above * d * EPS))
    assert 1 / info.condition >= d * EPS
    assert len(told) == 1
    assert f"condition number is {info.condition:.3g}" in told[0]


@pytest.mark.parametrize("make", [pair, skewed])
def test_from_200_rows_on_the_bound_grows_no_further(make):
    with pytest.raises(tla.SingularError, match="singular to working precision"):
        attempt("array", make(700, 100 * EPS))
    _, info, told = attempt("array", make(700, 400 * EPS))
    assert info.condition < 1 / (200 * EPS)
    assert "ill-conditioned" in told[0]


@pytest.mark.parametrize("make", [pair, skewed])
@pytest.mark.parametrize("form", FORMS)
def test_the_warning_ends_at_450_eps(form, make):
    _, _, told = attempt(form, make(5, 400 * EPS))
    assert told
    _, info, told = attempt(form, make(5, 500 * EPS))
    assert not told
    assert info.condition == pytest.approx(1 / (500 * EPS), rel=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision_is_judged_by_its_own_eps(dtype):
    eps = 2.0**-23
    with pytest.raises(tla.SingularError):
        tla.solve(np.array([[1, 1], [1, 1 + eps]], dtype=dtype), np.ones(2, dtype=dtype))
    with pytest.warns(tla.ThermodynamicWarning, match="ill-conditioned"):
        tla.solve(pair(2, 200 * eps).astype(dtype), np.ones(2, dtype=dtype), rng=0)
    tla.solve(pair(2, 900 * eps).astype(dtype), np.ones(2, dtype=dtype), rng=0)


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1e300])
def test_scale_is_no_condition(scale):
    rows = np.geomspace(scale, 1, 4) if scale < 1 else np.geomspace(1, scale, 4)
    _, info, told = attempt("array", rows[:, None] * rotated([1.0, 2.0, 3.0, 4.0]))
    assert info.success
    assert not told
    assert info.condition < 50


SINGULAR = {
    "symmetric": np.array([[1.0, 2.0], [2.0, 4.0]]),
    "general": np.array([[1.0, 2.0], [3.0, 6.0]]),
    "badly scaled": np.array([[1e8, 2e-2], [2e-2, 4e-12]]),
    "badly scaled, general": np.array([[1e8, 2.0], [3e-7, 6e-15]]),
    "indefinite": rotated([1.0, -1.0, 0.0]),
    "of rank one": np.outer([1.0, 2.0, 3.0], [1.0, -1.0, 2.0]),
    "complex": np.array([[1.0, 1.0j], [-1.0j, 1.0]]),
    "large": general([*np.ones(150), 0.0]),
    "zero": np.zeros((3, 3)),
    "number": np.zeros((1, 1)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SINGULAR)
def test_the_null_vector_is_evidence_that_can_be_checked(name, form):
    A = SINGULAR[name]
    for b in (A @ np.ones(len(A)), np.ones(len(A))):  # consistent or not
        with pytest.raises(tla.SingularError) as refusal:
            attempt(form, A, b)
    error = refusal.value
    if form == "linear operator" and name == "large" and error.null_vector is None:
        return
    v = error.null_vector
    assert v.shape == (len(A),)
    assert abs(v).max() == pytest.approx(1.0)
    # To rounding in every row: its terms cancel.
    assert np.all(abs(A @ v) <= 100 * len(A) * EPS * (abs(A) @ abs(v)))
    assert 0 <= error.smallest <= len(A) * 2 * EPS * error.largest
    assert "lstsq and pinv" in str(error)


@pytest.mark.parametrize("call", [tla.slogdet, tla.logabsdet, tla.det, tla.inv_diagonal, tla.sample, tla.inv])
def test_one_error_for_singular_matrices_whoever_finds_them(call):
    with pytest.raises(tla.SingularError):
        call(SINGULAR["symmetric"], *([3] if call is tla.sample else []))


def test_in_the_warning_band_success_is_what_the_error_bar_says():
    A, b = pair(2, 4e-15), np.array([1.0, -1.0])
    x, info, told = attempt("array", A, b)
    assert told
    truth = 1 / (1 - A[0, 1]) * b
    assert info.success
    assert relative_error(x, truth) < 1e-10
    _, raw, told = attempt("single run", A, b)
    assert told
    assert raw.success == bool(np.linalg.norm(raw.standard_error) <= 1e-3 * np.linalg.norm(truth))
    for options in ({}, {"rtol": 1e-3}):
        with pytest.warns(tla.ThermodynamicWarning, match="ill-conditioned"):
            X, info = tla.inv(pair(2, 1e-15), refine=False, rng=0, return_info=True, **options)
        asked = 1.5 * options.get("rtol", 0.01)
        assert info.success == bool(np.linalg.norm(info.standard_error) <= asked * np.linalg.norm(X))
        assert not info.success


# -- the rounding floor ---------------------------------------------------------------------------------------------


def test_an_answer_at_the_rounding_floor_is_success_and_says_so():
    A = np.geomspace(1, 1e-12, 20)[:, None] * np.random.default_rng(0).standard_normal((20, 20))
    b = np.random.default_rng(1).standard_normal(20)
    x, info, told = attempt("array", A, b)
    assert info.success
    assert not told
    assert info.residual_norm > 1e-10 * np.linalg.norm(b)
    assert info.backward_error <= (8 + 20**0.5) * EPS
    assert "as good as this precision allows" in info.message
    assert f"{info.residual_norm:.3g}" in info.message
    assert f"{info.backward_error:.2g}" in info.message
    assert relative_error(x, np.linalg.solve(A, b)) < 1e-8


def test_short_of_the_floor_and_of_the_target_is_no_success():
    A, b = rotated(np.geomspace(1e-2, 1, 9)), np.ones(9)
    seen = []
    for maxiter in range(1, 16):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _, info = tla.solve(A, b, rtol=1e-15, maxiter=maxiter, rng=0, return_info=True)
        at_floor = info.backward_error <= (8 + 9**0.5) * EPS
        assert info.success == (at_floor or info.residual_norm <= 1e-15 * 3)
        assert bool(caught) == (not info.success)
        seen.append(info.backward_error)
    assert min(seen) < EPS < 1e-4 < max(seen)


def test_residuals_that_are_reported_are_those_of_the_answer():
    rng = np.random.default_rng(2)
    A, b = rotated(np.geomspace(1e-3, 1, 8)), rng.standard_normal((8, 3))
    for options in ({}, {"refine": False}, {"assume_a": "gen"}, {"assume_a": "gen", "refine": False}):
        x, info = tla.solve(A, b, rng=0, return_info=True, **options)
        residual = (b - A.astype(np.longdouble) @ x).astype(float)
        np.testing.assert_allclose(info.residual_norm, np.linalg.norm(residual, axis=0), rtol=1e-2, atol=1e-17)
    for scale in (1.0, 2.0**700):
        X, info = tla.inv(scale * A, refine=False, rng=0, return_info=True)
        residual = np.eye(8) - A @ (scale * X)
        np.testing.assert_allclose(info.residual_norm, np.linalg.norm(residual, axis=0), rtol=1e-6)


# -- the report -----------------------------------------------------------------------------------------------------

FIELDS = [
    *("success", "status", "message"),
    *("residual_norm", "backward_error", "condition"),
    *("noise", "rounding", "systematic", "standard_error"),
    *("n_runs", "n_matvec", "schedule", "device_time", "ledger", "failures"),
    *("engine", "reason"),
]

CALLS = {
    "solve": lambda A, **options: tla.solve(A, B0, **options),
    "solve, prepared": lambda A, **options: tla.program(A).solve(B0, **options),
    "inv": tla.inv,
    "lstsq": lambda A, **options: tla.lstsq(A, B0, **options),
    "pinv": tla.pinv,
    "solve_continuous_lyapunov": lambda A, **options: tla.solve_continuous_lyapunov(A, np.eye(2), **options),
}
READINGS = {
    "inv_diagonal": tla.inv_diagonal,
    "det": tla.det,
    "slogdet": tla.slogdet,
    "logabsdet": tla.logabsdet,
    "expm": tla.expm,
    "expm_multiply": lambda A, **options: tla.expm_multiply(A, B0, **options),
    "sample": lambda A, **options: tla.sample(A, 5, **options),
}
EVERY = {
    **{name: (call, {"rng": 0}) for name, call in (CALLS | READINGS).items()},
    **{name + ", raw": (call, {"refine": False, "rng": 0}) for name, call in CALLS.items()},
}


@pytest.mark.parametrize("name", EVERY)
def test_every_report_has_the_same_fields(name):
    call, options = EVERY[name]
    for A in (A0, LOPSIDED) if "det" not in name and name not in ("inv_diagonal", "sample") else (A0,):
        value, info = call(A, return_info=True, **options)
        assert not [field for field in FIELDS if field not in info]
        assert info.success is True
        assert info.status == 0
        assert info.failures == []
        assert info.n_runs >= 1
        assert isinstance(info.reason, str)
        if name == "sample":
            continue
        value = value.x if name.startswith("lstsq") else value[1] if name == "slogdet" else value
        parts = [info.noise, info.rounding, info.systematic]
        assert all(np.shape(part) == np.shape(value) for part in parts), name
        assert all(np.all(np.asarray(part) >= 0) for part in parts)
        np.testing.assert_allclose(info.standard_error, sum(parts), rtol=1e-12)


@pytest.mark.parametrize("u", [2.0**60, 2.0**600])
@pytest.mark.parametrize("name", [*CALLS, *(name + ", raw" for name in CALLS)])
def test_reports_are_in_the_users_units(name, u):
    call, options = EVERY[name]
    A = A0 / 4  # the largest entry just below one, as extreme matrices are brought to
    _, one = call(A, return_info=True, **options)
    _, other = call(u * A, return_info=True, **options)
    for field in ("noise", "rounding", "systematic", "standard_error"):
        np.testing.assert_allclose(u * other[field], one[field], rtol=1e-9, err_msg=field)
    # Powers of two change no digit; but residuals are of q, b or the identity, which stay what they are.
    np.testing.assert_allclose(other.residual_norm, one.residual_norm, rtol=1e-9, atol=1e-24)
    if one.backward_error is not None:
        np.testing.assert_allclose(other.backward_error, one.backward_error, rtol=1e-9, atol=1e-24)
    assert other.condition == one.condition


@pytest.mark.filterwarnings("ignore:A is ill-conditioned")
@pytest.mark.parametrize("condition", [1e4, 1e12])
@pytest.mark.parametrize("graded", ["rows", "columns", "both", "entries"])
def test_graded_matrices_have_error_bars_above_zero(graded, condition):
    D = np.geomspace(1, 1 / condition, 6)
    A = {
        "rows": D[:, None] * general(np.ones(6)),
        "columns": general(np.ones(6)) * D,
        "both": D[:, None] * rotated(np.geomspace(1, 3, 6)) * D,
        "entries": np.diag(D),
    }[graded]
    for call in (partial(tla.solve, b=np.ones(6)), partial(tla.lstsq, b=np.ones(6), cond=0), tla.inv, tla.pinv):
        answer, info = call(A, rng=0, return_info=True)
        assert np.all((info.standard_error > 0) | (getattr(answer, "x", answer) == 0))


@pytest.mark.filterwarnings("ignore:the device is not healthy")
def test_systematic_errors_of_single_runs_are_told_or_said_to_be_unknown():
    b = np.array([1.0, -1.0])
    A = rotated([1.0, 1e-3])
    for seed in range(5):
        _, info = tla.solve(A, b, refine=False, rtol=0.5, assume_a="gen", rng=seed, return_info=True)
        bias = np.linalg.norm(info.systematic)
        assert 0 < bias < 0.2 * np.linalg.norm(np.linalg.solve(A, b))
        assert "noise only" not in info.message
    worn = tla.LangevinDevice(imperfections=tla.Imperfections(mismatch=0.01))
    for matrix in (A0, LOPSIDED):
        x, info = tla.solve(matrix, B0, device=worn, refine=False, rng=0, return_info=True)
        assert np.all(info.systematic > 0)
        assert np.all(abs(x - np.linalg.solve(matrix, B0)) < 5 * info.standard_error)
        assert info.message.startswith("the error bar holds what the imperfections of this device imply")
    broken = tla.LangevinDevice(imperfections=tla.Imperfections(mismatch=0.5, die=1))
    for device, call in ((worn, partial(tla.inv, A0)), (broken, partial(tla.solve, A0, B0))):
        _, info = call(device=device, refine=False, rng=0, return_info=True)
        assert info.systematic is None
        assert "the error bar holds noise only" in info.message


# -- symmetry, tolerances and exits are in the tables of test_bad_input.py; what follows has no place there ----------


def test_what_was_symmetrised_is_noticed():
    nearly = A0 + np.array([[0.0, 0.0], [3e-15, 0.0]])
    _, info = tla.solve(nearly, B0, rng=0, return_info=True)
    assert "symmetric but for rounding" in info.reason
    _, info = tla.solve(A0, B0, rng=0, return_info=True)
    assert "symmetric" not in info.reason


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (-A0, "held as −A"),
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "not definite|not positive"),
        (LOPSIDED, "not symmetric"),
    ],
)
def test_how_a_is_held_has_a_reason(matrix, words):
    _, info = tla.solve(matrix, B0, rng=0, return_info=True)
    assert re.search(words, info.reason)
    with pytest.raises(np.linalg.LinAlgError):
        tla.solve(matrix if words != "not symmetric" else -matrix, B0, assume_a="pos")


@pytest.mark.parametrize("assume_a", ["pos", "sym"])
@pytest.mark.parametrize("call", [tla.slogdet, tla.inv_diagonal, lambda A, **o: tla.sample(A, 2, **o), tla.det])
def test_assume_a_has_the_last_word_on_symmetry(call, assume_a):
    upper = np.triu(A0)
    for A in (upper, scipy.sparse.csr_array(upper), tla.operators.Dense(upper)):
        with pytest.raises(np.linalg.LinAlgError, match="not symmetric"):
            call(A, rng=0)
        np.testing.assert_allclose(call(A, assume_a=assume_a, rng=0), call(A0, rng=0), rtol=1e-12)


def test_a_prepared_device_answers_again_and_refuses_again():
    device = tla.program(A0, rng=0)
    first, second = device.solve(B0), device.solve(B0)
    np.testing.assert_allclose(first, second, rtol=1e-9)
    inverse = tla.ThermodynamicInverse(A0, rng=0)
    np.testing.assert_allclose(inverse @ B0, inverse @ B0, rtol=1e-9)
    singular = tla.program(SINGULAR["symmetric"])
    refused = tla.ThermodynamicInverse(SINGULAR["symmetric"])
    for _ in range(2):
        with pytest.raises(tla.SingularError):
            singular.solve(B0)
        with pytest.raises(tla.SingularError):
            _ = refused @ B0
    for bad in ({"rtol": 2.0}, {"rtol": -1.0}, {"atol": np.nan}, {"maxiter": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            device.solve(B0, **bad)
    np.testing.assert_allclose(device.solve(B0), first, rtol=1e-9)


def test_the_iterative_shape_keeps_the_contract_of_cg():
    for rtol in (1.0, 5.0):
        x, info = tla.langevin(A0, B0, rtol=rtol, rng=0)
        assert info == 0
        assert np.linalg.norm(A0 @ x - B0) <= rtol * np.linalg.norm(B0)
    A = pair(2, 1e-14)
    x, info = tla.langevin(A, B0, rtol=1e-3, rng=0)  # ill-conditioned: the residual is all that is asked for
    assert info == 0
    assert np.linalg.norm(A @ x - B0) <= 1e-3 * np.linalg.norm(B0)
