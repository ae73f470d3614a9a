"""What every public function does with what it is given: a clear error that names the argument, or the right answer.

Never NaN with success, never a change of the caller's arrays, never a warning that is not stated. A row is one input,
tried on every function it applies to.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from helpers import sparse_tensor, tensor_map
from numpy.linalg import LinAlgError
from public import A0, B0, FUNCTIONS, WITH_B, Refused, Right, check, load, numbers, parameters, run, torch_tensor
from scipy.sparse.linalg import LinearOperator, aslinearoperator

import thermolinalg as tla
from thermolinalg._arrays import is_torch
from thermolinalg.operators.matrix_free import tensor_like

RIGHT = Right()
SINGULAR = Refused(LinAlgError, "singular to working precision")
OUT_OF_RANGE = Refused((OverflowError, ValueError), "range|does not fit|rounding alone")
TOO_FAR = Refused(ValueError, "the symmetric part of A t has the eigenvalue")
TOO_LARGE = {"expm": OUT_OF_RANGE, "expm_multiply": TOO_FAR}

# -- A --------------------------------------------------------------------------------------------------------------


def read_only():
    a = A0.copy()
    a.flags.writeable = False
    return a


def strided():
    wide = np.zeros((4, 6))
    wide[::2, ::3] = A0
    return wide[::2, ::3]


def strict(x, device="CPU_DEVICE"):
    """An array that does what the array API standard says, and nothing else."""
    library = pytest.importorskip("array_api_strict")
    return library.asarray(x, device=library.Device(device))


def doubled_tensor():
    half = sparse_tensor(A0 / 2, "coo")
    torch = pytest.importorskip("torch")
    twice = torch.cat([half.indices()] * 2, dim=1), torch.cat([half.values()] * 2)
    return torch.sparse_coo_tensor(*twice, half.shape, check_invariants=True)


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
NOT_HERE = Refused(
    TypeError, A_OR_a + "a Array without numbers to load, .* on a device of its own; pass an array on the host"
)
NOT_SYMMETRIC = Refused(LinAlgError, r"is not symmetric: .* times what rounding explains")
INDEFINITE = Refused(LinAlgError, "not positive (semi)?definite")
NEVER_SETTLES = Refused(LinAlgError, "never settles: the real parts of the eigenvalues")
DENSE_ONLY = ("expm", "solve_continuous_lyapunov")
LOSES = ("pinv", "lstsq")
HERMITIAN = np.array([[2.0, 1.0j], [-1.0j, 3.0]])
LOPSIDED = np.array([[2.0, 1.0], [0.0, 3.0]])
INDEFINITE_MATRIX = np.array([[1.0, 2.0], [2.0, 1.0]])
RANK_ONE = np.array([[1.0, 2.0], [2.0, 4.0]])
LOCAL = np.array([[1e12, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.9, 1.0]])
NEARLY = np.array([[2.0, 1.0], [1.0 + 2e-15, 3.0]])
SOFT, SOFTER = np.array([[1.0, 1 - 1e-8], [1 - 1e-8, 1.0]]), np.array([[1.0, 1 - 1e-13], [1 - 1e-13, 1.0]])
TILTED = np.array([[1.0, 1 + 1e-13], [1 - 1e-13, 1 + 3e-13]])

FLAT, ZERO = Right(RANK_ONE), Right(np.zeros((2, 2)))


Outcomes = Mapping[str, Right | Refused | None]


def everywhere(outcome, **exceptions):
    """An outcome for every function, and others for some; None where a row says nothing about a function.

    Exceptions for a function hold for its raw calls as well.
    """
    return {name: exceptions.get(function.name, outcome) for name, function in FUNCTIONS.items()}


def not_an_array(outcome, **exceptions):
    """For A that only some functions take: those that need its entries refuse it by its kind."""
    return everywhere(outcome, **(dict.fromkeys(DENSE_ONLY, Refused(TypeError, r"^[Aa] is")) | exceptions))


def asking(names, refused, right, **exceptions):
    """Refused by these, right for all others."""
    return everywhere(right, **(dict.fromkeys(names.split(), refused) | exceptions))


def indefinite(matrix, **exceptions):
    """Only what needs a definite A refuses it; a drift of both signs never settles."""
    names = "det slogdet inv_diagonal sample"
    return asking(names, INDEFINITE, Right(matrix), solve_continuous_lyapunov=NEVER_SETTLES, **exceptions)


def not_symmetric(matrix, **exceptions):
    """Only what needs a symmetric A refuses it."""
    return asking("det slogdet inv_diagonal sample", NOT_SYMMETRIC, Right(matrix), **exceptions)


def singular(right, **exceptions):
    """Refused by all but least squares and exponentials."""
    general = dict.fromkeys(["lstsq", "pinv", "expm", "expm_multiply"], right)
    general["solve_continuous_lyapunov"] = NEVER_SETTLES
    return everywhere(SINGULAR, **(general | exceptions))


DENORMAL = 2.0**-1030
"""Below the smallest normal number, with 44 bits left: A0 is held exactly."""


def denormal():
    """The inverse leaves the range; the logarithm of the determinant, samples and the exponential do not."""
    answered = Right(scale=DENORMAL)
    return everywhere(
        OUT_OF_RANGE,
        **dict.fromkeys(["slogdet", "logabsdet", "expm", "expm_multiply", "sample", "explain", "plan"], answered),
    )


def warned(matrix):
    """Right, with a warning from all that have to divide by what is small; cg's contract is one of residuals."""
    ill, rounding = Right(matrix, warns="ill-conditioned"), Right(matrix, warns="rounding")
    return everywhere(
        ill,
        langevin=Right(matrix),
        expm=Right(matrix),
        expm_multiply=Right(matrix),
        explain=Right(matrix),
        plan=Right(matrix),
        solve_continuous_lyapunov=None,
        inv_diagonal=rounding,
        sample=rounding,
    )


NO_ENTRIES = dict.fromkeys(DENSE_ONLY, Refused(TypeError, r"^[Aa] is"))


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
    "another library's": (lambda: strict(A0), everywhere(RIGHT)),
    "another library's integers": (lambda: strict(A0.astype(int)), everywhere(RIGHT)),
    "another library's, single precision": (lambda: strict(A0.astype(np.float32)), everywhere(RIGHT)),
    "another library's, Hermitian": (lambda: strict(HERMITIAN), everywhere(Right(HERMITIAN))),
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
    "torch CSR": (lambda: sparse_tensor(A0), not_an_array(RIGHT)),
    "torch CSC, single precision": (lambda: sparse_tensor(A0.astype(np.float32), "csc"), not_an_array(RIGHT)),
    "torch COO of integers": (lambda: sparse_tensor(A0.astype(int), "coo"), not_an_array(RIGHT)),
    "torch COO with duplicates": (doubled_tensor, not_an_array(RIGHT)),
    "torch CSR, Hermitian": (lambda: sparse_tensor(HERMITIAN), not_an_array(Right(HERMITIAN))),
    "torch map": (lambda: tensor_map(A0), not_an_array(RIGHT)),
    "torch map, single precision": (lambda: tensor_map(A0.astype(np.float32)), not_an_array(RIGHT)),
    "torch map, Hermitian": (lambda: tensor_map(HERMITIAN), not_an_array(Right(HERMITIAN))),
    "one entry": (lambda: np.array([[4.0]]), everywhere(Right(np.array([[4.0]])))),
    # scales
    "scale 1e300": (
        lambda: 1e300 * A0,
        everywhere(Right(scale=1e300), det=OUT_OF_RANGE, expm=OUT_OF_RANGE, expm_multiply=TOO_FAR),
    ),
    "scale 1e-300": (lambda: 1e-300 * A0, everywhere(Right(scale=1e-300), det=OUT_OF_RANGE)),
    "scale 4e307": (
        lambda: 4e307 * A0,
        everywhere(Right(scale=4e307), det=OUT_OF_RANGE, expm=OUT_OF_RANGE, expm_multiply=TOO_FAR),
    ),
    "scale 1e-310": (lambda: DENORMAL * A0, denormal()),
    "sparse, scale 1e-310": (lambda: scipy.sparse.csr_array(DENORMAL * A0), denormal() | NO_ENTRIES),
    "sparse, scale 1e300": (
        lambda: scipy.sparse.csr_array(1e300 * A0),
        not_an_array(Right(scale=1e300), det=OUT_OF_RANGE, expm_multiply=TOO_FAR),
    ),
    "matrix-free, scale 1e-200": (
        lambda: aslinearoperator(1e-200 * A0),
        not_an_array(Right(scale=1e-200), det=OUT_OF_RANGE),
    ),
    "diagonal operator, scale 1e200": (
        lambda: tla.operators.Diagonal([1e200, 2e200]),
        not_an_array(Right(np.diag([1.0, 2.0]), 1e200), det=OUT_OF_RANGE, expm_multiply=TOO_FAR),
    ),
    # not numbers
    "NaN": (lambda: with_nan(A0), everywhere(NAN)),
    "infinity": (lambda: A0 + np.diag([np.inf, 0]), everywhere(NAN)),
    "infinities that cancel": (lambda: np.array([[1, np.inf], [-np.inf, 1]]), everywhere(NAN)),
    "complex NaN": (lambda: A0 + 1j * np.array([[0, np.nan], [0, 0]]), everywhere(NAN)),
    "sparse NaN": (lambda: scipy.sparse.csr_array(with_nan(A0)), not_an_array(NAN)),
    "products of NaN": (lambda: products(with_nan(A0)), not_an_array(Refused((ValueError, LinAlgError), "NaN"))),
    "torch NaN": (lambda: torch_tensor(with_nan(A0)), everywhere(NAN)),
    "torch CSR, NaN": (lambda: sparse_tensor(with_nan(A0)), not_an_array(NAN)),
    "objects": (lambda: A0.astype(object), everywhere(KIND)),
    "strings": (lambda: np.array([["2", "1"], ["1", "3"]]), everywhere(KIND)),
    "a string": (lambda: "A0", everywhere(Refused((TypeError, ValueError), "[Aa]"))),
    "dates": (lambda: np.zeros((2, 2), "datetime64[s]"), everywhere(KIND)),
    "masked": (lambda: np.ma.masked_less(A0, 1.5), everywhere(KIND)),
    "np.matrix": (np_matrix, everywhere(KIND)),
    "None": (lambda: None, everywhere(Refused(TypeError, "[Aa]"))),
    "ragged lists": (lambda: [[2.0, 1.0], [1.0]], everywhere(Refused(ValueError, "^[Aa] is not an array"))),
    "torch, rows of a sparse tensor": (
        lambda: torch_tensor(A0).to_sparse(1),
        not_an_array(Refused(ValueError, "dense rows")),
    ),
    "another library's, on its device": (lambda: strict(A0, device="device1"), everywhere(NOT_HERE)),
    # shapes
    "a scalar": (lambda: 2.0, everywhere(SHAPE, solve=None, expm=None, solve_continuous_lyapunov=None)),
    "a vector": (lambda: np.ones(2), everywhere(SHAPE)),
    "wide": (lambda: np.ones((2, 3)), everywhere(SHAPE, lstsq=None, pinv=None)),
    "sparse wide": (lambda: scipy.sparse.csr_array(np.ones((2, 3))), not_an_array(SHAPE, lstsq=None, pinv=None)),
    # symmetric, but not positive definite
    "indefinite": (lambda: INDEFINITE_MATRIX, indefinite(INDEFINITE_MATRIX)),
    "sparse indefinite": (
        lambda: scipy.sparse.csr_array(INDEFINITE_MATRIX),
        indefinite(INDEFINITE_MATRIX) | NO_ENTRIES,
    ),
    "indefinite products": (lambda: aslinearoperator(INDEFINITE_MATRIX), indefinite(INDEFINITE_MATRIX) | NO_ENTRIES),
    "indefinite operator": (
        lambda: tla.operators.Diagonal([1.0, -2.0]),
        indefinite(np.diag([1.0, -2.0])) | NO_ENTRIES,
    ),
    "negative definite": (lambda: -A0, asking("inv_diagonal sample", INDEFINITE, Right(-A0))),
    "sparse negative definite": (
        lambda: scipy.sparse.csr_array(-A0),
        asking("inv_diagonal sample", INDEFINITE, Right(-A0)) | NO_ENTRIES,
    ),
    "negative definite products": (
        lambda: aslinearoperator(-A0),
        asking("inv_diagonal sample", INDEFINITE, Right(-A0)) | NO_ENTRIES,
    ),
    "a negative number": (
        lambda: np.array([[-4.0]]),
        asking("inv_diagonal sample", INDEFINITE, Right(np.array([[-4.0]]))),
    ),
    # not symmetric
    "lopsided": (lambda: LOPSIDED, not_symmetric(LOPSIDED)),
    "sparse lopsided": (lambda: scipy.sparse.csr_array(LOPSIDED), not_symmetric(LOPSIDED) | NO_ENTRIES),
    "lopsided products": (lambda: aslinearoperator(LOPSIDED), not_symmetric(LOPSIDED) | NO_ENTRIES),
    "nearly symmetric": (lambda: NEARLY, everywhere(Right(NEARLY))),
    "sparse, nearly symmetric": (lambda: scipy.sparse.csr_array(NEARLY), not_an_array(Right(NEARLY))),
    "nearly symmetric products": (lambda: aslinearoperator(NEARLY), not_an_array(Right(NEARLY))),
    "lopsided beside a huge entry": (lambda: LOCAL, not_symmetric(LOCAL, **TOO_LARGE)),
    "sparse, lopsided beside a huge entry": (
        lambda: scipy.sparse.csr_array(LOCAL),
        not_symmetric(LOCAL, **TOO_LARGE) | NO_ENTRIES,
    ),
    "products, lopsided beside a huge entry": (
        lambda: aslinearoperator(LOCAL),
        not_symmetric(LOCAL, **TOO_LARGE) | NO_ENTRIES,
    ),
    # ill-conditioned
    "condition 1e8": (lambda: SOFT, everywhere(Right(SOFT))),
    "sparse, condition 1e8": (lambda: scipy.sparse.csr_array(SOFT), not_an_array(Right(SOFT))),
    "condition 1e13": (lambda: SOFTER, warned(SOFTER)),
    "lopsided, condition 1e13": (
        lambda: TILTED,
        warned(TILTED)
        | dict.fromkeys(("det", "slogdet", "inv_diagonal", "sample"), NOT_SYMMETRIC)
        | {"logabsdet": None, "langevin": None},  # no x of double precision has its residual
    ),
    "single precision, condition 100": (
        lambda: np.array([[1.0, 1 - 2e-2], [1 - 2e-2, 1.0]], dtype=np.float32),
        everywhere(Right(np.array([[1.0, 1 - 2e-2], [1 - 2e-2, 1.0]], dtype=np.float32).astype(float))),
    ),
    # singular
    "singular": (lambda: RANK_ONE, singular(FLAT)),
    "sparse singular": (lambda: scipy.sparse.csr_array(RANK_ONE), singular(FLAT) | NO_ENTRIES),
    "singular products": (lambda: aslinearoperator(RANK_ONE), singular(FLAT) | NO_ENTRIES),
    "zero": (lambda: np.zeros((2, 2)), singular(ZERO)),
    "sparse zero": (lambda: scipy.sparse.csr_array((2, 2)), singular(ZERO) | NO_ENTRIES),
    "the number zero": (lambda: np.array([[0.0]]), singular(Right(np.array([[0.0]])))),
    "singular and lopsided": (
        lambda: np.array([[1.0, 2.0], [3.0, 6.0]]),
        singular(
            Right(np.array([[1.0, 2.0], [3.0, 6.0]])),
            expm=Right(np.array([[1.0, 2.0], [3.0, 6.0]]), warns="of device time"),
        )
        | dict.fromkeys(("det", "slogdet", "inv_diagonal", "sample"), NOT_SYMMETRIC),
    ),
    "singular and badly scaled": (
        lambda: np.array([[1e8, 2e-2], [2e-2, 4e-12]]),
        singular(None, expm=None, expm_multiply=None, lstsq=None, pinv=None),
    ),
    "singular to rounding": (
        lambda: np.array([[1.0, 1.0], [1.0, 1.0 + 1e-16]]),
        singular(Right(np.ones((2, 2)))),
    ),
    "singular to the last bit": (
        lambda: np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-52]]),
        singular(Right(np.ones((2, 2)))),
    ),
    "singular in single precision": (
        lambda: np.ones((2, 2), dtype=np.float32),
        singular(Right(np.ones((2, 2)))),
    ),
}
TABLE = [(row, name) for row, (_, outcomes) in MATRICES.items() for name in outcomes if outcomes[name] is not None]


@pytest.mark.parametrize(("row", "name"), TABLE, ids=lambda value: value)
def test_matrices(row, name):
    make, outcomes = MATRICES[row]
    A, outcome = make(), outcomes[name]
    shape = getattr(A, "shape", ())
    b = load(shape[0] if len(shape) == 2 else 2)
    check(name, A, torch_tensor(b) if is_torch(A) or tensor_like(A) is not None else b, outcome)


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
SHAPE_B = Refused(ValueError, r"^b has|^b must|(?i:dimension mismatch)|shape")


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


@pytest.mark.parametrize("name", sorted(set(WITH_B) - {"ThermodynamicInverse"}))
@pytest.mark.parametrize("row", RIGHT_HAND_SIDES)
def test_right_hand_sides(row, name):
    make, outcome = RIGHT_HAND_SIDES[row]
    check(name, A0, make(), outcome)


@pytest.mark.parametrize("name", sorted(set(WITH_B) - {"ThermodynamicInverse"}))
@pytest.mark.parametrize("b", [[1.0, 2.0], (1, 2)])
def test_right_hand_sides_that_are_no_arrays(name, b):
    check(name, A0, b, RIGHT)


def tolerance(name):
    """Of single runs at rtol=1e-3, and of refined answers."""
    return 0.02 if "raw" in name else 1e-4


@pytest.mark.parametrize("name", WITH_B)
def test_zero_has_the_solution_zero(name):
    if "raw" in name:
        pytest.skip("a single run of the device has its noise")
    x = run(name, A0, np.zeros(2), {})
    np.testing.assert_array_equal(numbers(x)[0], 0)


@pytest.mark.parametrize("name", WITH_B)
def test_a_real_matrix_and_a_complex_right_hand_side(name):
    x = numbers(run(name, A0, B0 - 2j * B0[::-1], {}))[0]
    np.testing.assert_allclose(x, np.linalg.solve(A0, B0 - 2j * B0[::-1]), rtol=tolerance(name))


@pytest.mark.parametrize("name", WITH_B)
def test_columns_of_very_different_scale(name):
    scales = np.array([1.0, 1e200, 1e-200, 1e-60] if "raw" in name else [1.0, 0.0, 1e200, 1e-200, 1e-60])
    x = numbers(run(name, A0, B0[:, None] * scales, {}))[0]
    np.testing.assert_allclose(x, np.linalg.solve(A0, B0)[:, None] * scales, rtol=tolerance(name))


@pytest.mark.parametrize("name", WITH_B)
@pytest.mark.parametrize(("scale", "size"), [(1e300, 1e-300), (1e-300, 1e300), (1e-300, 1e10), (DENORMAL, 1.0)])
def test_solutions_out_of_range_are_refused(name, scale, size):
    with pytest.raises(ValueError, match="the solution leaves the range of float64"):
        run(name, scale * A0, size * B0, {})


@pytest.mark.parametrize("name", WITH_B)
@pytest.mark.parametrize(("scale", "size"), [(1e300, 1e-20), (DENORMAL, 1e-300), (4e307, 1e-5), (1.0, 1e-320)])
def test_solutions_at_the_ends_of_the_range_are_given(name, scale, size):
    x = numbers(run(name, scale * A0, size * B0, {}))[0]
    expected = np.linalg.solve(A0, B0) * (np.longdouble(size) / np.longdouble(scale))
    np.testing.assert_allclose(x, expected.astype(float), rtol=tolerance(name), atol=5e-324)


@pytest.mark.parametrize("name", WITH_B)
@pytest.mark.parametrize(("scale", "size"), [(1e300, 1e300), (1e-300, 1e-300), (4e307, 1e300), (DENORMAL, 1e-310)])
def test_lopsided_systems_of_any_scale(name, scale, size):
    check(name, scale * LOPSIDED, size * B0, Right(LOPSIDED, scale, size))


def test_the_report_is_in_the_units_of_the_caller():
    _, ordinary = tla.solve(A0, B0, rng=0, return_info=True)
    for scale, size in [(1e300, 1e300), (1e-290, 1e-300), (1e300, 1.0)]:
        x, info = tla.solve(scale * A0, size * B0, rng=0, return_info=True)
        assert info.success
        assert info.residual_norm <= 1e-10 * size * np.linalg.norm(B0)
        assert np.all(info.standard_error < 1e-8 * abs(x))
        assert np.all(info.standard_error > 0)
    _, loose = tla.solve(1e300 * A0, 1e300 * B0, rtol=0, atol=1e299, rng=0, return_info=True)
    assert loose.success
    assert loose.n_runs <= ordinary.n_runs
    x, raw = tla.solve(1e300 * A0, 1e300 * B0, refine=False, rtol=1e-3, rng=0, return_info=True)
    assert np.all(abs(x - np.linalg.solve(A0, B0)) < 6 * raw.standard_error)
    assert 0 < raw.residual_norm < 1e299


# -- options --------------------------------------------------------------------------------------------------------

LARGE = [1.0, 1.5, 1e300]
"""With these x = 0 would do."""

OPTIONS: list[tuple[str, Any, Refused]] = [
    *(("rtol", value, Refused(ValueError, "^rtol must be below 1")) for value in LARGE),
    ("rtol", np.inf, Refused(ValueError, "^rtol")),
    ("tol", 1.0, Refused(ValueError, "must be below 1")),
    ("tol", -1e-3, Refused(ValueError, "^tol")),
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
    for name in sorted(FUNCTIONS)
    if option in parameters(name)
    if option not in FUNCTIONS[name].options or FUNCTIONS[name].name in ("solve", "inv")
    if not (name == "langevin" and option == "rtol" and value in [*LARGE, np.inf])  # cg's contract
    if not (name == "pinv" and option == "rtol" and value in LARGE)  # a cutoff, as in SciPy, and no tolerance
]


@pytest.mark.parametrize(
    ("option", "value", "refused", "name"), ASKED, ids=[f"{option}={value}-{name}" for option, value, _, name in ASKED]
)
def test_options(option, value, refused, name):
    check(name, A0, B0, refused, {option: value})


def test_unknown_options_are_refused():
    for name in FUNCTIONS:
        with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
            run(name, A0, B0, {"speed": 3})


def test_the_tables_are_long_enough():
    assert len(MATRICES) + len(RIGHT_HAND_SIDES) + len(OPTIONS) >= 40
