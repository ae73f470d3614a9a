"""What every public function does with what it is given: a clear error that names the argument, or the right answer.

Never NaN with success, never a change of the caller's arrays, never a warning that is not stated. A row is one input,
tried on every function it applies to.
"""

import inspect
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.linalg import LinAlgError
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import thermolinalg as tla
from thermolinalg._arrays import is_torch, to_numpy

A0 = np.array([[2.0, 1.0], [1.0, 3.0]])
B0 = np.array([1.0, 2.0])

# -- outcomes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Right:
    """The answer for scale · matrix and load · B0."""

    matrix: Any = field(default_factory=lambda: A0)
    scale: float = 1.0
    load: float = 1.0


@dataclass(frozen=True)
class Refused:
    """An error of this kind whose message matches."""

    kind: type[Exception] | tuple[type[Exception], ...]
    match: str


RIGHT = Right()
SINGULAR = Refused(LinAlgError, "singular|not positive definite|stable")
OUT_OF_RANGE = Refused((OverflowError, ValueError), "range|does not fit|rounding alone")

# -- the functions: how each is called, and what its right answer is ----------------------------------------------


def close(found: Any, expected: Any, rtol: float = 1e-4) -> bool:
    """Agreement relative to the largest entry, for numbers of any size."""
    found, expected = np.asarray(to_numpy(found)), np.asarray(expected)
    wide = np.clongdouble if np.iscomplexobj(found) or np.iscomplexobj(expected) else np.longdouble
    found, expected = found.astype(wide), expected.astype(wide)
    return found.shape == expected.shape and bool(np.all(abs(found - expected) <= rtol * abs(expected).max()))


def solution(x, right):
    b = B0[: len(right.matrix)]
    return close(x, np.linalg.solve(right.matrix, b) * (np.longdouble(right.load) / np.longdouble(right.scale)))


def krylov(result, right):
    return result[1] == 0 and solution(result[0], right)


def least_squares(result, right):
    return solution(result[0], right) if np.linalg.cond(right.matrix) < 1e12 else result[2] < len(right.matrix)


def inverse(x, right):
    return close(x, np.linalg.pinv(right.matrix) / np.longdouble(right.scale))


def diagonal_of_inverse(x, right):
    return close(x, np.diag(np.linalg.inv(right.matrix)) / np.longdouble(right.scale), 0.1)


def determinant(x, right):
    return close(x, np.linalg.det(right.matrix) * np.longdouble(right.scale) ** len(right.matrix), 0.1)


def log_determinant(result, right):
    expected = np.linalg.slogdet(right.matrix).logabsdet + len(right.matrix) * math.log(right.scale)
    return abs(float(result[1]) - expected) < 0.1


def exponential(x, right):
    return close(x, scipy.linalg.expm(right.matrix * right.scale), 0.2)


def lyapunov(x, right):
    expected = scipy.linalg.solve_continuous_lyapunov(right.matrix, np.eye(len(right.matrix)))
    return close(x, expected / np.longdouble(right.scale))


def samples(x, right):
    """The mean of xᴴAx/T is d, to six standard errors of 500 samples."""
    x, d = np.asarray(to_numpy(x)), len(right.matrix)
    x = x.astype(np.clongdouble if np.iscomplexobj(x) else np.longdouble) * np.longdouble(right.scale) ** 0.5
    return abs(float(np.mean(np.sum(x.conj() * (x @ right.matrix.T), axis=1).real)) / d - 1) < 6 * (2 / 500 / d) ** 0.5


@dataclass(frozen=True)
class Function:
    """A public function as the rows see it."""

    agrees: Callable[[Any, Right], bool]
    second: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


FUNCTIONS = {
    "solve": Function(solution, "b"),
    "langevin": Function(krylov, "b"),
    "lstsq": Function(least_squares, "b"),
    "ThermodynamicInverse": Function(solution, "@"),
    "inv": Function(inverse),
    "pinv": Function(inverse),
    "inv_diagonal": Function(diagonal_of_inverse),
    "det": Function(determinant),
    "slogdet": Function(log_determinant),
    "expm": Function(exponential),
    "solve_continuous_lyapunov": Function(lyapunov, "q"),
    "sample": Function(samples, options={"size": 500}),
    "explain": Function(lambda result, right: "engine" in str(result).lower()),
}
THERE = {name: function for name, function in FUNCTIONS.items() if name in tla.__all__}
WITH_B = {name for name, function in THERE.items() if function.second in ("b", "@")}
DEFINITE = THERE.keys() - {"lstsq", "pinv", "expm", "solve_continuous_lyapunov"}


def parameters(name: str) -> set[str]:
    return set(inspect.signature(getattr(tla, name)).parameters)


def run(name: str, A: Any, b: Any, options: Mapping[str, Any]) -> Any:
    function, target = THERE[name], getattr(tla, name)
    seed = {"rng": 0} if "rng" in parameters(name) else {}
    options = {**seed, **function.options, **options}
    if function.second == "@":
        return target(A, **options) @ b
    if function.second == "q":
        d = A.shape[0] if len(getattr(A, "shape", ())) == 2 else 2
        eye = np.eye(d)
        if is_torch(A) and not A.is_sparse:
            eye = torch_tensor(eye, "float32" if "32" in str(A.dtype) else "float64")
        return target(A, eye, **options)
    return target(A, b, **options) if function.second == "b" else target(A, **options)


def numbers(result: Any) -> list[Any]:
    """The arrays and numbers in a result."""
    if isinstance(result, tuple):
        return [x for part in result for x in numbers(part)]
    return [result] if isinstance(result, (float, complex, np.ndarray, np.generic)) or is_torch(result) else []


def fingerprint(x: Any) -> Any:
    """What must not change about an input."""
    if scipy.sparse.issparse(x):
        return x.format, x.dtype, x.toarray().tobytes()
    if is_torch(x):
        return x.dtype, x.to_dense().numpy().tobytes()
    return (x.dtype, x.strides, x.tobytes()) if isinstance(x, np.ndarray) else repr(x)


def check(name: str, A: Any, b: Any, outcome: Right | Refused, options: Mapping[str, Any] | None = None) -> None:
    before = fingerprint(A), fingerprint(b)
    if isinstance(outcome, Refused):
        with pytest.raises(outcome.kind, match=outcome.match):
            run(name, A, b, options or {})
    else:
        result = run(name, A, b, options or {})
        assert all(np.all(np.isfinite(to_numpy(x))) for x in numbers(result)), f"{name} gave {result}"
        assert THERE[name].agrees(result, outcome), f"{name} gave {result}"
    assert (fingerprint(A), fingerprint(b)) == before, "an input was changed"


# -- A --------------------------------------------------------------------------------------------------------------


def torch_tensor(values, dtype="float64"):
    torch = pytest.importorskip("torch")
    return torch.as_tensor(values, dtype=getattr(torch, dtype))


def read_only():
    a = A0.copy()
    a.flags.writeable = False
    return a


def strided():
    wide = np.zeros((4, 6))
    wide[::2, ::3] = A0
    return wide[::2, ::3]


def np_matrix():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(A0)


def with_nan(x):
    x = x.copy()
    x[1, 1] = np.nan
    return x


def products(matrix, **more):
    return LinearOperator(matrix.shape, matvec=lambda v: matrix @ v, dtype=matrix.dtype, **more)


A_OR_a = r"^(A|a|blocks|LinearOperator)\b.*"
NAN = Refused(ValueError, A_OR_a + "NaN or infinity")
SHAPE = Refused(ValueError, A_OR_a + "(square|dimension)")
KIND = Refused(TypeError, A_OR_a)
INDEFINITE = Refused(LinAlgError, "not positive (semi)?definite|singular")
NEVER_SETTLES = Refused(LinAlgError, "never settles: the real parts of the eigenvalues")
DENSE_ONLY = ("expm", "solve_continuous_lyapunov")
HERMITIAN = np.array([[2.0, 1.0j], [-1.0j, 3.0]])
LOPSIDED = np.array([[2.0, 1.0], [0.0, 3.0]])
INDEFINITE_MATRIX = np.array([[1.0, 2.0], [2.0, 1.0]])
RANK_ONE = np.array([[1.0, 2.0], [2.0, 4.0]])

FLAT, ZERO = Right(RANK_ONE), Right(np.zeros((2, 2)))


Outcomes = Mapping[str, Right | Refused | None]


def everywhere(outcome, **exceptions):
    """An outcome for every function, and others for some; None where a row says nothing about a function."""
    return {name: exceptions.get(name, outcome) for name in THERE}


def not_an_array(outcome, **exceptions):
    """For A that only some functions take: those that need its entries refuse it by its kind."""
    return everywhere(outcome, **(dict.fromkeys(DENSE_ONLY, Refused(TypeError, r"^[Aa] is")) | exceptions))


def definite_only(refused, right, **exceptions):
    """Refused by what needs a definite A, right for what does not; Lyapunov's A must be stable."""
    general = {"lstsq": right, "pinv": right, "expm": right, "solve_continuous_lyapunov": NEVER_SETTLES}
    return everywhere(refused, **(general | exceptions))


def definite_and_not_an_array(refused, right):
    return definite_only(refused, right, **dict.fromkeys(DENSE_ONLY, Refused(TypeError, r"^[Aa] is")))


MATRICES: dict[str, tuple[Callable[[], Any], Mapping[str, Right | Refused]]] = {
    # numbers in other clothes
    "integers": (lambda: A0.astype(int), everywhere(RIGHT)),
    "small integers": (lambda: A0.astype(np.int8), everywhere(RIGHT)),
    "booleans": (lambda: np.eye(2, dtype=bool), everywhere(Right(np.eye(2)))),
    "single precision": (lambda: A0.astype(np.float32), everywhere(RIGHT)),
    "half precision": (lambda: A0.astype(np.float16), everywhere(RIGHT)),
    "long double": (lambda: A0.astype(np.longdouble), everywhere(RIGHT)),
    "big-endian": (lambda: A0.astype(">f8"), everywhere(RIGHT)),
    "Fortran order": (lambda: np.asfortranarray(A0), everywhere(RIGHT)),
    "strided": (strided, everywhere(RIGHT)),
    "reversed": (lambda: A0[::-1, ::-1].copy()[::-1, ::-1], everywhere(RIGHT)),
    "read-only": (read_only, everywhere(RIGHT)),
    "lists": (lambda: A0.tolist(), everywhere(RIGHT)),
    "tuples": (lambda: ((2, 1), (1, 3)), everywhere(RIGHT)),
    "complex dtype, real numbers": (lambda: A0.astype(complex), everywhere(RIGHT)),
    "Hermitian": (lambda: HERMITIAN, everywhere(Right(HERMITIAN))),
    "CSR": (lambda: scipy.sparse.csr_array(A0), not_an_array(RIGHT)),
    "COO with duplicates": (
        lambda: scipy.sparse.coo_array(([1.0, 1.0, 1.0, 1.0, 3.0], ([0, 0, 0, 1, 1], [0, 0, 1, 0, 1]))),
        not_an_array(RIGHT),
    ),
    "CSC of integers": (lambda: scipy.sparse.csc_matrix(A0.astype(int)), not_an_array(RIGHT)),
    "sparse Hermitian": (lambda: scipy.sparse.csr_array(HERMITIAN), not_an_array(Right(HERMITIAN))),
    "LinearOperator": (lambda: aslinearoperator(A0), not_an_array(RIGHT)),
    "torch": (lambda: torch_tensor(A0), everywhere(RIGHT)),
    "torch integers": (lambda: torch_tensor(A0, "int32"), everywhere(RIGHT)),
    "torch, single precision": (lambda: torch_tensor(A0, "float32"), everywhere(RIGHT)),
    "one entry": (lambda: np.array([[4.0]]), everywhere(Right(np.array([[4.0]])))),
    # scales
    "scale 1e300": (lambda: 1e300 * A0, everywhere(Right(scale=1e300), det=OUT_OF_RANGE, expm=OUT_OF_RANGE)),
    "scale 1e-300": (lambda: 1e-300 * A0, everywhere(Right(scale=1e-300), det=OUT_OF_RANGE)),
    "sparse, scale 1e300": (
        lambda: scipy.sparse.csr_array(1e300 * A0),
        not_an_array(Right(scale=1e300), det=OUT_OF_RANGE),
    ),
    "matrix-free, scale 1e-200": (
        lambda: aslinearoperator(1e-200 * A0),
        not_an_array(Right(scale=1e-200), det=OUT_OF_RANGE),
    ),
    "diagonal operator, scale 1e200": (
        lambda: tla.operators.Diagonal([1e200, 2e200]),
        not_an_array(Right(np.diag([1.0, 2.0]), 1e200), det=OUT_OF_RANGE),
    ),
    # not numbers
    "NaN": (lambda: with_nan(A0), everywhere(NAN)),
    "infinity": (lambda: A0 + np.diag([np.inf, 0]), everywhere(NAN)),
    "infinities that cancel": (lambda: np.array([[1, np.inf], [-np.inf, 1]]), everywhere(NAN)),
    "complex NaN": (lambda: A0 + 1j * np.array([[0, np.nan], [0, 0]]), everywhere(NAN)),
    "sparse NaN": (lambda: scipy.sparse.csr_array(with_nan(A0)), not_an_array(NAN)),
    "products of NaN": (lambda: products(with_nan(A0)), not_an_array(Refused((ValueError, LinAlgError), "NaN"))),
    "torch NaN": (lambda: torch_tensor(with_nan(A0)), everywhere(NAN)),
    "objects": (lambda: A0.astype(object), everywhere(KIND)),
    "strings": (lambda: np.array([["2", "1"], ["1", "3"]]), everywhere(KIND)),
    "a string": (lambda: "A0", everywhere(Refused((TypeError, ValueError), "[Aa]"))),
    "dates": (lambda: np.zeros((2, 2), "datetime64[s]"), everywhere(KIND)),
    "masked": (lambda: np.ma.masked_less(A0, 1.5), everywhere(KIND)),
    "np.matrix": (np_matrix, everywhere(KIND)),
    "None": (lambda: None, everywhere(Refused(TypeError, "[Aa]"))),
    "ragged lists": (lambda: [[2.0, 1.0], [1.0]], everywhere(Refused(ValueError, "^[Aa] is not an array"))),
    "sparse torch": (lambda: torch_tensor(A0).to_sparse(), everywhere(KIND)),
    # shapes
    "a scalar": (lambda: 2.0, everywhere(SHAPE, expm=None, solve_continuous_lyapunov=None)),
    "a vector": (lambda: np.ones(2), everywhere(SHAPE)),
    "wide": (lambda: np.ones((2, 3)), everywhere(SHAPE, lstsq=None, pinv=None)),
    "sparse wide": (lambda: scipy.sparse.csr_array(np.ones((2, 3))), not_an_array(SHAPE, lstsq=None, pinv=None)),
    # no device can mean it
    "indefinite": (lambda: INDEFINITE_MATRIX, definite_only(INDEFINITE, Right(INDEFINITE_MATRIX))),
    "sparse indefinite": (
        lambda: scipy.sparse.csr_array(INDEFINITE_MATRIX),
        definite_and_not_an_array(INDEFINITE, Right(INDEFINITE_MATRIX)),
    ),
    "indefinite products": (
        lambda: aslinearoperator(INDEFINITE_MATRIX),
        definite_and_not_an_array(INDEFINITE, Right(INDEFINITE_MATRIX)),
    ),
    "indefinite operator": (
        lambda: tla.operators.Diagonal([1.0, -2.0]),
        definite_and_not_an_array(INDEFINITE, Right(np.diag([1.0, -2.0]))),
    ),
    "negative definite": (lambda: -A0, definite_only(INDEFINITE, Right(-A0), solve_continuous_lyapunov=Right(-A0))),
    "singular": (lambda: RANK_ONE, definite_only(SINGULAR, FLAT)),
    "sparse singular": (
        lambda: scipy.sparse.csr_array(RANK_ONE),
        definite_and_not_an_array(SINGULAR, FLAT),
    ),
    "singular products": (lambda: aslinearoperator(RANK_ONE), definite_and_not_an_array(SINGULAR, FLAT)),
    "zero": (lambda: np.zeros((2, 2)), definite_only(SINGULAR, ZERO)),
    "sparse zero": (
        lambda: scipy.sparse.csr_array((2, 2)),
        definite_and_not_an_array(SINGULAR, ZERO),
    ),
    "singular to rounding": (
        lambda: np.array([[1.0, 1.0], [1.0, 1.0 + 1e-16]]),
        definite_only(SINGULAR, Right(np.ones((2, 2)))),
    ),
}
TABLE = [(row, name) for row, (_, outcomes) in MATRICES.items() for name in outcomes if outcomes[name] is not None]


@pytest.mark.parametrize(("row", "name"), TABLE, ids=lambda value: value)
def test_matrices(row, name):
    make, outcomes = MATRICES[row]
    A = make()
    b = torch_tensor(B0) if is_torch(A) else B0
    outcome = outcomes[name]
    check(name, A, b[: len(outcome.matrix)] if isinstance(outcome, Right) else b, outcome)


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1e160, 1e200])
@pytest.mark.parametrize("d", range(2, 9))
def test_a_map_of_any_scale_is_seen_to_be_symmetric(d, scale):
    factor = np.random.default_rng(d).standard_normal((d, 2 * d))
    a = factor @ factor.T
    diagonal = tla.inv_diagonal(aslinearoperator(scale * a), rng=0)
    np.testing.assert_allclose(scale * diagonal, np.diagonal(np.linalg.inv(a)), rtol=0.1)


# -- b --------------------------------------------------------------------------------------------------------------

NAN_B = Refused(ValueError, r"^b\b.*NaN or infinity")
KIND_B = Refused(TypeError, r"^b\b")
SHAPE_B = Refused(ValueError, r"^b has|^b must|dimension mismatch|shape")


def read_only_b():
    b = B0.copy()
    b.flags.writeable = False
    return b


RIGHT_HAND_SIDES: dict[str, tuple[Callable[[], Any], Right | Refused]] = {
    "integers": (lambda: np.array([1, 2]), RIGHT),
    "single precision": (lambda: B0.astype(np.float32), RIGHT),
    "half precision": (lambda: B0.astype(np.float16), RIGHT),
    "long double": (lambda: B0.astype(np.longdouble), RIGHT),
    "big-endian": (lambda: B0.astype(">f8"), RIGHT),
    "strided": (lambda: np.repeat(B0, 3)[::3], RIGHT),
    "reversed": (lambda: B0[::-1].copy()[::-1], RIGHT),
    "read-only": (read_only_b, RIGHT),
    "scale 1e300": (lambda: 1e300 * B0, Right(load=1e300)),
    "scale 1e-300": (lambda: 1e-300 * B0, Right(load=1e-300)),
    "denormal": (lambda: 1e-310 * B0, Right(load=1e-310)),
    "NaN": (lambda: np.array([1.0, np.nan]), NAN_B),
    "infinity": (lambda: np.array([np.inf, 1.0]), NAN_B),
    "complex NaN": (lambda: np.array([1.0, 1j * np.nan]), NAN_B),
    "objects": (lambda: B0.astype(object), KIND_B),
    "strings": (lambda: np.array(["1", "2"]), KIND_B),
    "masked": (lambda: np.ma.masked_less(B0, 1.5), KIND_B),
    "too long": (lambda: np.ones(3), SHAPE_B),
    "too short": (lambda: np.ones(1), SHAPE_B),
    "a scalar": (lambda: np.array(1.0), SHAPE_B),
    "transposed block": (lambda: np.ones((3, 2)), SHAPE_B),
    "sparse": (lambda: scipy.sparse.csr_array(np.ones((2, 1))), KIND_B),
    "torch for a NumPy A": (lambda: torch_tensor(B0), KIND_B),
}


@pytest.mark.parametrize("name", sorted(WITH_B - {"ThermodynamicInverse"}))
@pytest.mark.parametrize("row", RIGHT_HAND_SIDES)
def test_right_hand_sides(row, name):
    make, outcome = RIGHT_HAND_SIDES[row]
    check(name, A0, make(), outcome)


@pytest.mark.parametrize("name", sorted(WITH_B - {"ThermodynamicInverse"}))
@pytest.mark.parametrize("b", [[1.0, 2.0], (1, 2)])
def test_right_hand_sides_that_are_no_arrays(name, b):
    check(name, A0, b, RIGHT)


@pytest.mark.parametrize("name", sorted(WITH_B))
def test_zero_has_the_solution_zero(name):
    x = run(name, A0, np.zeros(2), {})
    np.testing.assert_array_equal(numbers(x)[0], 0)


@pytest.mark.parametrize("name", sorted(WITH_B))
def test_a_real_matrix_and_a_complex_right_hand_side(name):
    x = numbers(run(name, A0, B0 - 2j * B0[::-1], {}))[0]
    np.testing.assert_allclose(x, np.linalg.solve(A0, B0 - 2j * B0[::-1]), rtol=1e-4)


@pytest.mark.parametrize("name", sorted(WITH_B))
def test_columns_of_very_different_scale(name):
    scales = np.array([1.0, 0.0, 1e200, 1e-200, 1e-60])
    x = numbers(run(name, A0, B0[:, None] * scales, {}))[0]
    np.testing.assert_allclose(x, np.linalg.solve(A0, B0)[:, None] * scales, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(WITH_B))
@pytest.mark.parametrize(("scale", "load"), [(1e300, 1e-300), (1e-300, 1e300), (1e-300, 1e10), (1e300, 1e-20)])
def test_solutions_out_of_range_are_refused(name, scale, load):
    with pytest.raises(ValueError, match="the solution leaves the range of float64"):
        run(name, scale * A0, load * B0, {})


@pytest.mark.parametrize("name", sorted(WITH_B))
@pytest.mark.parametrize("scale", [1e300, 1e-300])
@pytest.mark.parametrize("load", [1e300, 1e-300])
def test_lopsided_systems_of_any_scale(name, scale, load):
    if (scale > 1) != (load > 1):
        return
    matrix = np.array([[2.0, 1.0], [0.0, 3.0]])
    check(name, scale * matrix, load * B0, Right(matrix, scale, load))


def test_the_report_is_in_the_units_of_the_caller():
    _, ordinary = tla.solve(A0, B0, rng=0, return_info=True)
    for scale, load in [(1e300, 1e300), (1e-290, 1e-300), (1e300, 1.0)]:
        x, info = tla.solve(scale * A0, load * B0, rng=0, return_info=True)
        assert info.success
        assert info.residual_norm <= 1e-10 * load * np.linalg.norm(B0)
        assert np.all(info.standard_error < 1e-8 * abs(x))
        assert np.all(info.standard_error > 0)
    _, loose = tla.solve(1e300 * A0, 1e300 * B0, rtol=0, atol=1e299, rng=0, return_info=True)
    assert loose.success
    assert loose.n_runs <= ordinary.n_runs
    x, raw = tla.solve(1e300 * A0, 1e300 * B0, refine=False, rtol=1e-3, rng=0, return_info=True)
    assert np.all(abs(x - np.linalg.solve(A0, B0)) < 6 * raw.standard_error)
    assert 0 < raw.residual_norm < 1e299


# -- options --------------------------------------------------------------------------------------------------------

OPTIONS: list[tuple[str, Any, Refused]] = [
    ("rtol", -1e-3, Refused(ValueError, "^(rtol|atol)")),
    ("rtol", np.nan, Refused(ValueError, "^(rtol|atol)")),
    ("rtol", "small", Refused((TypeError, ValueError), "^(rtol|atol)")),
    ("rtol", [1e-3, 1e-4], Refused((TypeError, ValueError), "^(rtol|atol)")),
    ("rtol", 1j, Refused((TypeError, ValueError), "^(rtol|atol)")),
    ("atol", -1.0, Refused(ValueError, "^atol")),
    ("atol", np.nan, Refused(ValueError, "^atol")),
    ("atol", "none", Refused((TypeError, ValueError), "^atol")),
    ("maxiter", 0, Refused(ValueError, "^maxiter")),
    ("maxiter", -3, Refused(ValueError, "^maxiter")),
    ("maxiter", 2.5, Refused(TypeError, "^maxiter")),
    ("maxiter", "many", Refused(TypeError, "^maxiter")),
    ("maxiter", np.inf, Refused(TypeError, "^maxiter")),
    ("rng", -1, Refused(ValueError, "^rng")),
    ("rng", "seed", Refused(TypeError, "^rng")),
    ("rng", 1.5, Refused(TypeError, "^rng")),
    ("assume_a", "positive", Refused(ValueError, "^assume_a")),
    ("assume_a", 3, Refused(ValueError, "^assume_a")),
    ("size", -1, Refused(ValueError, "size")),
    ("size", 2.5, Refused(TypeError, "size")),
    ("temperature", -1.0, Refused(ValueError, "temperature")),
    ("temperature", np.nan, Refused(ValueError, "temperature")),
    ("method", "magic", Refused(ValueError, "^method")),
    ("device", "cpu", Refused(TypeError, "^device")),
    ("device", 3, Refused(TypeError, "^device")),
    ("schedule", 100, Refused(TypeError, "^schedule")),
]
ASKED = [
    (option, value, refused, name)
    for option, value, refused in OPTIONS
    for name in sorted(THERE)
    if option in parameters(name)
]


@pytest.mark.parametrize(
    ("option", "value", "refused", "name"), ASKED, ids=[f"{option}={value}-{name}" for option, value, _, name in ASKED]
)
def test_options(option, value, refused, name):
    check(name, A0, B0, refused, {option: value})


def test_unknown_options_are_refused():
    for name in THERE:
        with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
            run(name, A0, B0, {"speed": 3})


def test_the_tables_are_long_enough():
    assert len(MATRICES) + len(RIGHT_HAND_SIDES) + len(OPTIONS) >= 40
