"""Nothing that a faulty device reads is certified wrong: right to what was promised, or no success."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from faulty_devices import FAULTS, LAGS, MATRICES, READINGS, Faulty
from fuzz import judge, rational
from fuzz.judge import Asked
from fuzz.truth import Truth
from helpers import general, rotated

import thermolinalg as tla
from thermolinalg import GeneralDevice
from thermolinalg.devices.watched import DeviceError
from thermolinalg.primitives import _log_determinant

B = np.array([1.0, -2.0, 0.5, 3.0, 1.0])

PROBLEMS = {
    "definite": rotated([1.0, 2.0, 3.0, 4.0, 5.0]),
    "ill-conditioned": rotated(np.geomspace(1e-7, 1, 5)),
    "general": general([1.0, 0.8, 0.5, 0.3, 0.1]),
    "indefinite": rotated([1.0, -0.7, 0.5, -0.3, 0.2]),
    "sparse": scipy.sparse.csr_array(np.diag(np.full(5, 2.1)) - np.eye(5, k=1) - np.eye(5, k=-1)),
    "complex": rotated([1.0, 2.0, 3.0, 4.0, 5.0], dtype=complex),
}


def solve(A, device):
    x, info = tla.solve(A, B, device=device, rng=1, return_info=True)
    return x, info.success, info.standard_error, B, Asked(None)


def inv(A, device):
    x, info = tla.inv(A, device=device, rng=1, return_info=True)
    return x, info.success, info.standard_error, np.eye(5), Asked(None)


def lstsq(A, device):
    answer, info = tla.lstsq(A, B, device=device, rng=1, return_info=True)
    return answer.x, info.success, info.standard_error, B, Asked(None)


def pinv(A, device):
    x, info = tla.pinv(A, device=device, rng=1, return_info=True)
    return x, info.success, info.standard_error, np.eye(5), Asked(None)


def langevin(A, device):
    x, flag = tla.langevin(A, B, device=device, rng=1)
    return x, flag == 0, None, B, Asked(1e-5)


def inverse_operator(A, device):
    M = tla.ThermodynamicInverse(A, device=device, rng=1)
    x = M @ B
    return x, M.info.success, M.info.standard_error, B, Asked(None)


def prepared_solve(A, device):
    prepared = tla.program(A, device=device, rng=1)
    prepared.solve(B[::-1].copy())
    x, info = prepared.solve(B, return_info=True)
    return x, info.success, info.standard_error, B, Asked(None)


def prepared_inv(A, device):
    x, info = tla.program(A, device=device, rng=1).inv(return_info=True)
    return x, info.success, info.standard_error, np.eye(5), Asked(None)


CALLS = [solve, inv, lstsq, pinv, langevin, inverse_operator, prepared_solve, prepared_inv]


def answered(call, A, device):
    """What a call returns where it calls that a success, else None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        try:
            x, success, *rest = call(A, device)
        except (np.linalg.LinAlgError, DeviceError):
            return None
    return (x, *rest) if success else None


def certified_wrong(call, A, device):
    """What is wrong with an answer that is called right; '' for all others."""
    answer = answered(call, A, device)
    if answer is None:
        return ""
    x, bar, b, asked = answer
    if not (judge.finite(x) and (bar is None or judge.finite(bar))):
        return f"success with {x}"
    dense = A.toarray() if scipy.sparse.issparse(A) else A
    return judge.solution([Truth(dense)], b, x, bar, asked)


def table(calls, problems, faults):
    return {
        (call.__name__, problem, fault): wrong
        for call in calls
        for problem in problems
        for fault in faults
        if (wrong := certified_wrong(call, PROBLEMS[problem], Faulty(fault)))
    }


@pytest.mark.thinned(4)
@pytest.mark.parametrize("fault", FAULTS)
def test_solutions_of_faulty_devices_are_right_or_no_success(fault):
    assert not table([solve, langevin], PROBLEMS, [fault])


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_no_call_certifies_what_is_wrong(call):
    assert not table([call], PROBLEMS, FAULTS)


LYAPUNOV = {
    "stable": np.array([[1.0, 0.5, 0.0], [0.0, 0.7, -0.3], [0.0, 0.0, 0.4]]),
    "definite": rotated([1.0, 0.6, 0.3]),
}


def lyapunov_outcome(name, fault):
    """'right', 'refused' or 'wrong'."""
    a, q = LYAPUNOV[name], np.diag([1.0, 2.0, 3.0])

    def call(a, device):
        x, info = tla.solve_continuous_lyapunov(a, q, device=device, rng=1, return_info=True)
        return x, info.success, info.standard_error, q, Asked(None)

    answer = answered(call, a, Faulty.general(fault))
    if answer is None:
        return "refused"
    x, bar, _, asked = answer
    sums = [rational.exact(np.kron(a, np.eye(3))) + rational.exact(np.kron(np.eye(3), a))]
    flat = q.reshape(-1), x.reshape(-1), bar.reshape(-1)
    return "wrong" if judge.solution([Truth(s) for s in sums], *flat, asked) else "right"


@pytest.mark.thinned(4)
@pytest.mark.parametrize("fault", READINGS)
@pytest.mark.parametrize("name", LYAPUNOV)
def test_lyapunov_equations_of_faulty_devices_are_right_or_no_success(name, fault):
    assert lyapunov_outcome(name, fault) != "wrong"


WITHOUT_RESIDUAL = {
    "definite": rotated([1.0, 2.0, 3.0, 4.0, 5.0]),
    "one soft mode": rotated([0.02, 2.0, 3.0, 4.0, 5.0]),
    "badly scaled": np.diag([1e-3, 1.0, 1.0, 1.0, 1e3])
    @ rotated([1.0, 2.0, 3.0, 4.0, 5.0])
    @ np.diag([1e-3, 1, 1, 1, 1e3]),
    "sparse": scipy.sparse.csr_array(np.diag(np.full(5, 2.1)) - np.eye(5, k=1) - np.eye(5, k=-1)),
    "nearly diagonal": np.diag([1.0, 2.0, 3.0, 4.0, 5.0]) + 0.01,
    "large": 1e200 * rotated([1.0, 2.0, 3.0, 4.0, 5.0]),
}
"""Positive definite, and of a condition that raw readings resolve."""


def dense(A):
    return A.toarray() if scipy.sparse.issparse(A) else A


def raw_inverse(A, device):
    x, info = tla.inv(A, refine=False, rtol=0.02, device=device, rng=1, return_info=True)
    return x, info, np.linalg.inv(dense(A)), info.standard_error


def raw_solution(A, device):
    x, info = tla.solve(A, B, refine=False, rtol=0.02, device=device, rng=1, return_info=True)
    return x, info, np.linalg.solve(dense(A), B), info.standard_error


def diagonal(A, device):
    x, info = tla.inv_diagonal(A, rtol=0.02, device=device, rng=1, return_info=True)
    return x, info, np.diag(np.linalg.inv(dense(A))), info.standard_error


def logarithm(A, device):
    x, info = tla.slogdet(
        A, atol=0.1, method="integration", max_readings=100_000, device=device, rng=1, return_info=True
    )
    return x.logabsdet, info, np.linalg.slogdet(dense(A))[1], info.standard_error


def samples(A, device):
    """Their covariance, with its standard error."""
    x, info = tla.sample(A, 5000, device=device, rng=1, return_info=True)
    exact = np.linalg.inv(dense(A))
    size = np.sqrt(np.diag(exact))
    sizes = np.outer(size, size)
    return np.cov(x.T), info, exact, sizes * np.sqrt((1 + (exact / sizes) ** 2) / 5000)


def exponential(A, device, atol=0.02):
    size = abs(dense(A)).max()
    x, info = tla.expm(-dense(A) / size, atol=atol, device=device, rng=1, return_info=True)
    return x, info, scipy.linalg.expm(-dense(A) / size), info.standard_error


MISSED = 10.0
"""Standard errors off that pass for right: checks see from about six, and bars of noise hold a share of it."""


def certified_off(call, A, device, refused=""):
    """By how many error bars an answer is off that is called right; empty where it is right, `refused` where not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        try:
            x, info, exact, bar = call(A, device)
        except (ValueError, OverflowError, DeviceError):  # LinAlgError is a ValueError
            return refused
    if not info.success:
        return refused
    off = np.max(abs(x - exact) / bar)
    return "" if off <= MISSED else f"{off:.3g} error bars off"


@pytest.mark.thinned(4)
@pytest.mark.parametrize(
    "call", [raw_solution, raw_inverse, diagonal, logarithm, samples], ids=lambda call: call.__name__
)
@pytest.mark.parametrize("fault", [*READINGS, *LAGS, *MATRICES])
def test_nothing_without_a_residual_is_certified_wrong(call, fault):
    wrong = {name: certified_off(call, A, Faulty(fault)) for name, A in WITHOUT_RESIDUAL.items()}
    assert not {name: told for name, told in wrong.items() if told}


@pytest.mark.parametrize("fault", [*READINGS, *LAGS, *MATRICES])
def test_no_exponential_is_certified_wrong(fault):
    wrong = {name: certified_off(exponential, A, Faulty.general(fault)) for name, A in WITHOUT_RESIDUAL.items()}
    assert not {name: told for name, told in wrong.items() if told}


def exact_exponential(A, device):
    return exponential(A, device, 1e-3)


def action(A, device):
    size, V = abs(dense(A)).max(), np.arange(1.0, 11.0).reshape(5, 2)
    x, info = tla.expm_multiply(-dense(A) / size, V, rtol=2e-3, device=device, rng=1, return_info=True)
    return x, info, scipy.linalg.expm(-dense(A) / size) @ V, info.standard_error


EXPONENTIALS = [exponential, exact_exponential, action]


@pytest.mark.thinned(3)
@pytest.mark.parametrize("call", EXPONENTIALS[1:], ids=lambda call: call.__name__)
@pytest.mark.parametrize("fault", [*READINGS, *LAGS, *MATRICES])
def test_an_exponential_of_many_readings_is_looked_at_as_long(call, fault):
    for problem in ("definite", "nearly diagonal"):
        assert not certified_off(call, WITHOUT_RESIDUAL[problem], Faulty.general(fault))


@pytest.mark.parametrize(
    "call",
    [raw_solution, raw_inverse, diagonal, logarithm, samples, exponential, exact_exponential],
    ids=lambda call: call.__name__,
)
def test_healthy_strangers_are_certified(call):
    """A device that is not the package's own is looked at, and passes."""
    device = Faulty.general("none") if call in EXPONENTIALS else Faulty("none")
    for A in WITHOUT_RESIDUAL.values():
        x, info, exact, bar = call(A, device)
        assert info.success, info.message
        assert info.health.scores
        assert np.max(abs(x - exact) / bar) < 6


def test_a_device_without_faults_passes_everywhere():
    for call in CALLS:
        for A in PROBLEMS.values():
            assert answered(call, A, tla.LangevinDevice()) is not None
            assert not certified_wrong(call, A, tla.LangevinDevice())


def test_mild_faults_are_overcome():
    for fault in ("gain error", "rounds to three bits", "perturbed matrix", "NaN once"):
        assert answered(solve, PROBLEMS["definite"], Faulty(fault)) is not None, fault


@pytest.mark.thinned(4)
@pytest.mark.parametrize("fault", ["shifted matrix", "under-settled", "saturates", "swapped nodes"])
@pytest.mark.parametrize("call", [tla.inv_diagonal, lambda A, **asked: tla.inv(A, refine=False, **asked)])
def test_loose_tolerances_do_not_hide_a_fault(call, fault):
    for A in (WITHOUT_RESIDUAL["definite"], WITHOUT_RESIDUAL["one soft mode"]):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            _, info = call(A, rtol=0.3, device=Faulty(fault), rng=1, return_info=True)
        assert not info.success


SMALL = {
    "all too stiff": lambda matrix, rng: 1.02 * matrix,
    "a shift": lambda matrix, rng: matrix + 0.01 * abs(matrix).max() * np.eye(len(matrix)),
    "each coupling": lambda matrix, rng: matrix * (1 + 0.1 * rng.standard_normal(matrix.shape)),
}
"""Faults of a matrix that no single node or direction shows."""


@pytest.mark.parametrize(("fault", "method"), [*zip(SMALL, ["work", "integration", "integration"], strict=True)])
def test_small_faults_do_not_hide_from_a_determinant(monkeypatch, fault, method):
    monkeypatch.setitem(MATRICES, fault, SMALL[fault])

    def asked(A, device):
        (_, value), info = tla.slogdet(A, atol=0.1, method=method, device=device, rng=1, return_info=True)
        return value, info, np.linalg.slogdet(A)[1], info.standard_error

    A = rotated(np.geomspace(0.1, 1, 50))
    assert certified_off(asked, A, Faulty(fault), refused="refused") == "refused"
    assert certified_off(asked, A, Faulty("none"), refused="refused") == ""


def test_what_few_numbers_cannot_tell_of_a_device_is_in_the_bar(monkeypatch):
    monkeypatch.setattr(_log_determinant, "MOST_NUMBERS", 1e4)
    with pytest.warns(tla.ThermodynamicWarning, match="nobody vouches for this device, and 1e.04 numbers"):
        (_, value), info = tla.slogdet(np.eye(5), atol=0.01, device=Faulty("none"), rng=0, return_info=True)
    assert info.standard_error == pytest.approx(info.noise + info.rounding + info.systematic)
    assert info.standard_error == pytest.approx((2 * 5 / 2048) ** 0.5 + info.rounding)
    assert abs(value) < 4 * info.standard_error
    assert not info.success


@pytest.mark.parametrize("size", [None, 5, 300])
@pytest.mark.parametrize("fault", ["shifted matrix", "under-settled", "stuck node"])
def test_few_samples_are_certified_by_more(size, fault):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        for A in (WITHOUT_RESIDUAL["definite"], WITHOUT_RESIDUAL["one soft mode"]):
            _, info = tla.sample(A, size, b=B, device=Faulty(fault), rng=1, return_info=True)
            assert not info.success
            assert info.health.readings > 1024
    _, info = tla.sample(A, size, b=B, device=Faulty("none"), rng=1, return_info=True)
    assert info.success
    assert info.health.readings > 1024


def test_what_an_embedding_leaves_hides_no_fault(monkeypatch):
    """Held as indefinite, A perturbed solves another system; the residual may be α² (A Aᵀ)⁻¹ b and no more."""
    monkeypatch.setitem(
        MATRICES, "a little", lambda matrix, rng: matrix * (1 + 0.01 * rng.standard_normal(matrix.shape))
    )
    A, b = rotated(np.geomspace(1e-3, 1, 30)), np.random.default_rng(5).standard_normal(30)

    def asked(A, device):
        x, info = tla.solve(A, b, refine=False, rtol=0.3, device=device, rng=1, return_info=True)
        return x, info, np.linalg.solve(A, b), info.standard_error

    for seed in range(4):
        assert not certified_off(asked, A, Faulty("a little", seed=seed))


@pytest.mark.parametrize("problem", ["general", "indefinite"])
def test_raw_solutions_of_healthy_embeddings_are_certified(problem):
    for seed in range(5):
        _, info = tla.solve(
            PROBLEMS[problem], B, refine=False, rtol=0.02, device=Faulty("none"), rng=seed, return_info=True
        )
        assert info.success, info.message


def _of_size(size):
    """Faults of a matrix, and of readings, that are so large."""
    matrices = {
        "couplings": lambda matrix, rng: matrix * (1 + size * rng.standard_normal(matrix.shape)),
        "scale": lambda matrix, rng: (1 + size) * matrix,
    }
    return matrices, {
        "gain": lambda value, memory: (1 + size) * value,
        "loss": lambda value, memory: (1 - size) * value,
    }


@pytest.mark.slow
@pytest.mark.parametrize("size", [0.01, 0.03, 0.1, 0.3])
def test_actions_of_exponentials_hide_no_fault_of_any_size(monkeypatch, size):
    matrices, readings = _of_size(size)
    for table_, faults in ((MATRICES, matrices), (READINGS, readings)):
        for fault, change in faults.items():
            monkeypatch.setitem(table_, fault, change)
    problems = (
        (rotated([0.2, 0.4, 0.6, 0.8, 1.0]), np.arange(1.0, 11.0).reshape(5, 2)),
        (general([1, 0.8, 0.5]), np.eye(3)),
    )
    for (A, V), rtol, fault in itertools.product(problems, (0.1, 0.02), [*matrices, *readings]):

        def asked(A, device, V=V, rtol=rtol):
            x, info = tla.expm_multiply(-A, V, rtol=rtol, device=device, rng=2, return_info=True)
            return x, info, scipy.linalg.expm(-A) @ V, info.standard_error

        assert not certified_off(asked, A, Faulty(fault, GeneralDevice(), seed=2))
