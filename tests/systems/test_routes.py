"""Which way a matrix goes onto a device, why, and what is refused with which evidence."""

import re
import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from cases import grid
from helpers import general, orthogonal, spd
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import thermolinalg as tla
from thermolinalg.devices import AsWritten
from thermolinalg.operators.read import read_matrix
from thermolinalg.systems import Embedded, Negated, NormalEquations, SingularError
from thermolinalg.systems.balance import gram_operator, share_of_one_run
from thermolinalg.systems.rescaled import Unscaled
from thermolinalg.systems.routes import Router, _told_size, as_device

RNG = np.random.default_rng(2)
GENERAL = RNG.standard_normal((20, 20))
INDEFINITE = GENERAL + GENERAL.T
KKT = np.block([[spd(12), GENERAL[:12, :8]], [GENERAL[:12, :8].T, np.zeros((8, 8))]])
STABLE = spd(6) + 0.3 * np.triu(np.ones((6, 6)), 1) - 0.3 * np.tril(np.ones((6, 6)), -1)
HOLLOW = np.array([[1.0, 2.0], [2.0, 1.0]])
UNDERDAMPED, STEPPED = tla.LangevinDevice(law=tla.Underdamped()), tla.LangevinDevice(law=tla.EulerMaruyama(0.1))


def conditioned(kappa):
    return general(np.geomspace(1, 1 / kappa, 20))


def hold(A, device=None, seed=0, **options):
    read = read_matrix(A, **options)
    return Router(read, 0, device, np.random.default_rng(seed)).hold()


class Stranger:
    """A device that shares no class with the package's, tells no spectrum, and takes symmetric couplings only."""

    def program(self, operator, *, rng=None):
        if not operator.symmetric:
            raise TypeError("these wires have no direction")
        return _Strange(tla.LangevinDevice().program(operator, rng=rng))


class _Strange:
    def __init__(self, inner):
        for name in ("ledger", "rate", "timetable", "average", "describe"):
            setattr(self, name, getattr(inner, name))


# Each: the matrix, the device, options, the way, words of the reason, systems inside the device.
WAYS = {
    "definite": (spd(8), None, {}, "definite", [], ()),
    "definite, graded": (np.diag([1.0, 2.0, 3.0]) * 4.0 ** np.arange(3), None, {}, "definite", [], ()),
    "definite, as it is": (np.diag([1.0, 64.0]), tla.LangevinDevice(loading=AsWritten()), {}, "definite", [], ()),
    "definite, insisted": (spd(8), None, {"assume_a": "pos"}, "definite", [], ()),
    "Hermitian": (spd(5, dtype=complex), None, {}, "definite", [], ()),
    "sparse": (grid(4, 0.5), None, {}, "definite", [], ()),
    "operator": (aslinearoperator(spd(8)), None, {}, "definite", [], ()),
    "negative": (-spd(8), None, {}, "negative", ["−A", "diagonal is negative"], ()),
    "negative Hermitian": (-spd(5, dtype=complex), None, {}, "negative", ["diagonal is negative"], ()),
    "negative, sparse": (-grid(4, 0.5), None, {}, "negative", ["diagonal is negative"], ()),
    "general": (GENERAL, None, {}, "embedded", ["not symmetric", "skew embedding"], (Embedded,)),
    "general, sparse": (scipy.sparse.csr_array(GENERAL), None, {}, "embedded", ["not symmetric"], (Embedded,)),
    "definite, as general": (spd(8), None, {"assume_a": "gen"}, "embedded", ["skew embedding"], (Embedded,)),
    "indefinite by its diagonal": (INDEFINITE, None, {}, "embedded", ["not definite"], (Embedded,)),
    "indefinite, definite diagonal": (HOLLOW, None, {}, "embedded", ["eigenvalue is -1", "not definite"], (Embedded,)),
    "indefinite, negative diagonal": (-HOLLOW, None, {}, "embedded", ["but with −A for A", "eigenvalue is -1"],
                                      (Embedded,)),
    "indefinite, zero diagonal": (KKT, None, {}, "embedded", ["not definite"], (Embedded,)),
    "stable": (STABLE, None, {"assume_a": "stable"}, "stable", ["Re > 0"], ()),
    "general, underdamped": (GENERAL, UNDERDAMPED, {}, "normal", ["AᵀA, since only an overdamped"], (NormalEquations,)),
    "general, stepped": (GENERAL, STEPPED, {}, "normal", ["AᵀA", "EulerMaruyama"], (NormalEquations,)),
    "indefinite, underdamped": (INDEFINITE, UNDERDAMPED, {}, "normal", ["not definite", "AᵀA"], (NormalEquations,)),
    "general, a stranger": (GENERAL, Stranger(), {}, "normal", ["these wires have no direction"], (NormalEquations,)),
    "definite, a stranger": (spd(8), Stranger(), {}, "definite", [], ()),
}  # fmt: skip


@pytest.mark.parametrize("name", WAYS)
def test_the_way_and_its_reason(name):
    A, device, options, kind, words, inside = WAYS[name]
    held = hold(A, device, **options)
    assert held.kind == kind
    assert tuple(type(system) for system in held.inverse.systems.systems if type(system) is not Unscaled) == inside
    assert [type(system) for system in held.systems] == ([Negated] if kind == "negative" else [])
    for word in words:
        assert word in held.reason
    assert held.reason or kind == "definite"
    assert held.inverse.definite == (kind in ("definite", "negative"))


@pytest.mark.parametrize("name", WAYS)
def test_every_way_leads_to_the_solution(name):
    A, device, options, *_ = WAYS[name]
    dense = A @ np.eye(A.shape[1]) if not isinstance(A, np.ndarray) else A
    dense = np.asarray(dense.toarray() if scipy.sparse.issparse(dense) else dense)
    x = np.linspace(1, 2, A.shape[0])
    found, info = tla.solve(A, dense @ x, device=device, rng=1, return_info=True, **options)
    assert info.success
    np.testing.assert_allclose(found, x, rtol=1e-7)


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if not isinstance(way[1], Stranger)])
def test_sizes_and_conditions_are_those_of_the_balanced_matrix(name):
    A, device, options, kind, _, _ = WAYS[name]
    held = hold(A, device, **options)
    values = np.linalg.svd(held.matrix.dense(), compute_uv=False)
    told = held.condition
    assert held.size == pytest.approx(values[0], rel=0.06)
    if kind == "stable" or name != "definite, as it is":
        assert told.number == pytest.approx(values[0] / values[-1], rel=0.06)
    assert told.eps == np.finfo(float).eps
    assert told.rounding == len(values) * told.eps
    rows = np.ones(len(values)) if held.rows is None else held.rows
    columns = np.ones(len(values)) if held.columns is None else held.columns
    real = read_matrix(A, **options).operator.dense() * (-1 if kind == "negative" else 1)
    np.testing.assert_array_equal(held.matrix.dense(), rows[:, None] * real * columns)
    user = held.measures[0]
    r = RNG.standard_normal((len(values), 2))
    np.testing.assert_allclose(user.residual(rows[:, None] * r), np.linalg.norm(r, axis=0))
    np.testing.assert_allclose(user.solution(r / columns[:, None]), np.linalg.norm(r, axis=0))
    np.testing.assert_allclose(held.measures[-1].residual(r), np.linalg.norm(r, axis=0))


@pytest.mark.parametrize("name", ["definite, graded", "negative", "general", "general, underdamped"])
def test_a_device_inverse_is_an_inverse_with_an_error_bar(name):
    """The mean of many runs is A⁻¹b, and their spread what every bar says."""
    A, device, *_ = WAYS[name]
    held, runs = hold(A, device), 60
    b = RNG.standard_normal((len(A), 2))
    value = np.linalg.solve(held.matrix.dense(), b)
    schedule = held.inverse.timetable(b, 1e-3)
    read = [held.inverse.average(b, schedule, rng=np.random.default_rng(i), state=True) for i in range(runs)]
    assert all(one.state.shape == value.shape for one in read)
    found = np.array([one.value for one in read])
    bar = np.mean([one.standard_error**2 for one in read], axis=0) ** 0.5
    bias = held.inverse.bias * np.linalg.norm(value, axis=0)
    assert np.all(abs(found.mean(axis=0) - value) <= 5 * bar / runs**0.5 + bias)
    # Either variance is known to √(2/59) and √(2/(60 · 32)) of itself.
    np.testing.assert_allclose(found.var(axis=0, ddof=1) / bar**2, 1.0, atol=5 * (2 / 59 + 2 / 1920) ** 0.5)
    assert held.inverse.ledger.runs >= 2 * runs


ROWS = RNG.standard_normal((99, 100))
SINGULAR = {
    "two equal rows": (np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), {}),
    "rank one": (np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), {}),
    "negative": (-np.outer([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), {}),
    "general": (np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]), {}),
    "graded": (np.array([[1.0, 2.0], [2.0, 4.0]]) * [[1e8, 1.0], [1.0, 1e-8]], {}),
    "graded columns": (np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]) * [1e9, 1.0, 1e-9], {}),
    "zero": (np.zeros((3, 3)), {}),
    "Neumann": (grid(4) - scipy.sparse.diags_array(grid(4).sum(axis=1)), {}),
    "sparse, large": (grid(12) - scipy.sparse.diags_array(grid(12).sum(axis=1)), {}),
    "above small, general": (np.vstack([ROWS.sum(axis=0), ROWS]), {}),
    "complex": (np.array([[1.0, 1j], [-1j, 1.0]]), {}),
    "complex general": (np.array([[1.0, 1j], [2.0, 2j]]), {}),
    "float32": (np.array([[1.0, 1.0], [1.0, 1.0 + 1e-7]], np.float32), {}),
    "κ = 1e17": (conditioned(1e17), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SINGULAR)
def test_singular_matrices_are_refused_with_a_null_vector(name):
    A, options = SINGULAR[name]
    with pytest.raises(SingularError, match=r"singular to working precision.*lstsq and pinv") as told:
        hold(A, **options)
    v = told.value.null_vector
    dense = A.toarray() if scipy.sparse.issparse(A) else A
    assert abs(v).max() == pytest.approx(1.0)
    assert v.shape == (A.shape[0],)
    sizes = abs(dense) @ abs(v)
    assert np.all(abs(dense @ v) <= 100 * len(v) * np.finfo(dense.dtype).eps * np.maximum(sizes, 1e-300))
    order = np.argsort(-abs(v), kind="stable")[:3]
    named = [int(i) for i in re.findall(r" at (\d+)", str(told.value))]
    np.testing.assert_allclose(abs(v[named]), abs(v[order]), rtol=1e-2)


@pytest.mark.parametrize("kappa", [3e13, 1e14])
def test_what_is_not_singular_to_rounding_is_held(kappa):
    held = hold(conditioned(kappa))
    assert held.condition.number == pytest.approx(kappa, rel=0.3)
    assert held.condition.poor
    assert not hold(conditioned(1e12)).condition.poor


@pytest.mark.parametrize("device", [UNDERDAMPED, STEPPED, Stranger()])
@pytest.mark.parametrize("kappa", [3e8, 1e12])
def test_a_normal_operator_beyond_its_device_is_refused_as_that(device, kappa):
    """A itself is not singular, and the message does not say so."""
    with pytest.raises(np.linalg.LinAlgError, match="its normal operator the square of it, too much") as told:
        hold(conditioned(kappa), device)
    assert not isinstance(told.value, SingularError)
    assert "device=None" in str(told.value)
    number = float(re.search(r"condition number ([0-9.e+]+)", str(told.value)).group(1))
    assert number == pytest.approx(kappa, rel=0.2)
    A = conditioned(kappa)
    x, info = tla.solve(A, A @ np.ones(20), rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(x - 1) <= 100 * kappa * 2.2e-16 * 20


@pytest.mark.parametrize("kappa", [1e2, 1e5])
def test_a_normal_operator_within_reach_solves(kappa):
    A = conditioned(kappa)
    x, info = tla.solve(A, A @ np.ones(20), device=UNDERDAMPED, rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(x - 1) <= 1e-9 * kappa


HILBERT = scipy.linalg.hilbert(6)
COARSE = {
    "indefinite copy": (HILBERT, tla.Imperfections(matrix_bits=4)),
    "singular copy": (np.array([[1.0, 0.9], [0.9, 1.0]]), tla.Imperfections(matrix_bits=2)),
    "mismatched copy": (HILBERT, tla.Imperfections(mismatch=0.3)),
    "sparse copy": (scipy.sparse.csr_array(HILBERT), tla.Imperfections(matrix_bits=4)),
}


@pytest.mark.parametrize("name", COARSE)
def test_a_copy_that_is_not_definite_is_lifted_and_refined(name):
    A, imperfections = COARSE[name]
    device, b = tla.LangevinDevice(imperfections=imperfections), np.ones(A.shape[0])
    x, info = tla.solve(A, b, device=device, assume_a="pos", rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(b - A @ x) <= 1e-10 * np.linalg.norm(b)
    assert "positive definite only with μ" in info.reason
    with pytest.raises(np.linalg.LinAlgError, match=r"its readings tell A \+ μI, not A; inv\(A\)"):
        tla.inv_diagonal(A, device=device, rng=0)
    with pytest.raises(np.linalg.LinAlgError, match="more matrix_bits or less mismatch"):
        tla.sample(A, 3, device=device, rng=0)


def test_a_bad_matrix_is_not_blamed_on_the_device():
    coarse = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=4))
    with pytest.raises(SingularError, match="A is singular"):
        hold(np.ones((3, 3)), coarse)
    assert hold(INDEFINITE, coarse).kind == "embedded"


@pytest.mark.parametrize("A", [-spd(5), INDEFINITE, HOLLOW])
@pytest.mark.parametrize("device", [None, UNDERDAMPED])
def test_insisting_on_positive_is_refused_with_the_evidence(A, device):
    with pytest.raises(np.linalg.LinAlgError, match=r"not positive semidefinite.*; pass assume_a='gen'"):
        hold(A, device, assume_a="pos")


def test_a_matrix_known_by_products_may_show_a_negative_direction_late():
    A = spd(400, 100.0)
    A = A - 1.5 * A[:, :1] @ A[:1] / A[0, 0]
    operator = LinearOperator(A.shape, matvec=lambda v: A @ v, rmatvec=lambda v: A @ v, dtype=float)
    held = hold(operator)
    assert held.kind == "embedded"
    assert "vᵀAv/vᵀv = -" in held.reason


def test_devices_are_checked():
    with pytest.raises(TypeError, match=r"method program\(operator\)"):
        as_device(3)
    with pytest.raises(TypeError, match="needs a GeneralDevice"):
        as_device(tla.LangevinDevice(), stable=True)
    assert isinstance(as_device(None), tla.LangevinDevice)
    assert isinstance(as_device(None, stable=True), tla.GeneralDevice)
    stranger = Stranger()
    assert as_device(stranger) is stranger


@pytest.mark.parametrize("make", [lambda a: a, scipy.sparse.csr_array, aslinearoperator])
def test_normal_operators_are_formed_where_a_is(make):
    read = read_matrix(make(GENERAL), assume_a="gen")
    gram = gram_operator(read.operator).dense()
    np.testing.assert_allclose(gram, GENERAL.T @ GENERAL, rtol=1e-12)
    assert np.linalg.eigvalsh(gram_operator(read_matrix(np.ones((5, 5)), assume_a="gen").operator).dense())[0] > 0


@pytest.mark.parametrize("rtol", [0.1, 1e-2, 1e-3])
@pytest.mark.parametrize("d", [4, 100])
def test_one_run_is_biased_by_less_than_its_noise(rtol, d):
    """Along the softest direction α²/(α² + σ²) of x is missing: a fortieth of rtol over √d, the noise of an entry."""
    share = share_of_one_run(rtol, d)
    assert share**2 == pytest.approx(0.025 * rtol / d**0.5)
    A = general(np.geomspace(1, 1 / 50, 4))
    _, _, vt = np.linalg.svd(A)
    x, info = tla.solve(A, A @ vt[-1], refine=False, rtol=rtol, rng=0, return_info=True)
    assert np.all(abs(x - vt[-1]) <= 5 * info.standard_error)
    np.testing.assert_allclose(info.systematic, 0.025 * rtol / 2 * np.linalg.norm(x) * np.ones(4), rtol=0.7)


# -- what a distorted copy does not tell ------------------------------------------------------------------------------

WORN = tla.LangevinDevice(imperfections=tla.Imperfections(mismatch=0.1, input_bits=8))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("options", [{"rtol": 1e-3}, {"atol": 1e-3}])
def test_a_small_residual_on_a_distorted_copy_is_no_small_error(seed, options):
    """The copy has no direction as soft as A: what stands along that no reading shows, but the bar holds it."""
    soft = orthogonal(2, 3) * [1.0, 1e-9] @ orthogonal(2, 4)
    b = soft @ np.ones(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        x, info = tla.solve(soft, b, device=WORN, rng=seed, return_info=True, **options)
    error = np.linalg.norm(x - 1.0)
    assert error < 3 * np.linalg.norm(info.standard_error)
    assert error < 3e-3 or not info.success or "atol" in options


@pytest.mark.parametrize(
    "call", [lambda A, **options: tla.solve(A, np.ones(2), **options), tla.inv_diagonal, tla.sample, tla.inv]
)
def test_a_singular_matrix_is_refused_although_its_copy_is_definite(call):
    for seed in range(8):
        with pytest.raises(np.linalg.LinAlgError, match=r"singular|copy of A .* not positive semidefinite"):
            call(np.ones((2, 2)), device=WORN, rng=seed)


@pytest.mark.parametrize("call", [tla.inv_diagonal, tla.sample, tla.slogdet])
def test_a_zero_on_the_diagonal_beside_couplings_is_not_definite_rather_than_singular(call):
    with pytest.raises(np.linalg.LinAlgError, match="semidefinite: diagonal entry 1 is 0 and its column is not"):
        call(np.array([[2.0, 1.0], [1.0, 0.0]]))


def test_a_load_of_zero_on_a_distorted_copy_is_answered():
    A = conditioned(1e6)
    x, flag = tla.langevin(A, np.zeros(20), device=WORN, rng=0)
    assert flag == 0
    np.testing.assert_array_equal(x, 0.0)


def test_the_size_that_a_program_tells_without_its_scaling_is_not_used():
    class Telling:
        largest = 3.0

    assert _told_size(Telling(), None, None) is None
    assert _told_size(Telling(), None, np.ones(2)) == 3.0
    Telling.scaling = np.full(2, 0.5)
    assert _told_size(Telling(), None, None) == 12.0
    Telling.scaling = np.array([0.5, 1.0])
    assert _told_size(Telling(), None, None) is None
