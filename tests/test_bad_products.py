"""Maps that are not what they say, and matrices beyond any index: refused in a sentence that names what is wrong."""

import numpy as np
import pytest
import scipy.sparse
from helpers import spd
from public import FUNCTIONS, run
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
    "infinity": (lambda y: y * np.inf, ValueError, "NaN or infinity"),
    "rounded": (lambda y: np.round(30 * y), ValueError, "is not linear"),
}
TAKE_MAPS = sorted(set(FUNCTIONS) - {"expm", "expm_multiply", "solve_continuous_lyapunov"})


@pytest.mark.parametrize("d", A)
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", TAKE_MAPS)
def test_products_that_are_none(name, wrong, d):
    change, kind, message = WRONG[wrong]
    product = LinearOperator((d, d), matvec=lambda x: change(A[d] @ x), dtype=float)
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
