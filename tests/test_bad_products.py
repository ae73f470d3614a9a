"""Maps that are not what they say, and matrices beyond any index: refused in a sentence that names what is wrong."""

import numpy as np
import pytest
import scipy.sparse
from cases import grid
from helpers import spd
from public import FUNCTIONS, numbers, run
from scipy.sparse.linalg import LinearOperator

A = {d: spd(d) for d in (5, 150)}

WRONG = {
    "too short": (lambda y: y[:3], ValueError, "matvec of a map of shape .* must make"),
    "too long": (lambda y: np.concatenate([y, y]), ValueError, "matvec of a map of shape .* must make"),
    "a number": (lambda y: y[0], ValueError, "matvec of a map of shape .* must make"),
    "nothing": (lambda y: None, (ValueError, TypeError), "matvec of a map|must be numbers"),
    "text": (lambda y: y.astype(str), TypeError, "must be numbers"),
    "objects": (lambda y: y.astype(object), TypeError, "must be numbers, not object"),
    "NaN": (lambda y: y * np.nan, ValueError, "NaN or infinity"),
    "infinity": (lambda y: y + np.inf, ValueError, "NaN or infinity"),
    "complex": (lambda y: 1j * y, TypeError, "must be real"),
    "rounded": (lambda y: np.round(30 * y), ValueError, "is not linear"),
}
TAKE_MAPS = sorted(set(FUNCTIONS) - {"expm", "solve_continuous_lyapunov"})


@pytest.mark.parametrize("d", A)
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", TAKE_MAPS)
def test_products_that_are_none(name, wrong, d):
    change, kind, message = WRONG[wrong]
    if (name, wrong) == ("expm_multiply", "rounded"):
        pytest.skip("not probed")

    def matvec(x):
        return change(A[d] @ x)

    product = LinearOperator((d, d), matvec=matvec, rmatvec=matvec, dtype=float)
    with pytest.raises(kind, match=message):
        run(name, product, np.ones(d))


def test_errors_of_the_users_own_are_kept():
    def matvec(x):
        raise ZeroDivisionError("a division of mine")

    with pytest.raises(ZeroDivisionError, match="of mine"):
        run("solve", LinearOperator((5, 5), matvec=matvec, dtype=float), np.ones(5))


HUGE = {
    "a map": lambda: LinearOperator((2**31, 2**31), matvec=lambda x: x, rmatvec=lambda x: x, dtype=float),
    "a wide map": lambda: LinearOperator((2, 2**40), matvec=lambda x: x[:2], dtype=float),
    "a sparse array": lambda: scipy.sparse.coo_array(([1.0], ([0], [0])), shape=(2**40, 2**40)),
}


@pytest.mark.parametrize("form", HUGE)
@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"expm", "solve_continuous_lyapunov"}))
def test_more_rows_than_indices_count(name, form):
    with pytest.raises(ValueError, match="not counted by the 32-bit indices"):
        run(name, HUGE[form](), np.ones(3))


@pytest.mark.parametrize("d", [150, 2000])
@pytest.mark.parametrize("name", sorted(set(TAKE_MAPS) - {"explain", "plan"}))
def test_products_that_go_wrong_on_the_way(name, d):
    taken = []

    def matvec(x):
        taken.append(1)
        return np.full(d, np.nan) if len(taken) > 12 else (4 + np.arange(d) / d) * x

    product = LinearOperator((d, d), matvec=matvec, rmatvec=matvec, dtype=float)
    with pytest.raises(ValueError, match="give NaN or infinity"):
        run(name, product, np.ones(d))


PRECONDITIONERS = {
    "negative": (lambda x: -x, ValueError, "M is not positive definite"),
    "zero": (lambda x: 0 * x, ValueError, "M is not positive definite"),
    "NaN": (lambda x: x * np.nan, ValueError, "products with M give NaN or infinity"),
    "complex": (lambda x: 1j * x, TypeError, "must be real"),
    "too short": (lambda x: x[:-1], ValueError, "must make 150 numbers of 150"),
}


@pytest.mark.parametrize("wrong", PRECONDITIONERS)
@pytest.mark.parametrize("name", ["solve", "langevin"])
def test_preconditioners_that_are_none(name, wrong):
    matvec, kind, message = PRECONDITIONERS[wrong]
    M = LinearOperator((150, 150), matvec=matvec, rmatvec=matvec, dtype=float)
    with pytest.raises(kind, match=message):
        run(name, A[150], np.ones(150), {"M": M})


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["solve", "langevin", "lstsq", "inv_diagonal", "slogdet", "logabsdet", "sample", "expm_multiply"]
)
@pytest.mark.parametrize("side", [9, 66])
def test_indices_of_64_bits_are_those_of_32(name, side):
    narrow = grid(side, 1.0)
    wide = scipy.sparse.csr_array(
        (narrow.data, narrow.indices.astype(np.int64), narrow.indptr.astype(np.int64)), narrow.shape
    )
    assert wide.indices.dtype == np.int64
    options = {"rtol": 0.3} if name in ("inv_diagonal", "expm_multiply") else {"atol": 3.0} if "det" in name else {}
    found, expected = (numbers(run(name, a, np.ones(side**2), options)) for a in (wide, narrow))
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)
    assert wide.indices.dtype == np.int64
